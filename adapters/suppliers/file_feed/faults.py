"""The file faults that several formats share. Each names the file, the cause and the remedy."""

from __future__ import annotations

from adapters.suppliers.file_feed.records import ADAPTER
from connector.ports.errors import FileFault


def too_large(subject: str, max_bytes: int) -> FileFault:
    """The fault of a file beyond the installation's limit."""
    return FileFault(
        ADAPTER,
        subject,
        f"It is larger than {max_bytes:,} bytes.",
        "Ask the supplier for a smaller file, or the operator to raise DISPO_MAX_FEED_BYTES.",
        code="too_large",
    )


def truncated(subject: str, cause: str) -> FileFault:
    """The fault of a file that is not whole."""
    return FileFault(
        ADAPTER, subject, cause, "It is fetched again at the next run; nothing was changed.", code="truncated"
    )


def empty(subject: str, cause: str) -> FileFault:
    """The fault of a file that says nothing: never read as "all sold out"."""
    return FileFault(ADAPTER, subject, cause, "Ask the supplier whether the export failed.", code="empty")


def no_table(subject: str, cause: str, remedy: str) -> FileFault:
    """The fault of a file in which no list of items was found."""
    return FileFault(ADAPTER, subject, cause, remedy, code="no_table")


def unsupported(subject: str, cause: str, remedy: str) -> FileFault:
    """The fault of a file of a kind that is not read."""
    return FileFault(ADAPTER, subject, cause, remedy, code="unsupported_format")
