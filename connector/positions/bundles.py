"""Bundles among the positions: deciding them with their components, and taking their sales off the components.

A sale of a bundle is one allocation of the bundle itself, without a source, and children that deduct the
components from their sources (origin "bundle", reference "bundle/" and the id of the sale). The children
follow the sale wherever it is lowered, given back or taken over by its order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from connector.availability.bundles import Part, decide_bundle
from connector.availability.facts import Decision, VariantFacts
from connector.catalog.bundles import bundles_above, components_below, components_of
from connector.outbox.messages import literal
from connector.positions.facts import PositionRow

Pairs = list[tuple[PositionRow, Decision]]
ORIGIN = "bundle"


def with_bundles(db: sa.Connection, merchant_id: int, variant_ids: Sequence[int]) -> list[int]:
    """These variants and the bundles that contain them, in id order: what has to be locked and decided at once,
    so that no kill leaves a bundle on an older component."""
    return sorted({*variant_ids, *bundles_above(db, merchant_id, variant_ids)})


def with_family(db: sa.Connection, merchant_id: int, variant_ids: Iterable[int]) -> list[int]:
    """These variants, what they are made of, and every bundle that contains any of those: all whose answer a
    sale of one of them may change."""
    ids = set(variant_ids)
    ids |= components_below(db, merchant_id, ids)
    return with_bundles(db, merchant_id, sorted(ids))


def decide_bundles(
    db: sa.Connection, merchant_id: int, rows: Sequence[tuple[PositionRow, VariantFacts]], pairs: Pairs
) -> Pairs:
    """`pairs` with the bundles among `rows` decided from their components: from those in `pairs` where they are
    there, else from their positions. A bundle of which some component was never decided, or is not known any more, is
    left out: nobody knows how many there are."""
    made_of = components_of(db, merchant_id, [before.variant_id for before, _ in rows])
    if not made_of:
        return pairs
    by_id = {before.variant_id: (before, facts) for before, facts in rows}
    answers = {before.variant_id: after for before, after in pairs if before.variant_id not in made_of}
    wanted = {part.variant_id for parts in made_of.values() for part in parts} - made_of.keys()
    known = {variant: _of(after) for variant, after in answers.items() if variant in wanted}
    known |= _positions(db, merchant_id, wanted - known.keys())
    left = dict(made_of)
    while left:
        ready = [
            bundle for bundle, parts in left.items() if not any(part.variant_id in left for part in parts)
        ]
        if not ready:  # pragma: no cover - `declare` refuses circles
            break
        for bundle in ready:
            parts = left.pop(bundle)
            if all(part.variant_id in known for part in parts):
                facts = by_id[bundle][1]
                answers[bundle] = decide_bundle(
                    facts, [_part(part.variant_id, part.units, known[part.variant_id]) for part in parts]
                )
                known[bundle] = _of(answers[bundle])
    return [(before, answers[before.variant_id]) for before, _ in rows if before.variant_id in answers]


def _of(after: Decision) -> Mapping[str, object]:
    return {
        "available": after.available,
        "state": after.state,
        "restock_on": after.restock_on,
        "restock_until": after.restock_until,
        "basis": after.basis,
        "evidence_on": after.evidence_on,
        "connection_id": after.connection_id,
    }


def _part(variant_id: int, units: int, known: Mapping[str, object]) -> Part:
    return Part(variant_id, units, **known)  # type: ignore[arg-type]


def _positions(db: sa.Connection, merchant_id: int, variant_ids: set[int]) -> dict[int, Mapping[str, object]]:
    """What was decided of these, read after the bundle's lock: whoever changes them decides the bundle next. Those of
    which no supplier says a number any more are left out: what was decided of them last is not so now."""
    if not variant_ids:
        return {}
    rows = db.execute(
        sa.text("""
            select variant_id, available, state, restock_on, restock_until, restock_basis as basis, evidence_on,
                   evidence_connection_id as connection_id
              from position
             where merchant_id = :m and variant_id = any(cast(:v as bigint[])) and version > 0
               and (variant_id in (select b.variant_id from bundle_component b where b.merchant_id = :m)
                    or not exists (select 1 from supplier_item i
                                     join observation o on o.merchant_id = i.merchant_id
                                      and o.source_id = i.source_id and o.item_key = i.item_key
                                    where i.merchant_id = :m and i.variant_id = position.variant_id)
                    or exists (select 1 from supplier_item i
                                 join observation o on o.merchant_id = i.merchant_id
                                  and o.source_id = i.source_id and o.item_key = i.item_key
                                where i.merchant_id = :m and i.variant_id = position.variant_id
                                  and (o.quantity is not null or o.is_word)))
        """),
        {"m": merchant_id, "v": literal(sorted(variant_ids))},
    ).mappings()
    return {row["variant_id"]: {k: row[k] for k in row if k != "variant_id"} for row in rows}


def reference_of(allocation_id: int) -> str:
    """What the children of a bundle's sale are found by."""
    return f"bundle/{allocation_id}"


def lower_children(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    allocation_id: int,
    units: int,
    before: int,
    moved_to: int | None = None,
) -> None:
    """`units` of a bundle's sale of `before` are given back: so are its components, in proportion; with
    `moved_to` they are deducted for that sale instead, from the same sources and as of the same moment."""
    rows = db.execute(
        sa.text("""
            select id, variant_id, units from allocation
             where merchant_id = :m and connection_id = :c and reference = :r and origin = 'bundle' and units > 0
             order by id desc for update
        """),
        {"m": merchant_id, "c": connection_id, "r": reference_of(allocation_id)},
    ).all()
    total: dict[int, int] = defaultdict(int)
    for row in rows:
        total[row.variant_id] += row.units
    # Each component was deducted a whole number of times per bundle, so this divides without a rest.
    left = {variant: whole * units // before for variant, whole in total.items()}
    for row in rows:
        taken = min(left[row.variant_id], row.units)
        if not taken:
            continue
        left[row.variant_id] -= taken
        given = {"m": merchant_id, "id": row.id, "u": taken}
        if moved_to is not None:
            db.execute(
                sa.text("""
                    insert into allocation (merchant_id, connection_id, variant_id, source_id, units, sold_at,
                                            origin, reference)
                    select merchant_id, connection_id, variant_id, source_id, :u, sold_at, origin, :r
                      from allocation where merchant_id = :m and id = :id
                """),
                {**given, "r": reference_of(moved_to)},
            )
        db.execute(
            sa.text("update allocation set units = units - :u where merchant_id = :m and id = :id"), given
        )
