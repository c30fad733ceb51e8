"""Which locations of a store Dispo writes and which sources feed each: checked, shown beforehand, kept.

Nothing changes for a store until its merchant chooses. A location that is given up keeps the numbers that stand there
only if the merchant says so; else it is fed by nothing first, until they are at 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from connector.accounts.audit import record
from connector.accounts.connections import choose_setting
from connector.accounts.schedule import run_now
from connector.availability.locations import Feeds
from connector.ports.stores import Location
from connector.positions.locations import MOST_LISTED, Splits, feeds_of

MOST = 20
"""So many locations of one store may be written: each is read with every reading of the catalogue."""
LOOKED_AT = 5_000
"""A preview looks at so many products: a person waits for it."""
ACTION = "store.locations"


class LocationsRefused(ValueError):
    """A choice that cannot be kept. `code` is a stable word, `values` what its sentence names; the message is that
    sentence in English."""

    def __init__(self, code: str, sentence: str, **values: str) -> None:
        super().__init__(sentence.format(**values))
        self.code = code
        self.values = values


@dataclass(frozen=True, slots=True)
class Reader:
    """A source that is read from a location of a store (the merchant's own stock there)."""

    source_id: int
    location_id: str
    sells_online: bool


@dataclass(frozen=True, slots=True)
class Present:
    """How a store is fed now. `is_chosen` False: nobody chose, and it has its one location. `names` are those of
    the locations as they were chosen; `sources` all of the merchant's, id → name."""

    feeds: Feeds
    is_chosen: bool
    names: Mapping[str, str]
    sources: Mapping[int, str]
    readers: Mapping[int, Reader]


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked choice: `places` are pairs (id, name), the default one first. `feeds` is what it makes of it."""

    places: tuple[tuple[str, str], ...]
    feeds: Feeds


@dataclass(frozen=True, slots=True)
class PlaceEffect:
    """What a choice does at one location. `now_units` stand there as far as we know, `then_units` will; `changed`
    products show another number, `to_zero` of them none any more. `step`: "new", "kept" or "given_up"; what stands
    at a new location is not known before it is read (`now_units` None)."""

    location_id: str
    name: str
    step: str
    now_units: int | None
    then_units: int
    changed: int
    to_zero: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a choice would do at each location, of `looked_at` of the store's `products`."""

    places: tuple[PlaceEffect, ...]
    products: int
    looked_at: int

    @property
    def stranded(self) -> tuple[PlaceEffect, ...]:
        """Locations given up where something still stands, which nobody would keep true."""
        return tuple(one for one in self.places if one.step == "given_up" and one.now_units)


def present(db: sa.Connection, merchant_id: int, connection_id: int) -> Present:
    """How this store is fed now. Where nobody chose, its one location is where its listings are; there is none
    before its catalogue was read."""
    chosen = feeds_of(db, merchant_id, connection_id).get(connection_id)
    given = {"m": merchant_id, "c": connection_id}
    names = {
        row.location_id: row.name
        for row in db.execute(
            sa.text(
                "select location_id, name from store_location where merchant_id = :m and connection_id = :c"
            ),
            given,
        )
    }
    sources = db.execute(
        sa.text("""
            select s.id, s.name, c.config ->> 'reads_location' as location_id,
                   c.config ->> 'sells_online' = 'yes' as sells_online,
                   c.config ->> 'reads_store' = cast(:c as text) as is_here
              from source s join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
             where s.merchant_id = :m and c.status <> 'ended' order by s.id
        """),
        given,
    ).all()
    feeds = chosen
    if feeds is None:
        found = db.execute(MOST_LISTED, given).scalar()
        feeds = Feeds((found,) if found else ())
    return Present(
        feeds=feeds,
        is_chosen=chosen is not None,
        names=names,
        sources={row.id: row.name for row in sources},
        readers={
            row.id: Reader(row.id, row.location_id, bool(row.sells_online)) for row in sources if row.is_here
        },
    )


def plan(
    now: Present, known: Sequence[Location], written: Sequence[str], pairs: Iterable[tuple[int, str | None]]
) -> Plan:
    """Check a choice: the `written` locations, the default one first, and the `pairs` (source, location it feeds;
    None: none here). `known` are the store's locations as it just told. Raises LocationsRefused."""
    by_id = {one.location_id: one for one in known}
    places = tuple(dict.fromkeys(written))
    if not places:
        raise LocationsRefused("none", "Choose at least one location that Dispo writes.")
    if len(places) > MOST:
        raise LocationsRefused("many", "At most {most} locations of a store are written.", most=str(MOST))
    for place in places:
        one = by_id.get(place)
        if one is None:
            raise LocationsRefused(
                "unknown", "The store has no location {place}. Choose one of its own.", place=place
            )
        if not one.writable:
            raise LocationsRefused(
                "closed",
                "“{place}” is closed or belongs to a fulfilment service, so that Dispo may not write it."
                " Open it in the store, or choose another one.",
                place=one.name,
            )
    chosen: dict[int, str | None] = {}
    for source_id, target in pairs:
        name = now.sources.get(source_id)
        if name is None:
            raise LocationsRefused(
                "source",
                "There is no source {source}. The list of suppliers has them.",
                source=str(source_id),
            )
        if target is not None and target not in places:
            raise LocationsRefused(
                "target",
                "“{source}” cannot feed “{place}”, which is not written. Choose a written location.",
                source=name,
                place=by_id[target].name if target in by_id else target,
            )
        if source_id in chosen and chosen[source_id] != target:
            first, second = (
                by_id[one].name if one in by_id else "none" for one in (chosen[source_id], target)
            )
            raise LocationsRefused(
                "twice",
                "“{source}” cannot feed both “{first}” and “{second}”: its units would be sold twice."
                " Choose one of them.",
                source=name,
                first=first,
                second=second,
            )
        chosen[source_id] = target
    return Plan(tuple((place, by_id[place].name) for place in places), _feeds(now, by_id, places, chosen))


def _feeds(
    now: Present, by_id: Mapping[str, Location], places: tuple[str, ...], chosen: dict[int, str | None]
) -> Feeds:
    """The choice with what it means for sources that are read from this very store."""
    for source_id, reader in now.readers.items():
        if reader.location_id in places:
            raise LocationsRefused(
                "read",
                "“{place}” is where “{source}” is counted: what Dispo writes there it would read as your own"
                " stock. Choose another location, or disconnect that source first.",
                place=by_id[reader.location_id].name,
                source=now.sources[source_id],
            )
        if not reader.sells_online:
            continue
        if chosen.get(source_id) is not None:
            raise LocationsRefused(
                "counted",
                "“{source}” is sold by the store itself at its own location: fed to “{place}” it would be sold"
                " twice. Let it feed none.",
                source=now.sources[source_id],
                place=by_id[str(chosen[source_id])].name,
            )
        chosen[source_id] = reader.location_id
    counted = frozenset(one for one, reader in now.readers.items() if reader.sells_online)
    # Who feeds the default location needs no word, and a source that comes later feeds it too.
    kept = {source_id: place for source_id, place in chosen.items() if place != places[0]}
    return Feeds(places, kept, counted)


def preview(db: sa.Connection, merchant_id: int, connection_id: int, now: Present, wanted: Plan) -> Preview:
    """What a choice would do, by what was last decided. Nothing is changed."""
    given = {"m": merchant_id, "c": connection_id}
    ids = list(
        db.execute(
            sa.text("""
                select distinct variant_id from listing
                 where merchant_id = :m and connection_id = :c and is_managed and not is_gone and not is_excluded
                   and variant_id is not null order by variant_id
            """),
            given,
        ).scalars()
    )
    looked_at = ids[:LOOKED_AT]
    splits = Splits(db, merchant_id, wanted.feeds, {})
    splits.read(looked_at)
    shown: dict[str, dict[int, int]] = {}
    for row in db.execute(
        sa.text("""
            select variant_id, location_id, sum(greatest(0, believed_available)) as units from listing
             where merchant_id = :m and connection_id = :c and is_managed and not is_gone
               and variant_id = any(cast(:ids as bigint[])) and believed_available is not null
             group by variant_id, location_id
        """),
        {**given, "ids": looked_at},
    ):
        shown.setdefault(row.location_id or "", {})[row.variant_id] = int(row.units)
    names = {**now.names, **dict(wanted.places)}
    effects = []
    for place in dict.fromkeys((*wanted.feeds.places, *now.feeds.places)):
        is_written = place in wanted.feeds.places
        before = shown.get(place, {})
        after = {one: splits.of(one).shown[place] if is_written else 0 for one in looked_at}
        is_new = place not in now.feeds.places
        effects.append(
            PlaceEffect(
                place,
                names.get(place, place),
                "new" if is_new else "kept" if is_written else "given_up",
                None if is_new else sum(before.values()),
                sum(after.values()),
                sum(after[one] != before.get(one, 0) for one in looked_at) if is_written else 0,
                sum(not after[one] and before.get(one, 0) > 0 for one in looked_at) if is_written else 0,
            )
        )
    return Preview(tuple(effects), len(ids), len(looked_at))


def keep(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    wanted: Plan,
    *,
    leaves_numbers: bool,
    actor: str,
    now: datetime,
) -> list[int]:
    """Keep a choice in the caller's transaction and have the store read anew; the variants to decide again
    afterwards. Raises LocationsRefused where a location is given up at which numbers still stand, unless the
    merchant `leaves_numbers`."""
    given = {"m": merchant_id, "c": connection_id}
    db.execute(sa.text("select 1 from connection where merchant_id = :m and id = :c for update"), given)
    before = present(db, merchant_id, connection_id)
    seen = preview(db, merchant_id, connection_id, before, wanted)
    if seen.stranded and not leaves_numbers:
        one = seen.stranded[0]
        raise LocationsRefused(
            "stranded",
            "At “{place}” {units} units still stand, which nobody would keep true. Let nothing feed it first, until"
            " they are at 0, or say that they stay as they are.",
            place=one.name,
            units=f"{one.now_units:,}",
        )
    for table in ("store_location", "store_location_source"):
        db.execute(
            sa.text(f"delete from {table} where merchant_id = :m and connection_id = :c"),  # noqa: S608
            given,
        )
    default = wanted.feeds.places[0]
    # One location that every source feeds is what a store has of itself: it needs no rows.
    if len(wanted.places) > 1 or wanted.feeds.chosen:
        _insert(db, merchant_id, connection_id, wanted)
    choose_setting(db, merchant_id, connection_id, "location_id", default)
    db.execute(
        sa.text("""
            update listing set is_gone = true, wanted_available = null
             where merchant_id = :m and id in (
                   select id from listing
                    where merchant_id = :m and connection_id = :c and location_id <> all(cast(:places as text[]))
                      and not is_gone order by id for update)
        """),
        {**given, "places": list(wanted.feeds.places)},
    )
    # What did not change in the store is not read by the next look at changes: the new locations need a whole one.
    db.execute(
        sa.text("update connection set cursors = cursors - 'catalog' where merchant_id = :m and id = :c"),
        given,
    )
    run_now(db, merchant_id, "store.catalog", connection_id)
    detail = {"before": _said(before.feeds), "after": _said(wanted.feeds)}
    record(db, merchant_id, now, actor, ACTION, f"connection {connection_id}", detail)
    found = db.execute(
        sa.text("""
            select distinct variant_id from listing
             where merchant_id = :m and connection_id = :c and variant_id is not null order by variant_id
        """),
        given,
    )
    return list(found.scalars())


def _insert(db: sa.Connection, merchant_id: int, connection_id: int, wanted: Plan) -> None:
    given = {"m": merchant_id, "c": connection_id}
    db.execute(
        sa.text("""
            insert into store_location (merchant_id, connection_id, location_id, name, position)
            select :m, :c, n.id, n.name, n.position - 1
              from unnest(cast(:ids as text[]), cast(:names as text[])) with ordinality as n(id, name, position)
        """),
        {**given, "ids": [one for one, _ in wanted.places], "names": [name for _, name in wanted.places]},
    )
    sources = sorted(wanted.feeds.chosen)
    if sources:
        db.execute(
            sa.text("""
                insert into store_location_source
                       (merchant_id, connection_id, source_id, location_id, is_counted_there)
                select :m, :c, n.id, n.place, n.id = any(cast(:counted as bigint[]))
                  from unnest(cast(:ids as bigint[]), cast(:places as text[])) as n(id, place)
            """),
            {
                **given,
                "ids": sources,
                "places": [wanted.feeds.chosen[one] for one in sources],
                "counted": sorted(wanted.feeds.counted_there),
            },
        )


def _said(feeds: Feeds) -> dict[str, object]:
    return {"places": list(feeds.places), "feeds": {str(one): to for one, to in sorted(feeds.chosen.items())}}
