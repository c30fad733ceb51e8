"""XML feeds: records, nesting, namespaces, encodings, and documents that must not be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.suppliers.file_feed.formats import open_table
from connector.ports.errors import FileFault
from connector.ports.suppliers import Feed, FetchMark, ReadOptions, Table

Opener = Callable[..., Table]


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    def opener(content: bytes | str, max_bytes: int = 1_000_000, **options: object) -> Table:
        path = tmp_path / "feed"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        feed = Feed(path, "feed", path.stat().st_size, FetchMark(), None)
        return open_table(feed, ReadOptions(**options), max_bytes)  # type: ignore[arg-type]

    return opener


def records(table: Table) -> list[dict[str, str]]:
    """Each record by name, without what is blank."""
    return [
        {name: cell for name, cell in zip(table.shape.columns, row.cells, strict=True) if cell}
        for row in table.rows()
    ]


CATALOGUE = """<?xml version="1.0" encoding="UTF-8"?>
<!-- nightly export -->
<catalogue xmlns:g="http://example.com/g" generated="2026-11-22T04:00:00">
  <supplier><name>Acme</name></supplier>
  <product id="7">
    <g:sku> A-1 </g:sku>
    <name><![CDATA[Nut & bolt <M8>]]></name>
    <stock warehouse="Berlin" qty="5"/>
    <stock warehouse="Hamburg" qty="2"/>
    <variant><ean>4006381333931</ean><stock>3</stock></variant>
  </product>
  <product id="8">
    <g:sku>B&#45;2</g:sku>
    <name>Ring &amp; pin</name>
    <eta/>
  </product>
