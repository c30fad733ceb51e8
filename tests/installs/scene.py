"""An installation of Dispo with an app in Shopify's App Store, and a simulated shop that installs it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from connector.accounts.access import change_secrets
from connector.accounts.installations import InstallationRow, by_shop
from connector.bootstrap import TOPICS, Runtime
from connector.outbox.messages import due_turns
from simulator.shop import Shop
from simulator.shopify import ShopifyServer
from workers import jobs
from workers.runtime import use

CLIENT_ID, SECRET = "app-client-id", "the secret of the app in these tests"
HOOKS = "/webhooks/shopify"


def now() -> datetime:
    return datetime.now(UTC)


def make_shop(name: str = "Vase & Co") -> Shop:
    shop = Shop(name, currency="EUR", clock=now)
    for number in range(1, 4):
        shop.add_product(f"Vase {number}", [{"sku": f"A-{number}", "price_minor": 1000, "stock": 10}])
    return shop


def serve(shop: Shop, **options: Any) -> ShopifyServer:
    return ShopifyServer(shop, api_key=CLIENT_ID, api_secret=SECRET, access_token=None, **options)


class Admin:
    """A merchant's browser in the Shopify admin of one simulated shop, and what the workers do meanwhile."""

    def __init__(self, rt: Runtime, client: FlaskClient, server: ShopifyServer) -> None:
        self.rt, self.client, self.server = rt, client, server

    @property
    def shop(self) -> str:
        return self.server.domain

    def open(self, token: str | None = None, **args: str) -> TestResponse:
        """The app's page in its frame, as the admin asks for it."""
        token = self.server.tokens.id_token() if token is None else token
        query = {"shop": self.shop, "host": "aG9zdA", "embedded": "1", "id_token": token, **args}
        return self.client.get("/shopify/app", query_string={k: v for k, v in query.items() if v})

    def ask(self, path: str, method: str = "GET", token: str | None = None, **options: Any) -> TestResponse:
        """A request of the page's script."""
        token = self.server.tokens.id_token() if token is None else token
        headers = {"Authorization": f"Bearer {token}"}
        return self.client.open(f"/shopify/app/{path}", method=method, headers=headers, **options)

    def row(self) -> InstallationRow:
        """The installation as stored."""
        with self.rt.engine.connect() as db:
            found = by_shop(db, "shopify", self.shop)
        assert found is not None
        return found

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.rt.engine.begin() as db:
            result = db.execute(sa.text(statement), values)
            return list(result) if result.returns_rows else []

    def secrets(self) -> dict[str, str]:
        (row,) = self.rows("select sealed from connection where id = :c", c=self.row().connection_id)
        return self.rt.keyring.unseal(bytes(row.sealed))

    def work(self) -> None:
        """What the clock and the workers do until nothing is due."""
        use(self.rt)
        for _ in range(20):
            due = self.rows("""
                select merchant_id, kind, id from schedule
                 where coalesce(lease_until, least(next_run_at, rerun_at)) <= now() and kind like 'store.%'
                 order by kind desc
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

    def deliver(self, headers: dict[str, str], body: bytes, path: str = HOOKS) -> TestResponse:
        return self.client.post(path, data=body, headers=headers)

    def hook(self, topic: str, payload: dict[str, Any], **headers: str) -> TestResponse:
        """A webhook to the app's own address, signed by the simulator."""
        body, signed = self.server.webhooks.signed(topic, payload, "event")
        return self.deliver({**signed, **headers}, body)

    def uninstall(self) -> TestResponse:
        """The merchant removes the app; returns our answer to the webhook."""
        body, signed = self.server.webhooks.signed("APP_UNINSTALLED", {"id": 1}, "event")
        self.server.uninstall()
        return self.deliver(signed, body)

    def expire(self) -> None:
        """Let the hour of the present access be over, here and there."""
        self.server.tokens.expire()
        row = self.row()
        with self.rt.engine.begin() as db:
            past = (self.rt.now() - timedelta(seconds=1)).isoformat()
            change_secrets(
                db, self.rt.keyring, row.merchant_id, row.connection_id, {"access_expires_at": past}
            )


def soon(seconds: int) -> int:
    """A time of an ID token, so many seconds from now."""
    return int(time.time()) + seconds
