"""Merchants and the people who sign in for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from zoneinfo import available_timezones

import sqlalchemy as sa
from email_validator import EmailNotValidError, validate_email
from werkzeug.security import check_password_hash, generate_password_hash

MIN_PASSWORD_LENGTH = 10


class AccountError(ValueError):
    """Something about an account that cannot be; the message says what would do."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in. `session_version` changes with the password: older sessions end."""

    merchant_id: int
    user_id: int
    email: str
    locale: str
    session_version: int


def add_merchant(
    db: sa.Connection,
    *,
    name: str,
    email: str,
    password: str,
    now: datetime,
    locale: str = "en",
    timezone: str = "UTC",
    currency: str = "EUR",
) -> int:
    """Create a merchant and its first user; returns the merchant's id. Raises AccountError."""
    merchant_id = create_merchant(db, name, now, locale=locale, timezone=timezone, currency=currency)
    add_user(db, merchant_id, email=email, password=password, now=now, locale=locale)
    return merchant_id


def create_merchant(
    db: sa.Connection,
    name: str,
    now: datetime,
    *,
    locale: str = "en",
    timezone: str = "UTC",
    currency: str = "EUR",
) -> int:
    """Create a merchant without users; returns its id. Raises AccountError."""
    if not name.strip():
        raise AccountError("The merchant needs a name.")
    if timezone not in available_timezones():
        raise AccountError(f"{timezone!r} is no time zone. Use a name such as Europe/Paris.")
    if locale not in ("en", "fr"):
        raise AccountError(f"{locale!r} is no language of Dispo. Use en or fr.")
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        raise AccountError(f"{currency!r} is no currency. Use its three letters, such as EUR.")
    merchant_id = db.execute(
        sa.text("""
            insert into merchant (name, locale, timezone, currency, created_at, sender_name)
            values (:name, :locale, :tz, :currency, :now, :name) returning id
        """),
        {"name": name.strip(), "locale": locale, "tz": timezone, "currency": currency.upper(), "now": now},
    ).scalar_one()
    return int(merchant_id)


def platform_user(
    db: sa.Connection, merchant_id: int, shop: str, external_id: str, *, now: datetime, locale: str
) -> int:
    """The id of the user who is `external_id` in a shop's own admin; created on the first visit.

    They have no password: the platform's proof signs them in, or a ticket. Their address is a name, not a
    mailbox. Raises AccountError for one that is another merchant's.
    """
    address = f"{external_id}@{shop}"
    # Nearly always they are known, and a page that asks every few seconds must not write each time.
    for attempt in ("find", "create", "find"):
        if attempt == "find":
            statement = "select id from app_user where email = :email and merchant_id = :m"
        else:
            statement = """
                insert into app_user (merchant_id, email, password_hash, locale, created_at)
                values (:m, :email, '', :locale, :now) on conflict (email) do nothing returning id
            """
        values = {"m": merchant_id, "email": address, "locale": locale, "now": now}
        found = db.execute(sa.text(statement), values).scalar()
        if found is not None:
            return int(found)
    raise AccountError("There is an account with this address already.")


def add_user(
    db: sa.Connection, merchant_id: int, *, email: str, password: str, now: datetime, locale: str = ""
) -> int:
    """Create a user of this merchant; raises AccountError when the address or the password will not do."""
    address = normal_address(email)
    _check_password(password)
    created = db.execute(
        sa.text("""
            insert into app_user (merchant_id, email, password_hash, locale, created_at)
            values (:m, :email, :hash, :locale, :now) on conflict (email) do nothing returning id
        """),
        {
            "m": merchant_id,
            "email": address,
            "hash": generate_password_hash(password),
            "locale": locale,
            "now": now,
        },
    ).scalar()
    if created is None:
        raise AccountError("There is an account with this address already.")
    return int(created)


def set_password(db: sa.Connection, email: str, password: str) -> None:
    """Set a user's password and end their sessions; raises AccountError."""
    _check_password(password)
    changed = db.execute(
        sa.text("""
            update app_user set password_hash = :hash, session_version = session_version + 1
             where email = :email
        """),
        {"hash": generate_password_hash(password), "email": normal_address(email)},
    ).rowcount
    if not changed:
        raise AccountError("There is no account with this address.")


def sign_in(db: sa.Connection, email: str, password: str) -> SignedIn | None:
    """The user when address and password fit, else None; takes as long for an unknown address."""
    try:
        address = normal_address(email)
    except AccountError:
        address = ""
    row = db.execute(
        sa.text("""
            select merchant_id, id, email, locale, session_version, password_hash from app_user
             where email = :email
        """),
        {"email": address},
    ).first()
    stored = row.password_hash if row else _nobody()
    if not check_password_hash(stored, password) or row is None:
        return None
    return SignedIn(row.merchant_id, row.id, row.email, row.locale, row.session_version)


def normal_address(email: str) -> str:
    """The address as it is stored and compared; raises AccountError."""
    try:
        found = validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as exc:
        raise AccountError(f"This is not an e-mail address: {exc}") from exc
    return found.normalized.casefold()


def _check_password(password: str) -> None:
    if len(password) < MIN_PASSWORD_LENGTH:
        raise AccountError(f"The password needs at least {MIN_PASSWORD_LENGTH} characters.")


@cache
def _nobody() -> str:
    """The hash of a password nobody has, so that an unknown address costs the same time as a known one."""
    return generate_password_hash("no such user")
