"""The storefront script of a connected store: put in, looked after, switched off, and taken out when it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import sqlalchemy as sa

from connector.accounts.connections import add_connection, connection
from connector.advertising.switches import set_frozen
from connector.bootstrap import TOPICS, Runtime
from connector.db import transaction
from connector.delivery import approval
from connector.delivery.scripts import (
    SCRIPT,
    LeftIn,
    ScriptState,
    choose,
    converge,
    left_in,
    look_after,
    script_state,
)
from connector.installs import leave
from connector.outbox.messages import Turn, due_turns
from connector.ports.errors import Retryable
from connector.settings import Settings
from simulator.bigcommerce import BigCommerceServer
from simulator.shop import Shop
from tests.builders import World
from tests.support import ManualClock

TOKEN, SECRET = "access-token-of-the-store", "client-secret-of-the-account"


@dataclass
class Scene:
    """A merchant with one BigCommerce store that is approved; `work` is what the workers do."""

    rt: Runtime
    server: BigCommerceServer
    clock: ManualClock
    merchant_id: int
    store_id: int

    def state(self) -> ScriptState:
        with self.rt.engine.connect() as db:
            found = script_state(db, connection(db, self.merchant_id, self.store_id))
        assert found is not None
        return found

    def look(self) -> None:
        with transaction(self.rt.engine) as db:
            look_after(db, self.merchant_id, self.store_id)
        self.work()

    def work(self) -> None:
        for _ in range(20):
            with self.rt.engine.connect() as db:
                turns = due_turns(db, list(TOPICS), 50)
            if not [self.rt.serve(turn) for turn in turns]:
                return
        raise AssertionError("the work does not end")

    def choose(self, *, is_on: bool, **more: Any) -> None:
        with transaction(self.rt.engine) as db:
            assert choose(
                db, self.merchant_id, self.store_id, is_on=is_on, actor="x", now=self.rt.now(), **more
            )
        self.work()

    def disconnect(self) -> None:
        with transaction(self.rt.engine) as db:
            assert leave.disconnect(db, self.merchant_id, self.store_id, actor="x", now=self.rt.now())

    def set(self, what: str) -> None:
        with self.rt.engine.begin() as db:
            db.execute(
                sa.text(f"update connection set {what} where merchant_id = :m and id = :c"),
                {"m": self.merchant_id, "c": self.store_id},
            )

    def rows(self, statement: str) -> list[Any]:
        with self.rt.engine.connect() as db:
            return list(db.execute(sa.text(statement), {"m": self.merchant_id, "c": self.store_id}))

    def channels(self) -> list[int]:
        """The storefronts with the script, as the platform has them."""
        return sorted(one["channel_id"] for one in self.server.scripts.kept.values())

    def delete_script(self, channel_id: int) -> None:
        """The merchant deletes it in Script Manager."""
        kept = self.server.scripts.kept
        self.server.scripts.kept = {k: one for k, one in kept.items() if one["channel_id"] != channel_id}


@pytest.fixture
def scene(settings: Settings, engine: sa.Engine, clock: ManualClock) -> Iterator[Scene]:
    shop = Shop("Vase & Co", currency="EUR", clock=clock)
    shop.add_product("Vase", [{"sku": "A-1", "price_minor": 1000, "stock": 10}])
    with BigCommerceServer(shop, client_secret=SECRET, access_token=TOKEN) as server:
        front = {"type": "storefront", "platform": "bigcommerce", "status": "active"}
        server.channels.append({"id": 7, "name": "Outlet", **front})
        rt = Runtime(
            replace(settings, allowed_private_hosts=frozenset({"127.0.0.1"}), base_url="https://dispo.test"),
            clock=clock,
        )
        rt.__dict__["engine"] = engine
        world = World(engine, now=clock(), sender_name="Kiln & Co", privacy_url="https://kiln.test/p")
        with transaction(engine) as db:
            store_id = add_connection(
                db, rt.keyring, world.merchant_id, kind="store", adapter="bigcommerce", name="Vase & Co",
                config={"store_hash": server.store_hash, "base_url": server.url},
                secrets={"access_token": TOKEN, "api_secret": SECRET}, now=clock(),
            )  # fmt: skip
        made = Scene(rt, server, clock, world.merchant_id, store_id)
        made.set("writing_approved_at = now()")
        yield made


# ---------------------------------------------------------------- putting it in


def test_every_storefront_gets_the_script_with_the_sellers_words(scene: Scene) -> None:
    scene.look()
    assert scene.channels() == [1, 7]
    (key,) = scene.rows("select public_key from connection where id = :c")
    for one in scene.server.scripts.kept.values():
        assert f'"key": "{key.public_key}"' in one["html"]
        assert '"seller": "Kiln & Co"' in one["html"]
        assert one["consent_category"] == "essential"
    state = scene.state()
    assert [(one.name, one.state) for one in state.places] == [("Vase & Co", "set"), ("Outlet", "set")]
    assert (state.problem, state.waits, state.sees_all, state.seen_at) == ("", "", True, scene.clock())


def test_before_the_approval_nothing_is_put_into_the_pages(scene: Scene) -> None:
    scene.set("writing_approved_at = null")
    scene.look()
    assert (scene.channels(), scene.state().waits) == ([], "approval")
    assert scene.server.calls["POST v3/content/scripts"] == 0
    with transaction(scene.rt.engine) as db:
        approval.approve(db, scene.merchant_id, scene.store_id, actor="x", now=scene.rt.now())
    scene.work()
    assert scene.channels() == [1, 7]


def test_who_asks_for_the_script_has_it_before_the_numbers(scene: Scene) -> None:
    scene.set("writing_approved_at = null")
    scene.choose(is_on=True)
    assert (scene.channels(), scene.state().waits) == ([1, 7], "")


@pytest.mark.parametrize("switch", ["stopped", "frozen"])
def test_while_writing_is_stopped_nothing_is_changed_and_then_made_up_for(scene: Scene, switch: str) -> None:
    if switch == "stopped":
        scene.set("is_writing_stopped = true")
    else:
        with scene.rt.engine.begin() as db:
            db.execute(sa.text("update merchant set is_frozen = true"))
    scene.look()
    assert (scene.channels(), scene.state().waits) == ([], switch)
    if switch == "stopped":
        with transaction(scene.rt.engine) as db:
            approval.stop_writing(
                db, scene.merchant_id, scene.store_id, is_stopped=False, actor="x", now=scene.rt.now()
            )
    else:
        with transaction(scene.rt.engine) as db:
            set_frozen(db, scene.merchant_id, is_frozen=False, actor="x", now=scene.rt.now())
    scene.work()
    assert scene.channels() == [1, 7]


def test_looking_twice_changes_nothing(scene: Scene) -> None:
    scene.look()
    before = dict(scene.server.scripts.kept)
    scene.look()
    assert scene.server.scripts.kept == before
    assert scene.server.calls["POST v3/content/scripts"] == 2
    assert scene.server.calls["PUT v3/content/scripts/<id>"] == 0
    assert scene.state().mended_at is None


def test_an_answer_that_was_lost_makes_no_second_script(scene: Scene) -> None:
    with transaction(scene.rt.engine) as db:
        look_after(db, scene.merchant_id, scene.store_id)
    # The list, the channels, then the first creation, whose answer is cut.
    scene.server.dials.fail_next = ["none", "none", "cut_after_success"]
    served = scene.rt.serve(Turn(scene.merchant_id, SCRIPT, scene.store_id))
    assert served is not None
    assert served.error is not None
    assert len(scene.server.scripts.kept) == 1
    converge(scene.rt, scene.merchant_id, scene.store_id)
    assert scene.channels() == [1, 7]


# ---------------------------------------------------------------- looking after it


def test_a_deleted_script_is_put_back_and_owned_up_to(scene: Scene) -> None:
    scene.look()
    scene.delete_script(7)
    at = scene.clock.advance(hours=1)
    scene.look()
    assert scene.channels() == [1, 7]
    state = scene.state()
    assert (state.mended_at, state.mended) == (at, ("Outlet",))
    (noted,) = scene.rows("select detail from audit_event where action = 'store.script_mended'")
    assert noted.detail == {"storefronts": ["Outlet"]}
    scene.clock.advance(hours=1)
    scene.look()
    assert scene.state().mended_at == at, "what was mended is still told, with its time"


def test_a_new_storefront_is_no_repair(scene: Scene) -> None:
    scene.look()
    front = {"type": "storefront", "platform": "bigcommerce", "status": "active"}
    scene.server.channels.append({"id": 9, "name": "New", **front})
    scene.look()
    assert (scene.channels(), scene.state().mended_at) == ([1, 7, 9], None)


def test_a_missing_scope_is_shown_and_the_store_works_on(scene: Scene) -> None:
    scene.server.app.scopes = tuple(one for one in scene.server.app.scopes if one != "store_v2_content")
    scene.look()
    state = scene.state()
    assert (state.problem, state.places) == ("scope", ())
    assert "Content: modify" in state.detail
    (row,) = scene.rows("select status from connection where id = :c")
    assert row.status == "active"
    scene.server.app.scopes = (*scene.server.app.scopes, "store_v2_content")
    scene.look()
    assert (scene.state().problem, scene.channels()) == ("", [1, 7])


def test_a_limit_is_shown_with_the_storefront_that_goes_without(scene: Scene) -> None:
    other = {"name": "Other", "channel_id": 1, "location": "head", "auto_uninstall": False}
    scene.server.scripts.kept = {f"{n}": {**other, "uuid": f"{n}"} for n in range(9)}
    scene.look()
    assert [(one.name, one.state) for one in scene.state().places] == [
        ("Vase & Co", "set"),
        ("Outlet", "limit"),
    ]


def test_an_address_without_https_is_named(scene: Scene) -> None:
    scene.rt.settings = replace(scene.rt.settings, base_url="http://dispo.test")
    scene.look()
    assert (scene.state().problem, scene.channels()) == ("address", [])


# ---------------------------------------------------------------- choices


def test_switched_off_it_leaves_and_stays_away(scene: Scene) -> None:
    scene.look()
    scene.choose(is_on=False)
    assert (scene.channels(), scene.state().is_on, scene.state().places) == ([], False, ())
    scene.look()
    assert scene.channels() == []
    scene.choose(is_on=True)
    assert (scene.channels(), scene.state().mended_at) == ([1, 7], None)


def test_the_chosen_consent_is_used_once_and_script_manager_has_the_last_word(scene: Scene) -> None:
    scene.look()
    scene.choose(is_on=True, consent="functional")
    assert {one["consent_category"] for one in scene.server.scripts.kept.values()} == {"functional"}
    for one in scene.server.scripts.kept.values():
        one["consent_category"] = "targeting"
    scene.look()
    assert {one["consent_category"] for one in scene.server.scripts.kept.values()} == {"targeting"}


def test_a_platform_without_scripts_is_not_asked(scene: Scene, engine: sa.Engine) -> None:
    world = World(engine, now=scene.clock())
    store = world.store(adapter="woocommerce", config={"url": "https://shop.test"})
    with transaction(engine) as db:
        assert look_after(db, world.merchant_id, store) is False
        assert script_state(db, connection(db, world.merchant_id, store)) is None
        assert not choose(db, world.merchant_id, store, is_on=True, actor="x", now=scene.clock())
    assert scene.rows("select 1 from outbox_message where topic = 'store.script'") == []


# ---------------------------------------------------------------- leaving


def left(scene: Scene) -> list[LeftIn]:
    with scene.rt.engine.connect() as db:
        return left_in(db, scene.merchant_id, scene.rt.now())


def access(scene: Scene) -> str:
    with scene.rt.engine.connect() as db:
        return scene.rt.secrets(connection(db, scene.merchant_id, scene.store_id)).get("access_token", "")


def test_a_disconnected_store_loses_the_script_before_its_access_is_thrown_away(scene: Scene) -> None:
    scene.look()
    with scene.rt.engine.connect() as db:
        assert leave.remains(db, scene.merchant_id, scene.store_id).script_in == ("Vase & Co", "Outlet")
    scene.disconnect()
    scene.work()
    assert (scene.channels(), left(scene), access(scene)) == ([], [], "")


def test_where_the_token_does_not_work_any_more_what_remains_is_listed(scene: Scene) -> None:
    scene.look()
    scene.server.app.tokens.clear()
    scene.disconnect()
    scene.work()
    assert scene.channels() == [1, 7]
    assert left(scene) == [LeftIn("Vase & Co", ("Vase & Co", "Outlet"))]
    assert access(scene) == ""
    # Told twice, it is done once: without its access the store can be asked nothing any more.
    leave.left_behind(scene.rt, scene.merchant_id, scene.store_id, is_ours=True)
    assert left(scene) == [LeftIn("Vase & Co", ("Vase & Co", "Outlet"))]
    scene.clock.advance(days=31)
    assert left(scene) == []


def test_a_store_that_does_not_answer_is_asked_again_then_listed(scene: Scene) -> None:
    scene.look()
    scene.disconnect()
    scene.server.dials.maintenance = True
    with pytest.raises(Retryable):
        leave.left_behind(scene.rt, scene.merchant_id, scene.store_id, is_ours=True, tries=1)
    assert (access(scene), left(scene)) == (TOKEN, [])
    leave.left_behind(scene.rt, scene.merchant_id, scene.store_id, is_ours=True, tries=leave.MOST_TRIES)
    assert left(scene) == [LeftIn("Vase & Co", ("Vase & Co", "Outlet"))]
    assert access(scene) == ""


def test_a_script_is_not_put_back_into_a_store_that_left(scene: Scene) -> None:
    scene.disconnect()
    assert converge(scene.rt, scene.merchant_id, scene.store_id) == "the store is not in use"
    scene.work()
    assert scene.channels() == []
