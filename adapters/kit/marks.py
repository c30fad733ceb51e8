"""The mark that a link in one of our messages leaves on an order: utm_source=dispo with an opaque utm_campaign.

Shops keep where a visit came from with its order. Only our own mark is read; that of anybody else's campaign is
nobody's business here.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from connector.ports.stores import CLICK_SOURCE

_MARK = re.compile(r"[0-9a-f]{16}")


def mark_of(source: object, campaign: object) -> str:
    """The mark in a pair of utm parameters, "" when they are not ours.

    >>> mark_of("dispo", "00112233445566aa"), mark_of("newsletter", "00112233445566aa"), mark_of("dispo", None)
    ('00112233445566aa', '', '')
    """
    if source != CLICK_SOURCE or not isinstance(campaign, str):
        return ""
    return campaign if _MARK.fullmatch(campaign) else ""


def mark_in(address: object) -> str:
    """The mark in the address (whole, or a path with a query) of the page a visit began on, "" without one.

    >>> mark_in("/products/mug?size=m&utm_source=dispo&utm_medium=alert&utm_campaign=00112233445566aa")
    '00112233445566aa'
    """
    if not isinstance(address, str):
        return ""
    try:
        query = parse_qs(urlsplit(address).query, max_num_fields=50)
    except ValueError:  # "https://[" and the like, or very many parameters
        return ""
    return mark_of(query.get("utm_source", [""])[-1], query.get("utm_campaign", [""])[-1])
