"""E-mail addresses and telephone numbers: which are possible, which are one, and which must not be written to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import phonenumbers
import sqlalchemy as sa
from disposable_email_domains import blocklist
from email_validator import EmailNotValidError, validate_email
from sqlalchemy.dialects.postgresql import insert

from connector.crypto import Keyring
from connector.shoppers.tables import Suppression

_SUPPRESSION = Suppression.__table__  # type: ignore[attr-defined]


class AddressInvalid(ValueError):
    """This cannot be an e-mail address or a telephone number. The message never repeats it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How somebody is reached: `channel` email or sms, `address` to write to, and the `key` it is compared by."""

    channel: Literal["email", "sms"]
    address: str
    key: str


def read(typed: str, countries: Sequence[str] = ()) -> Reach:
    """What somebody typed into the one field of the form: a mailbox, or a mobile number of one of `countries`. A
    number without "+" belongs to the first of them. Raises AddressInvalid."""
    if not countries or "@" in typed:
        return Reach("email", *normalise(typed))
    number = normalise_phone(typed, countries[0])
    if country_of(number) not in countries:
        raise AddressInvalid("This number is of a country that is not written to.")
    return Reach("sms", number, number)


def is_disposable(key: str) -> bool:
    """Whether a mailbox is at a provider of throw-away addresses, or below its domain."""
    domain = key.rpartition("@")[2]
    parts = domain.split(".")
    return any(".".join(parts[at:]) in blocklist for at in range(len(parts) - 1))


def normalise(typed: str) -> tuple[str, str]:
    """(the address to write to, the key it is compared by) of what somebody typed.

    The domain is lower case in both. The local part is written as typed and compared without case:
    "Ann@" and "ann@" are one mailbox everywhere in practice, while dots and "+tags" may be two people.
    No DNS look-up is made. Raises AddressInvalid.
    """
    try:
        found = validate_email(typed.strip(), check_deliverability=False, strict=True)
    except EmailNotValidError as exc:
        raise AddressInvalid("This is not an e-mail address.") from exc
    return f"{found.local_part}@{found.domain.casefold()}", f"{found.local_part}@{found.domain}".casefold()


def normalise_phone(typed: str, country: str = "") -> str:
    """A mobile number in E.164 ("+33612345678") of what somebody typed; `country` (two letters) is where a number
    without "+" belongs. Raises AddressInvalid for what is no number, or one that takes no texts."""
    try:
        number = phonenumbers.parse(typed.strip(), country.upper() or None)
    except phonenumbers.NumberParseException as exc:
        raise AddressInvalid("This is not a telephone number.") from exc
    takes_texts = (
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
        phonenumbers.PhoneNumberType.PERSONAL_NUMBER,
    )
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) not in takes_texts:
        raise AddressInvalid("This is not a mobile number.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def country_of(number: str) -> str:
    """The country (two letters) of a number in E.164, "" where it has none."""
    return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""


def is_suppressed(db: sa.Connection, keyring: Keyring, merchant_id: int, address_key: str) -> bool:
    """Whether this merchant must not send alerts to that address."""
    found = db.execute(
        sa.select(sa.literal(1)).where(
            _SUPPRESSION.c.merchant_id == merchant_id,
            _SUPPRESSION.c.address_digest.in_(keyring.digests("suppression", address_key)),
        )
    )
    return found.first() is not None


def suppress(
    db: sa.Connection, keyring: Keyring, merchant_id: int, address_key: str, reason: str, now: datetime
) -> None:
    """Never write to that address again; only a keyed digest of it is kept. `reason` is one word:
    "asked" (on a page of ours), "stopped" (told the provider, who may take it back), "refused" (by the mailbox) or
    "complaint". Repeating it changes nothing, but a "stopped" one gets a reason that lasts."""
    made = insert(_SUPPRESSION).values(
        merchant_id=merchant_id,
        address_digest=keyring.digests("suppression", address_key)[0],
        reason=reason,
        at=now,
    )
    lasting = {"reason": made.excluded.reason, "at": made.excluded.at}
    db.execute(
        made.on_conflict_do_update(
            index_elements=["merchant_id", "address_digest"],
            set_=lasting,
            where=(_SUPPRESSION.c.reason == "stopped") & (made.excluded.reason != "stopped"),
        )
    )


def lift(db: sa.Connection, keyring: Keyring, merchant_id: int, address_key: str) -> bool:
    """Let an address be written to again; False when it was not suppressed. What had ended stays ended."""
    gone = db.execute(
        sa.delete(_SUPPRESSION).where(
            _SUPPRESSION.c.merchant_id == merchant_id,
            _SUPPRESSION.c.address_digest.in_(keyring.digests("suppression", address_key)),
        )
    )
    return gone.rowcount > 0
