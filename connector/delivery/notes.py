"""Keeps a store's own fields about availability, where the merchant chose that, and gives them back.

A field is written only where it says something else, only for products of which nothing sells from stock, and
only while it still holds what we wrote or found: words that the merchant changed since are theirs from then on,
until they choose anew. Before each call stands what it is about to write, so that after a crash or a lost answer
the next look recognises both values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import Literal, Protocol, get_args

import sqlalchemy as sa
from babel import dates

from connector.accounts import schedule
from connector.accounts.audit import record
from connector.accounts.connections import ConnectionRow, choose_setting, connection, may_write
from connector.db import transaction
from connector.delivery.note_rules import Kept, Note, VariantFacts, note_of, step_of
from connector.i18n import gettext
from connector.ports.notes import NoteChange, NoteKind, ProductNotes
from connector.registry import has_part

Mode = Literal["off", "text", "preorder"]
"""Nothing, the sentence alone, or the sentence and sale ahead of the day."""
MODES: tuple[Mode, ...] = get_args(Mode)
SCHEDULE = "store.notes"
EVERY_S = 300
READ = 250
"""Products looked at with one read, and written before the next."""

_SETTING = "product_notes"
_KINDS: Mapping[Mode, tuple[NoteKind, ...]] = {"off": (), "text": ("text",), "preorder": ("text", "preorder")}


class NotesRuntime(Protocol):
    """The engine, the clock (aware, UTC), and what writes a store's own fields."""

    @property
    def engine(self) -> sa.Engine: ...

    def now(self) -> datetime: ...

    def notes(self, merchant_id: int, connection_id: int) -> ProductNotes | None:
        """None where the platform has no such fields. Raises a PortError when it cannot be built."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a look did, in fields: written, given back, left to the merchant's hand, refused by the store."""

    written: int = 0
    given_back: int = 0
    theirs: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class NotesState:
    """What a store's page shows: the choice, and how many fields are ours, the merchant's own by now, and
    refused."""

    mode: Mode
    ours: int
    theirs: int
    refused: int


def has_notes(adapter: str) -> bool:
    """Whether a platform has such fields."""
    return has_part(adapter, "notes")


def mode_of(row: ConnectionRow) -> Mode:
    """The merchant's choice for a store; "off" until they choose."""
    return next((one for one in MODES if one == row.config.get(_SETTING)), "off")


def notes_state(db: sa.Connection, row: ConnectionRow) -> NotesState | None:
    """For a store's page; None where the platform has no such fields."""
    if row.kind != "store" or not has_notes(row.adapter):
        return None
    found = db.execute(
        sa.text("""
            select count(*) filter (where step = 'open') as ours, count(*) filter (where step = 'theirs') as theirs,
                   count(*) filter (where step = 'refused') as refused
              from product_note where merchant_id = :m and connection_id = :c
        """),
        {"m": row.merchant_id, "c": row.id},
    ).one()
    return NotesState(mode_of(row), found.ours, found.theirs, found.refused)


def choose(
    db: sa.Connection, merchant_id: int, connection_id: int, mode: Mode, *, actor: str, now: datetime
) -> bool:
    """The merchant chooses; what they changed by hand may be written again. False for a platform without."""
    if not has_notes(connection(db, merchant_id, connection_id).adapter):
        return False
    key = {"m": merchant_id, "c": connection_id}
    choose_setting(db, merchant_id, connection_id, _SETTING, mode)
    db.execute(
        sa.text("delete from product_note where merchant_id = :m and connection_id = :c and step = 'theirs'"),
        key,
    )
    schedule.ensure(db, merchant_id, SCHEDULE, connection_id, EVERY_S)
    schedule.run_now(db, merchant_id, SCHEDULE, connection_id)
    record(db, merchant_id, now, actor, "store.notes", f"connection {connection_id}", {"mode": mode})
    return True


def converge_notes(rt: NotesRuntime, merchant_id: int, connection_id: int) -> Tally:
    """Have the fields of a store as they should be. Harmless to repeat. Nothing in a store that may not be
    written. Raises the store's PortError; what was done before it stays done."""
    with rt.engine.connect() as db:
        row = connection(db, merchant_id, connection_id)
        if not may_write(db, merchant_id, connection_id):
            return Tally()
    kinds = _KINDS[mode_of(row)]
    tally = _Hand(rt, row).look(kinds)
    if not kinds:
        with transaction(rt.engine) as db:
            if not db.execute(_ANY, {"m": merchant_id, "c": connection_id}).scalar():
                schedule.remove(db, merchant_id, SCHEDULE, connection_id)
    return tally


def give_back(rt: NotesRuntime, merchant_id: int, connection_id: int) -> Tally:
    """Before a store is left: every field that still says what we wrote says again what it said before. Raises
    the store's PortError."""
    with rt.engine.connect() as db:
        row = connection(db, merchant_id, connection_id)
        is_any = db.execute(_ANY, {"m": merchant_id, "c": connection_id}).scalar()
    return _Hand(rt, row).look((), is_leaving=True) if is_any else Tally()


