"""The locations of stores that Dispo writes, which sources feed each, and their listings' wanted numbers.

A store without a row of `store_location` has one written location, fed by every source: nothing here is read for it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from connector.accounts.connections import choose_setting
from connector.availability.facts import Decision
from connector.availability.locations import Badge, Feeds, Split, badge_of, split, split_bundle
from connector.outbox.messages import literal
from connector.ports.errors import Misconfigured
from connector.positions.falls import Feeding

_PLACES = sa.text("""
    select connection_id, location_id from store_location
     where merchant_id = :m and (cast(:c as bigint) is null or connection_id = :c)
     order by connection_id, position, location_id
""")

_SOURCES = sa.text("""
    select connection_id, source_id, location_id, is_counted_there from store_location_source
     where merchant_id = :m and (cast(:c as bigint) is null or connection_id = :c)
""")


def feeds_of(db: sa.Connection, merchant_id: int, connection_id: int | None = None) -> dict[int, Feeds]:
    """How each store with chosen locations is fed (or this one alone); the others are not in the answer."""
    given = {"m": merchant_id, "c": connection_id}
    places: dict[int, list[str]] = defaultdict(list)
    for row in db.execute(_PLACES, given):
        places[row.connection_id].append(row.location_id)
    chosen: dict[int, dict[int, str | None]] = defaultdict(dict)
    there: dict[int, set[int]] = defaultdict(set)
    if places:
        for row in db.execute(_SOURCES, given):
            chosen[row.connection_id][row.source_id] = row.location_id
            if row.is_counted_there:
                there[row.connection_id].add(row.source_id)
    return {
        store: Feeds(tuple(found), chosen[store], frozenset(there[store])) for store, found in places.items()
    }


_LISTINGS = sa.text("""
    select l.id, l.connection_id, l.variant_id, l.external_id, l.location_id,
           (l.is_gone or l.problem <> '') as is_closed
      from listing l
     where l.merchant_id = :m and l.variant_id = any(cast(:variants as bigint[]))
       and l.connection_id = any(cast(:stores as bigint[]))
     order by l.id
""")

# The badge is one of the item, not of a location: the listing at one location carries it, the others want none.
# What another one was believed to show is forgotten, so that it is written again should it come to carry it.
_WRITE = sa.text("""
    update listing l
       set wanted_available = n.available, wanted_state = n.state, wanted_count = n.shown,
           wanted_restock_on = n.since, wanted_restock_until = n.until,
           believed_state = case when n.is_lead then l.believed_state else '' end,
           believed_count = case when n.is_lead then l.believed_count end,
           believed_restock_on = case when n.is_lead then l.believed_restock_on end,
           believed_restock_until = case when n.is_lead then l.believed_restock_until end
      from jsonb_to_recordset(cast(:rows as jsonb))
           as n(id bigint, available int, state text, shown int, since date, until date, is_lead boolean)
     where l.merchant_id = :m and l.id = n.id
       and ((l.wanted_available, l.wanted_state, l.wanted_count, l.wanted_restock_on, l.wanted_restock_until)
            is distinct from (n.available, n.state, n.shown, n.since, n.until)
            or not n.is_lead and l.believed_state <> '')
""")

_POSITIONS = sa.text("""
    select variant_id, available, why from position
     where merchant_id = :m and variant_id = any(cast(:variants as bigint[])) and version > 0
