"""A WooCommerce shop hands its keys over: the whole way, and everything that must not be believed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import sqlalchemy as sa
from werkzeug.test import TestResponse

from connector.accounts.connections import pause
from connector.bootstrap import TOPICS, Runtime
from connector.db import transaction
from connector.installs import handover
from connector.outbox.messages import due_turns
from connector.settings import Settings
from connector.web.app import create_app
from simulator.shop import Shop
from simulator.woocommerce import WooCommerceServer
from tests.web.conftest import Person, add_person
from tests.web.shop import Shop as Merchant
from workers import jobs
from workers.runtime import use

OLD = {"consumer_key": "ck_by_hand", "consumer_secret": "cs_by_hand"}


def make_shop(name: str = "Vase & Co") -> Shop:
    shop = Shop(name, currency="EUR", clock=lambda: datetime.now(UTC))
    for number in range(1, 4):
        shop.add_product(f"Vase {number}", [{"sku": f"A-{number}", "price_minor": 1000, "stock": 10}])
    return shop


class Scene:
    """A merchant's browser, their shop, and Dispo at https://dispo.test."""

    def __init__(self, rt: Runtime, merchant: Merchant, server: WooCommerceServer) -> None:
        self.rt, self.merchant, self.server = rt, merchant, server
        self.app = create_app(rt)
        self.person = Person(self.app.test_client())
        self.answers: list[TestResponse] = []
        self.bodies: list[bytes] = []
        server.grants.post = self.post

    def post(self, address: str, body: bytes, headers: Mapping[str, str] | None = None) -> int:
        """A request of a shop; nothing of a browser's session goes along."""
        assert address.startswith("https://dispo.test/")
        self.bodies.append(body)
        answer = self.app.test_client().post(
            urlsplit(address).path, data=body, content_type="application/json;charset=UTF-8"
        )
        self.answers.append(answer)
        return answer.status_code

    def ask(self, path: str = "/stores/new", address: str = "") -> TestResponse:
        data = {"adapter": "woocommerce", "address": address or self.server.url}
        return self.person.post(path, data, base_url="https://dispo.test")

    def target(self, answer: TestResponse) -> str:
        """The shop's page that an answer leads on to."""
        assert answer.status_code == 200, answer.text
        found = re.search(r'class="button" href="([^"]+)"', answer.text)
        assert found is not None, answer.text
        assert answer.headers["Refresh"] == f"0;url={unescape(found[1])}"
        return unescape(found[1])

    def approve(self, target: str) -> requests.Response:
        """What the merchant does in the shop; the answer to the click on Approve."""
        page = requests.get(target, timeout=10)
        assert page.status_code == 200, page.text
        link = re.search(r'wc-auth-approve" href="([^"]+)"', page.text)
        assert link is not None
        return requests.get(self.server.url + unescape(link[1]), timeout=30, allow_redirects=False)

    def state(self, target: str) -> str:
        return parse_qs(urlsplit(target).query)["user_id"][0]

    def back(self, answer: requests.Response) -> TestResponse:
        assert answer.status_code == 302, answer.text
        parts = urlsplit(answer.headers["Location"])
        return self.person.get(f"{parts.path}?{parts.query}", base_url="https://dispo.test")

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.rt.engine.begin() as db:
            result = db.execute(sa.text(statement), {"m": self.merchant.merchant_id, **values})
            return list(result) if result.returns_rows else []

    def stores(self) -> list[Any]:
        return self.rows("select * from connection where merchant_id = :m and kind = 'store' order by id")

    def secrets(self) -> dict[str, str]:
        (row,) = self.stores()
        found = self.rt.keyring.unseal(bytes(row.sealed))
        return {name: found[name] for name in ("consumer_key", "consumer_secret")}

    def handovers(self) -> list[tuple[str, str, bytes]]:
        return [
            (row.status, row.problem, bytes(row.sealed))
            for row in self.rows("select * from handover where merchant_id = :m order by id")
        ]

    def work(self) -> None:
        use(self.rt)
        for _ in range(20):
            due = self.rows("""
                select merchant_id, kind, id from schedule
                 where merchant_id = :m and coalesce(lease_until, least(next_run_at, rerun_at)) <= now()
                   and (kind like 'store.%' or kind like 'handover.%') order by kind desc
            """)
            for one in due:
                jobs.run_due(one.merchant_id, one.kind, one.id)
            with self.rt.engine.connect() as db:
                turns = due_turns(db, list(TOPICS), 50)
            for turn in turns:
                self.rt.serve(turn)
            if not due and not turns:
                return
        raise AssertionError("the work does not end")


