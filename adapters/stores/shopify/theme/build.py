"""Makes the theme app extension's script: `python -m adapters.stores.shopify.theme.build`.

`assets/dispo.js` is the shopper script (templates/storefront/notify-me.js) followed by `follow.js`, which ties
it to Shopify's themes. Both are as written, but for comments, needless spaces, and what a page of Shopify has no use
for: the built-in words, styles and form (the blocks bring theirs). With those it would exceed the 10,000 bytes that
Shopify's theme check allows.
"""

from __future__ import annotations

import re
from pathlib import Path

from adapters.kit.scripts import minified

HERE = Path(__file__).resolve().parent
EXTENSION = HERE.parent / "extensions" / "availability"
ROOT = HERE.parents[3]
SCRIPT = ROOT / "templates" / "storefront" / "notify-me.js"
TARGET = EXTENSION / "assets" / "dispo.js"
HEADER = "/* Made by `make assets` from Dispo's notify-me.js and follow.js. */\n"
MOST_BYTES = 10_000
"""What theme-check's AssetSizeAppBlockJavaScript allows a block's script, not compressed."""

# Each must be found once: pattern, and what stands in its place.
_LEFT_OUT = (
    (
        re.compile(r"^  const WORDS = \{\n.*?^  \};\n", re.MULTILINE | re.DOTALL),
        "const WORDS = { en: {} };\n",
    ),
    (re.compile(r"^  const CSS = `[^`]*`;\n", re.MULTILINE), 'const CSS = "";\n'),
    (re.compile(r"^    function build\(\) \{\n.*?^    \}\n", re.MULTILINE | re.DOTALL), ""),
    (re.compile(r" \|\| root\.appendChild\(build\(\)\)"), ""),
    (re.compile(r"^  const escape = [^\n]*\n", re.MULTILINE), ""),
)


def script(source: str) -> str:
    """The shopper script without its words, styles and form; raises ValueError when one is not found once."""
    for pattern, instead in _LEFT_OUT:
        source, found = pattern.subn(instead, source)
        if found != 1:
            raise ValueError(f"notify-me.js has {found} places for {pattern.pattern!r}, not one.")
    return source


def built() -> bytes:
    """The bytes of assets/dispo.js."""
    follow = (HERE / "follow.js").read_text(encoding="utf-8")
    return (HEADER + minified(script(SCRIPT.read_text(encoding="utf-8"))) + minified(follow)).encode()


def main() -> None:
    """Write the script where it differs."""
    made = built()
    if not TARGET.is_file() or TARGET.read_bytes() != made:
        TARGET.write_bytes(made)
        print(f"wrote {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
