"""Promised days on real purchase orders, by the product's own estimate, day by day without hindsight.

    python -m benchmarks.promises           # prints one JSON line for each figure

Needs the delivery history of the Supply Chain Management System (10,324 lines, 2006 to 2015, whose licence is not
confirmed and which is therefore not part of this repository) at ../shared/data/scms_delivery_history.csv.gz; where
it is absent that is said and nothing is measured.

Protocol. An order may be promised on the day it is sent. What was sent before that day is known, and so is its
delivery where that was before that day; all else is still open. Tested are the orders sent from 2011 on; a promise
is whole days and kept when the order came by then. Nothing was fitted to these years here: half-lives are the ones
that the product has, the level and the choice between one curve for all suppliers and one for each are made anew
on every day from the promises before it.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from connector.availability.lateness import NEVER, TARGET, Lateness, Orders, cheapest, correct, read_off
from connector.positions.lateness import HALF_LIFE_DAYS

DATA = Path(__file__).parents[2] / "shared" / "data" / "scms_delivery_history.csv.gz"
TESTED_FROM = date(2011, 1, 1).toordinal()
AIM_DAYS = 269.0
NAIVE_KEPT = 0.542
PLANNED_KEPT = 0.743
AHEAD_DAYS = 30
"""A shipment from a warehouse may be promised so many days before its scheduled day (an assumption)."""


class Shipment(NamedTuple):
    """One delivery: days as ordinals, `began` the day it may be promised, `due` the day its delay counts from."""

    began: int
    due: int
    ended: int
    supplier: str


def main(arguments: Sequence[str]) -> int:
    if arguments:
        print("There is nothing to choose: python -m benchmarks.promises", file=sys.stderr)
        return 2
    if not DATA.is_file():
        line = {"skipped": f"{DATA.name} is not beside this repository; nothing was measured."}
        for name in ("promise_scms", "promise_scms_slip"):
            print(json.dumps({"name": name, **line}), flush=True)
        return 0
    lines = list(_lines())
    for figure in (_lead_times(lines), _slips(lines)):
        print(json.dumps(figure), flush=True)
    return 0


def _lines() -> Iterator[dict[str, str]]:
    with gzip.open(DATA, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
        yield from csv.DictReader(file)


def _lead_times(lines: list[dict[str, str]]) -> dict[str, Any]:
    """From the day an order was sent to the day it came."""
    found = {
        (row["PO / SO #"], row["ASN/DN #"], row["Vendor"], sent, due, came)
        for row in lines
        if (sent := _day(row["PO Sent to Vendor Date"])) is not None
        and (due := _day(row["Scheduled Delivery Date"])) is not None
        and (came := _day(row["Delivered to Client Date"])) is not None
        and came > sent
    }
    shipments = sorted(Shipment(sent, sent, came, vendor) for _, _, vendor, sent, _, came in found)
    measured = _measure(shipments, HALF_LIFE_DAYS["restock"], is_never_early=False)
    naive = _naive_mean(shipments)
    return {
        "name": "promise_scms",
        "value": measured["kept"],
        "unit": "share of promises kept",
        "reference": NAIVE_KEPT,
        "ratio": round(measured["kept"] / NAIVE_KEPT, 4),
        "aim": TARGET,
        "ok": measured["kept"] >= TARGET and measured["mean_promised_days"] <= AIM_DAYS,
        "aim_mean_promised_days": AIM_DAYS,
        "naive_mean_kept": naive,
        **measured,
    }


def _slips(lines: list[dict[str, str]]) -> dict[str, Any]:
    """From the scheduled day of a warehouse's shipment to the day it came, promised 30 days ahead. Direct
    deliveries are left out: their schedules were evidently rewritten afterwards."""
    found = {
        (row["PO / SO #"], row["ASN/DN #"], row["Country"], due, came)
        for row in lines
        if row["Fulfill Via"] == "From RDC"
        and (due := _day(row["Scheduled Delivery Date"])) is not None
        and (came := _day(row["Delivered to Client Date"])) is not None
    }
    shipments = sorted(Shipment(due - AHEAD_DAYS, due, came, country) for _, _, country, due, came in found)
    measured = _measure(shipments, HALF_LIFE_DAYS["stated"], is_never_early=True)
    tested = [one for one in shipments if one.began >= TESTED_FROM]
    planned = sum(one.ended <= one.due for one in tested) / len(tested)
    return {
        "name": "promise_scms_slip",
        "value": measured["kept"],
        "unit": "share of promises kept",
        "reference": round(planned, 4),
        "ratio": round(measured["kept"] / planned, 4),
        "aim": TARGET,
        "ok": measured["kept"] >= TARGET,
        "published_kept": PLANNED_KEPT,
        **measured,
    }


def _measure(shipments: list[Shipment], half_life_days: float, *, is_never_early: bool) -> dict[str, Any]:
    """What the product would have promised for each tested order, and what became of it."""
    names = {name: number for number, name in enumerate(sorted({one.supplier for one in shipments}))}
    began, due, ended = (np.array([one[i] for one in shipments], dtype=np.int64) for i in range(3))
    group = np.array([names[one.supplier] for one in shipments], dtype=np.int64)
    orders = Orders(began, due, ended, np.full(len(began), NEVER), group)
    ways = [Lateness(orders, half_life_days), Lateness(orders, half_life_days, is_pooled=False)]
    levels: dict[int, list[float]] = {}
    best: dict[int, int] = {}
    promised, came, years, fixed, chosen = [], [], [], [], []
    undated = pooled = 0
    for i in np.flatnonzero(began >= TESTED_FROM):
        day, own = int(began[i]), int(group[i])
        if day not in levels:
            levels[day] = [way.level(day) for way in ways]
            best[day] = cheapest(ways, day, levels[day])
        found = correct(ways, day, own, levels[day], best[day])
        plain = read_off(ways[0].curve(day, own), TARGET, is_pooled=True)
        if found.days is None or plain.days is None:
            undated += 1
            continue
        promised.append(max(0, found.days) if is_never_early else found.days)
        fixed.append(max(0, plain.days) if is_never_early else plain.days)
        came.append(int(ended[i] - due[i]))
        years.append(date.fromordinal(day).year)
        chosen.append(found.level)
        pooled += found.is_pooled
    days, truth, year, plainly = (np.array(one) for one in (promised, came, years, fixed))
    kept = days >= truth
    worst = min(
        (float(kept[year == one].mean()), int(one)) for one in set(years) if (year == one).sum() >= 30
    )
    return {
        "kept": round(float(kept.mean()), 4),
        "mean_promised_days": round(float(days.mean()), 1),
        "mean_slack_days": round(float((days - truth).mean()), 1),
        "promises": len(days),
        "without_a_date": undated,
        "mean_level": round(float(np.mean(chosen)), 4),
        "pooled": pooled,
        "worst_year": {"year": worst[1], "kept": round(worst[0], 4)},
        "at_level_.95": {
            "kept": round(float((plainly >= truth).mean()), 4),
            "mean_promised_days": round(float(plainly.mean()), 1),
        },
    }


def _naive_mean(shipments: list[Shipment]) -> float:
    """Kept by promising the supplier's mean so far; of all suppliers where it has fewer than five orders."""
    came = np.array([one.ended for one in shipments])
    took = np.array([one.ended - one.due for one in shipments], dtype=np.float64)
    began = np.array([one.began for one in shipments])
    names = np.array([one.supplier for one in shipments])
    kept = []
    for i in np.flatnonzero(began >= TESTED_FROM):
        known = (began < began[i]) & (came < began[i])
        own = known & (names == names[i])
        days = np.ceil(took[own if own.sum() >= 5 else known].mean())
        kept.append(bool(days >= took[i]))
    return round(float(np.mean(kept)), 4)


def _day(text: str) -> int | None:
    """The ordinal of a day like 2-Jun-06 or 11/13/06; None for the words that stand for no date."""
    for form in ("%d-%b-%y", "%m/%d/%y"):
        try:
            return datetime.strptime(text, form).toordinal()  # noqa: DTZ007 - a day, of no place
        except ValueError:
            continue
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