@pytest.fixture
def server() -> Iterator[WooCommerceServer]:
    with WooCommerceServer(make_shop(), deliver_webhooks=False, key=OLD["consumer_key"],
                           secret=OLD["consumer_secret"]) as running:  # fmt: skip
        yield running


@pytest.fixture
def scene(settings: Settings, engine: sa.Engine, server: WooCommerceServer) -> Scene:
    rt = Runtime(
        replace(settings, base_url="https://dispo.test", allowed_private_hosts=frozenset({"127.0.0.1"}))
    )
    rt.__dict__["engine"] = engine
    merchant = Merchant(engine, rt.now(), is_empty=True)
    add_person(merchant, "owner@shop.test", "en")
    made = Scene(rt, merchant, server)
    sign_in(made.person)
    return made


def sign_in(person: Person, email: str = "owner@shop.test") -> None:
    text = person.get("/sign-in", base_url="https://dispo.test").text
    found = re.search(r'name="csrf_token" value="([^"]+)"', text)
    assert found is not None
    person.token = lambda: found[1]  # type: ignore[method-assign]
    headers = {"Referer": "https://dispo.test/"}
    person.client.environ_base["HTTP_REFERER"] = headers["Referer"]
    answer = person.post(
        "/sign-in", {"email": email, "password": "correct horse battery"}, base_url="https://dispo.test"
    )
    assert answer.status_code == 303, answer.text
    again = person.get("/stores/new", base_url="https://dispo.test").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', again)
    assert token is not None
    person.token = lambda: token[1]  # type: ignore[method-assign]


# --- the whole way ------------------------------------------------------------------------------------


def test_a_shop_is_connected_by_its_own_page(scene: Scene) -> None:
    target = scene.target(scene.ask())
    asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
    assert target.startswith(f"{scene.server.url}/wc-auth/v1/authorize?")
    assert (asked["app_name"], asked["scope"]) == ("Dispo", "read_write")
    assert asked["callback_url"] == "https://dispo.test/handover/woocommerce"
    assert len(asked["user_id"]) >= 40
    answer = scene.approve(target)
    assert scene.server.grants.statuses == [200]
    (store,) = scene.stores()
    assert (store.adapter, store.name, store.status) == ("woocommerce", "Vase & Co", "active")
    assert store.config == {"url": scene.server.url, "currency": "EUR", "home": scene.server.url}
    assert store.writing_approved_at is None
    given = json.loads(scene.bodies[0])
    assert scene.secrets() == {name: given[name] for name in OLD}
    assert 'data-step="reading"' in scene.back(answer).text
    scene.work()
    page = scene.back(answer)
    assert 'data-step="read"' in page.text
    assert "<strong>3</strong>" in page.text
    assert len(scene.server.webhooks.hooks) == 4
    assert scene.handovers() == [("done", "", b"")]
    actions = [row.action for row in scene.rows("select action from audit_event where merchant_id = :m")]
    assert "store.connect" in actions


def test_the_keys_and_the_state_are_nowhere_in_the_clear(scene: Scene) -> None:
    target = scene.target(scene.ask())
    scene.approve(target)
    given = json.loads(scene.bodies[0])
    words = [scene.state(target), given["consumer_key"], given["consumer_secret"]]
    for table in ("handover", "connection", "audit_event", "schedule"):
        text = str(scene.rows(f"select t::text from {table} t where merchant_id = :m"))
        assert not any(word in text for word in words), table
    assert not any(word in answer.text for answer in scene.answers for word in words)


def test_who_is_not_signed_in_at_the_shop_signs_in_first(scene: Scene) -> None:
    scene.server.grants.is_signed_in = False
    target = scene.target(scene.ask())
    sent_on = requests.get(target, timeout=10, allow_redirects=False)
    assert (sent_on.status_code, sent_on.headers["Location"][:19]) == (302, "/wc-auth/v1/login/?")
    requests.post(scene.server.url + sent_on.headers["Location"], timeout=10)
    assert scene.approve(target).status_code == 302


