"""What a file of settings says, and what of it is wrong."""

from __future__ import annotations

import pytest

from connector.intake.settings_file import FileRefused, Line, read_settings


def test_our_own_file_says_rules_packs_and_lead_times() -> None:
    sheet = read_settings(
        b"\xef\xbb\xbfSKU;buffer_units;cap_units;allows_backorder;supplier;pack_units;lead_time_days\r\n"
        b"A-1;2;;no;Midi;6;14\r\n"
        b"A-2;;;;;;\r\n"
        b"\r\n"
        b"'=A-3;;10;yes;;;\r\n"
    )

    assert "dispo" == sheet.origin
    assert [
        Line(2, "A-1", {"buffer_units": 2, "allows_backorder": False}, "Midi", 6, 14),
        Line(5, "=A-3", {"cap_units": 10, "allows_backorder": True}),
    ] == sheet.lines
    assert ([], 1) == (sheet.faults, sheet.skipped)


def test_lines_that_are_wrong_are_named_and_the_rest_is_taken() -> None:
    sheet = read_settings(
        b"sku,buffer_units,stale,supplier,pack_units,lead_time_days\n"
        b"A-1,-1,,,,\n"
        b",2,,,,\n"
        b"A-2,,perhaps,,,\n"
        b"A-3,,,Midi,0,\n"
        b"A-4,,,,6,\n"
        b"A-5,1,,,,,,\n"
        b"A-6,3,,,,\n"
    )

    assert [Line(8, "A-6", {"buffer_units": 3})] == sheet.lines
    assert [
        (2, "buffer_units"),
        (3, "sku"),
        (4, "stale"),
        (5, "pack_units"),
        (6, "supplier"),
        (7, ""),
    ] == [(one.line, one.column) for one in sheet.faults]
    assert "buffer_units is a whole number from 0 to 1000000, not '-1'." == sheet.faults[0].reason


def test_a_product_export_of_woocommerce_tells_low_stock_and_backorders() -> None:
    sheet = read_settings(
        b"ID,Type,SKU,Name,In stock?,Stock,Low stock amount,Backorders allowed?\n"
        b"1,variable,,Shirt,1,,,0\n"
        b"2,variation,V-S,Shirt S,1,4,2,notify\n"
        b"3,simple,A-1,Vase,1,9,,0\n"
        b"4,simple,A-2,Vase,1,9,,perhaps\n"
    )

    assert "woocommerce" == sheet.origin
    assert [
        Line(3, "V-S", {"low_stock_threshold": 2, "allows_backorder": True}),
        Line(4, "A-1", {"allows_backorder": False}),
    ] == sheet.lines
    assert (1, [(5, "Backorders allowed?")]) == (
        sheet.skipped,
        [(one.line, one.column) for one in sheet.faults],
    )


def test_a_product_export_of_shopify_tells_whether_it_sells_at_zero() -> None:
    sheet = read_settings(
        b"Handle,Title,Body (HTML),Variant SKU,Variant Inventory Policy,Image Src\n"
        b'vase,Vase,"<p>two\nlines</p>",A-1,continue,\n'
        b"vase,,,,,https://shop.test/2.jpg\n"
        b"bowl,Bowl,,A-2,deny,\n"
    )

    assert "shopify" == sheet.origin
    assert [
        Line(3, "A-1", {"allows_backorder": True}),
        Line(5, "A-2", {"allows_backorder": False}),
    ] == sheet.lines
    assert 1 == sheet.skipped


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "There is no column sku"),
        (b"name,buffer_units\nx,1\n", "There is no column sku"),
        (b"sku,safety\nx,1\n", "Not known: safety"),
        (b"sku,cap_units,cap_units\nx,1,2\n", "A column is there twice: cap_units"),
        ("sku,cap_units\né,1\n".encode("latin-1"), "not UTF-8"),
        (b"sku,cap_units\n" + b"a,\x00\n", "not"),
    ],
    ids=["empty", "no sku", "unknown column", "a column twice", "another encoding", "a null byte"],
)
def test_what_is_no_such_file_is_refused(content: bytes, said: str) -> None:
    if said == "not":
        sheet = read_settings(content)
        assert ([], ["cap_units"]) == (sheet.lines, [one.column for one in sheet.faults])
        return
    with pytest.raises(FileRefused, match=said):
        read_settings(content)
