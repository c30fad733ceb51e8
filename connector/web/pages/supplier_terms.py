"""What every form that connects a supplier asks for, however its stock comes: a name, the days an order takes,
and what is meant by an item that a later list lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import abort

from connector.web.view import gettext

MISSING = ("keep", "zero_after", "zero")
LONGEST_LEAD_DAYS = 730
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Terms:
    """What was entered. `rules` is for `sources.connect`; with `errors` (field → sentence) it says nothing."""

    name: str
    rules: dict[str, Any]
    errors: dict[str, str]


def terms_of(form: Mapping[str, str]) -> Terms:
    """Read and check these fields; a choice that no form offers ends the request with 400."""
    _ = gettext
    name, lead = form.get("name", "").strip(), form.get("lead_time_days", "").strip()
    missing = form.get("missing", "keep")
    if missing not in MISSING:
        abort(400)
    errors = {}
    if not name or len(name) > LONGEST_NAME:
        errors["name"] = _("Give the supplier a name of at most 80 characters.")
    is_whole = lead.isascii() and lead.isdigit() and 1 <= int(lead) <= LONGEST_LEAD_DAYS
    if lead and not is_whole:
        errors["lead_time_days"] = _(
            "Enter whole days from 1 to %(most)s, or nothing.", most=LONGEST_LEAD_DAYS
        )
    rules = {
        "lead_time_days": int(lead) if is_whole else None,
        "handover_hours": 0,
        "max_age_hours": None,
        "missing_policy": missing,
    }
    return Terms(name, rules, errors)