def test_an_owner_who_denies_connects_nothing(scene: Scene) -> None:
    target = scene.target(scene.ask())
    page = requests.get(target, timeout=10).text
    link = re.search(r'wc-auth-deny" href="([^"]+)"', page)
    assert link is not None
    parts = urlsplit(unescape(link[1]))
    shown = scene.person.get(f"{parts.path}?{parts.query}", base_url="https://dispo.test")
    assert 'data-step="denied"' in shown.text
    assert scene.stores() == []


# --- what is not believed -----------------------------------------------------------------------------


def body(state: str, **changes: Any) -> bytes:
    return json.dumps(
        {"key_id": 9, "user_id": state, **OLD, "key_permissions": "read_write", **changes}
    ).encode()


CALLBACK = "https://dispo.test/handover/woocommerce"


def test_a_callback_is_good_once(scene: Scene) -> None:
    state = scene.state(scene.target(scene.ask()))
    assert [scene.post(CALLBACK, body(state)) for _ in range(3)] == [200, 403, 403]
    assert len(scene.stores()) == 1


def test_a_callback_that_comes_too_late_is_refused(scene: Scene) -> None:
    state = scene.state(scene.target(scene.ask()))
    scene.rows("update handover set expires_at = now() - interval '1 second' where merchant_id = :m")
    assert scene.post(CALLBACK, body(state)) == 403
    assert (scene.stores(), scene.handovers()) == ([], [("open", "", b"")])


@pytest.mark.parametrize("state", ["", "1", "x" * 43, "é", "tenant-42", "' or 1=1 --", "\x00"])
def test_a_state_that_nobody_was_given_is_refused(scene: Scene, state: str) -> None:
    scene.ask()
    assert scene.post(CALLBACK, body(state)) in (400, 403)
    assert (scene.stores(), [status for status, _, _ in scene.handovers()]) == ([], ["open"])


def test_a_changed_state_is_refused(scene: Scene) -> None:
    state = scene.state(scene.target(scene.ask()))
    # Not the last character of the signature: some of its bits mean nothing.
    signed, dot, signature = state.rpartition(".")
    forged = f"{signed}{dot}{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    assert scene.post(CALLBACK, body(forged)) == 403
    assert scene.stores() == []


@pytest.mark.parametrize(
    "sent",
    [b"", b"[]", b"null", b"{", b"\xff\xfe", b'{"user_id":1}', b"[" * 9000, b"webhook_id=1", b"x" * 19_999],
    ids=["empty", "list", "null", "cut", "no text", "a number", "deep", "a form", "long"],
)
def test_what_holds_no_keys_is_no_error_of_ours(scene: Scene, sent: bytes) -> None:
    assert scene.post(CALLBACK, sent) == 400


def test_a_body_without_end_is_refused(scene: Scene) -> None:
    assert scene.post(CALLBACK, b"x" * 30_000) == 413


@pytest.mark.parametrize("adapter", ["shopify", "bigcommerce", "nothing", "file_feed"])
def test_platforms_without_such_a_page_have_no_callback(scene: Scene, adapter: str) -> None:
    state = scene.state(scene.target(scene.ask()))
    assert scene.post(f"https://dispo.test/handover/{adapter}", body(state)) == 404
    assert scene.handovers() == [("open", "", b"")]


def test_keys_of_another_shop_are_refused_and_forgotten(scene: Scene) -> None:
    """The other shop knows the state, however that came about: its keys lead nowhere at this address."""
    target = scene.target(scene.ask())
    with WooCommerceServer(make_shop("Other"), deliver_webhooks=False, key="ck_other", secret="cs_other"):
        sent = body(scene.state(target), consumer_key="ck_other", consumer_secret="cs_other")
        assert scene.post(CALLBACK, sent) == 403
    assert scene.stores() == []
    ((status, problem, sealed),) = scene.handovers()
    assert (status, sealed) == ("failed", b"")
    assert problem.startswith("The shop does not know the key")
    page = scene.person.get(f"/stores/handovers/{handover_id(scene)}", base_url="https://dispo.test")
    assert 'data-step="failed"' in page.text


def test_a_key_that_may_only_read_is_refused_and_the_shop_deletes_it(scene: Scene) -> None:
    target = scene.target(scene.ask()).replace("scope=read_write", "scope=read")
    before = list(scene.server.keyring.keys)
    answer = scene.approve(target)
    assert (answer.status_code, scene.server.grants.statuses) == (401, [403])
    assert scene.server.keyring.keys == before
    assert (scene.stores(), scene.handovers()[0][0]) == ([], "failed")


