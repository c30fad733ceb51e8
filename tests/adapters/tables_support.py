"""One small table written in every format that a supplier may send."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

import xlsxwriter
import xlwt

Rows = Sequence[Sequence[str]]


def as_csv(rows: Rows) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows(rows)
    return buffer.getvalue().encode()


def as_xlsx(rows: Rows, sheet: str = "Stock") -> bytes:
    """Every cell as text."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        page = book.add_worksheet(sheet)
        for line, row in enumerate(rows):
            for column, cell in enumerate(row):
                page.write_string(line, column, cell)
    return buffer.getvalue()


def as_xls(rows: Rows) -> bytes:
    """Every cell as text."""
    book = xlwt.Workbook(encoding="utf-8")
    page = book.add_sheet("Stock")
    for line, row in enumerate(rows):
        for column, cell in enumerate(row):
            page.write(line, column, cell)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def as_ods(rows: Rows) -> bytes:
    """Every cell as text, in the least that makes an OpenDocument spreadsheet."""
    cells = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{escape(cell)}</text:p></table:table-cell>'
            if cell
            else "<table:table-cell/>"
            for cell in row
        )
        + "</table:table-row>"
        for row in rows
    )
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {names} office:version="1.3"><office:body>'
        f'<office:spreadsheet><table:table table:name="Stock">{cells}</table:table></office:spreadsheet>'
        "</office:body></office:document-content>"
    )
    manifest = (
        '<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>'
    )
    return as_zip(
        {
            "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
            "content.xml": content.encode(),
            "META-INF/manifest.xml": manifest.encode(),
        }
    )


def as_xml(rows: Rows) -> bytes:
    """The columns' names are element names."""
    names, *body = rows
    items = "".join(
        "<item>"
        + "".join(f"<{name}>{escape(cell)}</{name}>" for name, cell in zip(names, row, strict=True))
        + "</item>\n"
        for row in body
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<items>{items}</items>'.encode()


def as_json(rows: Rows) -> bytes:
    names, *body = rows
    return json.dumps({"data": [dict(zip(names, row, strict=True)) for row in body]}).encode()


def as_jsonl(rows: Rows) -> bytes:
    names, *body = rows
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in body).encode()


def as_zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def as_zipped_csv(rows: Rows) -> bytes:
    return as_zip({"stock/list.csv": as_csv(rows), "readme.txt": b"hello"})


WRITERS: dict[str, Callable[[Rows], bytes]] = {
    "xlsx": as_xlsx,
    "xls": as_xls,
    "ods": as_ods,
    "xml": as_xml,
    "json": as_json,
    "jsonl": as_jsonl,
    "zip": as_zipped_csv,
}
