"""How often somebody may sign up, counted in Redis: per network of the client, per address and per store.

The count may be lost (Redis holds nothing that cannot be), and when Redis is away this process counts
alone, which is still a limit. How many confirmations one address gets is counted in the database as well
(`subscribe`), because that protects people who never came here. No limit looks at who is on a list: what is refused
says nothing about that.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable

from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

from connector.crypto import Keyring

PER_NETWORK = (parse("20 per 10 minutes"), parse("100 per day"))
PER_STORE = (parse("600 per minute"),)
PER_ADDRESS = (parse("30 per hour"),)
TEXTS_PER_STORE = (parse("120 per hour"),)
"""Text messages cost the merchant money, whoever's numbers are typed."""
QUICKEST_MS = 400
"""Nobody reads a form and types an address in less, nor has it filled in and sends it."""


_INSIDE = tuple(
    ipaddress.ip_network(text)
    for text in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)


def network_of(client: str) -> str:
    """The network a client belongs to as far as limits go: /24 of IPv4, /64 of IPv6; "" if unknown.

    People behind one router share a limit, and somebody with a block of addresses gets one, not many.
    A private or loopback address is that of a proxy which does not say for whom it asks: counting it
    would lock every shopper out after the first twenty.
    """
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if any(address in network for network in _INSIDE):
        return ""
    bits = 24 if address.version == 4 else 64
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))


class SignUpLimits:
    """Counts sign-ups. `storage_url` is that of Redis (redis, rediss or unix); "memory://" counts in-process.

    Networks and addresses are kept only as keyed digests that change every day, and only while a limit runs. A form
    sent sooner than `quickest_ms` after it was shown is a machine's; 0: whatever is sent is a person's.
    """

    def __init__(
        self,
        storage_url: str,
        keyring: Keyring,
        *,
        quickest_ms: int = 0,
        today: Callable[[], str] = lambda: time.strftime("%F"),
    ) -> None:
        if storage_url.startswith("unix://"):
            storage_url = f"redis+{storage_url}"
        storage = storage_from_string(storage_url, wrap_exceptions=True)
        if not isinstance(storage, Storage):
            raise TypeError("sign-up limits need a synchronous storage")
        self._shared = FixedWindowRateLimiter(storage)
        self._alone = FixedWindowRateLimiter(MemoryStorage())
        self._keyring = keyring
        self._quickest_ms = quickest_ms
        self._today = today

    def is_hasty(self, took_ms: str) -> bool:
        """Whether a form was sent too soon, by the milliseconds that the page counted ("" where no script did)."""
        return took_ms.isascii() and took_ms.isdigit() and int(took_ms[:9]) < self._quickest_ms

    def retry_after_s(self, store: str, client: str) -> int:
        """Count one sign-up at `store` (its public key) from `client` (its address): 0 when allowed,
        else the seconds after which it may be tried again."""
        network = network_of(client)
        digest = self._digest("network", network) if network else ""
        waits = [self._hit(item, "store", store) for item in PER_STORE]
        if digest:
            waits += [self._hit(item, "network", store, digest) for item in PER_NETWORK]
        return max(waits)

    def address_retry_after_s(self, store: str, key: str, channel: str) -> int:
        """Count one sign-up of an address (as it is compared) at a store, and a text message where it is a number; as
        `retry_after_s`. Repeating an address is harmless but costs the database work, so it ends somewhere."""
        waits = [self._hit(item, "address", store, self._digest("address", key)) for item in PER_ADDRESS]
        if channel == "sms" and not any(waits):
            waits += [self._hit(item, "texts", store) for item in TEXTS_PER_STORE]
        return max(waits)

    def _digest(self, what: str, text: str) -> str:
        return self._keyring.digests(f"{what}-{self._today()}", text)[0][:32]

    def _hit(self, item: RateLimitItem, *names: str) -> int:
        try:
            return self._count(self._shared, item, *names)
        except StorageError:
            # Redis is away: a sign-up is worth more than a shared count.
            return self._count(self._alone, item, *names)

    @staticmethod
    def _count(limiter: FixedWindowRateLimiter, item: RateLimitItem, *names: str) -> int:
        if limiter.hit(item, *names):
            return 0
        return max(1, round(limiter.get_window_stats(item, *names).reset_time - time.time()))
