"""The storefront's public face: answers, pages, headers, languages, limits, and what is never logged."""

from __future__ import annotations

import base64
import gzip
import hashlib
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from connector.accounts.tables import Connection
from connector.crypto import Keyring
from connector.i18n import TEMPLATES
from connector.positions.shipping import checked, save_rule
from connector.shoppers import links, still
from connector.shoppers.interest import InterestCounter
from connector.shoppers.marks import marks
from connector.shoppers.offer import CONSENT_WITH_TEXTS, MARKETING_VERSION
from connector.shoppers.policy import ShopperPolicy, save_policy
from connector.shoppers.words import script_words
from connector.web.shopper_pages import is_web_address
from connector.web.sign_up_limits import SignUpLimits, network_of
from connector.web.storefront import CONSENT_VERSION, create_storefront
from tests.shoppers.test_alternatives import furnish
from tests.shoppers.world import FERNET, KEY, World
from tests.shoppers.world import _add as add
from tests.support import ManualClock

JSON = {"Accept": "application/json"}


@pytest.fixture
def world(engine: sa.Engine, clock: ManualClock) -> World:
    return World(engine, clock).seed()


@pytest.fixture
def client(world: World) -> Iterator[FlaskClient]:
    app = create_storefront(world, SignUpLimits("memory://", world.keyring))
    with app.test_client() as client:
        yield client


def post(client: FlaskClient, address: str = "ann@example.com", **fields: str) -> Any:
    headers = {"Accept": fields.pop("accept", "application/json")}
    form = {"id": "501", "email": address, "lang": "en", "consent": CONSENT_VERSION, "website": "", **fields}
    client_address = {"REMOTE_ADDR": "192.0.2.7"}
    return client.post(f"/s/{KEY}/subscribe", data=form, headers=headers, environ_overrides=client_address)


def mail_link(world: World, path: str) -> str:
    """The path of a link in the last message sent."""
    text = world.mail.sent[-1].text
    found = re.search(rf"https://dispo\.test(/{path}/\S+)", text)
    assert found is not None, text
    return found.group(1)


# --- Signing up ---------------------------------------------------------------------------------------


def test_a_sign_up_is_answered_with_what_happens_next(client: FlaskClient, world: World) -> None:
    answer = post(client)
    assert answer.status_code == 200
    assert answer.json == {
        "status": "check_mail",
        "message": "Almost done: we have sent you an e-mail. Please open it and confirm.",
    }
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    row = world.row("select consent_text, consent_version, locale, wanted_units from subscription")
    assert tuple(row) == (
        "Kiln & Co may e-mail me once when this item is available again. I can end this at any time.",
        CONSENT_VERSION,
        "en",
        1,
    )


def test_known_waiting_and_unknown_addresses_get_the_same_answer(client: FlaskClient, world: World) -> None:
    world.waiting("known@example.com")
    answers = [post(client, address).data for address in ("known@example.com", "new@example.com")]
    assert answers[0] == answers[1]


def test_a_bot_that_fills_the_hidden_field_gets_the_same_answer_and_no_row(
    client: FlaskClient, world: World
) -> None:
    answer = post(client, website="https://spam.example")
    assert answer.json["status"] == "check_mail"
    assert world.statuses() == []


def test_json_is_understood_too(client: FlaskClient, world: World) -> None:
    body = {"id": "501", "email": "ann@example.com", "consent": CONSENT_VERSION, "units": 3, "lang": "fr"}
    answer = client.post(f"/s/{KEY}/subscribe", json=body)
    assert answer.json["message"].startswith("Presque fini")
    assert world.row("select wanted_units, locale from subscription") == (3, "fr")


@pytest.mark.parametrize("body", [b"[1]", b'"x"', b"{", b"null"])
def test_json_that_is_no_object_is_refused(client: FlaskClient, body: bytes) -> None:
    answer = client.post(f"/s/{KEY}/subscribe", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["status"]) == (400, "bad_request")


def test_a_form_without_javascript_gets_a_page(client: FlaskClient) -> None:
    answer = post(client, accept="text/html", lang="fr")
    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    assert "Presque fini" in answer.text
    assert 'href="https://shop.test/product/501/"' in answer.text