def words_of(note: Note, locale: str) -> str:
    """A note as a sentence of a shop page in `locale`.

    >>> words_of(Note("restocking", date(2026, 12, 12), date(2026, 12, 12)), "en")
    'Back on 12 December'
    """
    _ = gettext(locale)
    if note.state == "restocking" and note.on is not None:
        if note.until is not None and note.until > note.on:
            window = _("Back between {from} and {to}")
            return window.replace("{from}", _day(note.on, locale)).replace("{to}", _day(note.until, locale))
        return _("Back on {date}").replace("{date}", _day(note.on, locale))
    return {
        "restocking": _("Back soon"),
        "preorder": _("Pre-order"),
        "backorder": _("Available to order, delivered later"),
        "out_of_stock": _("Out of stock"),
        "discontinued": _("No longer sold"),
    }[note.state]


def _day(on: date, locale: str) -> str:
    return dates.format_skeleton("MMMMd", on, locale="en_GB" if locale == "en" else locale)


@dataclass(frozen=True, slots=True)
class _Row:
    """A field that we wrote or tried to."""

    product_id: str
    kind: NoteKind
    kept: Kept
    step: str = "open"


@dataclass(frozen=True, slots=True)
class _Aim:
    """What a store's fields should say: the kinds that the merchant chose, each product's note and its words,
    and the fields written before."""

    kinds: Sequence[NoteKind]
    notes: Mapping[str, Note]
    texts: Mapping[str, str]
    rows: Mapping[tuple[str, NoteKind], _Row]

    def products(self) -> list[str]:
        """Every product of which something may be to do, in the order of their numbers."""
        return sorted(
            {product for product, _ in self.rows} | set(self.notes), key=lambda one: (len(one), one)
        )


