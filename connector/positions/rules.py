"""The merchant's rules as they are stored, and what holds of them for each variant of a chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa

from connector.availability.facts import Rule
from connector.availability.rules import IN_MERCHANT, Resolved, Says, policy_of, resolve, stale_policy
from connector.outbox.messages import literal
from connector.positions.kept import MEASURED_FROM

_NOTHING: Says = {}


class Terms(NamedTuple):
    """How one source counts for one variant. `is_own` is None where only the source's own row says it."""

    is_own: bool | None
    score: int | None
    priority: int | None
    stale: str
    shrink_percent: int


@dataclass(slots=True)
class Holding:
    """What holds for the variants of which the same is said."""

    rule: Rule
    resolved: Resolved
    book: RuleBook
    _terms: dict[int, Terms] = field(default_factory=dict)

    def of_source(self, source_id: int, connection_id: int) -> Terms:
        """How this source counts; `connection_id` is its connection."""
        known = self._terms.get(source_id)
        if known is None:
            says = self.book.suppliers.get(source_id, _NOTHING)
            known = self._terms[source_id] = Terms(
                says.get("is_own"),
                self.book.score_of(source_id, connection_id),
                says.get("priority"),
                *stale_policy(self.resolved, says),
            )
        return known


@dataclass(slots=True)
class RuleBook:
    """The rules that may hold for a chunk of variants. `merchant` is the merchant's row: what its settings page
    keeps, `shows_count`, and the rest by its own rule."""

    merchant: Any
    everywhere: Says = field(default_factory=dict)
    suppliers: Mapping[int, Says] = field(default_factory=dict)
    collections: Mapping[str, Says] = field(default_factory=dict)
    items: Mapping[int, Says] = field(default_factory=dict)
    scores: Mapping[int, int] = field(default_factory=dict)
    _known: dict[Any, Holding] = field(default_factory=dict)

    def rule_of(
        self,
        variant_id: int,
        is_discontinued: bool,
        collections: Sequence[str],
        own: tuple[Any, ...],
        sources: tuple[tuple[int, tuple[Any, ...]], ...],
    ) -> Holding:
        """What holds for a variant. `own` is what its row says of IN_MERCHANT; `sources` are the ids of its sources,
        each with what its own row says of those. Answers are kept: most variants have no rule of their own."""
        says = self.items.get(variant_id)
        names: tuple[str, ...] = ()
        if self.collections:
            names = tuple(name for name in map(key_of, collections) if name in self.collections)
        key = (is_discontinued, own, names, sources, variant_id if says else 0)
        holding = self._known.get(key)
        if holding is None:
            resolved = resolve(
                {**_said(own), **(says or _NOTHING)},
                [self.collections[name] for name in names],
                [
                    {**_said(columns), **self.suppliers.get(source_id, _NOTHING)}
                    for source_id, columns in sources
                ],
                {**_said([getattr(self.merchant, name) for name in IN_MERCHANT]), **self.everywhere},
            )
            values = resolved.values
            buffers: dict[int, int] = {}
            if resolved.levels["buffer_units"] == "supplier":
                for source_id, columns in sources:
                    one = {**_said(columns), **self.suppliers.get(source_id, _NOTHING)}.get("buffer_units")
                    if one is not None:
                        buffers[source_id] = one
            rule = Rule(
                **{name: values[name] for name in IN_MERCHANT},
                supplier_buffers=buffers,
                other_buffer=self.merchant.buffer_units or 0,
                shows_count=self.merchant.shows_count,
                is_discontinued=is_discontinued,
                policy=policy_of(resolved),
            )
            holding = self._known[key] = Holding(rule, resolved, self)
        return holding

    def score_of(self, source_id: int, connection_id: int) -> int | None:
        """The score the merchant gave, else the share of its restock dates that were kept, in percent, once
        enough are known."""
        said = self.suppliers.get(source_id, _NOTHING).get("score")
        return said if said is not None else self.scores.get(connection_id)


def read_book(db: sa.Connection, merchant_id: int, merchant: Any, variant_ids: Sequence[int]) -> RuleBook:
    """The rules that may hold for these variants; one small query where there are none."""
    book = RuleBook(merchant)
    suppliers: dict[int, Says] = {}
    collections: dict[str, Says] = {}
    items: dict[int, Says] = {}
    for row in db.execute(_RULES, {"m": merchant_id, "subjects": literal(variant_ids)}):
        if row.level == "merchant":
            book.everywhere = row.says
        elif row.level == "supplier":
            suppliers[int(row.subject)] = row.says
        elif row.level == "collection":
            collections[row.subject] = row.says
        else:
            items[int(row.subject)] = row.says
    book.suppliers, book.collections, book.items = suppliers, collections, items
    said = [book.everywhere, *collections.values(), *items.values()]
    if any(says.get("strategy") == "best_score" for says in said):
        book.scores = {
            row.connection_id: round(100 * row.kept / row.known)
            for row in db.execute(_KEPT, {"m": merchant_id, "least": MEASURED_FROM})
        }
    return book


def key_of(collection: str) -> str:
    """A collection's name as it is compared: case and spaces around and between words do not matter."""
    return " ".join(collection.split()).casefold()


def _said(values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(IN_MERCHANT, values, strict=True))


_RULES = sa.text("""
    select level, subject, says from stock_rule
     where merchant_id = :m and (level <> 'sku' or subject = any(cast(:subjects as text[])))
""")
_KEPT = sa.text("""
    select connection_id, count(is_kept) as known, count(*) filter (where is_kept) as kept
      from promise where merchant_id = :m and connection_id <> 0
     group by connection_id having count(is_kept) >= :least
""")
