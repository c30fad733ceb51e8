"""A simulated Google Ads: gRPC over TLS on loopback, with the real errors, access rules and quota.

`GoogleAdsServer` is the whole of it; the unmodified official client library talks to it.
"""

from __future__ import annotations

from simulator.google_ads.accounts import Accounts, AdSeed
from simulator.google_ads.server import GoogleAdsServer

__all__ = ["Accounts", "AdSeed", "GoogleAdsServer"]
