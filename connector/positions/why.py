"""Why a SKU shows what it shows: from the store's number back to the feed's line, the rule and the write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from connector.catalog.keys import sku_key
from connector.positions.price_stops import stops_of


@dataclass(frozen=True, slots=True)
class Explanation:
    """One variant explained. Lists hold plain mappings for JSON; `lines` says the same in words."""

    variant_id: int
    sku: str
    title: str
    available: int | None
    state: str
    restock_on: str | None
    restock_basis: str
    rule: dict[str, Any]
    sources: list[dict[str, Any]]
    listings: list[dict[str, Any]]
    movements: list[dict[str, Any]]
    incoming: list[dict[str, Any]] = field(default_factory=list)
    promise: dict[str, Any] = field(default_factory=dict)
    sourcing: dict[str, Any] = field(default_factory=dict)
    stopped: dict[str, Any] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The explanation in sentences, the conclusion first."""
        if self.available is None and self.sources:
            return [
                f"{self.sku} {self.title}",
                "It was never decided: no supplier that lists it has said how many there are.",
                *(
                    f"  {source['source']}: no quantity (line {source['line']}, run {source['run']})."
                    for source in self.sources
                ),
            ]
        if self.available is None:
            return [
                f"{self.sku} {self.title}",
                "It was never decided: no supplier's item is matched to it yet. "
                "Check that a supplier file holds this SKU (dispo supplier preview).",
            ]
        lines = [f"{self.sku} {self.title}"]
        if self.restock_on:
            lines.append(
                f"{self.available} to sell: {self.state}, back on {self.restock_on} ({self.restock_basis})."
            )
        else:
            lines.append(f"{self.available} to sell: {self.state}.")
        lines += _date_lines(self.promise)
        if self.stopped:
            lines.append(f"  {_STOPPED.format_map(self.stopped)}")
        parts = self.rule.get("bundle", [])
        for part in parts:
            lines.append(
                f"  Made of {part['units']} of variant {part['variant']}: {part['available']} there, "
                f"enough for {part['bundles']}."
            )
        if not self.sources and not parts:
            lines.append("No supplier's item is matched to it, so nothing is known to be there.")
        for source in self.sources:
            seen = "nothing said" if source["quantity"] is None else str(source["quantity"])
            lines.append(
                f"  {source['source']}: {seen} seen as of {source['as_of'] or 'never'}"
                f" (line {source['line']}, run {source['run']}), {source['deducted']} sold since,"
                f" {source['per_variant']} make one."
            )
            if source.get("heard_at"):
                lines.append(
                    f"  {source['source']}, asked after an order, said {source['heard']} at {source['heard_at']};"
                    " that counts until its next list."
                )
        lines += sourcing_lines(self.sourcing, self.sources)
        rule = self.rule
        cap = "none" if rule.get("cap") is None else rule["cap"]
        lines.append(f"  Rule: buffer {rule.get('buffer', 0)}, cap {cap}, low at {rule.get('threshold', 0)}.")
        for coming in self.incoming:
            expected = f"expected on {coming['expected_on']}" if coming["expected_on"] else "without a date"
            lines.append(
                f"  On its way to {coming['store']}: {coming['units']} in shipment {coming['name']}, {expected}."
            )
        for listing in self.listings:
            lines.append(
                f"  {listing['store']}: should say {listing['wanted']}, we believe {listing['believed']}, "
                f"it confirmed {listing['confirmed']} at {listing['confirmed_at'] or 'no time yet'}."
            )
            if listing["note"]:
                lines.append(f"    {listing['note']}")
        for movement in self.movements:
            lines.append(
                f"  {movement['at']}: {movement['before']} → {movement['after']} "
                f"({movement['cause']}{' ' + movement['reference'] if movement['reference'] else ''})"
            )
        return lines


def explain(db: sa.Connection, merchant_id: int, sku: str) -> list[Explanation]:
    """Every variant of this merchant with that SKU (compared by key), explained; empty when none."""
    rows = db.execute(
        sa.text("""
            select v.id, v.sku, v.title, p.available, p.state, p.restock_on, p.restock_basis, p.why
              from variant v
              left join position p on p.merchant_id = v.merchant_id and p.variant_id = v.id and p.version > 0
             where v.merchant_id = :m and v.sku_key = :key order by v.id
        """),
        {"m": merchant_id, "key": sku_key(sku)},
    ).all()
    return [explain_row(db, merchant_id, row) for row in rows]


