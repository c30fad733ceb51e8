"""Advertising scenes: the real Google Ads adapter against the simulated account."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

pytest.importorskip("google.ads.googleads", reason="the extra 'google-ads' is not installed")
pytest.importorskip("trustme", reason="the extra 'simulator' is not installed")

from connector.accounts.connections import add_connection
from connector.advertising.links import read_account
from connector.advertising.pausing import act
from connector.advertising.policy import Plan
from connector.bootstrap import TOPICS, Runtime
from connector.db import transaction
from connector.outbox.messages import due_turns
from connector.ports.errors import Retryable
from connector.settings import Settings
from simulator.google_ads import GoogleAdsServer
from tests.builders import World
from tests.support import ManualClock

HOST = "shop.example"


class AdScene:
    """A merchant with a store, one supplier and one simulated ad account."""

    def __init__(self, rt: Runtime, server: GoogleAdsServer, clock: ManualClock, **rules: Any) -> None:
        self.rt = rt
        self.server = server
        self.clock = clock
        self.world = World(rt.engine, now=clock.now(), ads_dwell_s=60, **rules)
        self.merchant_id = self.world.merchant_id
        self.store_id = self.world.store()
        self.source_id = self.world.source()
        config, secrets = server.connection()
        with transaction(rt.engine) as db:
            self.account_id = add_connection(
                db,
                rt.keyring,
                self.merchant_id,
                kind="ads",
                adapter="google_ads",
                name="Google Ads",
                config=config,
                secrets=secrets,
                now=clock.now(),
            )

    def page(self, name: str, **quantities: int) -> None:
        """A product page with these variants, all listed and supplied."""
        for sku, quantity in quantities.items():
            variant_id = self.world.variant(sku)
            self.world.listing(self.store_id, variant_id, quantity, sku=sku, page_key=self.key(name))
            self.supply(**{sku: quantity})

    def stranger(self, name: str, sku: str, shown: int | None, **fields: Any) -> int:
        """A listing on that page that no supplier of ours feeds."""
        return self.world.listing(
            self.store_id,
            self.world.variant(sku),
            shown,
            sku=sku,
            page_key=self.key(name),
            **{"is_managed": False, **fields},
        )

    def supply(self, **quantities: int) -> None:
        """What the supplier says now; decided."""
        for sku, quantity in quantities.items():
            variant_id = self._variant(sku)
            self.world.observe(self.source_id, variant_id, quantity)
            self.world.decide(variant_id, at=self.clock.now())

    def ad(self, name: str, **fields: Any) -> str:
        """One more ad for that page; its resource name."""
        return self.server.seed([{"landing_page": self.url(name), **fields}])[0]  # type: ignore[typeddict-item]

    def read(self) -> int:
        return read_account(self.rt, self.merchant_id, self.account_id)

    def look(self, *, after_s: float = 0) -> Plan:
        """One look at the account, `after_s` seconds later."""
        self.clock.advance(seconds=after_s)
        return act(self.rt, self.merchant_id, self.account_id)

    def later(self, **step: float) -> None:
        """Let hours pass. Google's access token is too old by then: the first call is told so."""
        self.clock.advance(**step)
        with contextlib.suppress(Retryable):
            self.rt.ads(self.merchant_id, self.account_id).check()

    def pause(self, *ads: str) -> None:
        """Bring sold-out ads to where our pause is done."""
        self.read()
        self.look()
        self.look(after_s=60)
        assert self.statuses(*ads) == ["PAUSED"] * len(ads)

    def serve(self) -> list[str]:
        """Serve the due turns of the ads topic until nothing is due; the errors they ended with."""
        errors = []
        for _ in range(10):
            with self.rt.engine.connect() as db:
                turns = [turn for turn in due_turns(db, list(TOPICS), 50) if turn.topic == "ads.position"]
            if not turns:
                break
            for turn in turns:
                served = self.rt.serve(turn)
                if served is not None and served.error is not None:
                    errors.append(type(served.error).__name__)
        return errors

    def by_hand(self, ad: str, status: Any) -> None:
        """The merchant's own hand in Google Ads."""
        self.server.accounts.set_status(ad, status, by="merchant")

    def statuses(self, *ads: str) -> list[str]:
        return [self.server.accounts.items[ad].status for ad in ads]

    def changes(self) -> list[tuple[str, str]]:
        """What we changed on the platform, in order: (resource name, new status)."""
        return [(c.resource_name, c.after) for c in self.server.accounts.history if c.by == "api"]

    def link(self, ad: str) -> Any:
        with self.rt.engine.connect() as db:
            return db.execute(
                sa.text("select * from ad_link where merchant_id = :m and external_id = :e"),
                {"m": self.merchant_id, "e": ad},
            ).one()

    def ledger(self) -> list[tuple[str, str, bool]]:
        """(action, outcome, dry run) of every line, oldest first."""
        return [(row.action, row.outcome, row.is_dry_run) for row in self.lines()]

    def lines(self) -> list[Any]:
        with self.rt.engine.connect() as db:
            return list(
                db.execute(
                    sa.text("select * from ad_action where merchant_id = :m order by id"),
                    {"m": self.merchant_id},
                )
            )

    @staticmethod
    def url(name: str) -> str:
        return f"https://www.{HOST}/products/{name}?utm_source=ads"

    @staticmethod
    def key(name: str) -> str:
        return f"{HOST}/products/{name}"

    def _variant(self, sku: str) -> int:
        with self.rt.engine.connect() as db:
            return int(
                db.execute(
                    sa.text("select id from variant where merchant_id = :m and sku = :s"),
                    {"m": self.merchant_id, "s": sku},
                ).scalar_one()
            )


@pytest.fixture
def server(tmp_path: Path, clock: ManualClock) -> Iterator[GoogleAdsServer]:
    with GoogleAdsServer(directory=tmp_path / "ads", clock=clock) as running:
        yield running


@pytest.fixture
def runtime(
    engine: sa.Engine, settings: Settings, server: GoogleAdsServer, clock: ManualClock
) -> Iterator[Runtime]:
    rt = Runtime(
        replace(settings, allowed_private_hosts=server.hosts, ca_file=str(server.ca_file)), clock=clock.now
    )
    rt.__dict__["engine"] = engine
    yield rt
    for _, _, adapter in rt._adapters.values():
        adapter.close()


@pytest.fixture
def scene(runtime: Runtime, server: GoogleAdsServer, clock: ManualClock) -> AdScene:
    return AdScene(runtime, server, clock)
