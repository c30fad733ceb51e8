"""Who may sign in, and how secrets are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from werkzeug.security import check_password_hash

from connector.accounts import audit, connections, merchants
from connector.accounts.connections import add_connection, by_public_key, connection, reseal
from connector.accounts.merchants import AccountError, add_merchant, add_user, set_password, sign_in
from connector.crypto import Keyring, SealBroken
from connector.db import transaction
from connector.ports.errors import Misconfigured, NotFound
from tests.builders import NOW

PASSWORD = "correct horse battery"
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def merchant(engine: sa.Engine) -> int:
    with transaction(engine) as db:
        return add_merchant(db, name="Vase & Co", email="ann@shop.example", password=PASSWORD, now=NOW)


def attempt(engine: sa.Engine, email: str, password: str) -> Any:
    with engine.connect() as db:
        return sign_in(db, email, password)


# --- Signing in -------------------------------------------------------------------------------------


def test_the_right_password_signs_in_however_the_address_is_written(engine: sa.Engine, merchant: int) -> None:
    found = attempt(engine, "  Ann@Shop.Example ", PASSWORD)
    assert (found.merchant_id, found.email, found.locale, found.session_version) == (
        merchant,
        "ann@shop.example",
        "en",
        1,
    )


@pytest.mark.parametrize(
    ("email", "password"),
    [
        pytest.param("ann@shop.example", "correct horse batterz", id="wrong password"),
        pytest.param("ann@shop.example", "", id="no password"),
        pytest.param("bob@shop.example", PASSWORD, id="unknown address"),
        pytest.param("not an address", PASSWORD, id="no address"),
        pytest.param("", "no such user", id="the password that nobody has"),
    ],
)
def test_anything_else_does_not(engine: sa.Engine, merchant: int, email: str, password: str) -> None:
    assert attempt(engine, email, password) is None


def test_an_unknown_address_costs_a_password_check_too(
    engine: sa.Engine, merchant: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def noting(stored: str, password: str) -> bool:
        checked.append(stored.partition("$")[0])
        return check_password_hash(stored, password)

    monkeypatch.setattr(merchants, "check_password_hash", noting)
    for email in ("ann@shop.example", "bob@shop.example", "not an address"):
        attempt(engine, email, "wrong password")
    assert (len(checked), len(set(checked))) == (3, 1)


def test_a_new_password_ends_older_sessions(engine: sa.Engine, merchant: int) -> None:
    before = attempt(engine, "ann@shop.example", PASSWORD)
    with transaction(engine) as db:
        set_password(db, "ANN@shop.example", "another long one")
    assert attempt(engine, "ann@shop.example", PASSWORD) is None
    after = attempt(engine, "ann@shop.example", "another long one")
    assert replace(before, session_version=2) == after


def test_a_password_is_stored_as_a_slow_hash(engine: sa.Engine, merchant: int) -> None:
    with engine.connect() as db:
        stored = db.execute(sa.text("select password_hash from app_user")).scalar_one()
    assert (stored.partition(":")[0], PASSWORD in stored) == ("scrypt", False)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        pytest.param({"name": "  "}, "needs a name", id="no name"),
        pytest.param({"email": "ann"}, "not an e-mail address", id="no address"),
        pytest.param({"email": "ANN@shop.example"}, "an account with this address", id="address taken"),
        pytest.param({"password": "short"}, "at least 10 characters", id="short password"),
        pytest.param({"timezone": "Paris"}, "Europe/Paris", id="no time zone"),
        pytest.param({"locale": "de"}, "Use en or fr", id="no language"),
        pytest.param({"currency": "Euro"}, "three letters", id="no currency"),
    ],
)
def test_what_cannot_be_is_refused_with_words_and_leaves_nothing(
    engine: sa.Engine, merchant: int, fields: dict[str, str], says: str
) -> None:
    given: Any = {"name": "Other", "email": "eve@other.example", "password": PASSWORD, "now": NOW, **fields}
    with pytest.raises(AccountError, match=says), transaction(engine) as db:
        add_merchant(db, **given)
    with engine.connect() as db:
        assert db.execute(sa.text("select count(*) from merchant")).scalar_one() == 1
        assert db.execute(sa.text("select count(*) from app_user")).scalar_one() == 1


def test_a_password_is_set_only_for_an_account_that_exists(engine: sa.Engine, merchant: int) -> None:
    with pytest.raises(AccountError, match="no account"), transaction(engine) as db:
        set_password(db, "bob@shop.example", PASSWORD)
    with pytest.raises(AccountError, match="at least"), transaction(engine) as db:
        set_password(db, "ann@shop.example", "short")
    assert attempt(engine, "ann@shop.example", PASSWORD).session_version == 1


def test_a_colleague_signs_in_for_the_same_merchant(engine: sa.Engine, merchant: int) -> None:
    with transaction(engine) as db:
        add_user(db, merchant, email="bob@shop.example", password="also a long one", now=NOW, locale="fr")
    found = attempt(engine, "bob@shop.example", "also a long one")
    assert (found.merchant_id, found.locale) == (merchant, "fr")


# --- Connections and their secrets ------------------------------------------------------------------


def connect(engine: sa.Engine, merchant_id: int, keyring: Keyring, **fields: Any) -> int:
    given: dict[str, Any] = {
        "kind": "store",
        "adapter": "woocommerce",
        "name": "Shop",
        "config": {"url": "https://shop.example"},
        "secrets": {"consumer_key": "ck_1", "consumer_secret": "cs_1"},
        "now": NOW,
        **fields,
    }
    with transaction(engine) as db:
        return add_connection(db, keyring, merchant_id, **given)


def opened(engine: sa.Engine, merchant_id: int, connection_id: int, keyring: Keyring) -> dict[str, str]:
    with engine.connect() as db:
        return keyring.unseal(connection(db, merchant_id, connection_id).sealed)


def test_secrets_are_sealed_and_nowhere_else(engine: sa.Engine, merchant: int) -> None:
    keyring = Keyring([OLD])
    store = connect(engine, merchant, keyring)
    secrets = opened(engine, merchant, store, keyring)
    assert (secrets["consumer_key"], secrets["consumer_secret"]) == ("ck_1", "cs_1")
    assert len(secrets["webhook_secret"]) >= 32
    with engine.connect() as db:
        row = db.execute(sa.text("select connection::text as all_of_it, sealed from connection")).one()
        assert ("cs_1" in row.all_of_it, b"cs_1" in bytes(row.sealed)) == (False, False)
        found = connection(db, merchant, store)
        assert (found.config, found.status, found.writing_approved_at) == (
            {"url": "https://shop.example"},
            "active",
            None,
        )
        assert by_public_key(db, found.public_key) == found
        assert by_public_key(db, "") is None


def test_a_required_field_that_is_missing_is_named(engine: sa.Engine, merchant: int) -> None:
    with pytest.raises(Misconfigured, match="Consumer secret") as caught:
        connect(engine, merchant, Keyring([OLD]), secrets={"consumer_key": "ck_1", "consumer_secret": ""})
    assert caught.value.field == "consumer_secret"
    with engine.connect() as db:
        assert connections.connections(db, merchant) == []


def test_a_stranger_neither_sees_nor_changes_a_connection(engine: sa.Engine, merchant: int) -> None:
    store = connect(engine, merchant, Keyring([OLD]))
    with transaction(engine) as db:
        stranger = add_merchant(db, name="Other", email="eve@other.example", password=PASSWORD, now=NOW)
    with transaction(engine) as db:
        connections.pause(db, stranger, store, "mine now")
        assert connections.connections(db, stranger) == []
        with pytest.raises(NotFound):
            connection(db, stranger, store)
        assert connection(db, merchant, store).status == "active"


def test_a_paused_connection_says_why_and_is_resumed(engine: sa.Engine, merchant: int) -> None:
    store = connect(engine, merchant, Keyring([OLD]))
    with transaction(engine) as db:
        connections.pause(db, merchant, store, "The key is refused. " + "x" * 600)
        connections.pause(db, merchant, store, "Later and less telling.")
        paused = connection(db, merchant, store)
        assert (paused.status, paused.status_reason[:19], len(paused.status_reason)) == (
            "paused",
            "The key is refused.",
            500,
        )
        connections.resume(db, merchant, store)
        assert connection(db, merchant, store).status_reason == ""
        db.execute(sa.text("update connection set status = 'ended'"))
        connections.resume(db, merchant, store)
        assert connection(db, merchant, store).status == "ended"


def test_after_a_rotation_the_old_key_is_no_longer_needed(engine: sa.Engine, merchant: int) -> None:
    stores = [connect(engine, merchant, Keyring([OLD])) for _ in range(3)]
    both = Keyring([NEW, OLD])
    with transaction(engine) as db:
        assert reseal(db, both) == 3
    for store in stores:
        assert opened(engine, merchant, store, Keyring([NEW]))["consumer_secret"] == "cs_1"
        with pytest.raises(SealBroken):
            opened(engine, merchant, store, Keyring([OLD]))


def test_a_rotation_without_the_old_key_changes_nothing(engine: sa.Engine, merchant: int) -> None:
    store = connect(engine, merchant, Keyring([OLD]))
    with pytest.raises(SealBroken), transaction(engine) as db:
        reseal(db, Keyring([NEW]))
    assert opened(engine, merchant, store, Keyring([OLD]))["consumer_key"] == "ck_1"


def test_the_audit_log_keeps_who_did_what(engine: sa.Engine, merchant: int) -> None:
    with transaction(engine) as db:
        audit.record(db, merchant, NOW, "ann@shop.example", "store.approve", "connection 3", {"count": 12})
        audit.record(db, merchant, NOW, "cli", "run.undo", "run 7")
    with engine.connect() as db:
        rows = db.execute(sa.text("select at, actor, action, subject, detail from audit_event order by id"))
        assert [tuple(row) for row in rows] == [
            (NOW, "ann@shop.example", "store.approve", "connection 3", {"count": 12}),
            (NOW, "cli", "run.undo", "run 7", {}),
        ]
