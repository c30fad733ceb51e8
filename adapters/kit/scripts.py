"""Makes scripts small for browsers: `python -m adapters.kit.scripts`.

`notify-me.min.js` and `similar.min.js` in templates/storefront, which the server sends and WooCommerce's plugin brings
along, are `notify-me.js` and `similar.js` without comments and needless spaces; names stay, so that an error in a shop
can be read.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STOREFRONT = ROOT / "templates" / "storefront"
NAMES = ("notify-me", "similar")


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


def built(name: str) -> bytes:
    """The bytes of <name>.min.js; `name` is one of NAMES."""
    header = f"/* Dispo. As written: templates/storefront/{name}.js */\n"
    return (header + minified((STOREFRONT / f"{name}.js").read_text(encoding="utf-8"))).encode()


def main() -> None:
    """Write them where they differ."""
    for name in NAMES:
        target, made = STOREFRONT / f"{name}.min.js", built(name)
        if not target.is_file() or target.read_bytes() != made:
            target.write_bytes(made)
            print(f"wrote {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
