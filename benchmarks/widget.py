"""How heavy the shopper's script is: `python -m benchmarks.widget` prints one JSON line.

What counts is what a browser loads: the bytes that the web server sends for /s/notify-me.js, compressed as a
proxy before it does. The reference is the limit of 5 KB (5,120 bytes). The copies that the platforms get are shown
beside it: the plugin's is the same file, Shopify's block may have 10,000 bytes uncompressed. So is the second script,
which is loaded only where there are similar products to show.
"""

from __future__ import annotations

import gzip
import json
import sys

from adapters.kit.scripts import ROOT, built
from adapters.stores.shopify.theme import build
from benchmarks.bench import result

MOST_BYTES = 5_120


def main() -> int:
    """Measure and print."""
    sent = (ROOT / "templates" / "storefront" / "notify-me.min.js").read_bytes()
    plugin = ROOT / "adapters" / "stores" / "woocommerce" / "plugin" / "dispo" / "assets" / "notify-me.js"
    line = result(
        "widget_weight",
        len(gzip.compress(sent, 9)),
        "bytes",
        MOST_BYTES,
        1.0,
        uncompressed=len(sent),
        similar=len(gzip.compress(built("similar"), 9)),
        plugin=len(gzip.compress(plugin.read_bytes(), 9)),
        shopify_uncompressed=build.TARGET.stat().st_size,
        shopify_most=build.MOST_BYTES,
    )
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
