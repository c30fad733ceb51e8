"""Keeps our script in a store's pages, where its platform shows badge and form by a script.

It goes in when the merchant lets Dispo write to the store, as everything else that a shopper sees, or earlier
when they ask for it; it is looked after hourly and put back where somebody deleted it; and it leaves when they
switch it off or the store leaves. What is wanted stands in the connection's settings, what was found last in
its cursors, so that its page asks nobody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, cast, get_args

import sqlalchemy as sa

from connector.accounts.audit import record
from connector.accounts.connections import ConnectionRow, choose_setting, connection
from connector.db import transaction
from connector.outbox.messages import Claim, Done, Intent, enqueue, settle
from connector.ports.errors import Misconfigured, OutcomeUnknown, PortError, Retryable, Unauthorized
from connector.ports.storefronts import Consent, ScriptPlace, ScriptReport, ScriptSettings, StorefrontScripts
from connector.registry import has_part

SCRIPT = "store.script"
"""The topic of the outbox; its subject is the store itself."""
SUBJECT = "script"
CONSENTS: tuple[Consent, ...] = get_args(Consent)

_WANTED, _CONSENT = "storefront_script", "script_consent"

Waits = Literal["", "approval", "stopped", "frozen"]
Problem = Literal["", "scope", "address", "other"]


class ScriptRuntime(Protocol):
    """The engine, the clock (aware, UTC), our public address, and what puts scripts into a store's pages."""

    @property
    def engine(self) -> sa.Engine: ...

    def now(self) -> datetime: ...

    @property
    def base_url(self) -> str: ...

    def scripts(self, merchant_id: int, connection_id: int) -> StorefrontScripts | None:
        """None where the platform shows badge and form in another way. Raises a PortError when it cannot
        be built."""


@dataclass(frozen=True, slots=True)
class ScriptState:
    """The script of one store as its page shows it.

    `wanted` None: the merchant said nothing, so it comes with the approval to write. `waits`: why it is not
    put in yet. `problem`: why it could not be set at all, `detail` in the adapter's words. `places` are the
    storefronts as found at `seen_at` (None: never looked). `mended_at`: when it was last put back, into the
    storefronts named `mended`.
    """

    wanted: bool | None
    consent: Consent
    waits: Waits = ""
    problem: Problem = ""
    detail: str = ""
    places: tuple[ScriptPlace, ...] = ()
    sees_all: bool = True
    seen_at: datetime | None = None
    mended_at: datetime | None = None
    mended: tuple[str, ...] = ()

    @property
    def is_on(self) -> bool:
        return self.wanted is not False


def has_scripts(adapter: str) -> bool:
    """Whether a platform's pages take our script."""
    return has_part(adapter, "scripts")


def look_after(db: sa.Connection, merchant_id: int, connection_id: int) -> bool:
    """Have the script of a store looked at soon, in the caller's transaction and as its last `enqueue`. False
    where there is nothing to look after: another platform, or the store is not in use."""
    adapter = db.execute(
        sa.text("""
            select adapter from connection
             where merchant_id = :m and id = :c and kind = 'store' and status = 'active'
        """),
        {"m": merchant_id, "c": connection_id},
    ).scalar()
    if adapter is None or not has_scripts(adapter):
        return False
    enqueue(db, merchant_id, [Intent(SCRIPT, SUBJECT, connection_id)])
    return True


def choose(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    *,
    is_on: bool,
    consent: Consent | None = None,
    actor: str,
    now: datetime,
) -> bool:
    """The merchant switches the script of a store on or off, or chooses its `consent` category. False where
    the platform takes none."""
    if not has_scripts(connection(db, merchant_id, connection_id).adapter):
        return False
    choose_setting(db, merchant_id, connection_id, _WANTED, "on" if is_on else "off")
    if consent is not None:
        choose_setting(db, merchant_id, connection_id, _CONSENT, consent)
    detail = {"is_on": is_on, "consent": consent or ""}
    record(db, merchant_id, now, actor, "store.script", f"connection {connection_id}", detail)
    look_after(db, merchant_id, connection_id)
    return True


def forget(db: sa.Connection, merchant_id: int, connection_id: int) -> None:
    """The store comes back: what was seen in its pages is not so any more, and a script that the merchant asked
    for waits for the approval again. One that they switched off stays off."""
    db.execute(
        sa.text("""
            update connection
               set cursors = cursors - 'script',
                   config = case when config ->> :wanted = 'on' then config - :wanted else config end
             where merchant_id = :m and id = :c
        """),
        {"m": merchant_id, "c": connection_id, "wanted": _WANTED},
    )


