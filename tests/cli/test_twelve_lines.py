"""The twelve lines of the README, against a simulated WooCommerce shop and a supplier's server."""

from __future__ import annotations

from simulator.shop import Shop
from simulator.supplier import SupplierServer
from tests.cli.conftest import Dispo

FEED = b"SKU;Bestand;Liefertermin\n" + b"".join(
    f"VASE-{number};{quantity};\n".encode()
    for number, quantity in enumerate((0, 0, 7, 20, 5, 5, 5, 5, 5, 5, 5, 5), start=1)
)


def stocks(shop: Shop) -> list[int | None]:
    return [shop.by_sku(f"VASE-{number}")[0].stock for number in range(1, 13)]


def test_a_shop_and_a_file_are_connected_looked_at_approved_and_kept_right(
    dispo: Dispo, connected: int, shop: Shop, supplier: SupplierServer
) -> None:
    supplier.put("stock.csv", FEED)
    added = dispo(
        "supplier", "connect", "file", supplier.address("stock.csv"), "--name", "Northern", "--json"
    )
    assert 0 == added.code, added.err
    source = str(added.json["supplier"])

    seen = dispo("supplier", "preview", source, "--json").json
    assert (12, 12, 12) == (seen["rows"], seen["items"], seen["matched"])

    dry = dispo("sync", "--dry-run", "--json").json
    assert 2 == dry[source]["stores"]["to_zero"]

    synced = dispo("sync", "--json").json
    assert ["applied"] == [run["status"] for run in synced["runs"]]
    assert [5] * 12 == stocks(shop)

    difference = dispo("store", "diff", str(connected), "--json").json["difference"]
    assert (2, 0, 0, 2, 8) == tuple(difference[k] for k in ("to_zero", "down", "back", "up", "same"))

    assert 0 == dispo("store", "approve", str(connected), "--yes").code
    waited = dispo("sync", "--wait", "--json")
    assert (0, 0, []) == (waited.code, waited.json["pending"], waited.json["errors"])
    assert [0, 0, 7, 20, 5, 5, 5, 5, 5, 5, 5, 5] == stocks(shop)
    item = shop.by_sku("VASE-1")[0]
    assert "out_of_stock" in item.meta.values()

    why = dispo("why", "vase-3").out
    assert "7 to sell: in_stock." in why
    assert "line 4, run 1" in why
    doctor = dispo("doctor", "--json")
    assert (0, [True, True]) == (doctor.code, [one["ok"] for one in doctor.json])


def test_the_same_file_again_is_unchanged_and_sends_nothing(
    dispo: Dispo, connected: int, shop: Shop, supplier: SupplierServer
) -> None:
    supplier.put("stock.csv", FEED)
    dispo("supplier", "connect", "file", supplier.address("stock.csv"))
    dispo("sync")
    dispo("store", "approve", str(connected), "--yes")
    dispo("sync", "--wait")
    before = stocks(shop)

    again = dispo("sync", "--wait", "--json").json

    assert ["unchanged"] == [run["status"] for run in again["runs"]]
    assert before == stocks(shop)


def test_a_held_run_is_approved_or_rejected_and_an_applied_one_undone(
    dispo: Dispo, connected: int, shop: Shop, supplier: SupplierServer
) -> None:
    rows = [f"VASE-{n},5" for n in range(1, 13)] + [f"OTHER-{n},{n}" for n in range(1, 90)]
    supplier.put("stock.csv", ("SKU,Stock\n" + "\n".join(rows) + "\n").encode())
    dispo("supplier", "connect", "file", supplier.address("stock.csv"))
    dispo("sync")
    dispo("store", "approve", str(connected), "--yes")
    emptied = [row.split(",")[0] + ",0" for row in rows]
    supplier.put("stock.csv", ("SKU,Stock\n" + "\n".join(emptied) + "\n").encode())

    held = dispo("sync", "--wait", "--json")
    assert (1, "held") == (held.code, held.json["runs"][0]["status"])
    assert [5] * 12 == stocks(shop)
    run = str(held.json["runs"][0]["run_id"])
    assert [run] == [str(row["id"]) for row in dispo("runs", "list", "--held", "--json").json]

    some = dispo("runs", "approve", run, "--sku", "VASE-1", "--sku", "vase-2", "--json")
    assert (0, "held", len(rows) - 2) == (some.code, some.json["status"], some.json["rows_held"])
    unknown = dispo("runs", "reject", run, "--sku", "VASE-1")
    assert (1, True) == (unknown.code, f"Nothing of run {run} waits for: VASE-1." in unknown.err)

    assert 0 == dispo("runs", "approve", run).code
    dispo("deliver", "--wait")
    assert [0] * 12 == stocks(shop)
    assert "0 à vendre : Épuisé." in dispo("why", "VASE-1", "--lang", "fr").out.replace("\u00a0", " ")

    assert 0 == dispo("runs", "undo", run, "--yes").code
    dispo("deliver", "--wait")
    assert [5] * 12 == stocks(shop)
    again = dispo("runs", "approve", run)
    assert 1 == again.code
    assert f"Nothing of run {run} waits" in again.err