def test_a_person_who_is_gone_connects_nothing(scene: Scene) -> None:
    state = scene.state(scene.target(scene.ask()))
    scene.rows("delete from app_user where merchant_id = :m")
    assert scene.post(CALLBACK, body(state)) == 403
    assert scene.stores() == []


def handover_id(scene: Scene) -> int:
    return int(scene.rows("select max(id) as id from handover where merchant_id = :m")[0].id)


def test_another_merchant_sees_nothing_of_a_hand_over(scene: Scene) -> None:
    scene.ask()
    other = Merchant(scene.rt.engine, scene.rt.now(), is_empty=True)
    add_person(other, "stranger@other.test")
    stranger = Person(scene.app.test_client())
    sign_in(stranger, "stranger@other.test")
    for path in (f"/stores/handovers/{handover_id(scene)}", f"/stores/handovers/{handover_id(scene)}/live"):
        assert stranger.get(path, base_url="https://dispo.test").status_code == 404


# --- a shop that cannot be asked ----------------------------------------------------------------------


def test_keys_of_a_shop_that_does_not_answer_are_tried_again_by_a_job(scene: Scene) -> None:
    state = scene.state(scene.target(scene.ask()))
    scene.server.dials.maintenance = True
    assert scene.post(CALLBACK, body(state)) == 200
    ((status, _, sealed),) = scene.handovers()
    assert (status, scene.rt.keyring.unseal(sealed)) == ("checking", OLD)
    assert scene.stores() == []
    page = scene.person.get(f"/stores/handovers/{handover_id(scene)}", base_url="https://dispo.test")
    assert 'data-step="checking"' in page.text
    scene.server.dials.maintenance = False
    scene.rows("update schedule set next_run_at = now() where kind = 'handover.finish'")
    scene.work()
    assert scene.handovers() == [("done", "", b"")]
    assert scene.secrets() == OLD
    assert scene.rows("select 1 from schedule where kind = 'handover.finish'") == []


def test_keys_that_cannot_be_tried_for_an_hour_are_forgotten(scene: Scene) -> None:
    state = scene.state(scene.target(scene.ask()))
    scene.server.dials.maintenance = True
    scene.post(CALLBACK, body(state))
    past = handover.TRIED_FOR + timedelta(seconds=1)
    scene.rows("update handover set expires_at = now() - cast(:p as interval)", p=past)
    scene.rows("update schedule set next_run_at = now() where kind = 'handover.finish'")
    scene.work()
    ((status, problem, sealed),) = scene.handovers()
    assert (status, bool(problem), sealed) == ("failed", True, b"")
    assert scene.rows("select 1 from schedule where kind = 'handover.finish'") == []


# --- renewing -----------------------------------------------------------------------------------------


@pytest.fixture
def connected(scene: Scene) -> Scene:
    state = scene.state(scene.target(scene.ask()))
    assert scene.post(CALLBACK, body(state)) == 200
    scene.work()
    return scene


def renew_path(scene: Scene) -> str:
    return f"/connections/{scene.stores()[0].id}/renew"


def test_renewed_access_replaces_the_keys_and_nothing_else(connected: Scene) -> None:
    (before,) = connected.stores()
    secret = connected.rt.keyring.unseal(bytes(before.sealed))["webhook_secret"]
    answer = connected.approve(connected.target(connected.ask(renew_path(connected))))
    given = json.loads(connected.bodies[-1])
    assert connected.secrets() == {name: given[name] for name in OLD} != OLD
    (after,) = connected.stores()
    assert (after.id, after.public_key, after.config) == (before.id, before.public_key, before.config)
    assert connected.rt.keyring.unseal(bytes(after.sealed))["webhook_secret"] == secret
    assert 'data-step="renewed"' in connected.back(answer).text


def test_new_keys_that_do_not_work_leave_the_old_ones(connected: Scene) -> None:
    state = connected.state(connected.target(connected.ask(renew_path(connected))))
    assert connected.post(CALLBACK, body(state, consumer_secret="cs_wrong")) == 403
    assert connected.secrets() == OLD
    assert [status for status, _, _ in connected.handovers()] == ["done", "failed"]


def test_new_keys_wake_a_store_whose_access_was_refused(connected: Scene) -> None:
    (store,) = connected.stores()
    with transaction(connected.rt.engine) as db:
        pause(db, store.merchant_id, store.id, "woocommerce: The shop does not know the key.")
    connected.approve(connected.target(connected.ask(renew_path(connected))))
    assert connected.stores()[0].status == "active"


