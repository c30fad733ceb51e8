"""An access token that all workers of the installation use, for platforms that hand out few.

One worker fetches it and the others wait for it. It lies among the shared values sealed with a key made from
the connection's own secret: whoever reads Redis alone learns nothing. If the shared values are gone, the token
is fetched again, and the platform says itself if that was too soon.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from adapters.kit import api as calls
from adapters.kit.allowance import account_of
from connector.ports.errors import FileFault, PortError, RateLimited, Rejected, Retryable, Unauthorized
from connector.ports.shared import SharedValues, Value
from connector.registry import Environment
from connector.shared import LocalValues

EARLY_S = 300.0
"""A token is renewed so long before it ends, or at half of its life if that is shorter."""
FETCHING_S = 45.0
"""Who fetches and is not heard of for so long has died."""
WAITS = 30


@dataclass(frozen=True, slots=True)
class Fetched:
    """A new token and how long it lives, in seconds."""

    token: str
    lives_s: float


class SharedToken:
    """The token of one account. `secret` is what it is fetched with, `fetch` fetches one and raises a
    `PortError`. `every_s`: the platform gives one token in so long; 0: any number. Thread-safe."""

    def __init__(
        self,
        environment: Environment,
        adapter: str,
        secret: str,
        fetch: Callable[[], Fetched],
        *,
        every_s: float = 0.0,
    ) -> None:
        self._values: SharedValues = environment.shared or LocalValues()
        self._adapter = adapter
        self._key = f"token:{adapter}:{account_of(secret)}"
        digest = hashlib.sha256(f"dispo shared token {adapter} {secret}".encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(digest))
        self._fetch = fetch
        self._every_s = every_s
        self._last = ""

    def __call__(self, renew: bool = False) -> str:
        """The token of this moment; `renew`: another than the one last given here, which was refused.

        Raises RateLimited where the platform gives no other one yet, Unauthorized where it refused to, and
        what `fetch` raises.
        """
        refused = _mark(self._last) if renew and self._last else ""
        for _ in range(WAITS):
            step, found = self._values.change(self._key, partial(self._decide, refused))
            if step == "have":
                opened = self._open(str(found))
                if opened:
                    self._last = opened
                    return opened
                refused = _mark_sealed(str(found))
                continue
            if step == "fetch":
                return self._fetched()
            if step == "refused":
                raise Unauthorized(
                    self._adapter,
                    "the access token",
                    "The key was refused a moment ago.",
                    "Enter a new key; the same one is tried again in a few minutes.",
                )
            if step == "late":
                raise RateLimited(
                    self._adapter,
                    "the access token",
                    f"The platform gives one token in {self._every_s:,.0f} seconds.",
                    "It is asked again later.",
                    retry_after_s=float(found),
                )
            calls.pause(1.0)
        raise Retryable(self._adapter, "the access token", "Another process fetches it and does not finish.")

    def _decide(
        self, refused: str, known: Value | None, now: float
    ) -> tuple[Value | None, tuple[str, str | float]]:
        """What to do, and the value that says so to the others."""
        value = known or {}
        sealed = value.get("sealed", "")
        is_good = sealed and value["ends_at"] > now and refused not in (value["mark"], _mark_sealed(sealed))
        if is_good:
            # Written again as it was, so that it is kept as long as it is used.
            return value, ("have", sealed)
        if value.get("fetching") and now < value["asked_at"] + FETCHING_S:
            return None, ("wait", 1.0)
        asked_at = value.get("asked_at")
        if asked_at is not None and now < asked_at + self._every_s:
            return None, ("refused", "") if value.get("is_refused") else (
                "late",
                asked_at + self._every_s - now,
            )
        return {"asked_at": now, "fetching": True}, ("fetch", "")

    def _fetched(self) -> str:
        try:
            fetched = self._fetch()
        except (Unauthorized, Rejected):
            self._settle({"is_refused": True})
            raise
        except RateLimited:
            self._settle({})
            raise
        except PortError:
            # Nothing tells that a token was handed out: the next one may ask at once.
            self._settle(None)
            raise
        except BaseException:
            self._settle(None)
            raise
        if not fetched.token or not fetched.token.isprintable() or not fetched.token.isascii():
            self._settle({})
            raise FileFault(
                self._adapter,
                "the access token",
                "The answer holds no access token.",
                "It is asked again later.",
                code="no_token",
            )
        sealed = self._fernet.encrypt(fetched.token.encode()).decode()
        lives_s = max(fetched.lives_s - EARLY_S, fetched.lives_s / 2)
        self._settle({"sealed": sealed, "mark": _mark(fetched.token)}, lives_s)
        self._last = fetched.token
        return fetched.token

    def _settle(self, outcome: dict[str, Any] | None, lives_s: float = 0.0) -> None:
        def change(value: Value | None, now: float) -> tuple[Value | None, None]:
            if outcome is None:
                return {}, None
            asked_at = (value or {}).get("asked_at", now)
            return {"asked_at": asked_at, "ends_at": now + lives_s, **outcome}, None

        self._values.change(self._key, change)

    def _open(self, sealed: str) -> str:
        """The token, "" where it was sealed by somebody else."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            return ""


def _mark(token: str) -> str:
    """What a token is known by: not told from it, short of trying all tokens."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def _mark_sealed(sealed: str) -> str:
    return "sealed:" + hashlib.sha256(sealed.encode()).hexdigest()[:16]
