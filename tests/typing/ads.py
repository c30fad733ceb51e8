"""mypy proves here that each advertising adapter keeps the port's signatures; nothing runs."""

from __future__ import annotations

from adapters.ads.google_ads.adapter import GoogleAds
from connector.ports.ads import Ads


def google_ads(adapter: GoogleAds) -> Ads:
    return adapter
