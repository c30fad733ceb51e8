"""The RQ queues: doorbells only. What is to be done stands in the database; losing Redis loses nothing.

Each queue has worker processes of its own (a worker that listens to two queues lost jobs under kill -9).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from connector.bootstrap import TOPICS

QUEUES = ("push", "notify", "ads", "intake")

QUEUE_OF_TOPIC: Mapping[str, str] = {
    topic: {
        "store": "push",
        "shoppers": "notify",
        "message": "notify",
        "ads": "ads",
        "installs": "notify",
        "supplier": "intake",
    }[topic.split(".")[0]]
    for topic in TOPICS
}


class Kind(NamedTuple):
    """How a kind of schedule row is worked: on which queue, and the longest one run may take, in seconds. A
    run that hangs is given out again after that; one whose worker was killed when its heartbeat is missed."""

    queue: str
    longest_s: int


KINDS: Mapping[str, Kind] = {
    "supplier.sync": Kind("intake", 1800),
    "supplier.upload": Kind("intake", 1800),
    "store.catalog": Kind("intake", 900),
    "store.full": Kind("intake", 3600),
    "store.orders": Kind("push", 300),
    "store.incoming": Kind("intake", 300),
    "store.webhooks": Kind("intake", 300),
    "store.places": Kind("push", 60),
    "store.notes": Kind("push", 900),
    "store.prices": Kind("push", 60),
    "positions.prices": Kind("intake", 60),
    "store.plan": Kind("intake", 300),
    "positions.all": Kind("intake", 1800),
    "positions.recheck": Kind("intake", 300),
    "ads.read": Kind("ads", 900),
    "search.look": Kind("intake", 900),
    "handover.finish": Kind("intake", 300),
    "shoppers.upkeep": Kind("notify", 300),
    "channel.reports": Kind("notify", 600),
    "orders.at_risk": Kind("notify", 300),
    "upkeep": Kind("intake", 1800),
}
"""The kinds of schedule rows (`connector.accounts.schedule`)."""

# A ring that nobody answered is repeated after this long (Redis was emptied, the worker was killed).
RING_LASTS_S = 15
# So many bells in one queue are loud enough: while its workers are away the rest waits in the database,
# where it keeps its turn, and Redis does not fill up.
MOST_RINGS = 1000
# A turn of the outbox ends itself long before; only a call that hangs for ever meets this.
TURN_TIMEOUT_S = 600
# A job is stopped this long before its heartbeat ends, so that two never do the same.
MARGIN_S = 15


def queue(name: str, redis: Redis) -> Queue:
    """The queue of that name; its jobs are JSON, never pickle."""
    return Queue(name, connection=redis, serializer=JSONSerializer, default_timeout=TURN_TIMEOUT_S)


def ring(
    redis: Redis, queue_name: str, key: str, job: str, *args: object, timeout_s: int = TURN_TIMEOUT_S
) -> bool:
    """Enqueue a job unless the same ring is still unanswered or the queue is full of them. Returns
    whether it was enqueued."""
    bells = queue(queue_name, redis)
    if bells.count >= MOST_RINGS or not redis.set(ring_key(key), b"1", nx=True, ex=RING_LASTS_S):
        return False
    bells.enqueue(f"workers.jobs.{job}", *args, key, job_timeout=timeout_s, result_ttl=0, failure_ttl=3600)
    return True


def ring_key(key: str) -> str:
    """The Redis key that marks an unanswered ring."""
    return f"dispo:ring:{key}"