@pytest.mark.parametrize(
    "address", ["", "ann", "ann@", "a b@example.com", "ann@example.com\nBcc: x@y.z", "x" * 300]
)
def test_what_is_no_address_is_refused(client: FlaskClient, world: World, address: str) -> None:
    answer = post(client, address)
    assert (answer.status_code, answer.json["status"]) == (422, "bad_address")
    assert world.statuses() == []


def test_what_is_in_stock_needs_no_alert(client: FlaskClient, world: World) -> None:
    world.set_stock(4)
    answer = post(client)
    assert (answer.status_code, answer.json["status"]) == (409, "in_stock")
    assert world.statuses() == []


def test_half_a_character_in_json_is_an_unknown_item(client: FlaskClient) -> None:
    body = '{"id": "\\ud800", "email": "ann@example.com", "consent": "2026-11"}'
    answer = client.post(
        f"/s/{KEY}/subscribe", data=body, headers={**JSON, "Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.get_json()["status"]) == (404, "unknown_item")


def test_unknown_stores_and_items_are_refused(client: FlaskClient, world: World) -> None:
    assert post(client, id="999").status_code == 404
    assert client.post("/s/stranger/subscribe", data={"id": "501"}, headers=JSON).status_code == 404
    assert world.statuses() == []


@pytest.mark.parametrize(
    "odd", ["\0", "501\0", "%", "'", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")]
)
def test_odd_ids_are_unknown_not_errors(client: FlaskClient, odd: str) -> None:
    assert post(client, id=odd).status_code == 404
    assert client.get(f"/s/{KEY}/availability", query_string={"ids": odd}).json == {"items": {}}
    assert client.get("/s/%00/availability?ids=1").status_code == 404
    assert post(client, id="501", lang=odd).status_code == 200


def test_another_merchants_item_cannot_be_subscribed_through_this_store(
    client: FlaskClient, world: World, engine: sa.Engine, clock: ManualClock
) -> None:
    stranger = World(engine, clock).seed()
    stranger.add_variant("777", "Their vase")
    assert post(client, id="777").status_code == 404


def test_an_old_form_without_the_present_consent_is_refused(client: FlaskClient, world: World) -> None:
    answer = post(client, consent="2020-01")
    assert (answer.status_code, answer.json["status"]) == (422, "no_consent")
    assert world.statuses() == []


def test_a_huge_body_is_refused(client: FlaskClient) -> None:
    assert post(client, "x" * 20_000).status_code == 413


def test_one_network_may_sign_up_twenty_times_in_ten_minutes(client: FlaskClient, world: World) -> None:
    codes = [post(client, f"p{n}@example.com").status_code for n in range(22)]
    assert codes == [200] * 20 + [429] * 2
    limited = post(client)
    assert 0 < int(limited.headers["Retry-After"]) <= 600
    assert len(world.statuses()) == 20


def test_limits_hold_without_redis(world: World) -> None:
    limits = SignUpLimits("redis://127.0.0.1:1/0", world.keyring)
    waits = [limits.retry_after_s(KEY, "192.0.2.7") for _ in range(21)]
    assert waits[:20] == [0] * 20
    assert waits[20] > 0


def test_limits_are_shared_in_redis_and_hold_no_address(world: World, redis: Any, redis_url: str) -> None:
    first, second = (SignUpLimits(redis_url, world.keyring) for _ in range(2))
    waits = [limits.retry_after_s(KEY, "192.0.2.7") for _ in range(11) for limits in (first, second)]
    assert waits[:20] == [0] * 20
    assert all(wait > 0 for wait in waits[20:])
    assert [key for key in redis.scan_iter() if b"192.0.2" in key] == []


@pytest.mark.parametrize(
    ("client_address", "network"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("", ""),
        ("nonsense", ""),
        ("127.0.0.1", ""),
        ("10.1.2.3", ""),
        ("::1", ""),
    ],
)
def test_clients_are_counted_by_network(client_address: str, network: str) -> None:
    assert network_of(client_address) == network


# --- Badge facts --------------------------------------------------------------------------------------


def test_badge_facts_are_data_and_cacheable(client: FlaskClient, world: World) -> None:
    world.set_stock(0, state="restocking", restock_on="2026-01-20", restock_until="2026-01-23")
    answer = client.get(f"/s/{KEY}/availability?ids=501,unknown")
    assert answer.json == {
        "items": {"501": {"state": "restocking", "restock_on": "2026-01-20", "restock_until": "2026-01-23"}}
    }
    assert answer.headers["Cache-Control"] == "public, max-age=5"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    again = client.get(
        f"/s/{KEY}/availability?ids=501,unknown", headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert again.status_code == 304


def test_the_days_of_delivery_are_told_where_it_can_be_bought(client: FlaskClient, world: World) -> None:
    zones = [
        {"name": "France", "countries": ["FR"], "least_days": 0, "most_days": 0, "weekdays": list(range(7))},
        {"name": "World", "least_days": 5, "most_days": 6, "weekdays": list(range(7))},
    ]
    rule = checked({"handling_days": 0, "weekdays": list(range(7)), "cut_off": "00:00", "zones": zones})
    with world.engine.begin() as db:
        save_rule(db, world.merchant_id, rule, actor="test", now=world.now())

    def told(country: str = "") -> Any:
        answer = client.get(f"/s/{KEY}/availability?ids=501&country={country}")
        return answer.json["items"]["501"].get("delivery")

    world.set_stock(9, confirmed=9)
    # The cut-off is always over: the day after, at the merchant's place.
    today = world.now().date()
    assert [str(today + timedelta(days=1))] * 2 == told() == told("fr")
    assert [str(today + timedelta(days=6)), str(today + timedelta(days=7))] == told("DE")
    # What the store itself cannot sell is not promised either.
    world.set_stock(9, confirmed=0)
    assert told() is None


def test_badge_facts_never_exceed_the_stores_own_number(client: FlaskClient, world: World) -> None:
    world.set_stock(9, confirmed=2, state="low_stock", shown_count=3)
    assert client.get(f"/s/{KEY}/availability?ids=501").json["items"]["501"] == {
        "state": "low_stock",
        "count": 2,
    }
    world.set_stock(9, confirmed=0)
    assert client.get(f"/s/{KEY}/availability?ids=501").json["items"]["501"] == {"state": "out_of_stock"}


def test_badge_facts_of_a_strangers_store_are_not_found(client: FlaskClient) -> None:
    assert client.get("/s/stranger/availability?ids=501").status_code == 404


# --- What a shop offers besides ------------------------------------------------------------------------


def offers(world: World, **policy: Any) -> None:
    with world.engine.begin() as db:
        save_policy(db, world.merchant_id, ShopperPolicy(**policy), "test", world.now())


def sends_texts(world: World) -> None:
    with world.engine.begin() as db:
        db.execute(sa.text("update merchant set timezone = 'Europe/Paris'"))
        add(
            db, Connection, merchant_id=world.merchant_id, kind="channel", adapter="twilio", name="Texts",
            config={}, public_key="texts", created_at=world.now(),
        )  # fmt: skip


def form_of(client: FlaskClient, lang: str = "en") -> Any:
    answer = client.get(f"/s/{KEY}/availability?ids=501&lang={lang}")
    return answer.json["items"]["501"].get("form")


def test_the_form_is_told_what_the_merchant_offers(client: FlaskClient, world: World) -> None:
    assert form_of(client) is None
    offers(world, channels=["email", "sms"], offers_any_variant=True, offers_marketing=True)
    marketing = "Kiln & Co peut aussi m’envoyer des offres et des nouveautés. Je peux arrêter à tout moment."
    # No way to send texts, and one variant only.
    assert {"ticks": [["marketing", MARKETING_VERSION, marketing]]} == form_of(client, "fr")
    sends_texts(world)
    add_sibling(world)
    form = form_of(client)
    assert "E-mail address or mobile number" == form["label"]
    assert CONSENT_WITH_TEXTS == form["consent"]
    assert form["note"].startswith("Kiln & Co may write to me once, by e-mail or text message, when")
    assert ["any", "marketing"] == [name for name, _, _ in form["ticks"]]
    assert "similar" not in form
    offers(world, offers_alternatives=True)
    assert form_of(client, "fr") == {"similar": "Semblables et en stock"}
    # Other readers of the facts, and items without a form, get none of it.
    assert "form" not in client.get(f"/s/{KEY}/availability?ids=501").json["items"]["501"]
    world.set_stock(4)
    assert form_of(client) is None


def add_sibling(world: World) -> None:
    """Another variant of the mug's product."""
    world.add_variant("502", "Red mug")
    with world.engine.begin() as db:
        db.execute(sa.text("update listing set product_id = '501' where external_id = '502'"))


def test_a_number_is_taken_where_texts_were_spoken_of(client: FlaskClient, world: World) -> None:
    assert post(client, "06 12 34 56 78").json["status"] == "bad_address"
    sends_texts(world)
    offers(world, channels=["email", "sms"])
    assert post(client, "06 12 34 56 78").json["status"] == "bad_address"
    answer = post(client, "06 12 34 56 78", consent=CONSENT_WITH_TEXTS, lang="fr", zone="Europe/Paris")
    assert answer.json == {
        "status": "check_phone",
        "message": "Presque fini : nous vous avons envoyé un SMS. Ouvrez son lien et confirmez.",
    }
    row = world.row("select channel, address, address_key, consent_text, time_zone from subscription")
    assert tuple(row) == (
        "sms",
        "+33612345678",
        "+33612345678",
        "Kiln & Co peut m’écrire une fois, par e-mail ou SMS, au retour de cet article. Je peux arrêter à tout moment.",
        "Europe/Paris",
    )
    assert post(client, "+44 7400 123456", consent=CONSENT_WITH_TEXTS).json["status"] == "bad_reach"
    assert post(client, "ann@example.com", consent=CONSENT_WITH_TEXTS).json["status"] == "check_mail"


def test_a_texts_link_confirms_as_a_mails_does(client: FlaskClient, world: World) -> None:
    sends_texts(world)
    offers(world, channels=["email", "sms"])
    post(client, "+33612345678", consent=CONSENT_WITH_TEXTS)
    world.run()
    path = mail_link(world, "confirm")
    client.get(path)
    assert world.statuses() == ["unconfirmed"]
    assert "You are on the list" in client.post(path).text
    assert world.statuses() == ["waiting"]
    mine = f"/me/{world.keyring.sign('shopper-me', [1, 1])}"
    assert client.get(f"{mine}?format=json").json["subscriptions"][0]["address"] == "+33612345678"


def test_offers_and_news_are_a_choice_of_their_own(client: FlaskClient, world: World) -> None:
    post(client, "first@example.com", marketing=MARKETING_VERSION)
    offers(world, offers_marketing=True)
    post(client, "ann@example.com", marketing=MARKETING_VERSION)
    post(client, "bob@example.com", marketing="2020-01")
    rows = world.rows("select wants_marketing, marketing_text from subscription order by id")
    text = "Kiln & Co may also send me offers and news. I can end this at any time."
    assert [(False, ""), (True, f"{MARKETING_VERSION}: {text}"), (False, "")] == [tuple(row) for row in rows]
    path = f"/confirm/{world.keyring.sign('shopper-confirm', [1, 2])}"
    assert text in unescape(client.get(path).text)
    client.post(path, data={"marketing": "no"})
    row = world.row("select status, wants_marketing from subscription where id = 2")
    assert ("waiting", False) == tuple(row)


def test_a_form_sent_at_once_is_a_machines(world: World) -> None:
    limits = SignUpLimits("memory://", world.keyring, quickest_ms=400)
    with create_storefront(world, limits).test_client() as client:
        hasty = post(client, "bot@example.com", took="12")
        assert world.statuses() == []
        calm = post(client, "ann@example.com", took="400")
        plain = post(client, "bob@example.com")
    assert hasty.data == calm.data == plain.data
    assert world.statuses() == ["unconfirmed"] * 2


def test_throw_away_addresses_are_refused_where_the_merchant_wants_it(
    client: FlaskClient, world: World
) -> None:
    assert post(client, "ann@mailinator.com").status_code == 200
    offers(world, refuses_disposable=True)
    answer = post(client, "bob@eu.Mailinator.com")
    assert (answer.status_code, answer.json["status"]) == (422, "disposable")
    assert post(client, "bob@example.com").status_code == 200
    assert len(world.statuses()) == 2


def test_ten_thousand_addresses_from_one_network_are_stopped(world: World) -> None:
    limits = SignUpLimits("memory://", world.keyring)
    # Each from an address of its own in the same network.
    waits = [limits.retry_after_s(KEY, f"198.51.100.{n % 250}") for n in range(600)]
    assert 20 == waits.count(0)
    # And from networks of their own they are stopped by the store's limit.
    waits = [limits.retry_after_s("other", f"{n >> 8}.{n & 255}.0.1") for n in range(0x0800, 0x0800 + 1_000)]
    assert 600 == waits.count(0)


def test_one_address_is_taken_thirty_times_an_hour(client: FlaskClient, world: World) -> None:
    limits = SignUpLimits("memory://", world.keyring)
    waits = [limits.address_retry_after_s(KEY, "ann@example.com", "email") for _ in range(100)]
    assert 30 == waits.count(0)
    assert limits.address_retry_after_s(KEY, "bob@example.com", "email") == 0
    texts = [limits.address_retry_after_s(KEY, f"+336{n:08}", "sms") for n in range(200)]
    assert 120 == texts.count(0)


def test_the_own_page_changes_quantities_and_ends_everything(client: FlaskClient, world: World) -> None:
    world.add_variant("502", "Red mug")
    world.waiting("ann@example.com", wanted_units=2)
    world.waiting("ann@example.com", external_id="502")
    world.waiting("bob@example.com")
    path = f"/me/{world.keyring.sign('shopper-me', [1, 1])}"
    assert "Those who asked first are told first." in client.get(path).text
    assert "Your quantity is saved" in client.post(path, data={"change": "1", "units": "5"}).text
    assert "Your quantity is saved" not in client.post(path, data={"change": "3", "units": "9"}).text
    client.post(path, data={"change": "1", "units": "x"})
    rows = world.rows("select wanted_units from subscription order by id")
    assert [5, 1, 1] == [row.wanted_units for row in rows]
    client.post(path, data={"end": "all"})
    assert world.statuses() == ["ended", "ended", "waiting"]


def test_the_question_after_a_year_is_answered_by_pressing(
    client: FlaskClient, world: World, clock: ManualClock
) -> None:
    world.waiting("ann@example.com")
    clock.advance(days=335)
    still.ask(world, world.merchant_id)
    world.run()
    path = mail_link(world, "still")
    assert "Do you still want it?" in client.get(path).text
    assert world.row("select asked_again_at from subscription").asked_again_at == clock.now()
    assert "Your place is kept" in client.post(path).text
    assert world.row("select asked_again_at from subscription").asked_again_at is None


# --- Pages behind links -------------------------------------------------------------------------------


def test_opening_a_link_changes_nothing_and_pressing_the_button_confirms(
    client: FlaskClient, world: World
) -> None:
    post(client)
    world.run()
    path = mail_link(world, "confirm")
    assert client.get(path).status_code == 200
    assert client.head(path).status_code == 200
    assert world.statuses() == ["unconfirmed"]
    done = client.post(path)
    assert "You are on the list" in done.text
    assert world.statuses() == ["waiting"]
    assert "You are on the list" in client.post(path).text
    assert world.statuses() == ["waiting"]


def test_the_mail_programs_button_unsubscribes_without_a_cookie(client: FlaskClient, world: World) -> None:
    world.waiting("ann@example.com")
    path = f"/u/{world.keyring.sign('shopper-leave', [1, 1])}"
    assert client.get(path).status_code == 200
    assert world.statuses() == ["waiting"]
    answer = client.post(path, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert world.statuses() == ["ended"]
    assert client.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200


def test_a_mail_program_may_unsubscribe_somebody_already_gone(client: FlaskClient, world: World) -> None:
    path = f"/u/{world.keyring.sign('shopper-leave', [1, 99])}"
    assert client.get(path).status_code == 410
    assert client.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert client.post("/u/forged", data={"List-Unsubscribe": "One-Click"}).status_code == 404


def test_never_again_holds_when_somebody_types_the_address(client: FlaskClient, world: World) -> None:
    world.waiting("ann@example.com")
    client.post(f"/u/{world.keyring.sign('shopper-leave', [1, 1])}", data={"how": "for_good"})
    assert world.statuses() == ["ended"]
    assert post(client, "ANN@example.com").json["status"] == "check_mail"
    world.run()
    assert world.statuses() == ["ended"]
    assert world.told() == []


MARKED = "utm_source=dispo&utm_medium=alert&utm_campaign=" + marks(Keyring([FERNET]), 1, 1)[0]


def test_a_click_is_noted_once_and_leads_to_the_listing_only(
    client: FlaskClient, world: World, clock: ManualClock
) -> None:
    world.waiting("ann@example.com")
    world.set_stock(3)
    world.run()
    path = mail_link(world, "c")
    assert client.head(path).status_code == 302
    assert world.row("select clicked_at from invitation").clicked_at is None
    answer = client.get(f"{path}&url=https://evil.example")
    assert (answer.status_code, answer.headers["Location"]) == (
        302,
        f"https://shop.test/product/501/?{MARKED}",
    )
    first = clock.now()
    clock.advance(hours=1)
    client.get(path)
    assert world.row("select clicked_at from invitation").clicked_at == first


def test_looks_at_one_item_and_sign_ups_are_counted_where_the_merchant_wants_it(
    client: FlaskClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        InterestCounter, "_count", lambda self, key, item, at, kind: counted.append((item, kind))
    )
    asked = f"/s/{KEY}/availability?ids=501"
    browser = {"User-Agent": "Mozilla/5.0 Firefox/145.0"}
    client.get(asked, headers=browser)
    post(client, "bob@example.com")
    assert counted == []
    with world.engine.begin() as db:
        save_policy(db, world.merchant_id, ShopperPolicy(counts_interest=True), "me", world.now())
    app = create_storefront(world, SignUpLimits("memory://", world.keyring))
    with app.test_client() as fresh:
        fresh.get(asked, headers=browser)
        fresh.get(f"{asked},502", headers=browser)
        fresh.get(asked, headers={"User-Agent": "Googlebot/2.1"})
        post(fresh)
        post(fresh, "trap@example.com", website="https://spam.example")
        post(fresh, "no address")
    assert counted == [("501", "sold_out"), ("501", "sign_up")]


def test_a_merchant_may_have_links_without_a_mark(client: FlaskClient, world: World) -> None:
    with world.engine.begin() as db:
        save_policy(db, world.merchant_id, ShopperPolicy(marks_links=False), "me", world.now())
    world.waiting("ann@example.com")
    world.set_stock(3)
    world.run()
    answer = client.get(mail_link(world, "c"))
    assert answer.headers["Location"] == "https://shop.test/product/501/"


def test_a_click_in_vain_is_noted_and_the_place_can_be_kept(client: FlaskClient, world: World) -> None:
    world.waiting("ann@example.com")
    world.set_stock(3)
    world.run()
    world.set_stock(0)
    path = mail_link(world, "c")
    answer = client.get(path)
    assert answer.status_code == 200
    assert "it has just sold out again" in answer.text
    assert world.row("select clicked_gone from invitation").clicked_gone
    assert world.statuses() == ["fulfilled"]
    assert "Your place is kept" in client.post(path).text
    assert world.statuses() == ["waiting"]
    assert "You are on the list." in client.get(path).text
    client.post(path)
    world.set_stock(3)
    world.run()
    assert world.told() == ["ann@example.com"] * 2


def test_a_click_in_vain_is_shown_what_is_similar_and_in_stock(client: FlaskClient, world: World) -> None:
    furnish(world)
    world.waiting("ann@example.com", locale="fr")
    world.set_stock(1)
    world.run()
    world.set_stock(0)
    page = client.get(mail_link(world, "c")).text
    assert "Semblables et en stock" in page
    assert '<a href="https://shop.test/product/601/">Green mug</a>' in page
    assert "19,99\xa0€" in page
    assert "Gold mug" not in page


def test_the_storefront_reads_similar_products_for_a_minute(client: FlaskClient, world: World) -> None:
    furnish(world)
    answer = client.get(f"/s/{KEY}/alternatives?id=501")
    assert answer.json == {
        "items": [
            {
                "id": "601",
                "title": "Green mug",
                "url": "https://shop.test/product/601/",
                "image": "https://shop.test/mug.png",
                "price_minor": 1999,
                "price": "19.99",
                "currency": "EUR",
            }
        ]
    }
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    with world.engine.begin() as db:
        db.execute(sa.text("update listing set price_minor = 1 where external_id = '601'"))
    assert client.get(f"/s/{KEY}/alternatives?id=501").json == answer.json
    assert client.get(f"/s/{KEY}/alternatives?id=999").status_code == 404
    assert client.get("/s/pk-nobody/alternatives?id=501").status_code == 404


def test_similar_products_at_another_shops_address_are_left_out(client: FlaskClient, world: World) -> None:
    furnish(world)
    for url in ("https://elsewhere.test/product/601/", "javascript:alert(1)", "/product/601/"):
        with world.engine.begin() as db:
            db.execute(sa.text("update listing set url = :u where external_id = '601'"), {"u": url})
        app = create_storefront(world, SignUpLimits("memory://", world.keyring))
        assert app.test_client().get(f"/s/{KEY}/alternatives?id=501").json == {"items": []}


def test_one_alert_can_be_ended_and_the_others_stay(client: FlaskClient, world: World) -> None:
    world.add_variant("502", "Green mug")
    world.waiting("ann@example.com")
    world.waiting("ann@example.com", external_id="502")
    token = links.link(world.keyring, "", "leave", world.merchant_id, 1, "en")
    assert "Stop waiting for this item?" in client.get(f"{token}&only=1").text
    assert world.statuses() == ["waiting", "waiting"]
    assert client.post(f"{token}&only=1", data={"how": "only_one"}).status_code == 200
    assert world.statuses() == ["ended", "waiting"]


@pytest.mark.parametrize("url", ["", "javascript:alert(1)", "//evil.example", "data:text/html,x"])
def test_a_click_never_leads_to_anything_but_a_web_address(
    client: FlaskClient, world: World, engine: sa.Engine, url: str
) -> None:
    world.waiting("ann@example.com")
    world.set_stock(3)
    world.run()
    with engine.begin() as db:
        db.execute(sa.text("update listing set url = :u"), {"u": url})
    answer = client.get(mail_link(world, "c"))
    assert answer.status_code == 410
    assert "Location" not in answer.headers


@pytest.mark.parametrize("path", ["confirm", "u", "c", "me"])
@pytest.mark.parametrize(("language", "words"), [("en", "This link is damaged"), ("fr", "Ce lien est abîmé")])
def test_a_forged_link_says_so_in_the_shoppers_language(
    client: FlaskClient, path: str, language: str, words: str
) -> None:
    answer = client.get(f"/{path}/WzEsMV0.forged?lang={language}")
    assert answer.status_code == 404
    assert words in answer.text
    assert f'<html lang="{language}">' in answer.text


def test_a_link_for_one_purpose_does_not_serve_another(client: FlaskClient, world: World) -> None:
    world.waiting("ann@example.com")
    token = world.keyring.sign("shopper-confirm", [1, 1])
    assert client.post(f"/u/{token}").status_code == 404
    assert client.get(f"/me/{token}").status_code == 404
    assert world.statuses() == ["waiting"]


def test_an_expired_link_says_so(client: FlaskClient, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    post(client)
    monkeypatch.setitem(links._AGE_S, "confirm", -1)
    answer = client.post(
        f"/confirm/{world.keyring.sign('shopper-confirm', [1, 1])}", headers={"Accept-Language": "fr-CA"}
    )
    assert answer.status_code == 410
    assert "Ce lien est trop ancien" in answer.text
    assert world.statuses() == ["unconfirmed"]


def test_a_link_to_somebody_gone_says_so(client: FlaskClient, world: World) -> None:
    assert client.get(f"/confirm/{world.keyring.sign('shopper-confirm', [1, 99])}").status_code == 410


def test_a_shopper_sees_ends_and_erases_their_own(client: FlaskClient, world: World) -> None:
    world.add_variant("502", "Green mug")
    world.waiting("ann@example.com")
    world.waiting("ann@example.com", external_id="502")
    world.waiting("bob@example.com")
    path = f"/me/{world.keyring.sign('shopper-me', [1, 1])}"
    page = client.get(path).text
    assert ("Blue mug" in page, "Green mug" in page, "bob@example.com" in page) == (True, True, False)
    kept = client.get(f"{path}?format=json").json
    assert [one["address"] for one in kept["subscriptions"]] == ["ann@example.com", "ann@example.com"]
    client.post(path, data={"end": "3"})
    assert world.statuses() == ["waiting", "waiting", "waiting"]
    assert "The alert has ended." in client.post(path, data={"end": "2"}).text
    assert world.statuses() == ["waiting", "ended", "waiting"]
    assert "Your data is deleted" in client.post(path, data={"erase": "1"}).text
    assert world.statuses() == ["ended", "ended", "waiting"]
    addresses = [row.address for row in world.rows("select address from subscription order by id")]
    assert addresses == ["", "", "bob@example.com"]
    assert "Nothing is kept about you here." in client.get(path).text


def test_every_page_is_locked_down(client: FlaskClient, world: World) -> None:
    world.waiting("ann@example.com")
    paths = [
        f"/confirm/{world.keyring.sign('shopper-confirm', [1, 1])}",
        f"/u/{world.keyring.sign('shopper-leave', [1, 1])}",
        f"/me/{world.keyring.sign('shopper-me', [1, 1])}",
        "/u/forged",
        "/nothing-here",
    ]
    for path in paths:
        page = client.get(path)
        headers = page.headers
        (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert headers["Content-Security-Policy"].startswith(
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self';"
        )
        assert " style=" not in page.text
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Robots-Tag"] == "noindex"
        assert "Set-Cookie" not in headers


def test_no_address_reaches_a_log(
    client: FlaskClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    post(client, "secret.person@example.com")
    post(client, "secret.person@@example.com")
    world.run()
    client.get(mail_link(world, "confirm"))
    client.post(mail_link(world, "confirm"))
    world.set_stock(1)
    world.run()
    assert len(world.mail.sent) == 2
    assert "secret.person" not in caplog.text


# --- The script ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "most"), [("notify-me.js", 5_120), (f"{KEY}/similar.js", 1_536)])
def test_the_scripts_are_small_and_cacheable(client: FlaskClient, path: str, most: int) -> None:
    answer = client.get(f"/s/{path}")
    assert len(gzip.compress(answer.data, 9)) <= most
    assert answer.content_type == "text/javascript; charset=utf-8"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    again = client.get(f"/s/{path}", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("locale", ["en", "fr"])
def test_the_script_says_what_the_catalogue_says(locale: str) -> None:
    script = (TEMPLATES / "storefront" / "notify-me.js").read_text()
    block = re.search(rf"^    {locale}: \{{\n(.*?)^    \}},$", script, re.M | re.S)
    assert block is not None
    said = dict(re.findall(r'(\w+): "([^"]*)"', block.group(1)))
    assert said == script_words(locale)
    assert f'const CONSENT = "{CONSENT_VERSION}";' in script


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://shop.test/café?a=1#b", True),
        ("http://127.0.0.1:8000/", True),
        ("javascript:alert(1)", False),
        ("//shop.test/x", False),
        ("https://", False),
        # What no header and no browser takes must not become a fault of ours at each click.
        ("https://[shop.test/x", False),
        ("https://shop.test/a\nSet-Cookie: b", False),
    ],
)
def test_only_an_address_of_the_web_is_followed(url: str, is_one: bool) -> None:
    assert is_web_address(url) is is_one
