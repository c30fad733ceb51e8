"""The pages of what alerts are worth: sums, products, one product, files; and before anything happened."""

from __future__ import annotations

import csv
import io

import pytest
import sqlalchemy as sa

from connector.bootstrap import Runtime
from tests.web.conftest import Person
from tests.web.shop import Shop


@pytest.fixture
def told(shop: Shop, rt: Runtime) -> Shop:
    """Somebody was told of A-12 an hour ago, clicked, and ordered two for 39.98."""
    given = {"m": shop.merchant_id, "v": shop.variants["A-12"], "now": rt.now()}
    with shop.engine.begin() as db:
        person = db.scalar(
            sa.text("select id from subscription where merchant_id = :m order by id limit 1"), given
        )
        episode = db.scalar(
            sa.text("""
                insert into episode (merchant_id, variant_id, opened_at, units_at_open)
                values (:m, :v, :now - interval '1 hour', 7) returning id
            """),
            given,
        )
        invitation = db.scalar(
            sa.text("""
                insert into invitation (merchant_id, subscription_id, episode_id, variant_id, claim_rate, created_at,
                                        clicked_at, order_id, ordered_at, order_units, order_minor, order_currency)
                values (:m, :s, :e, :v, 0.2, :now - interval '1 hour', :now, 'W-17', :now, 2, 3998, 'EUR')
                returning id
            """),
            {**given, "s": person, "e": episode},
        )
        db.execute(
            sa.text("""
                insert into message (merchant_id, kind, subscription_id, variant_id, invitation_id, message_id, status,
                                     created_at, settled_at)
                values (:m, 'back_in_stock', :s, :v, :i, 'told@shop.test', 'sent', :now, :now)
            """),
            {**given, "s": person, "i": invitation},
        )
    return shop


def test_the_sums_are_on_the_page_the_products_and_the_product_have_theirs(told: Shop, owner: Person) -> None:
    variant_id = told.variants["A-12"]
    for address in ("/shoppers", "/shoppers/worth", f"/shoppers/products/{variant_id}?days=30"):
        text = owner.get(address).text
        assert "€39.98" in text, address
    assert "Still on" in text
    assert f'href="/shoppers/products/{variant_id}"' in owner.get("/shoppers/worth").text


def test_files_hold_every_product_and_every_invitation(told: Shop, owner: Person) -> None:
    def rows(address: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(owner.get(address).text.removeprefix("\ufeff"))))

    (one,) = [row for row in rows("/shoppers/worth.csv") if row["sku"] == "A-12"]
    assert (one["told"], one["ordered"], one["revenue_minor"], one["currency"]) == ("1", "1", "3998", "EUR")
    for address in ("/shoppers/invitations.csv", f"/shoppers/products/{told.variants['A-12']}.csv"):
        (row,) = rows(address)
        assert (row["sku"], row["order_id"], row["order_minor"], row["message"]) == (
            "A-12",
            "W-17",
            "3998",
            "sent",
        )


def test_before_anything_happened_the_page_says_so(stranger: Person, shop: Shop) -> None:
    text = stranger.get("/shoppers/worth").text
    assert "Nothing to count yet" in text
    assert "A-12" not in text
    assert "What alerts are worth" not in stranger.get("/shoppers").text
