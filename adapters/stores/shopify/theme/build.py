"""Makes the theme app extension's scripts: `python -m adapters.stores.shopify.theme.build`.

`assets/dispo.js` is the shopper script (templates/storefront/notify-me.js) followed by `follow.js`, which ties
it to Shopify's themes. Both are as written, but for comments, needless spaces, and what a page of Shopify has no use
for: the built-in words, styles and form (the blocks bring theirs), and what is read of attributes that the blocks never
have. With those it would exceed the 10,000 bytes that Shopify's theme check allows. `assets/similar.js` is
templates/storefront/similar.min.js, which the script loads when it has something to show.
"""

from __future__ import annotations

import re
from pathlib import Path

from adapters.kit.scripts import built as small
from adapters.kit.scripts import minified

HERE = Path(__file__).resolve().parent
EXTENSION = HERE.parent / "extensions" / "availability"
ROOT = HERE.parents[3]
SCRIPT = ROOT / "templates" / "storefront" / "notify-me.js"
TARGET = EXTENSION / "assets" / "dispo.js"
SIMILAR = EXTENSION / "assets" / "similar.js"
HEADER = "/* Made by `make assets` from Dispo's notify-me.js and follow.js. */\n"
MOST_BYTES = 10_000
"""What theme-check's AssetSizeAppBlockJavaScript allows a block's script, not compressed."""

# Each must be found once: pattern, and what stands in its place.
_LEFT_OUT = (
    (
        re.compile(r"^  const WORDS = \{\n.*?^  \};\n", re.MULTILINE | re.DOTALL),
        "",
    ),
    (re.compile(r" \.\.\.\(WORDS\[language\] \|\| WORDS\.en\),"), ""),
    (re.compile(r"^  const CSS = `[^`]*`;\n", re.MULTILINE), ""),
    (re.compile(r"^    [^\n]*textContent = CSS;\n", re.MULTILINE), ""),
    (re.compile(r"^    if \(data\.variant && !shown\[.*?^    \}\n", re.MULTILINE | re.DOTALL), ""),
    (re.compile(r"(?<=const base = data\.base) \|\| [^\n]*(?=;\n)"), ""),
    (re.compile(r"^  const CONSENT = [^\n]*\n", re.MULTILINE), ""),
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
    """Write the scripts where they differ."""
    for target, made in ((TARGET, built()), (SIMILAR, small("similar"))):
        if not target.is_file() or target.read_bytes() != made:
            target.write_bytes(made)
            print(f"wrote {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
