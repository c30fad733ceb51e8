"""The RQ queues: doorbells only. What is to be done stands in the database; losing Redis loses nothing.

Each queue has worker processes of its own (a worker that listens to two queues lost jobs under kill -9).
"""

from __future__ import annotations

from collections.abc import Mapping

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from connector.bootstrap import TOPICS

QUEUES = ("push", "notify", "ads", "intake")

QUEUE_OF_TOPIC: Mapping[str, str] = {
    topic: {"store": "push", "shoppers": "notify", "message": "notify", "ads": "ads"}[topic.split(".")[0]]
    for topic in TOPICS
}
QUEUE_OF_KIND: Mapping[str, str] = {
    "supplier.sync": "intake",
    "store.catalog": "intake",
    "store.full": "intake",
    "store.orders": "push",
    "store.webhooks": "intake",
    "positions.all": "intake",
    "positions.recheck": "intake",
    "ads.read": "ads",
    "shoppers.upkeep": "notify",
    "upkeep": "intake",
}
"""Which queue works a kind of schedule row (`connector.accounts.schedule`)."""

# A ring that nobody answered is repeated after this long (Redis was emptied, the worker was killed).
RING_LASTS_S = 15
JOB_TIMEOUT_S = 1800


def queue(name: str, redis: Redis) -> Queue:
    """The queue of that name; its jobs are JSON, never pickle."""
    return Queue(name, connection=redis, serializer=JSONSerializer, default_timeout=JOB_TIMEOUT_S)


def ring(redis: Redis, queue_name: str, key: str, job: str, *args: object) -> bool:
    """Enqueue a job unless the same ring is still unanswered. Returns whether it was enqueued."""
    if not redis.set(ring_key(key), b"1", nx=True, ex=RING_LASTS_S):
        return False
    queue(queue_name, redis).enqueue(f"workers.jobs.{job}", *args, key, result_ttl=0, failure_ttl=3600)
    return True


def ring_key(key: str) -> str:
    """The Redis key that marks an unanswered ring."""
    return f"dispo:ring:{key}"
