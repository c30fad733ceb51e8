"""Webhooks as the platforms send them: verified, recorded once, worked later, hints and nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.wrappers import Request, Response

from connector.accounts.connections import connection
from connector.db import transaction
from connector.delivery import reconcile, webhooks
from connector.ports.errors import Unauthorized
from simulator.server import ServerThread
from simulator.woocommerce import WooCommerceServer
from tests.delivery.conftest import Scene


class Receiver:
    """What our web server does with a delivery, on a port of its own; `answers` counts by outcome."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.answers: list[str] = []
        with scene.rt.engine.connect() as db:
            row = connection(db, scene.merchant_id, scene.store_id)
        secrets = scene.rt.secrets(row)
        self.secrets = [secrets[name] for name in ("webhook_secret", "api_secret") if name in secrets]
        self.secret = secrets["webhook_secret"]
        self.verifier = scene.rt.store_webhooks(row.adapter)
        self.server = ServerThread(self)
        self.last: tuple[dict[str, str], bytes] = ({}, b"")

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        request = Request(environ)
        body = request.get_data()
        self.last = (dict(request.headers), body)
        try:
            self.answers.append(self.take(dict(request.headers), body))
        except Unauthorized:
            self.answers.append("refused")
            return Response("", 401)(environ, start)
        return Response("", 200)(environ, start)

    def take(self, headers: dict[str, str], body: bytes) -> str:
        with transaction(self.scene.rt.engine) as db:
            return webhooks.receive(
                db,
                self.scene.merchant_id,
                self.scene.store_id,
                self.verifier,
                headers,
                body,
                self.secrets,
            ).outcome

    def receipts(self) -> list[Any]:
        with self.scene.rt.engine.connect() as db:
            return list(
                db.execute(
                    sa.text(
                        "select topic, outcome, worked_at is not null as worked, body from webhook_receipt order by 1"
                    )
                )
            )


@pytest.fixture
def receiver(scene: Scene) -> Iterator[Receiver]:
    scene.supply(A_1=6)
    scene.deliver()
    received = Receiver(scene)
    with received.server as server:
        if isinstance(scene.server, WooCommerceServer):
            scene.server.webhooks.start()
        scene.rt.store(scene.merchant_id, scene.store_id).subscribe(server.url + "/hooks", received.secret)
        idle(scene)
        received.answers.clear()
        yield received
        if isinstance(scene.server, WooCommerceServer):
            scene.server.webhooks.stop()


def idle(scene: Scene) -> None:
    if isinstance(scene.server, WooCommerceServer):
        scene.server.webhooks.wait_idle()
    else:
        scene.server.webhooks.drain()


def test_a_sale_reaches_the_position_by_its_webhook(scene: Scene, receiver: Receiver) -> None:
    scene.sell("A-1", 2)
    idle(scene)
    assert "recorded" in receiver.answers

    scene.deliver()

    assert 4 == scene.world.position(scene.variant("A-1")).available
    assert 2 == sum(scene.world.allocated(scene.variant("A-1")).values())
    assert all(receipt.worked and receipt.body is None for receipt in receiver.receipts())


def test_duplicates_and_reordered_deliveries_end_in_the_same_number(scene: Scene, receiver: Receiver) -> None:
    scene.server.dials.webhook_duplicate_rate = 1.0
    scene.server.dials.webhook_reorder_rate = 0.5
    scene.sell("A-1", 2)
    scene.sell("A-1", 1)
    idle(scene)
    assert "repeated" in receiver.answers

    scene.deliver()

    assert 3 == scene.world.position(scene.variant("A-1")).available
    # A platform may only name the order: the reading it asks for takes the fall's place.
    reconcile.read_orders(scene.rt, scene.merchant_id, scene.store_id)
    assert {"order": 3} == scene.world.allocated(scene.variant("A-1"))


def test_our_own_write_comes_back_as_an_echo_and_changes_nothing(scene: Scene, receiver: Receiver) -> None:
    scene.supply(A_1=3)
    scene.deliver()
    idle(scene)
    sent = len(scene.attempts())

    scene.deliver()

    assert (3, sent) == (scene.stock("A-1"), len(scene.attempts()))
    assert {} == scene.world.allocated(scene.variant("A-1"))


def test_a_forged_delivery_is_refused_and_leaves_no_trace(scene: Scene, receiver: Receiver) -> None:
    scene.sell("A-1", 1)
    idle(scene)
    headers, body = receiver.last
    before = len(receiver.receipts())

    for forged_headers, forged_body in (
        (headers, body.replace(b"1", b"2")),
        ({k: ("AAAA" if "ignature" in k or "Hmac" in k else v) for k, v in headers.items()}, body),
        ({k: v for k, v in headers.items() if "ignature" not in k and "Hmac" not in k}, body),
    ):
        with pytest.raises(Unauthorized):
            receiver.take(forged_headers, forged_body)

    assert before == len(receiver.receipts())
