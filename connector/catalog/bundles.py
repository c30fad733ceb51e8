"""Which variants are bundles, and what they are made of: declaring, importing, taking apart.

A bundle's stock is that of its components, whatever a supplier says of the bundle itself. A bundle may
contain bundles; none may contain itself.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

import sqlalchemy as sa

from connector.catalog.keys import sku_key
from connector.catalog.management import manage
from connector.catalog.matching import release
from connector.outbox.messages import literal

MOST_UNITS = 10_000
MOST_COMPONENTS = 100
_COLUMNS = ("bundle", "component", "units")


class BundleRefused(ValueError):
    """A bundle that cannot be: the message names it, the cause and the remedy."""


@dataclass(frozen=True, slots=True)
class Component:
    """`units` of a variant that go into one bundle."""

    variant_id: int
    units: int


def declare(
    db: sa.Connection, merchant_id: int, variant_id: int, components: Sequence[Component]
) -> set[int]:
    """Make the variant a bundle of these components, in place of what it was made of before; none: it is no
    bundle any more. Returns the variants to decide again. Its listings come under management.

    Raises BundleRefused: unknown variant, twice the same component, units out of range, a cycle.
    """
    # One at a time: two declarations that each are fine may be a circle together.
    db.execute(sa.text("select pg_advisory_xact_lock(7301, cast(:m as int))"), {"m": merchant_id % 2**31})
    names = _names(db, merchant_id, [variant_id, *(one.variant_id for one in components)])
    name = names.get(variant_id)
    if name is None:
        raise BundleRefused(f"There is no variant {variant_id}. Look it up in the product list.")
    if len(components) > MOST_COMPONENTS:
        raise BundleRefused(
            f"“{name}” has {len(components)} components; at most {MOST_COMPONENTS} are possible."
        )
    seen = set()
    for one in components:
        if one.variant_id not in names:
            raise BundleRefused(
                f"“{name}”: there is no variant {one.variant_id}. Look it up in the product list."
            )
        if one.variant_id in seen:
            raise BundleRefused(
                f"“{name}” names “{names[one.variant_id]}” twice. Add the units up in one line."
            )
        if not 1 <= one.units <= MOST_UNITS:
            raise BundleRefused(
                f"“{name}”: {one.units} units of “{names[one.variant_id]}”. Enter 1 to {MOST_UNITS:,}."
            )
        seen.add(one.variant_id)
    below = components_below(db, merchant_id, seen)
    if variant_id in seen | below:
        raise BundleRefused(
            f"“{name}” would contain itself, directly or through another bundle. Take it out of its components."
        )
    given = {"m": merchant_id, "v": variant_id}
    db.execute(sa.text("delete from bundle_component where merchant_id = :m and variant_id = :v"), given)
    if components:
        db.execute(
            sa.text("""
                insert into bundle_component (merchant_id, variant_id, component_id, units)
                select :m, :v, n.id, n.units
                  from unnest(cast(:ids as bigint[]), cast(:units as int[])) as n(id, units)
            """),
            {**given, "ids": [c.variant_id for c in components], "units": [c.units for c in components]},
        )
    if components:
        manage(db, merchant_id, {variant_id})
    else:
        release(db, merchant_id, {variant_id})
    return {variant_id}


def components_of(
    db: sa.Connection, merchant_id: int, variant_ids: Iterable[int]
) -> dict[int, list[Component]]:
    """What the bundles among these variants are made of, each component once; others are left out."""
    found: dict[int, list[Component]] = defaultdict(list)
    for row in db.execute(
        sa.text("""
            select variant_id, component_id, units from bundle_component
             where merchant_id = :m and variant_id = any(cast(:v as bigint[])) order by variant_id, component_id
        """),
        {"m": merchant_id, "v": literal(variant_ids)},
    ):
        found[row.variant_id].append(Component(row.component_id, row.units))
    return dict(found)


_ABOVE = sa.text("""
    with recursive above as (
        select b.variant_id from bundle_component b
         where b.merchant_id = :m and b.component_id = any(cast(:v as bigint[]))
        union
        select b.variant_id from bundle_component b join above a on b.component_id = a.variant_id
         where b.merchant_id = :m)
    select variant_id from above
""")

_BELOW = sa.text("""
    with recursive below as (
        select b.component_id from bundle_component b
         where b.merchant_id = :m and b.variant_id = any(cast(:v as bigint[]))
        union
        select b.component_id from bundle_component b join below a on b.variant_id = a.component_id
         where b.merchant_id = :m)
    select component_id from below
