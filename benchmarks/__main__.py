"""`python -m benchmarks [NAME]`: runs all benchmarks or one, and prints one JSON line for each figure.

Each benchmark is a module whose own `main` prints such lines; it runs in a fresh process, so that memory
and state do not leak from one into the next. A missed aim is shown by `"ok": false` and is not an error;
the exit status is 1 only when a benchmark did not run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

BENCHMARKS: dict[str, tuple[str, ...]] = {
    "intake_first": ("benchmarks.intake",),
    "intake_unchanged": ("benchmarks.intake",),
    "intake_1pct": ("benchmarks.intake",),
    "deliver_shopify_calls": ("benchmarks.deliver", "shopify"),
    "deliver_shopify_time": ("benchmarks.deliver", "shopify"),
    "deliver_woocommerce": ("benchmarks.deliver", "woocommerce"),
    "zero_first": ("benchmarks.deliver", "zero_first"),
    "webhook_accept": ("benchmarks.webhooks",),
    "kills": ("benchmarks.kills",),
    "import_50k": ("benchmarks.catalogs", "import"),
    "reconcile_50k": ("benchmarks.catalogs", "reconcile"),
    "webhook_storm": ("benchmarks.storm_in",),
    "promise_scms": ("benchmarks.promises",),
    "promise_scms_slip": ("benchmarks.promises",),
    "mapping_guess": ("benchmarks.mapping_guess",),
    "feed_memory": ("benchmarks.feed_memory",),
    "guard_corpus": ("benchmarks.guard_corpus",),
    "replay_undo_100k": ("benchmarks.undo",),
    "widget_weight": ("benchmarks.widget",),
    "subscribe_p99": ("benchmarks.sign_ups",),
    "waves_simulation": ("benchmarks.waves",),
    "mail_rate": ("benchmarks.mail_rate",),
    "shoppers_page": ("benchmarks.shoppers_pages",),
    "shoppers_csv": ("benchmarks.shoppers_pages",),
}
"""Name → the module and arguments that print its lines. Names that share them are measured in one go."""


def main(names: Sequence[str]) -> int:
    """Run the named benchmarks (none: all). Returns the exit status; 2 for a name that does not exist."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}. There are:", file=sys.stderr)
        print("\n".join(f"  {name}" for name in BENCHMARKS), file=sys.stderr)
        return 2
    wanted = list(names) or list(BENCHMARKS)
    missing: list[str] = []
    for command in dict.fromkeys(BENCHMARKS[name] for name in wanted):
        asked = {name for name in wanted if BENCHMARKS[name] == command}
        seen: set[str] = set()
        for line in _run(command):
            name = _name_of(line, command)
            seen.add(name)
            if name in asked:
                print(
                    json.dumps({"name": name, **{k: v for k, v in line.items() if k != "name"}}), flush=True
                )
        missing += sorted(asked - seen)
    for name in missing:
        print(f"{name} did not run.", file=sys.stderr)
    return 1 if missing else 0


def _run(command: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The JSON lines of one benchmark as they come; everything else it prints goes to standard error."""
    with subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for text in process.stdout:
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if isinstance(line, dict):
                yield line
            else:
                print(text, end="", file=sys.stderr)


def _name_of(line: dict[str, Any], command: tuple[str, ...]) -> str:
    """The benchmark a line belongs to; a module with one benchmark may name its lines as it likes."""
    names = [name for name, known in BENCHMARKS.items() if known == command]
    return names[0] if len(names) == 1 else str(line.get("name", ""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