def explain_row(db: sa.Connection, merchant_id: int, row: Any) -> Explanation:
    """The explanation of one variant row (id, sku, title, available, state, restock_on, basis, why)."""
    given = {"m": merchant_id, "v": row.id}
    why = row.why or {}
    # One source may list it several times: its parts come in the order of the rows below.
    parts: dict[int, list[dict[str, Any]]] = {}
    roles: dict[int, dict[str, Any]] = {}
    for part in why.get("sources", []):
        parts.setdefault(part["source"], []).append(part)
        if "role" in part:
            roles.setdefault(part["source"], {name: part[name] for name in _JUDGED if name in part})
    left = {source_id: iter(found) for source_id, found in parts.items()}
    sources = [
        {
            "source": source.name,
            "quantity": source.quantity,
            "as_of": source.as_of.isoformat(timespec="minutes") if source.as_of else None,
            "line": source.line,
            "run": source.run_id,
            "deducted": part.get("deducted", 0),
            "per_variant": source.units_per_variant,
            "how": source.how,
            "own": bool(roles.get(source.source_id, {}).get("own")),
            **roles.get(source.source_id, {}),
            **({"heard": part["observed"], "heard_at": part["heard_at"]} if part.get("heard_at") else {}),
            **_outage(source),
        }
        for source in db.execute(_SOURCES, given)
        for part in (next(left.get(source.source_id, iter(())), {}),)
    ]
    listings = [
        {
            "store": listing.store,
            "wanted": listing.wanted_available,
            "believed": listing.believed_available,
            "confirmed": listing.confirmed_available,
            "confirmed_at": listing.confirmed_at.isoformat(timespec="seconds")
            if listing.confirmed_at
            else None,
            "note": _note(listing),
            "url": listing.url,
        }
        for listing in db.execute(_LISTINGS, given)
    ]
    movements = [
        {
            "at": movement.at.isoformat(timespec="seconds"),
            "before": movement.available_before,
            "after": movement.available_after,
            "state": movement.state_after,
            "cause": movement.cause,
            "run": movement.run_id,
            "reference": f"run {movement.run_id}" if movement.run_id else movement.reference,
        }
        for movement in db.execute(_MOVEMENTS, given)
    ]
    return Explanation(
        row.id,
        row.sku,
        row.title,
        row.available,
        row.state or "",
        row.restock_on.isoformat() if row.restock_on else None,
        row.restock_basis or "",
        {key: why[key] for key in ("buffer", "cap", "threshold", "bundle") if key in why},
        sources,
        listings,
        movements,
        [
            {
                "store": coming.store,
                "name": coming.name,
                "units": coming.units,
                "expected_on": coming.expected_on.isoformat() if coming.expected_on else None,
            }
            for coming in db.execute(_INCOMING, given)
        ],
        dict(why.get("promise") or {}),
        dict(why.get("sourcing") or {}),
        dict(stops_of(db, merchant_id, [row.id]).get(row.id, {})),
    )


_STOPPED = (
    "Not sold, by your rule for prices: {store} asks {price} {currency}, below its floor of {floor} at a cost of"
    " {cost}. It sells again by itself when its margin is back."
)
_JUDGED = ("role", "own", "cost", "currency", "lead_time_days", "score", "priority", "returns_at")


def _outage(source: Any) -> dict[str, Any]:
    if not source.out_because:
        return {}
    return {"out_because": source.out_because, "out_since": source.out_since.isoformat(timespec="minutes")}


def sourcing_lines(sourcing: dict[str, Any], sources: list[dict[str, Any]]) -> list[str]:
    """Which supplier sells and why the others do not, in words; none where all are summed."""
    if not sourcing:
        return []
    lines = []
    for source in {one["source"]: one for one in reversed(sources)}.values():
        role, name = source.get("role", ""), source["source"]
        measure = _measure(sourcing["strategy"], source)
        if role == "sells" and source["own"]:
            line = f"  {name} your own stock, sold first."
        elif role == "sells" and sourcing.get("since"):
            line = f"  {name} sells since {sourcing['since']}{measure}."
        elif role == "sells":
            line = f"  {name} sells{measure}."
        elif role == "waiting":
            line = (
                f"  {name} goes before it{measure}, and is handed back to on {source['returns_at']}"
                " if it stays usable."
            )
        elif role == "standby":
            line = f"  {name} stands by{measure}."
        else:
            why = _UNUSED.get(role, "is not used")
            if role == "failing" and source.get("out_because") == "paused":
                why = "cannot be relied on: it is paused"
            if role in ("stale", "failing") and "out_since" in source:
                why = f"{why} since {source['out_since']}"
            hours = sourcing["stable_hours"]
            line = f"  {name}: {why}{measure}; it counts again after {hours} h without a break."
        lines.append(line)
    if sourcing.get("no_rate"):
        # The lines are turned round: this one is said last.
        codes = ", ".join(sourcing["no_rate"])
        lines.insert(
            0, f"  Costs are not compared, as there is no exchange rate for {codes}: your order counts."
        )
    return lines[::-1]


