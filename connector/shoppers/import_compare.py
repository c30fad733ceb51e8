"""What the lines of a file would do now: who is new, here already, not to be written to, or names no product; and whose
product is in stock this moment, so that it is the merchant who decides whether they are told of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import sqlalchemy as sa

from connector.catalog.keys import sku_key
from connector.i18n import locales
from connector.shoppers import addresses
from connector.shoppers.import_file import Fault, Line
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.stock import FROM_STOCK

UNKNOWN_PRODUCT = "This store has no such product, or Dispo does not know it yet."
SUPPRESSED = "This address must not be written to."


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody who would be taken in."""

    line: int
    variant_id: int
    channel: str
    address: str
    key: str
    units: int
    language: str
    asked_at: datetime | None
    confirmed_at: datetime | None
    consent_text: str


@dataclass(slots=True)
class Look:
    """What a file would do. `known` wait here already or were told since; `ended` wait no more there. `in_stock`:
    the variants of newcomers that can be bought from stock now."""

    newcomers: list[Newcomer] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    in_stock: frozenset[int] = frozenset()
    known: int = 0
    suppressed: int = 0
    unknown: int = 0
    invalid: int = 0

    def counts(self, ended: int) -> dict[str, int]:
        return {
            "new": len(self.newcomers),
            "confirmed": sum(one.confirmed_at is not None for one in self.newcomers),
            "in_stock": sum(one.variant_id in self.in_stock for one in self.newcomers),
            "known": self.known,
            "suppressed": self.suppressed,
            "unknown": self.unknown,
            "invalid": self.invalid,
            "ended": ended,
        }


def compare(
    rt: ShopperRuntime,
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    lines: Sequence[Line],
    faults: Sequence[Fault],
    *,
    says_confirmed: bool,
) -> Look:
    """What these lines would do now; `faults` are those of the reading."""
    look = Look(faults=list(faults), invalid=len({one.line for one in faults}))
    variants = _Variants(db, merchant_id, connection_id, lines)
    languages = frozenset(locales())
    reached: list[tuple[Line, int, str, str]] = []
    for one in lines:
        variant_id, why = variants.of(one)
        if variant_id is None:
            look.unknown += 1
            look.faults.append(Fault(one.line, "", why))
            continue
        try:
            if one.channel == "email":
                to, key = addresses.normalise(one.address)
            else:
                to = key = addresses.normalise_phone(one.address)
        except addresses.AddressInvalid as exc:
            look.invalid += 1
            look.faults.append(Fault(one.line, "", str(exc)))
            continue
        reached.append((one, variant_id, to, key))
    refused = _suppressed(rt, db, merchant_id, {key for _, _, _, key in reached})
    there = _there(db, merchant_id, {key for _, _, _, key in reached})
    for one, variant_id, to, key in reached:
        place = (variant_id, one.channel, key)
        if key in refused:
            look.suppressed += 1
            look.faults.append(Fault(one.line, "", SUPPRESSED))
        elif place in there and _is_known(there[place], one.asked_at):
            look.known += 1
        else:
            there[place] = None
            confirmed_at = one.confirmed_at or (one.asked_at if says_confirmed else None)
            if says_confirmed and confirmed_at is None:
                confirmed_at = rt.now()
            look.newcomers.append(
                Newcomer(
                    one.line, variant_id, one.channel, to, key, one.units,
                    one.language if one.language in languages else "", one.asked_at, confirmed_at, one.consent_text,
                )
            )  # fmt: skip
    look.faults.sort(key=lambda one: one.line)
    latest = datetime.max.replace(tzinfo=UTC)
    look.newcomers.sort(key=lambda one: (one.asked_at or latest, one.line))
    look.in_stock = _in_stock(db, merchant_id, {one.variant_id for one in look.newcomers})
    return look


