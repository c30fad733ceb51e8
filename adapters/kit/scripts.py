"""Makes scripts small for browsers: `python -m adapters.kit.scripts`.

`templates/storefront/notify-me.min.js`, which the server sends and WooCommerce's plugin brings along, is
`notify-me.js` without comments and needless spaces; names stay, so that an error in a shop can be read.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "templates" / "storefront" / "notify-me.js"
TARGET = SOURCE.with_name("notify-me.min.js")
HEADER = "/* Dispo. As written: templates/storefront/notify-me.js */\n"


def minified(source: str) -> str:
    """A script without comments and needless spaces.

    Raises ValueError where a template literal would not come out as it went in: one within another is not understood.
    """
    import rjsmin  # a tool of development, not of a running server

    small = str(rjsmin.jsmin(source))
    # Outside of template literals no backtick is used, so every second part is one.
    for literal in source.split("`")[1::2]:
        if literal not in small or literal.count("${") > literal.count("}"):
            raise ValueError(f"A template literal would change: {literal[:60]!r}")
    return small + "\n"


def built() -> bytes:
    """The bytes of notify-me.min.js."""
    return (HEADER + minified(SOURCE.read_text(encoding="utf-8"))).encode()


def main() -> None:
    """Write it where it differs."""
    made = built()
    if not TARGET.is_file() or TARGET.read_bytes() != made:
        TARGET.write_bytes(made)
        print(f"wrote {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
