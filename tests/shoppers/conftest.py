from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.shoppers.world import World
from tests.support import ManualClock


@pytest.fixture
def world(engine: sa.Engine, clock: ManualClock) -> World:
    """A shop that is sold out of its one mug."""
    return World(engine, clock).seed()
