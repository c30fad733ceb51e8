"""`make torture`: the promises under kills and faults, at full size. Prints one JSON line for each part and
ends with status 1 when an invariant is broken.

First the outbox: 20,000 effects, a worker killed every quarter second, Redis emptied twice. Then the form is flooded:
10,000 posts of one address, from one network, at one store. Then a crowd: 10,000 people wait for 40 units, a worker
killed every second, mail refused. Then orders at risk: refunds, vouchers and substitutes at three stores, chosen by
link in a storm of clicks. Then the stores: two shops, shoppers, a supplier, every fault dial on, workers killed at
random.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import storm
from connector.db import migrate
from connector.embedded import start_postgres


def stores(plan: storm.Plan) -> bool:
    """One storm on a PostgreSQL of its own; prints its figures and whatever is broken."""
    with tempfile.TemporaryDirectory(prefix="dispo-torture-") as name:
        directory = Path(name)
        with start_postgres(directory / "postgres") as server:
            migrate(server.url)
            result = storm.run(plan, server.url, directory)
    line = {
        "name": "stores under kills and faults",
        "value": len(result.broken) + len(result.faults),
        "unit": "broken invariants",
        "reference": 0,
        "ratio": None,
        "aim": 0,
        "ok": result.is_right,
        "replays_answers": plan.replays_answers,
        "seed": plan.seed,
        **result.figures,
    }
    print(json.dumps(line), flush=True)
    for text in (*result.broken, *result.faults[:5]):
        print(text, file=sys.stderr)
    return result.is_right


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=storm.Plan.seconds, help="how long each storm lasts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--skip-kills", action="store_true", help="only the stores")
    given = parser.parse_args(arguments)
    is_right = True
    if not given.skip_kills:
        for part in ("benchmarks.kills", "benchmarks.flood", "benchmarks.crowd", "benchmarks.refunds"):
            is_right = subprocess.run([sys.executable, "-m", part], check=False).returncode == 0 and is_right
    for replays in (True, False):
        plan = replace(storm.Plan(), seconds=given.seconds, seed=given.seed, replays_answers=replays)
        is_right = stores(plan) and is_right
    return 0 if is_right else 1


if __name__ == "__main__":
    # Workers are started from the module they are imported from, which must not be __main__.
    from benchmarks import torture

    sys.exit(torture.main())
