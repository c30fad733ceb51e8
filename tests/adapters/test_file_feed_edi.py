"""EDI stock reports: X12 846 and EDIFACT INVRPT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.suppliers.file_feed import edi
from adapters.suppliers.file_feed.edifact import _split
from adapters.suppliers.file_feed.formats import open_table
from connector.intake.mapping import guess, mapping_from
from connector.ports.errors import FileFault
from connector.ports.suppliers import Feed, FetchMark, ReadOptions, Table

Opener = Callable[..., Table]


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    def opener(content: str, **options: object) -> Table:
        path = tmp_path / "feed"
        path.write_bytes(content.encode())
        feed = Feed(path, "feed", path.stat().st_size, FetchMark(), None)
        return open_table(feed, ReadOptions(**options), 1_000_000)  # type: ignore[arg-type]

    return opener


def records(table: Table) -> list[dict[str, str]]:
    return [
        {name: cell for name, cell in zip(table.shape.columns, row.cells, strict=True) if cell}
        for row in table.rows()
    ]


def x12(body: list[str], number: int = 1, separator: str = "*", end: str = "~\n", kind: str = "846") -> str:
    """One interchange with one transaction of these segments, correctly counted."""
    control = f"{number:09d}"
    isa = ["ISA", "00", " " * 10, "00", " " * 10, "ZZ", "ACME".ljust(15), "ZZ", "SHOP".ljust(15)]
    isa += ["261122", "0400", "U", "00401", control, "0", "P", ">"]
    segments = [
        separator.join(isa),
        f"GS*IB*ACME*SHOP*20261122*0400*{number}*X*004010",
        f"ST*{kind}*0001",
        "BIA*00*DD*STOCK*20261122",
        *body,
        f"SE*{len(body) + 3}*0001",
        f"GE*1*{number}",
        f"IEA*1*{control}",
    ]
    return "".join(one.replace("*", separator) + end for one in segments)


ITEMS = [
    "LIN*1*SK*A-100*UP*036000291452*VN*ACM100",
    "PID*F****Steel nut",
    "CTP**WHL*12.50",
    "QTY*33*120*EA",
    "QTY*17*150*EA",
    "QTY*29*500*EA",
    "DTM*018*20261201",
    "LIN*2*BP*B-200*SK*ACM200*EN*4006381333931",
    "QTY*33*0*EA",
]


def test_an_846_names_codes_quantities_and_dates(opened: Opener) -> None:
    table = opened(x12(ITEMS))
    assert table.shape.format == "x12"
    assert table.shape.columns[:5] == ("sku", "supplier_sku", "gtin", "quantity_33", "other_17")
    assert [row.line for row in table.rows()] == [5, 12]
    assert records(table) == [
        {
            "sku": "A-100",
            "gtin": "036000291452",
            "supplier_sku": "ACM100",
            "title": "Steel nut",
            "cost": "12.50",
            "unit": "EA",
            "quantity_33": "120",
            "other_17": "150",
            "other_29": "500",
            "date_018": "2026-12-01",
            "restock_on": "2026-12-01",
        },
        {"sku": "B-200", "supplier_sku": "ACM200", "gtin": "4006381333931", "unit": "EA", "quantity_33": "0"},
    ]
    assert [note.code for note in table.shape.notes] == ["several_quantities"]


def test_the_mapping_of_edi_is_sure_and_takes_what_may_be_sold(opened: Opener) -> None:
    for content, quantity in [(x12(ITEMS), "quantity_33"), (edifact(INVENTORY), "quantity_145")]:
        table = opened(content)
        found = mapping_from(guess(table.shape.columns, [row.cells for row in table.rows()]))
        assert found is not None
        assert (found.columns["quantity"], found.columns["sku"]) == (quantity, "sku")
        assert found.columns["gtin"] == "gtin"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            ["LIN**SK*A", "N1*WH*Berlin*92*B1", "QTY*33*1", "N1*WH*Hamburg*92*H1", "QTY*33*2"],
            [("B1", "1"), ("H1", "2")],
            id="before its quantity",
        ),
        pytest.param(
            ["LIN**SK*A", "QTY*33*1", "N1*WH*Berlin", "QTY*33*2", "N1*WH*Hamburg"],
            [("Berlin", "1"), ("Hamburg", "2")],
            id="after its quantity",
        ),
        pytest.param(["N1*WH*Main", "LIN**SK*A", "QTY*33*3"], [("Main", "3")], id="for the whole report"),
        pytest.param(["N1*VN*Acme", "LIN**SK*A", "QTY*33*3"], [(None, "3")], id="a party that is no place"),
        pytest.param(
            ["LIN**SK*A", "QTY*33*1", "QTY*33*2"],
            [(None, "1 and 2")],
            id="two that contradict: nobody can read it",
        ),
        pytest.param(["LIN**SK*A", "QTY*33*1", "QTY*33*1"], [(None, "1")], id="the same twice"),
    ],
)
def test_a_location_belongs_to_its_quantities(
    body: list[str], expected: list[tuple[str | None, str]], opened: Opener
) -> None:
    assert [(one.get("location"), one["quantity_33"]) for one in records(opened(x12(body)))] == expected


def test_interchanges_follow_each_other_with_separators_of_their_own(opened: Opener) -> None:
    content = x12(["LIN**SK*A", "QTY*33*1"]) + x12(["LIN**SK*B", "QTY*33*2"], 2, "|", "\n")
    assert [(one["sku"], one["quantity_33"]) for one in records(opened(content))] == [("A", "1"), ("B", "2")]


def test_blocks_do_not_matter(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    content = x12(ITEMS) + x12(ITEMS[-2:], 2)
    whole = records(opened(content))
    other = records(opened(edifact(INVENTORY) + edifact(INVENTORY[:6])))
    for size in (1, 7, 107, 1_000):
        monkeypatch.setattr(edi, "_PIECE_BYTES", size)
        assert records(opened(content)) == whole
        assert records(opened(edifact(INVENTORY) + edifact(INVENTORY[:6]))) == other


def edifact(body: list[str], una: str = "UNA:+.? '", reference: str = "M1") -> str:
    """One interchange with one INVRPT of these segments, correctly counted."""
    segments = [
        "UNB+UNOC:3+4012345000009:14+4098765000005:14+261122:0400+REF7",
        f"UNH+{reference}+INVRPT:D:96A:UN:EAN004",
        "BGM+35+4711+9",
        "DTM+137:20261122:102",
        *body,
        f"UNT+{len(body) + 4}+{reference}",
        "UNZ+1+REF7",
    ]
    return una + "".join(f"{one}'\r\n" for one in segments)


INVENTORY = [
    "LIN+1++4006381333931:EN",
    "PIA+5+A-100:BP+ACM?+100:SA",
    "IMD+F++:::Nut 8?:1 Ring?'s",
    "QTY+145:120:PCE",
    "QTY+21:500:PCE",
    "DTM+67:202649:616",
    "LIN+2++96385074:EN",
    "PIA+1+B-200:BP",
    "QTY+145:0:PCE",
    "LOC+14+HAM",
]


def test_an_invrpt_names_codes_quantities_and_dates(opened: Opener) -> None:
    table = opened(edifact(INVENTORY))
    assert (table.shape.format, table.shape.columns[:4]) == (
        "edifact",
        ("sku", "supplier_sku", "gtin", "quantity_145"),
    )
    assert records(table) == [
        {
            "sku": "A-100",
            "supplier_sku": "ACM+100",
            "gtin": "4006381333931",
            "title": "Nut 8:1 Ring's",
            "quantity_145": "120",
            "other_21": "500",
            "unit": "PCE",
            "date_67": "2026-W49",
            "restock_on": "2026-W49",
        },
        {"sku": "B-200", "gtin": "96385074", "quantity_145": "0", "unit": "PCE", "location": "HAM"},
    ]


def test_without_una_the_usual_marks_hold_and_una_may_change_them(opened: Opener) -> None:
    plain = edifact(["LIN+1++4006381333931:EN", "QTY+145:7"], una="")
    assert records(opened(plain)) == [{"gtin": "4006381333931", "quantity_145": "7"}]
    other = plain.replace(":", "|").replace("+", "*").replace("'", "~")
    assert records(opened("UNA|*.! ~" + other)) == records(opened(plain))


def test_a_released_terminator_ends_nothing() -> None:
    assert _split("a?'b'c??'d???'e", "'", "?") == ["a?'b", "c??", "d???'e"]


CUT = x12(ITEMS)
CUT_EDIFACT = edifact(INVENTORY)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(CUT[: CUT.index("QTY*29")], "truncated", id="x12 without its end"),
        pytest.param(CUT.replace("QTY*17*150*EA~\n", ""), "truncated", id="x12 with a segment less"),
        pytest.param(CUT.replace("GE*1*1", "GE*2*1"), "truncated", id="x12 with a transaction less"),
        pytest.param(CUT.replace("IEA*1*", "IEA*2*"), "truncated", id="x12 with a group less"),
        pytest.param(
            CUT.replace("IEA*1*000000001", "IEA*1*000000002"), "truncated", id="x12 of two interchanges"
        ),
        pytest.param(CUT.replace("SE*12*0001", "SE*12*0002"), "truncated", id="x12 of two transactions"),
        pytest.param(x12(ITEMS, kind="850"), "no_table", id="x12 order"),
        pytest.param(x12([]), "empty", id="x12 without items"),
        pytest.param(CUT.replace("ISA*00", "ISA*00000000"), "bad_edi", id="x12 with a header too long"),
        pytest.param(CUT_EDIFACT[:-40], "truncated", id="edifact without its end"),
        pytest.param(
            CUT_EDIFACT.replace("QTY+21:500:PCE'\r\n", ""), "truncated", id="edifact with a segment less"
        ),
        pytest.param(CUT_EDIFACT.replace("UNZ+1", "UNZ+2"), "truncated", id="edifact with a message less"),
        pytest.param(CUT_EDIFACT.replace("UNZ+1+REF7", "UNZ+1+REF8"), "truncated", id="edifact of two"),
        pytest.param(CUT_EDIFACT.replace("INVRPT", "ORDERS"), "no_table", id="edifact order"),
        pytest.param(edifact([]), "empty", id="edifact without items"),
    ],
)
def test_edi_that_cannot_be_used_is_a_named_fault(content: str, code: str, opened: Opener) -> None:
    with pytest.raises(FileFault) as caught:
        opened(content)
    assert caught.value.code == code


def test_other_messages_beside_the_report_are_told(opened: Opener) -> None:
    table = opened(x12(["LIN**SK*A", "QTY*17*1"]) + x12(["AK1*IB*1"], 2, kind="997"))
    assert len(records(table)) == 1
    assert [(note.code, note.reason) for note in table.shape.notes] == [
        ("other_messages", "Other messages in it were left out: X12 997.")
    ]
