"""What a merchant chose for the messages to shoppers: one value, checked when it is saved.

A merchant without a row has the defaults. Only what differs from them is stored, so that a better default reaches
everybody who never chose.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.dialects.postgresql import insert

from connector.shoppers.tables import ShopperRules
from connector.shoppers.waves import Pace

_RULES = ShopperRules.__table__  # type: ignore[attr-defined]

ChannelName = Literal["email", "sms", "push"]


class ShopperPolicy(BaseModel):
    """How shoppers are signed up, invited and written to.

    `channels` are those offered on the page; numbers without "+" belong to `country` ("": that of the merchant's time
    zone), and those of `sms_countries` are taken (none named: only its own). `min_units` must be free before an episode
    opens, and must have stood for `settle_s` seconds; `pace` is that of `connector.shoppers.waves`. Times of day are
    the shopper's own (else the merchant's zone): alerts by mail are not sent in the quiet hours, those by SMS only
    inside `sms_from`…`sms_until`, Monday to Saturday, no public holiday. `most_per_day` alerts reach one person at most
    in 24 hours; `most_per_hour` leave for this merchant (None: as fast as the provider takes them); from the day
    `warms_up_from` on 200 a day, then twice as many each day, for two weeks.
    With `offers_alternatives` similar products stand below the form of a sold-out one, as soon as somebody turns to it
    (off by default: what stands on a shop's page is the merchant's to choose).
    With `marks_links` links of alerts bear an opaque mark for the shop's own analytics, by which an order is known to
    have come of one. `counts_interest`: how often products are looked at is counted (`connector.shoppers.interest`).

    With `tells_slips` those who were shown a date are told when it moves by `slip_days` or more, at most once in
    `slip_pause_days`. `suggests_after_days`: who consented to marketing and waits for so long, or for something that is
    discontinued, is told once of similar products (None: never). Who waited past the date that they were shown, and
    consented to marketing, gets a code good for `code_days` of `code_percent` or of `code_minor` (minor units of the
    store's currency) with the message that it is back; without either there are no codes.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    channels: tuple[ChannelName, ...] = ("email",)
    offers_any_variant: bool = False
    offers_marketing: bool = False
    offers_alternatives: bool = False
    refuses_disposable: bool = False
    country: str = Field(default="", pattern="^([A-Z]{2})?$")
    sms_countries: tuple[Annotated[str, Field(pattern="^[A-Z]{2}$")], ...] = ()
    min_units: int = Field(default=1, ge=1, le=10_000)
    settle_s: int = Field(default=0, ge=0, le=86_400)
    pace: Pace = "fair"
    quiet_from: time | None = None
    quiet_until: time | None = None
    sms_from: time = time(8)
    sms_until: time = time(20)
    most_per_day: int = Field(default=5, ge=1, le=100)
    most_per_hour: int | None = Field(default=None, ge=1, le=1_000_000)
    warms_up_from: date | None = None
    counts_interest: bool = False
    marks_links: bool = True
    tells_slips: bool = True
    slip_days: int = Field(default=3, ge=1, le=60)
    slip_pause_days: int = Field(default=4, ge=1, le=60)
    suggests_after_days: int | None = Field(default=None, ge=7, le=365)
    code_percent: int | None = Field(default=None, ge=1, le=100)
    code_minor: int | None = Field(default=None, ge=1, le=100_000_000)
    code_days: int = Field(default=30, ge=3, le=365)

    @model_validator(mode="after")
    def _one_kind_of_code(self) -> ShopperPolicy:
        if self.code_percent is not None and self.code_minor is not None:
            raise ValueError("A code takes off a percentage or an amount: give one of them.")
        return self


def policy_of(db: sa.Connection, merchant_id: int) -> ShopperPolicy:
    """The policy that holds for a merchant now."""
    says = db.scalar(sa.select(_RULES.c.says).where(_RULES.c.merchant_id == merchant_id))
    return ShopperPolicy.model_validate(says or {})


def save_policy(
    db: sa.Connection, merchant_id: int, policy: ShopperPolicy, actor: str, now: datetime
) -> None:
    """Keep what differs from the defaults."""
    says = policy.model_dump(mode="json", exclude_defaults=True)
    values = {"says": says, "actor": actor, "changed_at": now}
    db.execute(
        insert(_RULES)
        .values(merchant_id=merchant_id, **values)
        .on_conflict_do_update(index_elements=["merchant_id"], set_=values)
    )
