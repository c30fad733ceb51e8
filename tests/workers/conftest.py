"""Fixtures of the tests of clock and workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from connector import bootstrap
from connector.bootstrap import Runtime
from connector.outbox.work import Topic
from connector.positions.topics import ADS
from connector.settings import Settings
from tests.builders import World
from tests.workers.scene import Noted
from workers import jobs, runtime
from workers.runtime import use


@pytest.fixture
def rt(
    engine: sa.Engine, settings: Settings, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Runtime]:
    """A runtime that the jobs of this process use. `redis` empties it afterwards."""
    found = Runtime(settings)
    found.__dict__["engine"] = engine
    monkeypatch.setattr(runtime, "_runtime", None)
    use(found)
    yield found
    found.redis.close()


@pytest.fixture
def world(rt: Runtime) -> World:
    return World(rt.engine)


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Noted:
    """The topic `ads.position` and the kind "positions.recheck" are noted instead of done."""
    found = Noted()
    monkeypatch.setitem(bootstrap.TOPICS, ADS, Topic(ADS, found.handle, 100, 240))
    monkeypatch.setitem(jobs.DO, "positions.recheck", found.run)
    return found