def test_what_a_person_paused_stays_paused(connected: Scene) -> None:
    (store,) = connected.stores()
    with transaction(connected.rt.engine) as db:
        pause(db, store.merchant_id, store.id, handover.PAUSED_BY_PERSON)
    connected.approve(connected.target(connected.ask(renew_path(connected))))
    assert connected.stores()[0].status == "paused"


def test_a_shop_is_connected_once(connected: Scene) -> None:
    answer = connected.ask()
    assert (answer.status_code, "This shop is connected already." in answer.text) == (422, True)
    assert len(connected.handovers()) == 1


def test_two_hand_overs_of_one_shop_at_once_make_one_connection(scene: Scene) -> None:
    states = [scene.state(scene.target(scene.ask())) for _ in range(2)]
    assert [scene.post(CALLBACK, body(state)) for state in states] == [200, 403]
    assert len(scene.stores()) == 1


# --- by hand ------------------------------------------------------------------------------------------


def by_hand(scene: Scene, path: str = "/stores/new/keys", **values: str) -> TestResponse:
    data = {"adapter": "woocommerce", "address": scene.server.url, **OLD, **values}
    return scene.person.post(path, data, base_url="https://dispo.test")


def test_keys_made_by_hand_connect_the_shop(scene: Scene) -> None:
    answer = by_hand(scene)
    (store,) = scene.stores()
    assert (answer.status_code, answer.location) == (303, f"/connections/{store.id}")
    assert scene.secrets() == OLD


@pytest.mark.parametrize(
    "values",
    [
        {"consumer_secret": "cs_SECRET_WORD"},
        {"consumer_key": "ck_SECRET_WORD"},
        {"consumer_key": "cs_SECRET_WORD"},
        {"consumer_secret": "cs_SECRET_WORD", "address": ""},
        {"consumer_secret": "cs_SECRET_WORD", "address": "http://127.0.0.1:1"},
        {"consumer_secret": "cs_SECRET_WORD", "consumer_key": ""},
    ],
)
def test_keys_that_do_not_work_are_neither_stored_nor_shown_nor_logged(
    scene: Scene, values: dict[str, str], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    answer = by_hand(scene, **values)
    printed = capsys.readouterr()
    assert answer.status_code == 422
    assert "SECRET_WORD" not in answer.text + printed.out + printed.err + caplog.text
    assert scene.stores() == []


def test_a_dispo_without_https_explains_and_offers_the_form(scene: Scene, settings: Settings) -> None:
    plain = Runtime(replace(scene.rt.settings, base_url="http://127.0.0.1:8000"))
    plain.__dict__["engine"] = scene.rt.engine
    person = Person(create_app(plain).test_client())
    assert person.sign_in().status_code == 303
    page = person.get("/stores/new")
    assert "Shops hand their keys only to a https address" in page.text
    assert 'name="consumer_secret"' in page.text
    assert "Continue in the shop" not in page.text
    data = {"adapter": "woocommerce", "address": scene.server.url}
    assert person.post("/stores/new", data).status_code == 422
    assert scene.handovers() == []


# --- the address --------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["", "   ", "x" * 301, "ftp://shop.example", "http://", "https://a b"])
def test_what_is_no_address_is_told(scene: Scene, address: str) -> None:
    answer = scene.person.post(
        "/stores/new", {"adapter": "woocommerce", "address": address}, base_url="https://dispo.test"
    )
    assert (answer.status_code, scene.handovers()) == (422, [])


@pytest.mark.parametrize("address", ["http://10.0.0.1", "http://169.254.169.254/latest", "http://[::1]:80"])
def test_private_addresses_are_not_asked(scene: Scene, address: str) -> None:
    answer = scene.ask(address=address)
    assert (answer.status_code, scene.handovers()) == (422, [])
    assert "The shop could not be connected" in answer.text


def test_a_site_that_answers_with_pages_is_explained(scene: Scene) -> None:
    scene.server.is_plain_permalinks = True
    answer = scene.ask()
    assert (answer.status_code, "Permalinks" in answer.text) == (422, True)


def test_a_platform_that_does_not_exist_is_refused(scene: Scene) -> None:
    data = {"adapter": "shopify", "address": scene.server.url}
    assert scene.person.post("/stores/new", data, base_url="https://dispo.test").status_code == 400