def script_state(db: sa.Connection, row: ConnectionRow) -> ScriptState | None:
    """The script of a store as it was last seen; None where the platform takes none. Asks nobody."""
    if row.kind != "store" or not has_scripts(row.adapter):
        return None
    return _state(row, _kept(db, row.merchant_id, row.id), _waits(db, row))


def script_in(db: sa.Connection, merchant_id: int, connection_id: int) -> tuple[str, ...]:
    """The names of the storefronts of a store that have the script, as last seen."""
    name = db.execute(
        sa.text("select name from connection where merchant_id = :m and id = :c"),
        {"m": merchant_id, "c": connection_id},
    ).scalar()
    places = [ScriptPlace(**one) for one in _kept(db, merchant_id, connection_id).get("places", ())]
    return tuple(one.name or str(name) for one in places if one.state in ("set", "disabled"))


def work_script(rt: ScriptRuntime, claim: Claim) -> None:
    """The handler of topic "store.script": its turn's connection is the store."""
    note = converge(rt, claim.turn.merchant_id, claim.turn.connection_id)
    with transaction(rt.engine) as db:
        settle(db, claim, {message.id: Done(note) for message in claim.messages})


def converge(rt: ScriptRuntime, merchant_id: int, connection_id: int) -> str:
    """Have the script of a store as it is wanted; returns what was done, in a word. Harmless to repeat.

    What the store refuses is kept for its page and does not pause the connection: numbers go on without the
    script. Raises Retryable, OutcomeUnknown.
    """
    with rt.engine.connect() as db:
        row = connection(db, merchant_id, connection_id)
        kept = _kept(db, merchant_id, connection_id)
        state = _state(row, kept, _waits(db, row))
        settings = _settings(db, rt.base_url, row)
    if row.status != "active":
        return "the store is not in use"
    if state.is_on and state.waits:
        # Nothing is taken out either: what is in the pages stays as it is.
        return f"waits: {state.waits}"
    try:
        scripts = rt.scripts(merchant_id, connection_id)
        if scripts is None:
            return "the platform takes no script"
        if not state.is_on:
            removed = scripts.remove()
            _keep(rt, row, {"seen_at": rt.now().isoformat(), "places": []})
            return f"removed: {removed}"
        is_chosen = "consent" in kept and kept["consent"] != state.consent
        report = scripts.put(settings, state.consent, changes_consent=is_chosen)
    except (Retryable, OutcomeUnknown):
        raise
    except PortError as error:
        problem = _problem(error)
        _keep(rt, row, {**kept, "problem": problem, "detail": _words(error)})
        return f"refused: {problem}"
    _keep(rt, row, _seen(rt, row, state, kept, report))
    return "looked after"


def taken_out(rt: ScriptRuntime, merchant_id: int, connection_id: int) -> tuple[str, ...] | None:
    """Take the script out of a store that leaves; the names of the storefronts where it stays because the
    store does not let us. None where nothing is to be done: another platform, or `note_left` was called.
    Raises Retryable, OutcomeUnknown."""
    with rt.engine.connect() as db:
        row = connection(db, merchant_id, connection_id)
        state = script_state(db, row)
        is_noted = "left_in" in _kept(db, merchant_id, connection_id)
    if state is None or is_noted:
        return None
    try:
        scripts = rt.scripts(merchant_id, connection_id)
        if scripts is not None:
            scripts.remove()
    except (Retryable, OutcomeUnknown):
        raise
    except PortError:
        # Refused for good, whatever the reason: what is left of it is told to the merchant.
        with rt.engine.connect() as db:
            return script_in(db, merchant_id, connection_id)
    return ()


def _seen(
    rt: ScriptRuntime, row: ConnectionRow, state: ScriptState, kept: Mapping[str, Any], report: ScriptReport
) -> dict[str, Any]:
    """What is kept of a report. A script that was there and had to be made again is owned up to."""
    now = rt.now()
    known = {one.storefront_id for one in state.places if one.state == "set"}
    lost = [one.name or row.name for one in report.places if one.is_new and one.storefront_id in known]
    mended = {"at": now.isoformat(), "names": lost} if lost else kept.get("mended")
    if lost:
        with transaction(rt.engine) as db:
            subject = f"connection {row.id}"
            record(db, row.merchant_id, now, "dispo", "store.script_mended", subject, {"storefronts": lost})
    return {
        "seen_at": now.isoformat(),
        "consent": state.consent,
        "sees_all": report.sees_all,
        "places": [asdict(one) for one in report.places],
        **({"mended": mended} if mended else {}),
    }


