"""The pages say how a restock date came about and whether such dates were kept."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.positions.lateness import learn
from tests.web.conftest import Person
from tests.web.shop import Shop


class Late:
    """A supplier that was 0 to 9 days late forty times, with a sold-out vase due in three days."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.variant_id = shop.variants["A-12"]
        with shop.engine.connect() as db:
            self.connection_id = int(
                db.execute(
                    sa.text("select connection_id from source where id = :s"), {"s": shop.source_id}
                ).scalar_one()
            )
        self.today = shop.now.date()
        self.run(
            """
            insert into lead_time_evidence (merchant_id, connection_id, kind, reference, began_on, expected_on,
                                            latest_expected_on, arrived_on)
            select :m, :c, 'stated', cast(n as text), cast(:t as date) - 100 + n, cast(:t as date) - 95 + n,
                   cast(:t as date) - 95 + n, cast(:t as date) - 95 + n + n % 10
              from generate_series(0, 39) as n
            """
        )
        learn(shop.engine, shop.merchant_id, now=shop.now)
        self.run(
            "update observation set restock_on = cast(:t as date) + 3 where merchant_id = :m"
            " and item_key = 'item-' || cast(:v as bigint)"
        )
        shop.decide(self.variant_id)

    def run(self, statement: str, **more: Any) -> None:
        given = {"c": self.connection_id, "t": self.today, "v": self.variant_id, **more}
        with self.shop.engine.begin() as db:
            db.execute(sa.text(statement), {"m": self.shop.merchant_id, **given})

    def promised(self, kept: int, missed: int) -> None:
        self.run(
            """
            insert into promise (merchant_id, variant_id, shown_at, first_shown_on, latest_shown_on, basis,
                                 connection_id, restocked_at, is_kept, known_at)
            select :m, :v, :at, :t, :t, 'stated', :c, :at, n <= :kept, :at
              from generate_series(1, :all) as n
            """,
            kept=kept,
            all=kept + missed,
            at=self.shop.now - timedelta(days=20),
        )


@pytest.fixture
def late(shop: Shop) -> Late:
    return Late(shop)


def test_the_product_says_how_its_date_came_about(owner: Person, late: Late) -> None:
    said = " ".join(owner.get(f"/products/{late.variant_id}").text.split())

    assert "Why this date?" in said
    assert "at most so long in 95 of 100 cases · 40 known · all suppliers together" in said
    assert "9 days" in said


def test_few_dates_are_a_target_and_no_rate(owner: Person, late: Late) -> None:
    late.promised(kept=9, missed=2)

    said = " ".join(owner.get(f"/connections/{late.connection_id}").text.split())

    assert "a target so far" in said
    assert "11 are known so far, of which 9 were kept: too few to call it a rate." in said
    assert "up to 9 days" in said and "typically 5 days" in said


def test_enough_dates_are_a_rate_with_its_interval(owner: Person, late: Late) -> None:
    late.promised(kept=20, missed=20)

    said = " ".join(owner.get(f"/connections/{late.connection_id}").text.split())

    assert "50% of 40 dates were kept (between 35% and 65%, 95 in 100). The target is 95 %." in said
    assert "missed</span>" in said


def test_a_connection_without_dates_says_nothing_of_them(owner: Person, shop: Shop) -> None:
    assert "Restock dates" not in owner.get(f"/connections/{shop.ads_id}").text


def test_every_promise_is_in_the_file_and_a_stranger_gets_none(
    owner: Person, stranger: Person, late: Late
) -> None:
    late.promised(kept=1, missed=0)

    rows, theirs = (
        list(csv.DictReader(io.StringIO(person.get("/promises.csv").text.lstrip("\ufeff"))))
        for person in (owner, stranger)
    )

    assert [("A-12", "kept"), ("A-12", "open")] == [(row["sku"], row["outcome"]) for row in rows]
    assert [] == theirs
    assert stranger.get(f"/connections/{late.connection_id}").status_code == 404
