"""The signed links in messages: what each may do, for how long, and whose it is.

A token names ids only, never an address. The language rides beside it, unsigned, so that even the page
for a damaged link speaks the shopper's language.
"""

from __future__ import annotations

from typing import Literal

from connector.crypto import Keyring, LinkInvalid

Purpose = Literal["confirm", "leave", "click", "me", "still", "push"]

_DAY = 86_400
_AGE_S: dict[Purpose, int] = {
    "confirm": 7 * _DAY,
    # Law asks for 30 days after the last message; mail is read later than that.
    "leave": 730 * _DAY,
    "click": 180 * _DAY,
    "me": 90 * _DAY,
    "still": 60 * _DAY,
    "push": 7 * _DAY,
}
_PATH: dict[Purpose, str] = {
    "confirm": "confirm",
    "leave": "u",
    "click": "c",
    "me": "me",
    "still": "still",
    "push": "push",
}


def link(
    keyring: Keyring, base_url: str, purpose: Purpose, merchant_id: int, subject_id: int, locale: str
) -> str:
    """The address for `purpose`: `subject_id` is a message's id for "click", else a subscription's."""
    token = keyring.sign(f"shopper-{purpose}", [merchant_id, subject_id])
    return f"{base_url}/{_PATH[purpose]}/{token}?lang={locale}"


def read(keyring: Keyring, purpose: Purpose, token: str) -> tuple[int, int]:
    """(merchant id, subject id) of a token; raises LinkExpired or LinkInvalid."""
    value = keyring.verify(f"shopper-{purpose}", token, max_age_s=_AGE_S[purpose])
    if not (isinstance(value, list) and len(value) == 2 and all(type(part) is int for part in value)):
        raise LinkInvalid("This link is not genuine.")
    return value[0], value[1]