def _state(row: ConnectionRow, kept: Mapping[str, Any], waits: Waits) -> ScriptState:
    chosen = row.config.get(_WANTED)
    wanted = None if chosen not in ("on", "off") else chosen == "on"
    consent = row.config.get(_CONSENT) or CONSENTS[0]
    mended = kept.get("mended") or {}
    return ScriptState(
        wanted,
        cast(Consent, consent),
        # Asking for it oneself is permission enough for the script; the numbers wait on.
        "" if waits == "approval" and wanted else waits,
        kept.get("problem", ""),
        kept.get("detail", ""),
        tuple(ScriptPlace(**one) for one in kept.get("places", ())),
        kept.get("sees_all", True),
        _time(kept.get("seen_at")),
        _time(mended.get("at")),
        tuple(mended.get("names", ())),
    )


def _waits(db: sa.Connection, row: ConnectionRow) -> Waits:
    if row.is_writing_stopped:
        return "stopped"
    frozen = db.execute(sa.text("select is_frozen from merchant where id = :m"), {"m": row.merchant_id})
    if frozen.scalar_one():
        return "frozen"
    return "approval" if row.writing_approved_at is None else ""


def _settings(db: sa.Connection, base_url: str, row: ConnectionRow) -> ScriptSettings:
    seller = db.execute(
        sa.text("select name, sender_name, privacy_url from merchant where id = :m"), {"m": row.merchant_id}
    ).one()
    return ScriptSettings(base_url, row.public_key, seller.sender_name or seller.name, seller.privacy_url)


def _problem(error: PortError) -> Problem:
    if isinstance(error, Unauthorized):
        return "scope"
    return "address" if isinstance(error, Misconfigured) and error.field == "base_url" else "other"


def _words(error: PortError) -> str:
    return f"{error.cause} {error.remedy}".strip()


def _kept(db: sa.Connection, merchant_id: int, connection_id: int) -> dict[str, Any]:
    found = db.execute(
        sa.text("select cursors -> 'script' from connection where merchant_id = :m and id = :c"),
        {"m": merchant_id, "c": connection_id},
    ).scalar()
    return dict(found or {})


def _keep(rt: ScriptRuntime, row: ConnectionRow, found: Mapping[str, Any]) -> None:
    with transaction(rt.engine) as db:
        _note(db, row.merchant_id, row.id, found)


def note_left(
    db: sa.Connection, merchant_id: int, connection_id: int, names: Sequence[str], now: datetime
) -> None:
    """Remember in which storefronts the script of a store that left is still to be found; none: in none."""
    _note(db, merchant_id, connection_id, {"left_in": list(names), "seen_at": now.isoformat()})


def _note(db: sa.Connection, merchant_id: int, connection_id: int, found: Mapping[str, Any]) -> None:
    db.execute(
        sa.text("""
            update connection set cursors = cursors || jsonb_build_object('script', cast(:found as jsonb))
             where merchant_id = :m and id = :c
        """),
        {"m": merchant_id, "c": connection_id, "found": json.dumps(dict(found))},
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True, slots=True)
class LeftIn:
    """A store that left with the script still in its pages: the names of its storefronts."""

    name: str
    storefronts: Sequence[str]


def left_in(db: sa.Connection, merchant_id: int, now: datetime) -> list[LeftIn]:
    """The stores that left within the last thirty days and still have the script in their pages."""
    rows = db.execute(
        sa.text("""
            select name, cursors -> 'script' -> 'left_in' as storefronts from connection
             where merchant_id = :m and kind = 'store' and status = 'ended'
               and jsonb_array_length(coalesce(cursors -> 'script' -> 'left_in', '[]')) > 0
               and cast(cursors -> 'script' ->> 'seen_at' as timestamptz) > :now - interval '30 days'
             order by id
        """),
        {"m": merchant_id, "now": now},
    )
    return [LeftIn(row.name, tuple(row.storefronts)) for row in rows]
