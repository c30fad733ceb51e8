"""dispo privacy: what is open, the data to hand over, and its end."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from connector.accounts import privacy
from connector.crypto import Keyring
from connector.ports.installs import PrivacyRequest
from connector.settings import Settings
from tests.cli.conftest import Dispo

ADA = "ada@example.com"
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.fixture
def request_id(engine: sa.Engine, settings: Settings, merchant: int) -> int:
    """A data request that waits for the merchant, about somebody who waits for one item."""
    with engine.begin() as db:
        noted = privacy.note(
            db,
            Keyring(settings.secret_keys),
            merchant,
            1,
            "d-1",
            PrivacyRequest("export", (ADA,), "9999"),
            AT,
        )
        assert noted is not None
        db.execute(
            sa.text("""
                insert into subscription (merchant_id, variant_id, connection_id, address, address_key, status,
                                          created_at)
                values (:m, 1, 1, :a, :a, 'waiting', :at)
            """),
            {"m": merchant, "a": ADA, "at": AT},
        )
        privacy.ready(db, merchant, noted[0], "1 subscriptions are kept.")
    return noted[0]


def test_open_requests_are_listed_with_their_day(dispo: Dispo, merchant: int, request_id: int) -> None:
    ran = dispo("privacy", "list")
    assert (ran.code, "2026-12-22" in ran.out, "9999" in ran.out, ADA in ran.out) == (0, True, True, False)


def test_the_data_is_exported_and_the_request_ends(dispo: Dispo, merchant: int, request_id: int) -> None:
    kept = json.loads(dispo("privacy", "export", str(request_id)).out)
    assert [one["address"] for one in kept["subscriptions"]] == [ADA]
    assert dispo("privacy", "done", str(request_id)).code == 0
    assert dispo("privacy", "list").out.strip() == "No request is open."
    again = dispo("privacy", "export", str(request_id))
    assert (again.code, "it is done" in again.err) == (1, True)
    assert "The merchant handed the data over." in dispo("privacy", "list", "--all").out


def test_a_request_that_is_not_there_is_named(dispo: Dispo, merchant: int) -> None:
    ran = dispo("privacy", "done", "7")
    assert (ran.code, "There is no request 7." in ran.err) == (1, True)
