"""Starts one worker process for one queue, with the product imported before the first job."""

from __future__ import annotations

from rq import SimpleWorker
from rq.serializers import JSONSerializer

from connector.bootstrap import Runtime
from workers.queues import QUEUES, queue
from workers.runtime import use


def work(rt: Runtime, queue_name: str, *, burst: bool = False) -> None:
    """Work jobs of one queue until told to stop (or, with `burst`, until it is empty)."""
    if queue_name not in QUEUES:
        raise ValueError(f"There is no queue {queue_name!r}. Use one of: {', '.join(QUEUES)}.")
    use(rt)
    worker = SimpleWorker(
        [queue(queue_name, rt.redis)],
        connection=rt.redis,
        serializer=JSONSerializer,
        worker_ttl=60,
        maintenance_interval=30,
        job_monitoring_interval=5,
    )
    worker.work(burst=burst, logging_level="WARNING", with_scheduler=False)
