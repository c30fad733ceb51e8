"""Which ads to pause and which to resume. Pure.

An ad is paused only when everything behind its landing page has been unavailable for the dwell time, and
only if it runs. An ad is resumed only when we paused it, something behind it has been available for the
dwell time, and nobody touched it since. Where somebody ended our pause by hand, or the platform refused
it, the ad is left alone until it could be bought again.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    >>> ad = AdFacts(7, "enabled", 0, 2, noon - timedelta(seconds=60), None, is_ours=False)
    >>> plan([ad], now=noon, dwell=timedelta(seconds=60)).pause
    (7,)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class AdFacts:
    """An ad with what is behind it.

    `sellable` and `unsellable` count what is behind its landing page (both 0: the page is none of
    ours). `status` is the platform's last word. `out_since` / `back_since` tell since when all behind it
    is gone / something is there. `is_ours` while the pause is ours. `is_left_alone` from the moment
    somebody ended our pause (or the platform refused it) until something behind it can be bought again.
    """

    ad_link_id: int
    status: str
    sellable: int
    unsellable: int
    out_since: datetime | None
    back_since: datetime | None
    is_ours: bool
    is_left_alone: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Ads to pause and to resume now, those whose pause ended by somebody else's hand (`released`),
    and when to look again (the end of the nearest dwell), None when nothing is pending."""

    pause: tuple[int, ...]
    resume: tuple[int, ...]
    released: tuple[int, ...]
    look_again_at: datetime | None


def plan(ads: Sequence[AdFacts], *, now: datetime, dwell: timedelta) -> Plan:
    """What to do now. Deciding does nothing: the caller acts, records and reads back."""
    pause, resume, released = [], [], []
    waiting: list[datetime] = []
    for ad in ads:
        is_out = ad.sellable == 0 and ad.unsellable > 0
        if ad.is_ours and ad.status != "paused":
            # Somebody enabled or removed it meanwhile: it is theirs again, and stays as they left it.
            released.append(ad.ad_link_id)
        elif is_out and not ad.is_ours and not ad.is_left_alone and ad.status == "enabled":
            ready = (ad.out_since or now) + dwell
            (pause.append(ad.ad_link_id) if ready <= now else waiting.append(ready))
        elif ad.is_ours and ad.sellable > 0:
            ready = (ad.back_since or now) + dwell
            (resume.append(ad.ad_link_id) if ready <= now else waiting.append(ready))
    return Plan(tuple(pause), tuple(resume), tuple(released), min(waiting, default=None))
