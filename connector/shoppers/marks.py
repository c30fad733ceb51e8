"""The mark that tells an order of an invited person's own click: made here, put into links, read from orders."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from connector.crypto import Keyring
from connector.ports.stores import CLICK_SOURCE


def marks(keyring: Keyring, merchant_id: int, invitation_id: int) -> list[str]:
    """What stands for an invitation in a link to the shop: 16 hexadecimal digits that only our key tells from
    others; the first is the one to use, all of them are recognised."""
    return [text[:16] for text in keyring.digests("click mark", f"{merchant_id} {invitation_id}")]


def marked(url: str, mark: str) -> str:
    """The product's address with our mark, for the shop's own analytics; its query and its fragment stay.

    >>> marked("https://shop.test/mug?size=m#top", "00112233445566aa")
    'https://shop.test/mug?size=m&utm_source=dispo&utm_medium=alert&utm_campaign=00112233445566aa#top'
    """
    parts = urlsplit(url)
    ours = urlencode({"utm_source": CLICK_SOURCE, "utm_medium": "alert", "utm_campaign": mark})
    return parts._replace(query=f"{parts.query}&{ours}" if parts.query else ours).geturl()
