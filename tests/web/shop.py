"""A merchant with everything a page may show, made with plain rows."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from connector.accounts.install_tables import Handover
from connector.accounts.tables import Connection, Schedule
from connector.advertising.tables import AdAction, AdLink
from connector.delivery.live_tables import OrderDoubt
from connector.delivery.tables import Reconciliation
from connector.intake.tables import HeldChange, Run, RunIssue
from connector.outbox.messages import Intent, enqueue
from connector.positions.tables import Movement, Order, OrderLine, Position
from connector.search.tables import SearchFinding, SearchPage
from connector.shoppers.at_risk.tables import OrderRisk
from connector.shoppers.tables import Message, Subscription
from tests.builders import World

GOODS = (
    ("A-12", "Vase Lumière, blue", 0, "out_of_stock"),
    ("A-13", "Vase Lumière, white", 24, "in_stock"),
    ("B-01", "Bowl Terre, small", 2, "low_stock"),
    ("B-02", "Bowl Terre, large", 0, "restocking"),
    ("C-70", "Candle <Cedar> & Fig", 140, "in_stock"),
    ("D-09", "Table lamp Orme", 0, "made_to_order"),
    ("E-44", "Linen napkin, set of six, natural with a very long name that needs room", 9, "in_stock"),
    ("F-02", "Mirror Rond 60", 0, "discontinued"),
)


class Shop(World):
    """See `GOODS`. Ids of what tests ask for are attributes; `is_empty` makes the merchant alone."""

    def __init__(self, engine: sa.Engine, now: datetime, *, is_empty: bool = False, **rules: Any) -> None:
        super().__init__(engine, now=now, timezone="Europe/Paris", **rules)
        self.variants: dict[str, int] = {}
        if not is_empty:
            self._open()

    def _open(self) -> None:
        self.store_id = self.store(
            name="Atelier Vase", adapter="woocommerce", config={"url": "https://shop.test"}
        )
        self.second_store_id = self.store(writes=False, name="Vase & Co outlet", adapter="woocommerce")
        self.source_id = self.source(as_of=self.now - timedelta(minutes=12), max_age_hours=48)
        self.execute("update source set name = 'Céramiques du Midi' where merchant_id = :m")
        self.execute(
            "update connection set name = 'Céramiques du Midi' where merchant_id = :m and kind = 'supplier'"
        )
        self.supplier_id = self._connection("supplier")
        self.ads_id = self.add(
            Connection,
            kind="ads",
            adapter="google_ads",
            name="Google Ads 123",
            public_key=f"ads-{self.merchant_id}",
            created_at=self.now,
        )
        self.run_id = self.run(
            "applied", 40, rows_read=812, rows_changed=6, variants_changed=4, rows_rejected=2
        )
        self.run("unchanged", 30)
        self.failed_run_id = self.run(
            "failed",
            25,
            error_code="html_page",
            error="The address answered with a web page, not a file. Log in again.",
        )
        self.held_run_id = self.run(
            "held",
            12,
            rows_read=810,
            rows_held=3,
            error_code="many_to_zero",
            error="412 of 810 items would go to zero.",
        )
        for number, (sku, title, available, state) in enumerate(GOODS):
            self._good(number, sku, title, available, state)
        self._issues_and_held()
        self._people()
        self._ads()
        self.add(
            Reconciliation,
            connection_id=self.store_id,
            started_at=self.now - timedelta(minutes=4),
            finished_at=self.now - timedelta(minutes=4),
            listings_read=812,
        )
        self.add(
            Reconciliation,
            connection_id=self.second_store_id,
            started_at=self.now - timedelta(minutes=9),
            finished_at=self.now - timedelta(minutes=9),
            listings_read=8,
        )
        self.handover_id = self.add(
            Handover,
            user_id=1,
            adapter="woocommerce",
            address="https://shop.test",
            name="Atelier Vase",
            digest=f"handover-{self.merchant_id}",
            created_at=self.now,
            expires_at=self.now + timedelta(minutes=30),
        )
        self._search()
        for kind, subject in (("positions.recheck", 0), ("supplier.sync", self.source_id)):
            self.add(
                Schedule,
                kind=kind,
                subject_id=subject,
                every_s=3600,
                next_run_at=self.now + timedelta(hours=1),
            )
        self.doubt_id = self._order_doubt()
        self.risk_id = self._order_risk()
        with self.engine.begin() as db:
            enqueue(db, self.merchant_id, [Intent("store.quantity", "1", self.store_id)])

    def _order_risk(self) -> int:
        """A vase ordered ten days ago and promised for yesterday, which comes in a week; its customer was not
        asked yet."""
        yesterday = (self.now - timedelta(days=1)).date()
        return self.add(
            OrderRisk,
            connection_id=self.store_id,
            order_id="4711",
            line_id="1",
            variant_id=self.variants["A-12"],
            units=2,
            placed_at=self.now - timedelta(days=10),
            due_on=yesterday,
            due_basis="promise",
            reason="after_deadline",
            expected_on=yesterday + timedelta(days=8),
            value_minor=9800,
            currency="EUR",
            opened_at=self.now - timedelta(days=2),
            history=[["2026-01-03T09:00:00+00:00", "dispo", "opened", "after_deadline"]],
        )

    def _order_doubt(self) -> int:
        """An order that its supplier cannot serve."""
        line = {"connection_id": self.store_id, "order_id": "1042", "line_id": "1"}
        variant_id = self.variants["A-12"]
        placed = {"placed_at": self.now, "updated_at": self.now, "holds_stock": True}
        with self.engine.begin() as db:
            for table, values in (
                (Order, {"connection_id": self.store_id, "external_id": "1042", **placed}),
                (OrderLine, {**line, "variant_id": variant_id, "external_id": "9001", "units": 2}),
            ):
                row = {"merchant_id": self.merchant_id, **values}
                db.execute(sa.insert(table.__table__).values(**row))  # type: ignore[union-attr]
        return self.add(
            OrderDoubt,
            **line,
            variant_id=variant_id,
            source_id=self.source_id,
            units=2,
            said_units=1,
            missing_units=1,
            heard_at=self.now - timedelta(minutes=3),
        )

    def add(self, table: Any, **values: Any) -> int:
        """A row of this merchant; its id."""
        return self._insert(table, merchant_id=self.merchant_id, **values)

    def _connection(self, kind: str) -> int:
        with self.engine.connect() as db:
            return int(
                db.execute(
                    sa.text("select id from connection where merchant_id = :m and kind = :k"),
                    {"m": self.merchant_id, "k": kind},
                ).scalar_one()
            )

    def run(self, status: str, minutes: int, **values: Any) -> int:
        began = self.now - timedelta(minutes=minutes)
        return self.add(
            Run,
            source_id=self.source_id,
            status=status,
            stage="done",
            started_at=began,
            finished_at=began + timedelta(seconds=4),
            as_of=began,
            file_name="stock.csv",
            size_bytes=48_211,
            **values,
        )

    def _good(self, number: int, sku: str, title: str, available: int, state: str) -> None:
        variant_id = self.variants[sku] = self.variant(sku, title=title)
        self.observe(self.source_id, variant_id, available, line=number + 2)
        self.execute("update observation set run_id = :r where merchant_id = :m", r=self.run_id)
        back_on = date(2030, 1, 14) if state == "restocking" else None
        with self.engine.begin() as db:
            db.execute(
                sa.insert(Position.__table__).values(  # type: ignore[attr-defined]
                    merchant_id=self.merchant_id,
                    variant_id=variant_id,
                    available=available,
                    state=state,
                    version=1,
                    restock_on=back_on,
                    restock_basis="stated" if back_on else "",
                    decided_at=self.now,
                    why={
                        "sources": [
                            {
                                "source": self.source_id,
                                "units": available,
                                "deducted": 1,
                                "observed": available + 1,
                            }
                        ],
                        "sum": available,
                        "buffer": 0,
                        "cap": None,
                        "threshold": 3,
                    },
                )
            )
        self.add(
            Movement,
            variant_id=variant_id,
            at=self.now - timedelta(minutes=40 - number),
            cause="run",
            run_id=self.run_id,
            available_before=4 if available == 0 else 0,
            available_after=available,
            state_before="in_stock" if available == 0 else "out_of_stock",
            state_after=state,
        )
        for store_id, shown in (
            (self.store_id, available),
            (self.second_store_id, 4 if available == 0 else 0),
        ):
            self.listing(
                store_id,
                variant_id,
                shown,
                sku=sku,
                title=title,
                url=f"https://shop.test/product/{sku}/",
                page_key=f"shop.test/product/{sku}".lower(),
                wanted_available=available,
                wanted_state=state,
                believed_state=state if store_id == self.store_id else "",
                price_minor=4900,
            )

    def _issues_and_held(self) -> None:
        for line, column, reason in (
            (17, "qty", "“n/a” is not a number."),
            (203, "sku", "The SKU is missing."),
        ):
            self.add(
                RunIssue,
                run_id=self.run_id,
                line=line,
                column=column,
                code="bad_cell",
                reason=reason,
                cells=["X-1", "=1+1"],
            )
        for sku in ("A-13", "C-70", "E-44"):
            self.add(
                HeldChange,
                run_id=self.held_run_id,
                source_id=self.source_id,
                item_key=f"item-{self.variants[sku]}",
                reason="many_to_zero",
                quantity_before=24,
                quantity_after=0,
            )

    def _people(self) -> None:
        self.messages: dict[str, int] = {}
        people = (
            ("lea@example.test", "waiting", ""),
            ("tom@example.test", "fulfilled", "sent"),
            ("ana@example.test", "fulfilled", "unknown"),
            ("max@example.test", "invited", "failed"),
            ("kim@example.test", "unconfirmed", "waiting"),
        )
        for address, status, message in people:
            subscription_id = self.add(
                Subscription,
                variant_id=self.variants["A-12"],
                connection_id=self.store_id,
                address=address,
                address_key=address,
                status=status,
                created_at=self.now - timedelta(days=2),
                confirmed_at=None if status == "unconfirmed" else self.now - timedelta(days=2),
            )
            if message:
                settled = None if message == "waiting" else self.now - timedelta(seconds=30)
                self.messages[message] = self.add(
                    Message,
                    kind="confirm" if message == "waiting" else "back_in_stock",
                    subscription_id=subscription_id,
                    message_id=f"{address}-1",
                    status=message,
                    created_at=self.now - timedelta(minutes=3),
                    settled_at=settled,
                    subject="Back in stock: Vase Lumière, blue",
                    note="The mailbox does not exist." if message == "failed" else "",
                )

    def _ads(self) -> None:
        ours = self.now - timedelta(hours=5)
        self.ad_id = self.add(
            AdLink,
            connection_id=self.ads_id,
            external_id="1/11",
            kind="ad",
            name="Blue vase",
            campaign="Vases",
            landing_page="https://shop.test/product/A-12/",
            page_key="shop.test/product/a-12",
            seen_status="paused",
            seen_at=self.now - timedelta(minutes=3),
            daily_spend=18,
            paused_by_us_at=ours,
            out_since=ours,
        )
        self.add(
            AdLink,
            connection_id=self.ads_id,
            external_id="1/12",
            kind="ad",
            name="White vase",
            campaign="Vases",
            landing_page="https://shop.test/product/A-13/",
            page_key="shop.test/product/a-13",
            seen_status="enabled",
            seen_at=self.now - timedelta(minutes=3),
            daily_spend=9,
        )
        self.add(
            AdAction,
            ad_link_id=self.ad_id,
            at=ours,
            action="pause",
            outcome="done",
            reason="Everything on its landing page is sold out.",
        )
        self.add(
            AdAction,
            ad_link_id=self.ad_id,
            at=self.now - timedelta(days=3),
            action="resume",
            outcome="done",
            reason="It can be bought again on its landing page.",
            spend_saved="32.5000",
        )

    def _search(self) -> None:
        self.search_id = self.add(
            Connection,
            kind="search",
            adapter="google_search_console",
            name="https://shop.test/",
            config={"site": "https://shop.test/"},
            public_key=f"search-{self.merchant_id}",
            created_at=self.now,
        )
        key = {"connection_id": self.search_id, "page_key": "shop.test/product/a-12"}
        with self.engine.begin() as db:
            db.execute(
                sa.insert(SearchPage.__table__).values(  # type: ignore[attr-defined]
                    merchant_id=self.merchant_id,
                    **key,
                    url="https://shop.test/product/A-12/",
                    clicks=48,
                    impressions=1200,
                    inspected_at=self.now - timedelta(hours=2),
                    issues=[],
                )
            )
        self.finding_id = self.add(
            SearchFinding,
            **key,
            kind="sold_out",
            cause="undated",
            since=self.now - timedelta(days=44),
            detail={},
            opened_at=self.now - timedelta(days=14),
            seen_at=self.now,
        )
