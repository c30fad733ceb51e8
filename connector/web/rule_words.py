"""Words for rules and for who sells, in the language of the person. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Say = Callable[..., str]


class RuleWords:
    """What fields, levels and values of rules are called; `say` translates."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def level(self, level: str) -> str:
        """A level, as the heading over its rules."""
        _ = self._say
        return {
            "sku": _("Products"),
            "collection": _("Collections"),
            "supplier": _("Suppliers"),
            "merchant": _("Everything you sell"),
        }[level]

    def field(self, name: str) -> str:
        """What a field decides."""
        _ = self._say
        return {
            "buffer_units": _("Buffer: units kept back"),
            "cap_units": _("Cap: never show more than"),
            "low_stock_threshold": _("“Low stock” at this number or fewer"),
            "allows_backorder": _("Sell what is out, delivered later"),
            "strategy": _("Which supplier sells"),
            "adds_own": _("Own stock and the supplier's together"),
            "stable_hours": _("Hand back after so many good hours"),
            "cheaper_percent": _("Change only when cheaper by so many percent"),
            "stale": _("Stock past its time limit"),
            "shrink_percent": _("Then less by so many percent a day"),
            "is_own": _("It is your own stock"),
            "priority": _("Place in the order"),
            "score": _("Score"),
        }[name]

    def help(self, name: str) -> str:
        """One sentence on a field; empty where its name says it all."""
        _ = self._say
        return {
            "strategy": _("All together, or one at a time while the others stand by as backups."),
            "adds_own": _("Own stock is always sold first. No: the supplier's only once the own is out."),
            "stable_hours": _("So long must the better supplier answer well before it sells again."),
            "stale": _(
                "What becomes of a number older than the supplier's limit. Silence alone empties nothing."
            ),
            "is_own": _("A stock system, a count or a warehouse of yours: sold first, nothing to wait for."),
            "priority": _("1 comes first."),
            "score": _("0 to 100, the higher the better. Empty: the share of restock dates it kept."),
        }.get(name, "")

    def value(self, name: str, value: Any) -> str:
        """A value of a field."""
        _ = self._say
        if isinstance(value, bool):
            return _("Yes") if value else _("No")
        return {
            "sum": _("All together"),
            "priority": _("By your order"),
            "cheapest": _("The cheapest"),
            "fastest": _("The fastest"),
            "best_score": _("The best score"),
            "keep": _("Keep number and date"),
            "hide_date": _("Keep the number, hide the date"),
            "shrink": _("Shrink the number, hide the date"),
        }.get(str(value), str(value))

    def role(self, part: Mapping[str, Any], sourcing: Mapping[str, Any], when: Callable[[str], str]) -> str:
        """What a source does, and why it does not sell; `when` writes a moment."""
        _, role = self._say, part.get("role", "")
        if role == "sells":
            if part.get("own"):
                return _("Your own stock, sold first.")
            since = sourcing.get("since")
            return _("Sells since %(at)s.", at=when(since)) if since else _("Sells.")
        if role == "waiting":
            return _("Goes before it; sells again from %(at)s if it stays well.", at=when(part["returns_at"]))
        if role == "standby":
            return _("Stands by as a backup.")
        said = {
            "out": _("Has nothing to sell."),
            "unknown": _("Does not say how many there are."),
            "stale": _("Silent past its time limit."),
            "failing": _("Paused.") if part.get("out_because") == "paused" else _("Its last runs failed."),
        }.get(role, "")
        again = _("It counts again after %(hours)s good hours.", hours=sourcing["stable_hours"])
        return f"{said} {again}"

    def measure(self, part: Mapping[str, Any], strategy: str) -> str:
        """By what a supplier is judged under this strategy; empty where it is not known."""
        _ = self._say
        if strategy == "cheapest" and "cost" in part:
            return _("costs %(cost)s", cost=f"{part['cost']} {part.get('currency', '')}".strip())
        if strategy == "fastest" and "lead_time_days" in part:
            return _("%(days)s days", days=part["lead_time_days"])
        if strategy == "best_score" and "score" in part:
            return _("score %(score)s", score=part["score"])
        if strategy == "priority" and "priority" in part:
            return _("place %(place)s", place=part["priority"])
        return ""