</catalogue>
"""


def test_nested_elements_and_attributes_become_columns(opened: Opener) -> None:
    table = opened(CATALOGUE)
    assert (table.shape.format, table.shape.encoding) == ("xml", "utf-8")
    assert [row.line for row in table.rows()] == [5, 12]
    assert records(table) == [
        {
            "@id": "7",
            "sku": "A-1",
            "name": "Nut & bolt <M8>",
            "stock/@warehouse": "Berlin",
            "stock/@qty": "5",
            "stock[2]/@warehouse": "Hamburg",
            "stock[2]/@qty": "2",
            "variant/ean": "4006381333931",
            "variant/stock": "3",
        },
        {"@id": "8", "sku": "B-2", "name": "Ring & pin"},
    ]
    assert "eta" in table.shape.columns  # a column, though nobody filled it


def test_the_path_of_the_records_may_be_named(opened: Opener) -> None:
    content = (
        "<shop><p><id>1</id><v><s>1a</s></v><v><s>1b</s></v></p><p><id>2</id><v><s>2a</s></v></p></shop>"
    )
    assert records(opened(content)) == [{"id": "1", "v/s": "1a", "v[2]/s": "1b"}, {"id": "2", "v/s": "2a"}]
    by_variant = [{"p/id": "1", "s": "1a"}, {"p/id": "1", "s": "1b"}, {"p/id": "2", "s": "2a"}]
    assert records(opened(content, records_path="p/v")) == by_variant
    assert records(opened(content, records_path="/shop/p/v")) == by_variant
    with pytest.raises(FileFault) as caught:
        opened(content, records_path="shop/item")
    assert (caught.value.code, "'shop/item'" in caught.value.cause) == ("no_table", True)


def test_groups_of_many_records_are_opened_and_name_themselves(opened: Opener) -> None:
    items = "".join(f"<item><sku>{n}</sku></item>" for n in range(60))
    table = opened(f"<f><depot code='B'>{items}</depot><depot code='H'>{items}</depot></f>")
    assert len(records(table)) == 120
    assert records(table)[60] == {"depot/@code": "H", "sku": "0"}


def test_a_list_of_one_item_is_a_list(opened: Opener) -> None:
    assert records(opened("<items><item><sku>A</sku><qty>1</qty></item></items>")) == [
        {"sku": "A", "qty": "1"}
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "windows-1250", "shift_jis", "utf-16"])
def test_the_declared_encoding_is_used(encoding: str, opened: Opener) -> None:
    name = {"windows-1250": "Śruba", "shift_jis": "ネジ"}.get(encoding, "Größe")
    body = "".join(f"<i><sku>{n}</sku><n>{name}</n></i>" for n in range(3))
    content = f'<?xml version="1.0" encoding="{encoding}"?><a>{body}</a>'.encode(encoding)
    assert [one["n"] for one in records(opened(content))] == [name] * 3


def test_the_order_of_elements_does_not_make_a_record_another(opened: Opener) -> None:
    one = opened("<a><i><s>1</s><q>2</q></i><i><s>3</s><q>4</q></i></a>").digests().tolist()
    other = opened("<a><i><q>2</q><s>1</s></i><i><s>4</s><q>3</q></i></a>").digests().tolist()
    # The same values under the same names, and the same values under exchanged names.
    assert (one[0] == other[0], one[1] == other[1]) == (True, False)


LAUGHS = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]><a><i><s>&y;</s></i><i><s>2</s></i></a>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a><i><s>&x;</s></i><i><s>2</s></i></a>'


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(LAUGHS, "xml_entities", id="entity bomb"),
        pytest.param(OUTSIDE, "xml_entities", id="entity that reads a file"),
        pytest.param(
            '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]><a><i><s>1</s></i></a>',
            "xml_entities",
            id="entity of the DTD",
        ),
        pytest.param(
            '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a><i><s>&gone;</s></i><i><s>2</s></i></a>',
            "xml_entities",
            id="entity that only a DTD outside knows",
        ),
        pytest.param("<a><i><s>1</s></i><i><s>2</s></i>", "truncated", id="no end"),
        pytest.param("<a><i><s>1</s></i><i><s>2</s></i><i><s", "truncated", id="ends inside a tag"),
        pytest.param("<a><i><s>1</s></i><i><s><![CDATA[x", "truncated", id="ends inside CDATA"),
        pytest.param("<a><i><s>1</s></i><i><s>2</i></a>", "bad_xml", id="wrong end tag"),
        pytest.param("<a><i><s>1 & 2</s></i></a>", "bad_xml", id="bare ampersand"),
        pytest.param("<a>" * 200 + "</a>" * 200, "bad_xml", id="nested without measure"),
        pytest.param("<a><b>1</b><c>2</c></a>", "no_table", id="no records"),
        pytest.param("<error>Invalid key</error>", "no_table", id="an error message"),
        pytest.param("<?xml version='1.0'?><html><body>x</body></html>", "html_page", id="a page"),
        pytest.param(
            "<Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet'><Row/></Workbook>",
            "unsupported_format",
            id="XML spreadsheet 2003",
        ),
        pytest.param(
            b"<?xml version='1.0' encoding='utf-8'?><a><i><s>\xe9</s></i><i><s>2</s></i></a>",
            "bad_encoding",
            id="another encoding than declared",
        ),
        pytest.param(
            "<a><i>" + "".join(f"<s{n}>1</s{n}>" for n in range(2_001)) + "</i><i/></a>",
            "no_table",
            id="too many names",
        ),
        pytest.param("<a>" + "<i><s>1</s></i>" * 70_000 + "</a>", "too_large", id="beyond the limit"),
    ],
)
def test_xml_that_cannot_be_used_is_a_named_fault(content: bytes | str, code: str, opened: Opener) -> None:
    with pytest.raises(FileFault) as caught:
        opened(content)
    assert caught.value.code == code


def test_a_dtd_outside_is_not_needed_and_not_fetched(opened: Opener) -> None:
    table = opened('<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a><i><s>1</s></i><i><s>2</s></i></a>')
    assert records(table) == [{"s": "1"}, {"s": "2"}]
