"""Reads which plan a shop has from its platform, and takes on what waited for a larger one."""

from __future__ import annotations

from typing import Protocol

import structlog

from connector.accounts import entitlements, schedule
from connector.catalog.management import manage
from connector.db import transaction
from connector.delivery.runtime import DeliveryRuntime
from connector.plans import Catalogue
from connector.ports.entitlements import Entitlements
from connector.ports.errors import PortError
from connector.positions.decide import Cause, decide

log = structlog.get_logger()


class PlansRuntime(DeliveryRuntime, Protocol):
    """As delivery's, what the operator's plans allow, and what knows the plan of a shop."""

    @property
    def plans(self) -> Catalogue | None: ...

    def entitlements(self, merchant_id: int, connection_id: int) -> Entitlements | None:
        """None where its platform bills for no app, or where the operator has none there."""


def read_plan(rt: PlansRuntime, merchant_id: int, connection_id: int, actor: str = "dispo") -> bool:
    """Ask the platform for the plan of one shop and store it; whether something changed. Harmless to repeat.

    Raises the PortError of a platform that cannot be asked: the plan stays as it was then, with the reason.
    """
    try:
        asked = rt.entitlements(merchant_id, connection_id)
        if asked is None:
            with transaction(rt.engine) as db:
                schedule.remove(db, merchant_id, entitlements.KIND, connection_id)
            return False
        said = asked.subscription(rt.now())
    except PortError as error:
        problem = f"{error.cause} {error.remedy}".strip()
        with transaction(rt.engine) as db:
            entitlements.note_failure(db, merchant_id, connection_id, problem, rt.now())
        raise
    if rt.plans is not None and said.plan and rt.plans.plan(said.plan) is None:
        log.warning("the file of plans does not name this one: it limits nothing", plan=said.plan)
    with transaction(rt.engine) as db:
        has_changed = entitlements.note_read(db, merchant_id, connection_id, said, rt.plans, actor)
    take_waiting(rt, merchant_id)
    return has_changed


def take_waiting(rt: DeliveryRuntime, merchant_id: int) -> int:
    """Put listings under management that waited for room; returns the variants. Nothing where none wait."""
    with transaction(rt.engine) as db:
        variants = manage(db, merchant_id)
    if variants:
        decide(rt.engine, merchant_id, sorted(variants), now=rt.now(), cause=Cause("catalogue"))
    return len(variants)
