"""A look that writes nothing."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from connector.intake.preview import Changes, PreviewRow, preview
from connector.ports.errors import FileFault
from tests.intake.conftest import MERCHANT, SOURCE, Shop

TABLES = "run, run_issue, held_change, observation, snapshot, supplier_item, position, outbox_message, source, listing"


def _everything(shop: Shop) -> list[object]:
    return [shop.all(f"select to_jsonb(t) from {name} t order by 1") for name in TABLES.split(", ")]


def test_a_first_look_shows_the_guess_the_match_rate_and_the_difference_to_the_store(shop: Shop) -> None:
    for sku in ("A-1", "B-2", "C-3", "E-5"):
        shop.add_variant(sku)  # the store says 7 of each
    shop.supplier.text = "SKU,Stock\nA-1,0\nB-2,3\nC-3,9\nD-4,1\nE-5,7\nF-6,oak\nG-7,1\n"
    before = _everything(shop)

    seen = preview(shop.rt, MERCHANT, SOURCE)

    assert [(offer.field, offer.column) for offer in seen.guesses] == [("sku", "SKU"), ("quantity", "Stock")]
    assert (seen.total_rows, seen.items, seen.matched, seen.new, seen.rejected) == (7, 6, 4, 6, 1)
    assert seen.match_rate == 4 / 6
    assert seen.stores == Changes(to_zero=1, down=1, up=1, same=1)
    assert seen.observed == Changes()
    assert seen.rows[0] == PreviewRow(2, ["A-1", "0"], "a-1", 0)
    assert seen.rows[5] == PreviewRow(7, ["F-6", "oak"], None, None)
    assert [issue.code for issue in seen.issues] == ["unknown_quantity"]
    assert _everything(shop) == before
    assert [path for path in shop.rt.data_dir.rglob("*") if path.is_file()] == []


def test_a_dry_run_counts_what_the_next_run_would_change(shop: Shop) -> None:
    shop.add_variant("A-1")
    shop.run("SKU,Stock\nA-1,5\nB-2,7\nC-3,0\nD-4,4\nE-5,1\n")
    shop.supplier.text = "SKU,Stock\nA-1,0\nB-2,6\nC-3,2\nD-4,8\n"
    before = _everything(shop)

    seen = preview(shop.rt, MERCHANT, SOURCE, dry_run=True)

    assert seen.observed == Changes(to_zero=1, down=1, back=1, up=1, same=0)
    assert (seen.missing, seen.new, seen.holds) == (1, 0, ())
    assert _everything(shop) == before


def test_a_look_under_another_mapping(shop: Shop) -> None:
    shop.supplier.text = "Code,Nummer,Frei\nx,A-1,5\n"
    shop.add_variant("A-1")

    unsure = preview(shop.rt, MERCHANT, SOURCE)
    chosen = preview(shop.rt, MERCHANT, SOURCE, mapping={"columns": {"sku": "Nummer", "quantity": "Frei"}})

    assert unsure.mapping is None
    assert unsure.problem.startswith("The columns (Code, Nummer, Frei) do not tell")
    assert unsure.rows == [PreviewRow(2, ["x", "A-1", "5"], None, None)]
    assert (chosen.matched, chosen.rows[0].item_key, chosen.rows[0].quantity) == (1, "a-1", 5)
    assert shop.all("select mapping from source") == [({},)]


def test_prefixes_of_a_mapping_that_is_not_saved_yet_count(shop: Shop) -> None:
    shop.supplier.text = "SKU,Stock\nACME-A-1,5\n"
    shop.add_variant("A-1")
    columns = {"sku": "SKU", "quantity": "Stock"}

    without = preview(shop.rt, MERCHANT, SOURCE, mapping={"columns": columns})
    with_prefix = preview(
        shop.rt, MERCHANT, SOURCE, mapping={"columns": columns, "keys": {"prefix": "acme-"}}
    )

    assert (without.matched, with_prefix.matched) == (0, 1)


def test_only_twenty_rows_are_shown(shop: Shop) -> None:
    shop.supplier.text = "SKU,Stock\n" + "".join(f"A-{n},{n}\n" for n in range(50))

    seen = preview(shop.rt, MERCHANT, SOURCE)

    assert [row.item_key for row in seen.rows] == [f"a-{n}" for n in range(20)]
    assert seen.total_rows == 50


def test_what_would_be_held_is_said(shop: Shop) -> None:
    shop.run("SKU,Stock\n" + "".join(f"A-{n},{n + 1}\n" for n in range(40)))
    shop.supplier.text = "SKU,Stock\nA-1,5\n"

    seen = preview(shop.rt, MERCHANT, SOURCE, dry_run=True)

    assert [hold.code for hold in seen.holds] == ["rows_vanished"]


def test_a_dry_run_works_out_what_the_stores_would_say_with_buffer_cap_packs_and_sales(shop: Shop) -> None:
    ids = {sku: shop.add_variant(sku) for sku in ("A-1", "B-2", "C-3", "D-4", "E-5")}
    shop.all("update listing set price_minor = 250 where sku <> 'B-2' returning id")
    shop.run("SKU,Stock\nA-1,9\nB-2,8\nC-3,0\nD-4,12\nE-5,3\n")
    shop.all("update variant set buffer_units = 2 where sku = 'A-1' returning id")
    shop.all("update variant set cap_units = 4 where sku = 'C-3' returning id")
    shop.all("update supplier_item set units_per_variant = 6 where item_key = 'd-4' returning variant_id")
    shop.all(
        "insert into allocation (merchant_id, connection_id, variant_id, source_id, units, sold_at, origin)"
        " values (1, 1, :variant, 1, 1, now() + interval '9 years', 'order') returning id",
        variant=ids["E-5"],
    )
    shop.supplier.text = "SKU,Stock\nA-1,2\nB-2,5\nC-3,7\nD-4,12\nE-5,2\n"
    before = _everything(shop)

    seen = preview(shop.rt, MERCHANT, SOURCE, dry_run=True).effect

    assert [(one.sku, one.danger, one.before, one.after) for one in seen.first] == [
        ("A-1", "to_zero", 9, 0),
        ("B-2", "down", 8, 5),
        ("E-5", "down", 3, 1),
        ("C-3", "back", 0, 4),
    ]
    assert seen.counts == {"to_zero": 1, "down": 2, "back": 1}
    # 9 of A-1 and 2 of E-5; nobody knows what B-2 costs.
    assert (seen.at_stake_minor, seen.unpriced) == (2750, 1)
    assert (seen.concerned, seen.decided) == (4, 4)
    assert _everything(shop) == before


def test_a_dry_run_says_what_a_run_then_does(shop: Shop) -> None:
    for sku in ("A-1", "B-2", "C-3"):
        shop.add_variant(sku)
    shop.source(missing_policy="zero")
    shop.run("SKU,Stock\nA-1,9\nB-2,8\n")
    shop.supplier.text = "SKU,Stock\nA-1,4\nC-3,5\n"

    seen = preview(shop.rt, MERCHANT, SOURCE, dry_run=True).effect
    shop.run()

    assert {one.sku: (one.before, one.after) for one in seen.first} == {
        "A-1": (9, 4),
        "B-2": (8, 0),
        "C-3": (None, 5),
    }
    assert shop.available() == {"A-1": 4, "B-2": 0, "C-3": 5}


def test_a_look_that_takes_too_long_ends(shop: Shop) -> None:
    shop.supplier.text = "SKU,Stock\nA-1,9\n"

    with pytest.raises(FileFault, match="longer than 0 s") as caught:
        preview(shop.rt, MERCHANT, SOURCE, deadline_s=0.0)

    assert caught.value.code == "too_slow"


def test_one_slow_statement_ends_it_too(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.supplier.text = "SKU,Stock\nA-1,9\n"
    slow = sa.text("select pg_sleep(20)")
    monkeypatch.setattr("connector.intake.preview._compare", lambda rt, db, *rest: db.execute(slow))

    with pytest.raises(FileFault, match="longer than 0 s") as caught:
        preview(shop.rt, MERCHANT, SOURCE, deadline_s=0.1)

    assert caught.value.code == "too_slow"


def test_a_dry_run_counts_the_costs_that_choose_who_sells(shop: Shop) -> None:
    variant = shop.add_variant("A-1", managed=True)
    file = "SKU,Stock,Cost\nA-1,5,{}\n"
    with shop.engine.begin() as db:
        db.exec_driver_sql(
            "insert into stock_rule (merchant_id, level, subject, says, changed_at)"
            """ values (1, 'merchant', '', '{"strategy": "cheapest"}', now())"""
        )
        db.exec_driver_sql("insert into source (merchant_id, connection_id, name) values (1, 2, 'Other')")
        db.exec_driver_sql(
            "insert into observation (merchant_id, source_id, item_key, sku, quantity, cost, run_id)"
            " values (1, 2, 'a-1', 'A-1', 30, 4, 0)"
        )
        db.exec_driver_sql(
            "insert into supplier_item (merchant_id, source_id, item_key, variant_id, how)"
            " values (1, 2, 'a-1', %s, 'sku')",
            (variant,),
        )
    shop.run(file.format("9.00"))
    assert {"A-1": 30} == shop.available()
    # Both have been there for longer than the stable period by now.
    shop.rt.manual_clock.advance(hours=48)
    shop.supplier.text = file.format("2.00")

    assert {"down": 1} == preview(shop.rt, MERCHANT, SOURCE, dry_run=True).effect.counts
    shop.run()
    assert {"A-1": 5} == shop.available()
