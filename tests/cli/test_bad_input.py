"""What people get wrong, and what shops and suppliers get wrong: a clear error, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.shop import Shop
from simulator.supplier import SupplierServer
from simulator.woocommerce import WooCommerceServer
from tests.cli.conftest import Dispo, connect_woo
from tests.support import free_port

GOOD = b"SKU,Stock\n" + b"".join(b"VASE-%d,4\n" % n for n in range(1, 13))


def supply(dispo: Dispo, supplier: SupplierServer, content: bytes) -> str:
    supplier.put("stock.csv", content)
    ran = dispo("supplier", "connect", "file", supplier.address("stock.csv"), "--json")
    assert 0 == ran.code, ran.err
    return str(ran.json["supplier"])


def test_a_wrong_secret_is_named_and_nothing_is_stored(
    dispo: Dispo, merchant: int, woo: WooCommerceServer
) -> None:
    ran = connect_woo(dispo, woo.url, secret="cs_" + "0" * 40)

    assert 1 == ran.code
    assert "secret" in ran.err.lower()
    assert "cs_000" not in ran.err
    assert [] == dispo("store", "list", "--json").json


def test_an_address_where_nobody_answers_is_named(dispo: Dispo, merchant: int) -> None:
    port = free_port()

    ran = connect_woo(dispo, f"http://127.0.0.1:{port}")

    assert 1 == ran.code
    assert f"127.0.0.1:{port}" in ran.err
    assert [] == dispo("store", "list", "--json").json


def test_an_address_that_is_no_web_address_is_refused(dispo: Dispo, merchant: int) -> None:
    ran = connect_woo(dispo, "shop")

    assert 1 == ran.code
    assert "https://" in ran.err


def test_a_private_address_is_refused_unless_the_operator_allows_it(
    dispo: Dispo, merchant: int, woo: WooCommerceServer
) -> None:
    ran = dispo(
        "store", "connect", "woocommerce", "--set", f"url={woo.url}", "--no-webhooks",
        DISPO_SECRET_CONSUMER_KEY="ck_x", DISPO_SECRET_CONSUMER_SECRET="cs_x",
        DISPO_ALLOWED_PRIVATE_HOSTS="erp.internal",
    )  # fmt: skip

    assert 1 == ran.code
    assert "have the operator allow this host" in ran.err
    assert 0 == sum(woo.calls.values())


def test_plain_http_works_by_signed_requests(dispo: Dispo, merchant: int, woo: WooCommerceServer) -> None:
    ran = connect_woo(dispo, woo.url)

    assert (0, 12) == (ran.code, ran.json["listings"])


def test_a_shop_in_maintenance_is_tried_again_later(
    dispo: Dispo, merchant: int, woo: WooCommerceServer
) -> None:
    woo.dials.maintenance = True

    ran = connect_woo(dispo, woo.url)

    assert 1 == ran.code
    assert "maintenance" in ran.err.lower()


def test_a_shop_without_pretty_permalinks_is_explained(
    dispo: Dispo, merchant: int, woo: WooCommerceServer
) -> None:
    woo.is_plain_permalinks = True

    ran = connect_woo(dispo, woo.url)

    assert 1 == ran.code
    assert "permalink" in ran.err.lower()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        pytest.param(b"<!doctype html><title>Sign in</title><p>please", "html_page", id="an HTML page"),
        pytest.param(b"", "empty", id="an empty file"),
        pytest.param(b"PK\x03\x04" + b"\0" * 60, "truncated", id="half a workbook"),
    ],
)
def test_a_file_that_is_none_fails_the_run_and_keeps_yesterdays_stock(
    dispo: Dispo, connected: int, shop: Shop, supplier: SupplierServer, content: bytes, fault: str
) -> None:
    supply(dispo, supplier, GOOD)
    dispo("sync")
    dispo("store", "approve", str(connected), "--yes")
    dispo("sync", "--wait")
    supplier.put("stock.csv", content)

    ran = dispo("sync", "--wait", "--json")

    run = ran.json["runs"][0]
    assert (1, "failed", fault) == (ran.code, run["status"], run["error_code"])
    assert "" != run["error"]
    assert [4] * 12 == [shop.by_sku(f"VASE-{n}")[0].stock for n in range(1, 13)]


def test_a_truncated_transfer_changes_nothing(
    dispo: Dispo, connected: int, shop: Shop, supplier: SupplierServer
) -> None:
    source = supply(dispo, supplier, GOOD)
    dispo("sync")
    feed = supplier.put("stock.csv", GOOD.replace(b",4", b",3"))
    feed.faults.truncate_to = 40

    ran = dispo("sync", "--json")

    assert 1 == ran.code
    said = ran.json["errors"] or [run["error"] for run in ran.json["runs"]]
    assert "" != "".join(said)
    assert "4 seen" in dispo("why", "VASE-3").out
    assert "1" == source


def test_row_faults_are_kept_with_line_and_reason_and_the_rest_is_taken(
    dispo: Dispo, connected: int, supplier: SupplierServer
) -> None:
    rows = "VASE-1,-3\nVASE-2,99999999999\nVASE-3,abc\nVASE-4,2\nVASE-4,9\n,7\nNOWHERE,5\nVASE-5,8\n"
    supply(
        dispo, supplier, f"SKU,Stock\n{rows}".encode() + b"".join(b"X-%d,%d\n" % (n, n) for n in range(60))
    )

    run = dispo("sync", "--json").json["runs"][0]
    shown = dispo("runs", "show", str(run["run_id"]), "--json").json

    assert "applied" == run["status"]
    lines = {issue["line"] for issue in shown["issues"]}
    assert {3, 4, 7} <= lines
    assert lines & {5, 6}
    assert all(issue["reason"] for issue in shown["issues"])
    assert "8 to sell" in dispo("why", "VASE-5").out
    assert "0 to sell" in dispo("why", "VASE-1").out or "nothing" in dispo("why", "VASE-1").out.lower()


def test_an_unknown_sku_is_explained(dispo: Dispo, connected: int) -> None:
    ran = dispo("why", "NOT-THERE")

    assert 1 == ran.code
    assert "'NOT-THERE'" in ran.err


def test_a_strangers_ids_do_not_exist(dispo: Dispo, connected: int, supplier: SupplierServer) -> None:
    supply(dispo, supplier, GOOD)
    run = dispo("sync", "--json").json["runs"][0]["run_id"]
    stranger = dispo(
        "merchant", "add", "--name", "Stranger", "--email", "s@other.example", "--json",
        DISPO_PASSWORD="another password",
    ).json["merchant_id"]  # fmt: skip

    for arguments in (
        ("store", "diff", str(connected)),
        ("store", "approve", str(connected), "--yes"),
        ("runs", "show", str(run)),
        ("runs", "approve", str(run)),
        ("supplier", "preview", "1"),
        ("why", "VASE-1"),
    ):
        ran = dispo(*arguments, "--merchant", str(stranger))
        assert 1 == ran.code, arguments
        assert "VASE" not in ran.out, arguments


def test_with_several_merchants_one_must_be_named(dispo: Dispo, connected: int) -> None:
    dispo("merchant", "add", "--name", "Second", "--email", "2@x.example", DISPO_PASSWORD="another password")

    ran = dispo("store", "list")

    assert 1 == ran.code
    assert "--merchant" in ran.err


@pytest.mark.parametrize(
    ("email", "password", "says"),
    [
        pytest.param("not an address", "long enough password", "e-mail", id="bad address"),
        pytest.param("a@b.example", "short", "10 characters", id="short password"),
    ],
)
def test_a_merchant_needs_an_address_and_a_password(
    dispo: Dispo, email: str, password: str, says: str
) -> None:
    ran = dispo("merchant", "add", "--name", "X", "--email", email, DISPO_PASSWORD=password)

    assert 1 == ran.code
    assert says in ran.err
    assert [] == dispo("merchant", "list", "--json").json


def test_a_missing_secret_says_how_to_give_it(dispo: Dispo, merchant: int) -> None:
    ran = dispo("store", "connect", "woocommerce", "--set", "url=http://127.0.0.1:9")

    assert 1 == ran.code
    assert "DISPO_SECRET_CONSUMER_KEY" in ran.err


def test_a_file_outside_the_allowed_directories_is_refused(
    dispo: Dispo, merchant: int, tmp_path: Path
) -> None:
    ran = dispo("supplier", "connect", "file", "/etc/passwd")

    assert 1 == ran.code
    assert "DISPO_FEED_DIRECTORIES" in ran.err or "director" in ran.err
