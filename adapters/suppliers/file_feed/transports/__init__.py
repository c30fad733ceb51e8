"""Where a feed comes from. A transport brings the whole file or raises; it never looks at what the file means."""

from adapters.suppliers.file_feed.transports.base import ByHand, Head, NoAddress, Pushed, Transport
from adapters.suppliers.file_feed.transports.local import LocalTransport
from adapters.suppliers.file_feed.transports.web import Access, HttpTransport, basic

__all__ = [
    "Access",
    "ByHand",
    "Head",
    "HttpTransport",
    "LocalTransport",
    "NoAddress",
    "Pushed",
    "Transport",
    "basic",
]
