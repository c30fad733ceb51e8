"""Browsers that are told as well: who may sign one up, where it may be, and who takes it away again."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient

from connector.accounts.tables import Connection
from connector.registry import Environment, manifest
from connector.shoppers import clicks, episodes, erase, links
from connector.shoppers.devices import MOST_DEVICES, Browser, add_device, end_device
from connector.shoppers.unsubscribe import find_person, leave_all, own_subscriptions
from connector.web.push_pages import CONSENT_VERSION, SCRIPT, push_pages
from connector.web.sign_up_limits import SignUpLimits
from connector.web.storefront import storefront
from tests.shoppers.world import World, _add

_POINT = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
)
P256DH = base64.urlsafe_b64encode(_POINT).decode().rstrip("=")
AUTH = base64.urlsafe_b64encode(b"0123456789abcdef").decode().rstrip("=")
ENDPOINT = "https://fcm.googleapis.com/fcm/send/abc"


def browser(endpoint: str = ENDPOINT, p256dh: str = P256DH, auth: str = AUTH) -> Browser:
    return Browser(endpoint, p256dh, auth)


@pytest.fixture
def push(world: World) -> World:
    """Ann waits for the mug (subscription 1), and the shop sends notifications."""
    found = manifest("channels", "web_push")
    assert found.new_secrets is not None
    channel = found.build({"contact": "shop@example.com"}, found.new_secrets(), Environment())
    with world.engine.begin() as db:
        way = _add(
            db,
            Connection,
            merchant_id=world.merchant_id,
            kind="channel",
            adapter="web_push",
            name="Push",
            config={},
            public_key="pk-push",
            created_at=world.now(),
        )
    mail = world.mail
    world.channel = lambda merchant_id, connection_id: channel if connection_id == way else mail  # type: ignore[method-assign]
    world.waiting("ann@example.com")
    return world


def add(world: World, given: Browser, merchant_id: int = 0) -> str:
    return add_device(world, merchant_id or world.merchant_id, first(world), given, "May show.", "v1")


def first(world: World) -> int:
    return int(world.row("select min(id) as id from subscription").id)


def test_a_device_waits_for_the_same_thing_without_being_confirmed(push: World) -> None:
    assert [add(push, browser()), add(push, browser())] == ["on", "on"]
    row = push.row("select * from subscription where channel = 'push'")
    mail = push.row("select * from subscription where channel = 'email'")
    assert (row.status, row.variant_id, row.address, row.consent_text) == (
        "waiting",
        mail.variant_id,
        ENDPOINT,
        "May show.",
    )
    assert row.push_keys == {"p256dh": P256DH, "auth": AUTH, "of": mail.id}
    assert mail.push_keys == {"devices": [row.id]}


@pytest.mark.parametrize(
    "given",
    [
        browser("https://push.example.com/abc"),
        browser("http://fcm.googleapis.com/abc"),
        browser("https://127.0.0.1/abc"),
        browser("https://fcm.googleapis.com.example.com/abc"),
        browser("no address"),
        browser(p256dh="AAAA"),
        browser(auth=""),
    ],
    ids=["unknown host", "no TLS", "private", "looks alike", "none", "no key", "no secret"],
)
def test_what_no_browser_made_is_refused(push: World, given: Browser) -> None:
    assert add(push, given) == "refused"
    assert push.statuses() == ["waiting"]


def test_five_devices_are_enough(push: World) -> None:
    told = [add(push, browser(f"{ENDPOINT}{number}")) for number in range(MOST_DEVICES + 1)]
    assert told == ["on"] * MOST_DEVICES + ["too_many"]


@pytest.mark.parametrize("status", ["unconfirmed", "fulfilled", "ended"])
def test_only_somebody_who_waits_may_add_one(push: World, status: str) -> None:
    with push.engine.begin() as db:
        db.execute(sa.text("update subscription set status = :s"), {"s": status})
    assert add(push, browser()) == "gone"


def test_nobody_adds_one_to_another_merchant_s_list(push: World) -> None:
    assert add(push, browser(), push.merchant_id + 1) == "gone"


def test_a_device_is_ended_from_its_own_page_only(push: World) -> None:
    add(push, browser())
    (other,) = push.waiting("bob@example.com")
    assert not end_device(push, push.merchant_id, other, ENDPOINT)
    assert end_device(push, push.merchant_id, first(push), ENDPOINT)
    assert push.row("select status from subscription where channel = 'push'").status == "ended"


def test_whoever_leaves_or_is_erased_takes_the_devices_along(push: World) -> None:
    add(push, browser())
    with push.engine.connect() as db:
        person = find_person(db, push.merchant_id, first(push))
        assert person is not None
        assert [one.is_device for one in own_subscriptions(db, person)] == [True, False]
    assert leave_all(push, person) == 2
    with push.engine.begin() as db:
        assert erase.erase_key(db, push.merchant_id, "ann@example.com", push.now()) == 2
    kept = push.rows("select address, address_key, push_keys from subscription")
    assert [tuple(row) for row in kept] == [("", "", {}), ("", "", {})]


def look(world: World, available: int) -> list[tuple[str, str]]:
    """Stock is back: the channel and status of every alert that was written."""
    world.set_stock(available)
    episodes.look(world, world.merchant_id, world.variant_id)
    rows = world.rows("select channel, status from message where kind = 'back_in_stock' order by id")
    return [(row.channel, row.status) for row in rows]


def test_a_person_and_their_device_are_told_together_and_count_once(push: World) -> None:
    assert [add(push, browser()), add(push, browser(f"{ENDPOINT}2"))] == ["on", "on"]
    push.waiting(*(f"p{n}@example.com" for n in range(5)))
    # Five units' worth of chances (0.2 each) for one free unit: Ann and four more.
    told = look(push, 1)
    assert (
        told == [("email", "waiting"), ("push", "waiting"), ("push", "waiting")] + [("email", "waiting")] * 4
    )
    assert push.row("select count(*) as n from invitation").n == 5
    (at,) = push.rows("select id from message where channel = 'push' order by id limit 1")
    with push.engine.begin() as db:
        found = clicks.follow(db, push.merchant_id, at.id, push.now())
    assert found is not None
    hers = push.row("select * from invitation order by id limit 1")
    assert (found.invitation_id, hers.clicked_at) == (hers.id, push.now())


def test_when_an_address_is_forgotten_its_devices_are_ended(push: World) -> None:
    assert add(push, browser()) == "on"
    with push.engine.begin() as db:
        db.execute(sa.text("update subscription set status = 'fulfilled' where channel = 'email'"))
        later = push.now() + timedelta(days=500)
        assert erase.expire_closed(db, push.merchant_id, later) == 1
    device = push.row("select * from subscription where channel = 'push'")
    assert (device.status, device.ended_by, device.address, device.push_keys) == ("ended", "erased", "", {})


def test_a_device_whose_owner_was_told_has_a_place_of_its_own(push: World) -> None:
    assert add(push, browser()) == "on"
    with push.engine.begin() as db:
        db.execute(sa.text("update subscription set status = 'fulfilled' where channel = 'email'"))
    assert look(push, 1) == [("push", "waiting")]
    assert push.row("select count(*) as n from invitation").n == 1


def test_another_person_s_device_stays(push: World) -> None:
    add(push, browser())
    push.waiting("bob@example.com")
    with push.engine.begin() as db:
        assert erase.erase_key(db, push.merchant_id, "bob@example.com", push.now()) == 1
    assert push.row("select status from subscription where channel = 'push'").status == "waiting"


# --- The pages ------------------------------------------------------------------------------------------


@pytest.fixture
def client(push: World) -> FlaskClient:
    app = Flask("dispo-push", static_folder=None)
    app.register_blueprint(push_pages(push))
    app.register_blueprint(storefront(push, SignUpLimits("memory://", push.keyring)))
    return app.test_client()


def page(world: World) -> str:
    made = links.link(world.keyring, world.base_url, "push", world.merchant_id, first(world), "en")
    return made.removeprefix(world.base_url)


def test_the_confirmed_page_offers_it_where_push_is_set_up(client: FlaskClient, push: World) -> None:
    confirm = links.link(push.keyring, "", "confirm", push.merchant_id, first(push), "en")
    assert 'href="https://dispo.test/push/' in client.get(confirm).text
    with push.engine.begin() as db:
        db.execute(sa.text("update connection set status = 'paused' where kind = 'channel'"))
    assert "/push/" not in client.get(confirm).text
    assert client.get(page(push)).status_code == 410


def test_the_page_runs_its_own_script_and_no_other(client: FlaskClient, push: World) -> None:
    answer = client.get(page(push))
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = answer.headers["Content-Security-Policy"]
    assert f"script-src 'sha256-{digest}'" in policy
    assert f"<script>{SCRIPT}</script>" in answer.text
    assert f'data-consent="{CONSENT_VERSION}"' in answer.text
    assert "Kiln &amp; Co may show a notification on this device" in answer.text
    with push.engine.begin() as db:
        db.execute(sa.text("update subscription set locale = 'fr'"))
    assert '<html lang="fr">' in client.get(page(push)).text


def test_the_worker_comes_from_our_origin_and_is_asked_for_each_time(client: FlaskClient) -> None:
    answer = client.get("/push/sw.js")
    assert (answer.status_code, answer.content_type) == (200, "text/javascript; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-cache"


def post(client: FlaskClient, world: World, **changes: Any) -> tuple[int, str]:
    given = {"endpoint": ENDPOINT, "p256dh": P256DH, "auth": AUTH, "consent": CONSENT_VERSION, **changes}
    answer = client.post(page(world), json=given)
    told: dict[str, str] = answer.get_json()
    return answer.status_code, told["status"]


def test_a_browser_is_signed_up_and_ended(client: FlaskClient, push: World) -> None:
    assert post(client, push) == (200, "on")
    row = push.row("select consent_text, consent_version from subscription where channel = 'push'")
    assert tuple(row) == (
        "Kiln & Co may show a notification on this device when this item is available again. I can end this at any"
        " time.",
        CONSENT_VERSION,
    )
    assert post(client, push, end=True) == (200, "off")
    assert push.statuses() == ["waiting", "ended"]


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"consent": ""}, (422, "no_consent")),
        ({"endpoint": "https://127.0.0.1/x"}, (422, "refused")),
        ({"endpoint": ""}, (422, "refused")),
        ({"p256dh": ["x"]}, (400, "bad_request")),
        ({"auth": "\0"}, (400, "bad_request")),
    ],
)
def test_what_cannot_be_signed_up_says_why(
    client: FlaskClient, push: World, changes: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert post(client, push, **changes) == answer
    assert push.statuses() == ["waiting"]


def test_a_damaged_link_changes_nothing(client: FlaskClient, push: World) -> None:
    answer = client.post("/push/damaged", json={"endpoint": ENDPOINT, "consent": CONSENT_VERSION})
    assert (answer.status_code, push.statuses()) == (404, ["waiting"])


def test_what_is_no_json_is_refused(client: FlaskClient, push: World) -> None:
    """A form on another site cannot post it."""
    assert client.post(page(push), data={"endpoint": ENDPOINT}).status_code == 400
