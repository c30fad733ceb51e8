"""Makes the companion plugin's files: `python -m adapters.stores.woocommerce.plugin.build assets|zip`.

`assets` copies the shopper scripts and writes the catalogues: `dispo.pot` from the PHP sources, `dispo-fr_FR.po`
brought up to date with it (words that Dispo itself knows come from its own catalogue, the rest keeps what a
translator wrote), and the `.mo` WordPress reads. `zip` writes `dist/dispo.zip`, the same bytes on every machine.
A further language is one more `dispo-<locale>.po`.
"""

from __future__ import annotations

import re
import sys
import zipfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from adapters.kit import scripts

HERE = Path(__file__).resolve().parent
PLUGIN = HERE / "dispo"
ROOT = HERE.parents[3]
LOCALES = ("fr_FR",)
_CALL = re.compile(
    r"""(?:/\*\s*(translators:[^*]*)\*/\s*[^\n]*?)?"""
    r"""\b(?:__|_e|esc_html__|esc_attr__|esc_html_e|esc_attr_e)\(\s*'((?:[^'\\]|\\.)*)'\s*,\s*'dispo'\s*\)""",
    re.DOTALL,
)


def version() -> str:
    """The plugin's version, from its header."""
    found = re.search(
        r"^ \* Version: (\S+)$", (PLUGIN / "dispo.php").read_text(encoding="utf-8"), re.MULTILINE
    )
    if found is None:
        raise SystemExit("dispo.php has no version.")
    return found.group(1)


def words() -> Catalog:
    """Every text of the PHP sources, in the order of files and lines, with its places."""
    catalog = Catalog(
        project="Dispo",
        version=version(),
        charset="utf-8",
        domain="dispo",
        fuzzy=False,
        header_comment="# Dispo",
    )
    for path in sorted(PLUGIN.rglob("*.php")):
        source = path.read_text(encoding="utf-8")
        for found in _CALL.finditer(source):
            comment, text = found.groups()
            plain = text.replace("\\'", "'").replace("\\\\", "\\")
            line = source.count("\n", 0, found.start(2)) + 1
            notes = (" ".join(comment.split()),) if comment else ()
            catalog.add(plain, None, [(str(path.relative_to(PLUGIN)), line)], auto_comments=notes)
    return catalog


def translated(locale: str) -> Catalog:
    """The catalogue of one language, brought up to date."""
    path = PLUGIN / "languages" / f"dispo-{locale}.po"
    kept = read_po(BytesIO(path.read_bytes()), locale=locale) if path.is_file() else Catalog(locale)
    language = locale.partition("_")[0]
    own = ROOT / "connector" / "locales" / language / "LC_MESSAGES" / "messages.po"
    shared = read_po(BytesIO(own.read_bytes()), locale=language)
    template = words()
    catalog = Catalog(
        locale, project="Dispo", version=version(), charset="utf-8", domain="dispo", fuzzy=False,
        header_comment=f"# Dispo, {locale}",
    )  # fmt: skip
    for message in template:
        if not message.id:
            continue
        known = shared.get(message.id) or kept.get(message.id)
        catalog.add(
            message.id, known.string if known else "", message.locations, auto_comments=message.auto_comments
        )
    return catalog


def po_bytes(catalog: Catalog) -> bytes:
    """As text for people and for git: no dates, which would change with every run."""
    out = BytesIO()
    write_po(out, catalog, width=0, include_lineno=False)
    dated = re.compile(
        rb'^"(?:POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|Generated-By)[^\n]*\n',
        re.MULTILINE,
    )
    return dated.sub(b"", out.getvalue())


def mo_bytes(po: bytes, locale: str) -> bytes:
    """The compiled catalogue of these texts."""
    out = BytesIO()
    catalog = read_po(BytesIO(po), locale=locale)
    # Babel would write the time of the run into it.
    catalog.revision_date = catalog.creation_date = datetime(2026, 1, 1, tzinfo=UTC)
    write_mo(out, catalog)
    return out.getvalue()


def assets() -> dict[Path, bytes]:
    """Every made file with its content."""
    made = {
        **{PLUGIN / "assets" / f"{name}.js": scripts.built(name) for name in scripts.NAMES},
        PLUGIN / "languages" / "dispo.pot": po_bytes(words()),
    }
    for locale in LOCALES:
        po = po_bytes(translated(locale))
        made[PLUGIN / "languages" / f"dispo-{locale}.po"] = po
        made[PLUGIN / "languages" / f"dispo-{locale}.mo"] = mo_bytes(po, locale)
    return made


def zip_bytes() -> bytes:
    """The plugin as WordPress installs it; equal for equal files, whatever their dates and owners."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(PLUGIN.rglob("*")):
            if not path.is_file() or any(part.startswith(".") for part in path.relative_to(PLUGIN).parts):
                continue
            entry = zipfile.ZipInfo(f"dispo/{path.relative_to(PLUGIN).as_posix()}", (2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return out.getvalue()


def main(arguments: list[str]) -> int:
    if arguments == ["assets"]:
        for path, content in assets().items():
            if not path.is_file() or path.read_bytes() != content:
                path.write_bytes(content)
                print(f"wrote {path.relative_to(ROOT)}")
        return 0
    if arguments == ["zip"]:
        target = ROOT / "dist" / "dispo.zip"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(zip_bytes())
        print(f"wrote {target.relative_to(ROOT)}")
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