""")


def spread_over_locations(db: sa.Connection, merchant_id: int, answers: Sequence[Decision]) -> None:
    """Bring the wanted numbers of the listings of these variants, in stores with chosen locations, to what was just
    decided. The listings are locked by the caller."""
    feeds = feeds_of(db, merchant_id)
    given = {
        "m": merchant_id,
        "variants": literal(after.variant_id for after in answers),
        "stores": literal(sorted(feeds)),
    }
    rows = db.execute(_LISTINGS, given).all()
    decided = {after.variant_id: after for after in answers}
    splits: dict[int, Splits] = {}
    leads = _leads(rows, feeds)
    wanted = []
    for row in rows:
        store = splits.get(row.connection_id)
        if store is None:
            known = {after.variant_id: (after.available, after.why) for after in answers}
            store = splits[row.connection_id] = Splits(db, merchant_id, feeds[row.connection_id], known)
        found = store.of(row.variant_id)
        if row.location_id not in found.shown:
            continue  # a location that is not written any more
        after = decided[row.variant_id]
        is_lead = leads[row.connection_id, row.external_id] == row.id
        badge = badge_of(
            Badge(after.state, after.shown_count, after.restock_on, after.restock_until),
            found,
            available=after.available,
            threshold=int(after.why.get("threshold") or 0),
        )
        wanted.append(_wanted(row.id, found.shown[row.location_id], badge if is_lead else None))
    if wanted:
        db.execute(_WRITE, {"m": merchant_id, "rows": json.dumps(wanted)})


def _wanted(listing_id: int, available: int, badge: Badge | None) -> dict[str, Any]:
    said = badge or Badge("", None, None, None)
    return {
        "id": listing_id,
        "available": available,
        "state": said.state,
        "shown": said.shown_count,
        "since": said.restock_on.isoformat() if said.restock_on else None,
        "until": said.restock_until.isoformat() if said.restock_until else None,
        "is_lead": badge is not None,
    }


def _leads(rows: Iterable[Any], feeds: Mapping[int, Feeds]) -> dict[tuple[int, str], int]:
    """Which listing of each item carries its badge: the one at the first location where it can be written, else
    the one at the first location."""
    best: dict[tuple[int, str], tuple[tuple[bool, int], int]] = {}
    for row in rows:
        places = feeds[row.connection_id].places
        if row.location_id in places:
            rank = (row.is_closed, places.index(row.location_id))
            key = (row.connection_id, row.external_id)
            best[key] = min(best.get(key, (rank, row.id)), (rank, row.id))
    return {key: listing_id for key, (_, listing_id) in best.items()}


def keep_apart(db: sa.Connection, merchant_id: int, source_id: int, config: Mapping[str, str]) -> None:
    """A new source is read from a location of a store (`config`: reads_store, reads_location, sells_online). Where
    the store sells what is there by itself, the source feeds none of its written locations, or it would be sold
    twice. Raises Misconfigured where that location is one that Dispo writes, or nobody knows yet which one that is.
    """
    given = {"m": merchant_id, "c": int(config["reads_store"])}
    place = config["reads_location"]
    chosen = feeds_of(db, merchant_id, given["c"]).get(given["c"])
    default = chosen.places[0] if chosen else db.execute(MOST_LISTED, given).scalar()
    if default is None:
        raise _not_apart(place, "The store's catalogue was not read yet.", "Try again when it is.")
    if place in (chosen.places if chosen else (default,)):
        raise _not_apart(
            place,
            "Dispo writes this location itself: it would read its own numbers as your stock.",
            "Choose a location that Dispo does not write.",
        )
    if config.get("sells_online") != "yes":
        return
    if chosen is None:
        db.execute(
            sa.text(
                "insert into store_location (merchant_id, connection_id, location_id) values (:m, :c, :p)"
            ),
            {**given, "p": default},
        )
        choose_setting(db, merchant_id, given["c"], "location_id", str(default))
    db.execute(
        sa.text("""
            insert into store_location_source
                   (merchant_id, connection_id, source_id, location_id, is_counted_there)
            values (:m, :c, :s, :p, true)
        """),
        {**given, "s": source_id, "p": place},
    )


MOST_LISTED = sa.text("""
    select location_id from listing
     where merchant_id = :m and connection_id = :c and location_id is not null and not is_gone
     group by location_id order by count(*) desc, location_id limit 1
""")


def _not_apart(place: str, cause: str, remedy: str) -> Misconfigured:
    return Misconfigured("store_location", f"location {place}", cause, remedy, field="reads_location")


def feeding_at(feeds: Feeds | None, place: str | None) -> Feeding | None:
    """Tells whether a source feeds this location (None: the default one), or is read from it; None where nobody
    chose locations, and all sources feed the one there is."""
    if feeds is None:
        return None
    return lambda source_id: feeds.place_of(source_id) == (place or feeds.places[0])


class Splits:
    """The splits of one store's variants. `known` maps a variant to (available, why) as just decided; what a
    bundle contains beyond them is read from its position."""

    def __init__(
        self,
        db: sa.Connection,
        merchant_id: int,
        feeds: Feeds,
        known: Mapping[int, tuple[int, Mapping[str, Any]]],
    ) -> None:
        self._db = db
        self._merchant_id = merchant_id
        self._feeds = feeds
        self._known = dict(known)
        self._found: dict[int, Split] = {}

    def of(self, variant_id: int) -> Split:
        """The split of one variant; nothing anywhere of one that was never decided."""
        if variant_id not in self._found:
            self._found[variant_id] = self._split(variant_id)
        return self._found[variant_id]

    def _split(self, variant_id: int) -> Split:
        available, why = self._known.get(variant_id, (0, {}))
        buffer_units = int(why.get("buffer") or 0)
        parts = why.get("bundle")
        if not parts:
            return split(units_of(why), self._feeds, available=available, buffer_units=buffer_units)
        self.read([int(part["variant"]) for part in parts])
        return split_bundle(
            [(self.of(int(part["variant"])), int(part["units"])) for part in parts],
            available=available,
            buffer_units=buffer_units,
        )

    def read(self, variant_ids: Iterable[int]) -> None:
        """Read the positions of those that are not known yet, at once."""
        missing = sorted(set(variant_ids) - self._known.keys())
        if missing:
            given = {"m": self._merchant_id, "variants": literal(missing)}
            for row in self._db.execute(_POSITIONS, given):
                self._known[row.variant_id] = (row.available, row.why)


def units_of(why: Mapping[str, Any]) -> dict[int, int]:
    """The units of each source that sells, of the arithmetic a decision keeps in `why`."""
    units: dict[int, int] = defaultdict(int)
    for one in why.get("sources", ()):
        if one.get("role", "sells") == "sells":
            units[int(one["source"])] += int(one["units"])
    return dict(units)