""")


def bundles_above(db: sa.Connection, merchant_id: int, variant_ids: Iterable[int]) -> set[int]:
    """The bundles that contain any of these variants, directly or through another bundle."""
    return set(db.execute(_ABOVE, {"m": merchant_id, "v": literal(variant_ids)}).scalars())


def components_below(db: sa.Connection, merchant_id: int, variant_ids: Iterable[int]) -> set[int]:
    """The variants that any of these bundles contains, directly or through another bundle."""
    return set(db.execute(_BELOW, {"m": merchant_id, "v": literal(variant_ids)}).scalars())


def leaves_of(db: sa.Connection, merchant_id: int, variant_id: int) -> dict[int, int]:
    """The variants that are no bundles and go into one bundle, with their units in all; {} for no bundle."""
    tree = components_of(db, merchant_id, {variant_id, *components_below(db, merchant_id, [variant_id])})
    totals: dict[int, int] = defaultdict(int)

    def add(bundle: int, times: int) -> None:
        for one in tree.get(bundle, ()):
            if one.variant_id in tree:
                add(one.variant_id, times * one.units)
            else:
                totals[one.variant_id] += times * one.units

    add(variant_id, 1)
    return dict(totals)


def read_csv(file: IO[str]) -> dict[str, list[tuple[str, int]]]:
    """Bundle SKU → (component SKU, units) from a file with the columns bundle, component and units (";", ","
    or tab). Raises BundleRefused naming the line."""
    sample = file.read(4096)
    file.seek(0)
    first = sample.splitlines()[0] if sample.strip() else ""
    delimiter = max(";,\t", key=first.count)
    reader = csv.DictReader(file, delimiter=delimiter)
    head = [name.strip().lower() for name in reader.fieldnames or ()]
    reader.fieldnames = head
    if not set(_COLUMNS) <= set(head):
        raise BundleRefused(
            f"The file has the columns {', '.join(head) or '(none)'}; needed are {', '.join(_COLUMNS)}."
        )
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for row in reader:
        bundle, part, units = ((row.get(name) or "").strip() for name in _COLUMNS)
        if not (bundle or part or units):
            continue
        if not bundle or not part:
            raise BundleRefused(f"Line {reader.line_num}: the bundle or the component is missing.")
        if not (units.isascii() and units.isdigit() and 1 <= int(units) <= MOST_UNITS):
            raise BundleRefused(
                f"Line {reader.line_num}: “{units}” is not a number of units from 1 to {MOST_UNITS:,}."
            )
        found[bundle].append((part, int(units)))
    if not found:
        raise BundleRefused("The file names no bundle.")
    return dict(found)


def import_bundles(
    db: sa.Connection, merchant_id: int, given: Mapping[str, Sequence[tuple[str, int]]]
) -> set[int]:
    """Declare all these bundles, by SKU, in the caller's transaction: all of them or none. Returns the variants
    to decide again. Raises BundleRefused for a SKU that no variant or more than one has, and as `declare`."""
    wanted = {sku for bundle, parts in given.items() for sku in (bundle, *(part for part, _ in parts))}
    ids = _by_sku(db, merchant_id, wanted)
    changed: set[int] = set()
    for bundle, parts in given.items():
        changed |= declare(
            db, merchant_id, ids[bundle], [Component(ids[part], units) for part, units in parts]
        )
    return changed


def _by_sku(db: sa.Connection, merchant_id: int, skus: Iterable[str]) -> dict[str, int]:
    keys = {sku: sku_key(sku) for sku in skus}
    found: dict[str, list[int]] = defaultdict(list)
    for row in db.execute(
        sa.text("select id, sku_key from variant where merchant_id = :m and sku_key = any(:keys)"),
        {"m": merchant_id, "keys": sorted(set(keys.values()))},
    ):
        found[row.sku_key].append(row.id)
    for sku, key in keys.items():
        count = len(found[key])
        if count != 1:
            much = "No variant has" if not count else f"{count} variants share"
            raise BundleRefused(f"{much} the SKU “{sku}”. Correct it in the file or in the store.")
    return {sku: found[key][0] for sku, key in keys.items()}


def _names(db: sa.Connection, merchant_id: int, ids: Sequence[int]) -> dict[int, str]:
    rows = db.execute(
        sa.text(
            "select id, sku, title from variant where merchant_id = :m and id = any(cast(:ids as bigint[]))"
        ),
        {"m": merchant_id, "ids": list(ids)},
    )
    return {row.id: row.sku or row.title for row in rows}