class _Hand:
    """One look at one store."""

    def __init__(self, rt: NotesRuntime, row: ConnectionRow) -> None:
        self._rt = rt
        self._key = {"m": row.merchant_id, "c": row.id}
        self._tally = Tally()
        found = rt.notes(row.merchant_id, row.id)
        if found is None:
            raise LookupError(f"connection {row.id} has no fields about availability")
        self._notes = found

    def look(self, kinds: Sequence[NoteKind], *, is_leaving: bool = False) -> Tally:
        with self._rt.engine.connect() as db:
            notes = dict(self._wanted(db)) if kinds else {}
            locale = db.execute(sa.text("select locale from merchant where id = :m"), self._key).scalar_one()
            rows = {(one.product_id, one.kind): one for one in self._rows(db)}
        texts = {product: self._notes.text_note(words_of(note, locale)) for product, note in notes.items()}
        aim = _Aim(kinds, notes, texts, rows)
        todo = aim.products()
        for start in range(0, len(todo), READ):
            part = [one for one in todo[start : start + READ] if self._is_open(one, aim)]
            # Who stops writing does not wait for the end of a look.
            if part and (is_leaving or self._may_write()):
                self._part(part, aim)
        return self._tally

    def _may_write(self) -> bool:
        with self._rt.engine.connect() as db:
            return may_write(db, self._key["m"], self._key["c"])

    def _wanted(self, db: sa.Connection) -> Iterator[tuple[str, Note]]:
        for product_id, group in groupby(db.execute(_VARIANTS, self._key), lambda one: one.product_id):
            note = note_of(
                VariantFacts(one.state, one.restock_on, one.restock_until, bool(one.sells)) for one in group
            )
            if note is not None:
                yield product_id, note

    def _rows(self, db: sa.Connection) -> Iterator[_Row]:
        for one in db.execute(_ROWS, self._key):
            yield _Row(one.product_id, one.kind, Kept(one.before, one.was, one.ours), one.step)

    def _is_open(self, product_id: str, aim: _Aim) -> bool:
        """Whether the store must be asked: not for fields that say what they should, as far as we know."""
        for kind in get_args(NoteKind):
            row = aim.rows.get((product_id, kind))
            wanted = self._value(kind, "", product_id, aim)
            if row is None:
                if wanted is not None:
                    return True
            elif row.step != "theirs":
                target = row.kept.before if wanted is None else wanted
                is_settled = row.step == "refused" or row.kept.was == row.kept.ours
                if not (is_settled and row.kept.ours == target):
                    return True
        return False

    def _value(self, kind: NoteKind, present: str, product_id: str, aim: _Aim) -> str | None:
        """What a field should say; None for what it said before us."""
        note = aim.notes.get(product_id) if kind in aim.kinds else None
        if note is None:
            return None
        if kind == "text":
            return aim.texts[product_id]
        return self._notes.preorder_note(present, note.preorder_on) if note.preorder_on else None

    def _part(self, part: Sequence[str], aim: _Aim) -> None:
        present = self._notes.read_notes(part)
        changes: list[NoteChange] = []
        begun: dict[str, list[_Row]] = {}
        with transaction(self._rt.engine) as db:
            # With its row the merchant's words would be lost: it is forgotten once the catalogue says that it is gone.
            absent = [one for one in part if one not in present]
            listed = set(db.scalars(_LISTED, {**self._key, "ids": absent})) if absent else set()
            for product_id in part:
                if product_id not in present:
                    if product_id not in listed:
                        self._forget(db, product_id)
                    continue
                todo: dict[NoteKind, _Row] = {}
                for kind in get_args(NoteKind):
                    row, value = aim.rows.get((product_id, kind)), present[product_id][kind]
                    if row is not None and row.step == "theirs":
                        continue
                    wanted = self._value(kind, value, product_id, aim)
                    made = self._decide(db, product_id, kind, row, value, wanted)
                    if made is not None:
                        todo[kind] = made
                if todo:
                    changes.append(
                        NoteChange(product_id, {kind: one.kept.ours for kind, one in todo.items()})
                    )
                    begun[product_id] = list(todo.values())
        if not changes:
            return
        results = self._notes.set_notes(changes)
        with transaction(self._rt.engine) as db:
            for result in results:
                for row in begun[result.product_id]:
                    self._settle(db, row, result.status, result.reason)

    def _decide(
        self,
        db: sa.Connection,
        product_id: str,
        kind: NoteKind,
        row: _Row | None,
        present: str,
        wanted: str | None,
    ) -> _Row | None:
        """The field as it is about to be written, stored; None when nothing is to be written."""
        kept = row.kept if row else None
        step = step_of(kept, present, wanted)
        if step == "write":
            before = kept.before if kept else present
            made = _Row(product_id, kind, Kept(before, present, before if wanted is None else wanted))
            self._store(db, made, "")
            return made
        if row is None:
            return None
        if step == "forget":
            self._forget(db, product_id, kind)
        elif step == "theirs":
            self._store(db, replace(row, step="theirs"), "")
            self._tally = replace(self._tally, theirs=self._tally.theirs + 1)
        else:
            self._store(db, replace(row, kept=Kept(row.kept.before, present, present), step="open"), "")
        return None

    def _settle(self, db: sa.Connection, row: _Row, status: str, reason: str) -> None:
        if status == "done" and row.kept.ours == row.kept.before:
            self._forget(db, row.product_id, row.kind)
            self._tally = replace(self._tally, given_back=self._tally.given_back + 1)
        elif status == "done":
            self._store(db, replace(row, kept=replace(row.kept, was=row.kept.ours)), "")
            self._tally = replace(self._tally, written=self._tally.written + 1)
        elif status == "not_found":
            self._forget(db, row.product_id)
        elif status == "rejected":
            self._store(db, replace(row, step="refused"), reason)
            self._tally = replace(self._tally, refused=self._tally.refused + 1)
        # "retry": both values stand in the row, so the next look reads the store and goes on from there.

    def _store(self, db: sa.Connection, row: _Row, reason: str) -> None:
        db.execute(
            _STORE,
            {
                **self._key,
                "product": row.product_id,
                "kind": row.kind,
                "before": row.kept.before,
                "was": row.kept.was,
                "ours": row.kept.ours,
                "step": row.step,
                "reason": reason[:500],
                "at": self._rt.now(),
            },
        )

    def _forget(self, db: sa.Connection, product_id: str, kind: NoteKind | None = None) -> None:
        db.execute(_FORGET, {**self._key, "product": product_id, "kind": kind})


_ANY = sa.text("""
    select exists (select 1 from product_note
                    where merchant_id = :m and connection_id = :c and step in ('open', 'refused'))
""")

_VARIANTS = sa.text("""
    select product_id,
           case when is_managed and not is_excluded and problem = '' and yielded_at is null
                then wanted_state end as state,
           wanted_restock_on as restock_on, wanted_restock_until as restock_until,
           is_published and coalesce(believed_available, 1) > 0 as sells
      from listing
     where merchant_id = :m and connection_id = :c and not is_gone
       -- At several locations an item has one state, which one of its listings tells.
       and not (is_managed and wanted_state = '' and wanted_available is not null)
     order by product_id, id
""")

_LISTED = sa.text("""
    select distinct product_id from listing
     where merchant_id = :m and connection_id = :c and product_id = any(:ids) and not is_gone
""")

_ROWS = sa.text("""
    select product_id, kind, before, was, ours, step from product_note
     where merchant_id = :m and connection_id = :c
     order by product_id, kind
""")

_STORE = sa.text("""
    insert into product_note (merchant_id, connection_id, product_id, kind, before, was, ours, step, reason,
                              changed_at)
    values (:m, :c, :product, :kind, :before, :was, :ours, :step, :reason, :at)
        on conflict (merchant_id, connection_id, product_id, kind) do update
       set before = excluded.before, was = excluded.was, ours = excluded.ours, step = excluded.step,
           reason = excluded.reason, changed_at = excluded.changed_at
""")

_FORGET = sa.text("""
    delete from product_note
     where merchant_id = :m and connection_id = :c and product_id = :product
       and (cast(:kind as text) is null or kind = :kind)
""")