_UNUSED = {
    "out": "has nothing to sell",
    "unknown": "does not say how many there are",
    "stale": "is silent past its limit",
    "failing": "cannot be relied on: its last runs failed",
}
"""Why a source does not sell, by its role."""


def _measure(strategy: str, source: dict[str, Any]) -> str:
    """By what it is judged, in brackets."""
    name, words = {
        "cheapest": ("cost", "costs {value}"),
        "fastest": ("lead_time_days", "{value} days"),
        "best_score": ("score", "score {value}"),
        "priority": ("priority", "priority {value}"),
    }.get(strategy, ("", ""))
    if not name or source.get(name) is None:
        return ""
    currency = f" {source['currency']}" if name == "cost" and source.get("currency") else ""
    return f" ({words.format(value=f'{source[name]}{currency}')})"


def _date_lines(promise: dict[str, Any]) -> list[str]:
    """How the restock date came about, in words; none without a date."""
    if not promise:
        return []
    named = f"  The date rests on {promise['evidence_on']}"
    days = promise.get("days")
    if days is None or not (promise["ended"] or days > 0):
        lines = [f"{named}; how late such dates are is not known yet."]
    elif promise["is_reached"]:
        whose = "all suppliers" if promise["is_pooled"] else "this supplier"
        lines = [
            f"{named}; {promise['level']:.0%} of {promise['ended']} like it, of {whose}, came within"
            f" {promise['days']} days."
        ]
    else:
        lines = [f"{named}; of only {promise['ended']} like it the latest took {promise['days']} days."]
    if promise.get("moved_from"):
        lines.append(
            f"  Nothing is booked in on {promise['moved_from']}: it is moved to {promise['until']}, a day of work."
        )
    if promise["is_held"]:
        lines.append("  It was promised for a later day before, which stays.")
    return lines


def _note(listing: Any) -> str:
    """Why a listing is not being written, in words; empty when it is."""
    if listing.is_gone:
        return "The store does not show it any more."
    if listing.problem:
        return f"Not written: {listing.problem}"
    if listing.is_excluded:
        return "Not written: you took it out of management."
    if not listing.is_managed:
        return "Not written: no supplier's item is matched to it."
    if listing.status != "active":
        return f"Not written: the connection is {listing.status}. {listing.status_reason}"
    if listing.is_writing_stopped:
        return "Not written: writing to this store is stopped."
    if listing.writing_approved_at is None:
        return "Not written: the first difference of this store is not approved yet."
    if listing.wanted_available != listing.believed_available:
        return "On its way."
    return ""


_SOURCES = sa.text("""
    select s.name, s.kind, s.out_because, s.out_since, i.source_id, o.quantity,
           coalesce(o.as_of, s.as_of) as as_of, o.line, o.run_id, i.units_per_variant, i.how
      from supplier_item i
      join source s on s.merchant_id = i.merchant_id and s.id = i.source_id
      left join observation o on o.merchant_id = i.merchant_id and o.source_id = i.source_id
                             and o.item_key = i.item_key
     where i.merchant_id = :m and i.variant_id = :v order by i.source_id, i.item_key
""")
_LISTINGS = sa.text("""
    select c.name || coalesce(' · ' || nullif(s.name, ''), '') as store, c.status, c.status_reason,
           c.writing_approved_at, c.is_writing_stopped,
           l.wanted_available, l.believed_available, l.confirmed_available, l.confirmed_at, l.is_gone,
           l.is_managed, l.is_excluded, l.problem, l.url
      from listing l join connection c on c.merchant_id = l.merchant_id and c.id = l.connection_id
      left join store_location s on s.merchant_id = l.merchant_id and s.connection_id = l.connection_id
                                and s.location_id = l.location_id
     where l.merchant_id = :m and l.variant_id = :v order by l.connection_id, l.id
""")
_INCOMING = sa.text("""
    select c.name as store, i.name, i.units, cast(i.arrives_at at time zone m.timezone as date) as expected_on
      from incoming i
      join connection c on c.merchant_id = i.merchant_id and c.id = i.connection_id
      join merchant m on m.id = i.merchant_id
     where i.merchant_id = :m and i.variant_id = :v and c.status = 'active'
     order by i.arrives_at nulls last, i.name, i.reference
""")
_MOVEMENTS = sa.text("""
    select at, available_before, available_after, state_after, cause, run_id, reference from movement
     where merchant_id = :m and variant_id = :v order by id desc limit 10
""")
