"""What a merchant lets pass for good at one supplier: a reason and how far, given with an approval.

A later file with the same reason goes through up to a tenth beyond what was approved, never beyond HARDEST,
and says so in its run. Reasons that HARDEST does not name (every quantity the same, an old file, another
encoding) are asked about every time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.accounts.audit import record
from connector.intake.evidence import FIXED, HARDEST, Limits
from connector.intake.history import learn
from connector.intake.learning import read_history
from connector.intake.runtime import NotPossible

_BEYOND = 1.1


@dataclass(frozen=True, slots=True)
class Allowed:
    """One reason let pass at a source: `value` is how far (see `Hold.value`), given with run `run_id`."""

    code: str
    value: float
    run_id: int
    by: str
    at: datetime


def can_allow(holds: list[dict[str, Any]]) -> list[str]:
    """The codes of a held run's stored holds that may be let pass for good, in their order."""
    return [
        hold["code"]
        for hold in holds
        if hold["code"] in HARDEST and hold.get("value", 1) <= HARDEST[hold["code"]]
    ]


def allow(db: sa.Connection, merchant_id: int, run_id: int, *, actor: str, now: datetime) -> list[str]:
    """Let pass from now on what this run is held for; returns the codes. Call it before `held.approve`.

    Raises NotPossible when nothing of it may be let pass, LookupError for a run of somebody else.
    """
    row = db.execute(
        sa.text(
            "select source_id, status, shape -> 'holds' as holds from run where merchant_id = :m and id = :r"
        ),
        {"m": merchant_id, "r": run_id},
    ).one_or_none()
    if row is None:
        raise LookupError(run_id)
    holds = row.holds or []
    codes = can_allow(holds) if row.status == "held" else []
    if not codes:
        raise NotPossible(
            f"What holds run {run_id} is asked about every time: it can be approved, but not for good."
        )
    values = {
        hold["code"]: min(HARDEST[hold["code"]], float(hold["value"]) * _BEYOND)
        for hold in holds
        if hold["code"] in codes
    }
    given = {
        code: {"value": round(value, 4), "run": run_id, "by": actor, "at": now.isoformat()}
        for code, value in values.items()
    }
    db.execute(
        sa.text(
            "update source set allowed = allowed || cast(:given as jsonb) where merchant_id = :m and id = :s"
        ),
        {"m": merchant_id, "s": row.source_id, "given": json.dumps(given)},
    )
    record(
        db,
        merchant_id,
        now,
        actor,
        "source.allow",
        f"source {row.source_id}: {', '.join(codes)} (run {run_id})",
    )
    return codes


def revoke(
    db: sa.Connection, merchant_id: int, source_id: int, code: str, *, actor: str, now: datetime
) -> bool:
    """Ask about `code` again from now on; False when it was not let pass."""
    taken = db.execute(
        sa.text(
            "update source set allowed = allowed - cast(:code as text)"
            " where merchant_id = :m and id = :s and jsonb_exists(allowed, :code) returning id"
        ),
        {"m": merchant_id, "s": source_id, "code": code},
    ).first()
    if taken is None:
        return False
    record(db, merchant_id, now, actor, "source.disallow", f"source {source_id}: {code}")
    return True


def allowed_at(db: sa.Connection, merchant_id: int, source_id: int) -> list[Allowed]:
    """What is let pass at a source. Raises LookupError for one that is not this merchant's."""
    stored = db.execute(
        sa.text("select allowed from source where merchant_id = :m and id = :s"),
        {"m": merchant_id, "s": source_id},
    ).scalar_one_or_none()
    if stored is None:
        raise LookupError(source_id)
    return [
        Allowed(code, float(one["value"]), int(one["run"]), one["by"], datetime.fromisoformat(one["at"]))
        for code, one in sorted(stored.items())
    ]


def limits_at(
    db: sa.Connection, merchant_id: int, source_id: int, now: datetime
) -> tuple[Limits, int | None]:
    """(what the next file will be judged by, rows of the last accepted file or None)."""
    rows = db.execute(
        sa.text("select row_count from snapshot where merchant_id = :m and source_id = :s and version <> ''"),
        {"m": merchant_id, "s": source_id},
    ).scalar_one_or_none()
    if rows is None:
        return FIXED, None
    return learn(read_history(db, merchant_id, source_id), now, rows), rows
