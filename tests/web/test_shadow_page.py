"""What watching a store found, in words and money; how long to go on; and nothing of it for strangers."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.web.conftest import Person
from tests.web.shop import Shop


class Beside:
    """The unapproved store, watched for six days: A-12 was on sale without stock for two hours, with one order."""

    def __init__(self, shop: Shop, *, watched_s: int = 6 * 86_400) -> None:
        self.shop = shop
        self.path = f"/connections/{shop.second_store_id}/shadow"
        self.run(
            """
            insert into shadow_watch (merchant_id, connection_id, began_at, ask_at, seen_at, looks, compared,
                                      watched_s, compared_s)
            values (:m, :c, :began, :ask, :now, 1729, 8, :s, :s * 8)
            """,
            began=shop.now - timedelta(seconds=watched_s),
            ask=shop.now - timedelta(hours=1),
            s=watched_s,
        )
        self.run("""update connection set cursors = '{"orders": "x"}' where merchant_id = :m and id = :c""")
        self.run("update listing set price_minor = 2490 where merchant_id = :m and connection_id = :c")

    def oversold(self) -> None:
        began = self.shop.now - timedelta(hours=5)
        self.run(
            """
            insert into shadow_span (merchant_id, connection_id, listing_id, kind, began_at, began_by, ended_at,
                                     ended_by, store_units, our_units)
            select :m, :c, id, 'out', :began, 'ours', :ended, 'store', 4, 0 from listing
             where merchant_id = :m and connection_id = :c and sku = 'A-12'
            """,
            began=began,
            ended=began + timedelta(hours=2),
        )
        self.run(
            """
            with o as (insert into store_order (merchant_id, connection_id, external_id, placed_at, updated_at,
                                                holds_stock)
                       values (:m, :c, 'o1', :at, :at, true))
            insert into store_order_line (merchant_id, connection_id, order_id, line_id, variant_id, external_id,
                                          units)
            select :m, :c, 'o1', '1', variant_id, external_id, 2 from listing
             where merchant_id = :m and connection_id = :c and sku = 'A-12'
            """,
            at=began + timedelta(hours=1),
        )

    def run(self, statement: str, **more: object) -> None:
        given = {"m": self.shop.merchant_id, "c": self.shop.second_store_id, "now": self.shop.now, **more}
        with self.shop.engine.begin() as db:
            db.execute(sa.text(statement), given)

    def state(self) -> tuple[bool, float]:
        """Whether it is watched, and in how many hours the merchant is asked."""
        with self.shop.engine.connect() as db:
            row = db.execute(sa.text("select ended_at, ask_at from shadow_watch")).one()
        return row.ended_at is None, round((row.ask_at - self.shop.now).total_seconds() / 3600)


@pytest.fixture
def beside(shop: Shop) -> Beside:
    return Beside(shop)


def said(person: Person, path: str) -> str:
    return " ".join(person.get(path).text.split())


def test_the_report_says_what_was_sold_without_stock(owner: Person, beside: Beside) -> None:
    beside.oversold()
    text = said(owner, beside.path)

    assert "In 6 days" in text
    assert "1 article could be bought that your supplier did not have,</strong> for 2 hours together." in text
    assert "1 order (€49.80) was taken on them." in text
    assert "Nothing that was in stock was hidden." in text
    assert "The time you chose is over." in text
    assert f"/connections/{beside.shop.second_store_id}/approve" in text
    assert "every 5 minutes" in text


def test_the_file_holds_every_article_with_its_hours(owner: Person, beside: Beside) -> None:
    beside.oversold()
    rows = list(csv.DictReader(io.StringIO(owner.get(f"{beside.path}.csv").data.decode("utf-8-sig"))))

    assert ["A-12"] == [row["sku"] for row in rows]
    assert ("2.0", "2", "49.80", "EUR") == (
        rows[0]["hours_sold_out_at_supplier_but_on_sale"],
        rows[0]["units_ordered_while_sold_out"],
        rows[0]["worth"],
        rows[0]["currency"],
    )


def test_the_report_speaks_french(owner: Person, beside: Beside) -> None:
    beside.oversold()
    beside.run("update app_user set locale = 'fr' where merchant_id = :m")
    text = said(owner, beside.path)

    assert "1 article pouvait être acheté alors que votre fournisseur" in text
    assert "pendant 2 heures au total." in text


def test_before_an_hour_nothing_is_claimed(owner: Person, shop: Shop) -> None:
    path = f"/connections/{shop.second_store_id}/shadow"
    assert "Nothing to compare yet" in said(owner, path)

    Beside(shop, watched_s=1200)
    text = said(owner, path)
    assert "Watching for 20 minutes" in text and "First figures after an hour." in text
    assert "taken on them" not in text


def test_the_overview_asks_when_the_time_is_over(owner: Person, beside: Beside) -> None:
    text = said(owner, "/")
    assert "The time you chose is over." in text
    assert beside.path in text

    answer = owner.post(beside.path, {"hours": "72"})
    assert 303 == answer.status_code
    assert (True, 72) == beside.state()
    assert "The time you chose is over." not in said(owner, "/")


def test_a_merchant_stops_and_starts_anew(owner: Person, beside: Beside) -> None:
    assert 400 == owner.post(beside.path, {"hours": "7"}).status_code
    owner.post(f"{beside.path}/stop")
    assert (False, -1) == beside.state()
    assert "It has not been watched since" in said(owner, beside.path)

    owner.post(f"{beside.path}/start")
    assert "Nothing to compare yet" in said(owner, beside.path)


def test_a_stranger_sees_and_changes_nothing(stranger: Person, beside: Beside) -> None:
    assert [404, 404] == [stranger.get(path).status_code for path in (beside.path, f"{beside.path}.csv")]
    assert 404 == stranger.post(f"{beside.path}/stop").status_code
    assert (True, -1) == beside.state()
