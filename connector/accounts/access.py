"""Access that expires: the token of the moment for one connection, renewed by one worker at a time.

The database decides, not Redis: who renews holds an advisory lock of PostgreSQL, which ends with its
connection, so a killed worker blocks nobody. The new pair is committed before anybody uses it. If a worker
dies between the platform's answer and that commit, the next one renews with the old refresh token, which
the platform takes until the new one was used (the port's promise).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
import structlog

from connector.accounts.audit import record
from connector.accounts.connections import pause
from connector.crypto import Keyring
from connector.db import transaction
from connector.ports.errors import Retryable, Unauthorized
from connector.ports.installs import Grant

log = structlog.get_logger()

RENEW_BEFORE = timedelta(minutes=5)
ASK_AGAIN_AFTER = timedelta(seconds=30)
LOCK_WAIT_S = 60
_LOCKS = 4_020_261_124


@dataclass(frozen=True, slots=True)
class _Stored:
    access: str
    refresh: str
    expires_at: datetime | None

    def lasts(self, now: datetime, margin: timedelta = timedelta(0)) -> bool:
        return bool(self.access) and (self.expires_at is None or now < self.expires_at - margin)


class ExpiringTokens:
    """Implements `AccessTokens` for one connection. Thread-safe; keeps what it read until that expires.

    `renew` asks the platform: it is called without an open transaction and with the connection's lock held.
    """

    def __init__(
        self,
        engine: sa.Engine,
        keyring: Keyring,
        merchant_id: int,
        connection_id: int,
        renew: Callable[[str], Grant],
        now: Callable[[], datetime],
    ) -> None:
        self._engine = engine
        self._keyring = keyring
        self._merchant_id = merchant_id
        self._connection_id = connection_id
        self._renew = renew
        self._now = now
        self._kept: _Stored | None = None
        self._renew_at: datetime | None = None
        # Threads of one process queue here, so that they do not each wait with a database connection.
        self._gate = threading.Lock()

    def current(self) -> str:
        """A token good for five minutes more, as a rule: while the platform cannot be asked for a new one,
        the present one until its last second."""
        kept = self._kept
        if kept is None or not kept.lasts(self._now(), self._margin()):
            with self._gate:
                kept = self._read()
                if not kept.lasts(self._now(), RENEW_BEFORE):
                    try:
                        kept = self._renewed(lambda one: one.lasts(self._now(), RENEW_BEFORE))
                    except Retryable:
                        if not kept.lasts(self._now()):
                            raise
                        self._renew_at = self._now() + ASK_AGAIN_AFTER
                self._kept = kept
        return kept.access

    def _margin(self) -> timedelta:
        """How long before its end a token is renewed: not at all while the platform just failed to."""
        return timedelta(0) if self._renew_at and self._now() < self._renew_at else RENEW_BEFORE

    def after(self, refused: str) -> str:
        """What another worker renewed meanwhile, else a new one."""
        with self._gate:
            kept = self._read()
            if kept.access == refused or not kept.access:
                kept = self._renewed(lambda one: one.access != refused)
            self._kept = kept
        return kept.access

    def _renewed(self, is_good: Callable[[_Stored], bool]) -> _Stored:
        """What is stored once somebody has renewed it: another worker, or this one."""
        with alone(self._engine, access_of(self._merchant_id, self._connection_id)):
            stored = self._read()
            if stored.access and is_good(stored):
                return stored
            try:
                if not stored.refresh:
                    raise Unauthorized(
                        "dispo",
                        f"connection {self._connection_id}",
                        "Its access has ended and there is nothing to renew it with.",
                        "Open Dispo in the store's admin, or connect the store again.",
                    )
                grant = self._renew(stored.refresh)
            except Unauthorized as error:
                again = self._read()
                if again.refresh != stored.refresh:
                    return again  # somebody gave us new access while the platform refused the old
                self._refused(error)
                raise
            with transaction(self._engine) as db:
                store_grant(db, self._keyring, self._merchant_id, self._connection_id, grant)
            return _Stored(grant.access_token, grant.refresh_token, grant.expires_at)

    def _refused(self, error: Unauthorized) -> None:
        """Only the merchant can help now: the connection waits, and says so."""
        log.warning("access was not renewed", merchant=self._merchant_id, connection=self._connection_id)
        with transaction(self._engine) as db:
            key = {"m": self._merchant_id, "c": self._connection_id}
            db.execute(
                sa.text(
                    "update installation set is_refused = true where merchant_id = :m and connection_id = :c"
                ),
                key,
            )
            pause(db, self._merchant_id, self._connection_id, str(error))
            subject = f"connection {self._connection_id}"
            record(db, self._merchant_id, self._now(), "dispo", "connection.refused", subject)

    def _read(self) -> _Stored:
        with self._engine.connect() as db:
            sealed = db.execute(
                sa.text("select sealed from connection where merchant_id = :m and id = :c"),
                {"m": self._merchant_id, "c": self._connection_id},
            ).scalar_one()
        secrets = self._keyring.unseal(bytes(sealed))
        expires = secrets.get("access_expires_at", "")
        return _Stored(
            secrets.get("access_token", ""),
            secrets.get("refresh_token", ""),
            datetime.fromisoformat(expires).astimezone(UTC) if expires else None,
        )


def store_grant(
    db: sa.Connection, keyring: Keyring, merchant_id: int, connection_id: int, grant: Grant
) -> None:
    """Put a grant in place of the connection's access, all of it in the caller's transaction."""
    change_secrets(db, keyring, merchant_id, connection_id, grant_secrets(grant))


def grant_secrets(grant: Grant) -> dict[str, str]:
    """A grant as it is sealed."""
    return {
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "access_expires_at": grant.expires_at.isoformat() if grant.expires_at else "",
        "refresh_expires_at": grant.refresh_expires_at.isoformat() if grant.refresh_expires_at else "",
    }


def change_secrets(
    db: sa.Connection, keyring: Keyring, merchant_id: int, connection_id: int, changes: Mapping[str, str]
) -> None:
    """Set these secrets of a connection and leave its others; "" takes one away."""
    sealed = db.execute(
        sa.text("select sealed from connection where merchant_id = :m and id = :c for update"),
        {"m": merchant_id, "c": connection_id},
    ).scalar_one()
    secrets = {**(keyring.unseal(bytes(sealed)) if sealed else {}), **changes}
    db.execute(
        sa.text("update connection set sealed = :s where merchant_id = :m and id = :c"),
        {
            "s": keyring.seal({name: value for name, value in secrets.items() if value}),
            "m": merchant_id,
            "c": connection_id,
        },
    )


def access_of(merchant_id: int, connection_id: int) -> str:
    """What `alone` is asked for to change a connection's access."""
    return f"access of {merchant_id}:{connection_id}"


@contextmanager
def alone(engine: sa.Engine, name: str) -> Iterator[None]:
    """Hold the lock `name`, of which there is one; Retryable when somebody holds it for a minute.

    A lock of the session, not of a transaction: the platform is asked meanwhile, and nothing may be open
    while somebody outside is called. It ends with this process.
    """
    key = {"k": name, "seed": _LOCKS}
    db = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        db.execute(sa.text(f"set lock_timeout = '{LOCK_WAIT_S}s'"))
        try:
            db.execute(sa.text("select pg_advisory_lock(hashtextextended(:k, :seed))"), key)
        except sa.exc.OperationalError as exc:
            raise Retryable("dispo", name, "Another worker is at it for a long time.") from exc
        db.execute(sa.text("reset lock_timeout"))
        try:
            yield
        finally:
            db.execute(sa.text("select pg_advisory_unlock(hashtextextended(:k, :seed))"), key)
    except BaseException:
        # Whatever went wrong with this session, its lock must not go back to the pool.
        db.invalidate()
        raise
    finally:
        db.close()