def _in_stock(db: sa.Connection, merchant_id: int, variant_ids: set[int]) -> frozenset[int]:
    """Those of which there is something to sell from stock; whether the store shows it yet is a matter of seconds."""
    rows = db.scalars(
        sa.text("""
            select variant_id from position
             where merchant_id = :m and variant_id = any(:v) and available > 0 and state = any(:states)
        """),
        {"m": merchant_id, "v": sorted(variant_ids), "states": list(FROM_STOCK)},
    )
    return frozenset(rows)


def _is_known(there_until: datetime | None, asked_at: datetime | None) -> bool:
    """Whether a sign-up is one that is here already: they wait, or they were here when or after it was made."""
    return there_until is None or asked_at is None or there_until >= asked_at


class _Variants:
    """Which variant each line means, from the store's own ids, else the SKU."""

    def __init__(
        self, db: sa.Connection, merchant_id: int, connection_id: int, lines: Sequence[Line]
    ) -> None:
        ids = sorted({text for one in lines for text in (one.item, one.product) if text})
        self._items: dict[str, set[int]] = {}
        self._products: dict[str, set[int]] = {}
        self._skus: dict[str, set[int]] = {}
        rows = db.execute(
            sa.text("""
                select external_id, product_id, variant_id from listing
                 where merchant_id = :m and connection_id = :c and variant_id is not null and not is_gone
                   and (external_id = any(:ids) or product_id = any(:ids))
            """),
            {"m": merchant_id, "c": connection_id, "ids": ids},
        )
        for row in rows:
            self._items.setdefault(_end(row.external_id), set()).add(row.variant_id)
            self._products.setdefault(_end(row.product_id), set()).add(row.variant_id)
        rows = db.execute(
            sa.text("""
                select distinct v.sku_key, v.id from variant v
                  join listing l on l.merchant_id = v.merchant_id and l.variant_id = v.id
                 where v.merchant_id = :m and l.connection_id = :c and not l.is_gone and v.sku_key = any(:skus)
            """),
            {
                "m": merchant_id,
                "c": connection_id,
                "skus": sorted({sku_key(one.sku) for one in lines if one.sku}),
            },
        )
        for row in rows:
            self._skus.setdefault(row.sku_key, set()).add(row.id)

    def of(self, one: Line) -> tuple[int | None, str]:
        """The variant, or None and why there is none."""
        found = self._items.get(one.item, set()) if one.item else set()
        found = found or (self._skus.get(sku_key(one.sku), set()) if one.sku else set())
        if not found and one.product:
            found = self._items.get(one.product, set()) or self._products.get(one.product, set())
        if len(found) > 1:
            return None, "The product has several variants, and the line does not say which."
        return (next(iter(found)), "") if found else (None, UNKNOWN_PRODUCT)


def _end(external_id: str) -> str:
    return external_id.rsplit("/", 1)[-1]


def _suppressed(rt: ShopperRuntime, db: sa.Connection, merchant_id: int, keys: set[str]) -> set[str]:
    digests = {digest: key for key in keys for digest in rt.keyring.digests("suppression", key)}
    rows = db.scalars(
        sa.text("select address_digest from suppression where merchant_id = :m and address_digest = any(:d)"),
        {"m": merchant_id, "d": list(digests)},
    )
    return {digests[one] for one in rows}


def _there(
    db: sa.Connection, merchant_id: int, keys: set[str]
) -> dict[tuple[int, str, str], datetime | None]:
    """Who is here for what: None where they wait, else the latest moment they had signed up, or were taken in."""
    rows = db.execute(
        sa.text("""
            select variant_id, channel, address_key,
                   bool_or(status in ('unconfirmed', 'waiting', 'invited')) as is_open,
                   max(greatest(created_at, coalesce(ended_at, created_at))) as at
              from subscription where merchant_id = :m and address_key = any(:k) group by 1, 2, 3
        """),
        {"m": merchant_id, "k": list(keys)},
    )
    return {(row.variant_id, row.channel, row.address_key): None if row.is_open else row.at for row in rows}
