"""Is it alive, is it ready, how is it doing: for load balancers and monitoring, not for people."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from flask import Blueprint, Response, abort, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from redis import Redis
from redis.exceptions import RedisError

from connector.bootstrap import Runtime
from connector.web.auth import is_loopback

TOKEN_PURPOSE = "metrics"  # noqa: S105 - what a token is for, not a token


def metrics_token(rt: Runtime) -> str:
    """The bearer token that reads /metrics from elsewhere; derived from the newest secret key."""
    return rt.keyring.digests(TOKEN_PURPOSE, "read")[0]


def checks(rt: Runtime) -> Blueprint:
    """/healthz, /readyz and /metrics."""
    routes = Blueprint("health", __name__)
    # Not the workers' client: that one waits long for a Redis that is away.
    redis = (
        Redis.from_url(rt.settings.redis_url, socket_connect_timeout=0.5, socket_timeout=0.5)
        if rt.settings.redis_url
        else None
    )

    @routes.get("/healthz")
    def alive() -> Response:
        return Response("ok\n", content_type="text/plain; charset=utf-8")

    @routes.get("/readyz")
    def ready() -> Response:
        state = {"database": _database(rt), "redis": _redis(redis)}
        # Redis rings bells only: without it everything is later, nothing is wrong.
        status = 200 if state["database"] == "ok" else 503
        return Response(json.dumps(state) + "\n", status, content_type="application/json")

    @routes.get("/metrics")
    def metrics() -> Response:
        given = request.headers.get("Authorization", "")
        if not is_loopback() and not hmac.compare_digest(
            given.encode("utf-8", "replace"), f"Bearer {metrics_token(rt)}".encode()
        ):
            abort(404)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Facts(rt))
        return Response(generate_latest(registry), content_type="text/plain; version=0.0.4; charset=utf-8")

    return routes


def _database(rt: Runtime) -> str:
    try:
        with rt.engine.connect() as db:
            found = set(db.execute(sa.text("select version_num from alembic_version")).scalars())
    except sa.exc.ProgrammingError:
        return "no tables yet: run dispo migrate"
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError):
        return "away"
    # A newer database is fine: releases run beside each other while one replaces the other.
    known, newest = _revisions()
    if newest in found or not found <= known:
        return "ok"
    return "older than this release: run dispo migrate"


@cache
def _revisions() -> tuple[frozenset[str], str]:
    """Every revision this release knows, and its newest."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    return frozenset(one.revision for one in scripts.walk_revisions()), scripts.get_current_head() or ""


def _redis(redis: Redis | None) -> str:
    try:
        if redis is not None:
            redis.ping()
    except RedisError:
        return "away (work is found later)"
    return "ok"


class Facts:
    """The numbers of the whole installation, read from the database when asked for."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt

    def collect(self) -> Iterator[Metric]:
        with self._rt.engine.connect() as db:
            pending = GaugeMetricFamily(
                "dispo_outbox_pending", "Intents that wait, by topic.", labels=["topic"]
            )
            oldest = GaugeMetricFamily(
                "dispo_outbox_oldest_seconds", "Age of the oldest due intent, by topic.", labels=["topic"]
            )
            for row in db.execute(_PENDING):
                pending.add_metric([row.topic], row.many)
                oldest.add_metric([row.topic], row.age_s)
            yield pending
            yield oldest
            for name, text, label, statement in _BY_LABEL:
                family = GaugeMetricFamily(name, text, labels=[label])
                for row in db.execute(statement):
                    family.add_metric([row.label], row.many)
                yield family
            for name, text, statement in _SINGLE:
                yield GaugeMetricFamily(name, text, value=float(db.execute(statement).scalar_one()))


_PENDING = sa.text("""
    select topic, count(*) as many,
           greatest(coalesce(extract(epoch from now() - min(due_at)), 0), 0)::float8 as age_s
      from outbox_message where status = 'pending' group by topic order by topic
""")
_BY_LABEL = (
    (
        "dispo_runs_day",
        "Runs begun in the last 24 hours, by status.",
        "status",
        sa.text(
            "select status as label, count(*) as many from run"
            " where started_at > now() - interval '1 day' group by status order by status"
        ),
    ),
    (
        "dispo_messages_day",
        "Messages to shoppers made in the last 24 hours, by status.",
        "status",
        sa.text(
            "select status as label, count(*) as many from message"
            " where created_at > now() - interval '1 day' group by status order by status"
        ),
    ),
    (
        "dispo_connections",
        "Connections, by status.",
        "status",
        sa.text("select status as label, count(*) as many from connection group by status order by status"),
    ),
)
_SINGLE = (
    (
        "dispo_attempts_unknown",
        "Requests to platforms whose outcome nobody knows yet.",
        sa.text("select count(*) from delivery_attempt where status = 'unknown'"),
    ),
    (
        "dispo_webhooks_open",
        "Webhooks that were recorded and not worked yet.",
        sa.text("select count(*) from webhook_receipt where worked_at is null"),
    ),
    (
        "dispo_schedule_late_seconds",
        "How late the most overdue scheduled work is.",
        sa.text("""
            select greatest(coalesce(extract(epoch from
                     now() - min(coalesce(lease_until, least(next_run_at, rerun_at)))), 0), 0)::float8
              from schedule
        """),
    ),
)
