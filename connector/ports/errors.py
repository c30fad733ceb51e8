"""The errors that cross a port, and nothing else.

An adapter translates each vendor error into one of these, once, in its client (`raise … from exc`).
The caller never looks at a status code or a vendor's exception: **the type decides** what happens next.

    PortError
    ├── Retryable            try again later, nothing happened
    │   └── RateLimited      try again after `retry_after_s`, nothing happened
    ├── OutcomeUnknown       the effect may have happened: repeat with the same key or read back
    ├── Conflict             the other side holds another value: recompute
    ├── Unauthorized         the key is refused: pause the connection, tell the merchant
    ├── Misconfigured        a setting is wrong: pause the connection, name the field
    │   └── IdentityChanged  the server has another key than the pinned one: nothing was sent, ask a person
    ├── NotFound             this object does not exist there (any more)
    ├── Rejected             this object is refused for good, with a reason
    │   └── Gone             this address takes nothing any more: end what belongs to it
    ├── Unsupported          the platform cannot do this; it is never imitated
    └── FileFault            a feed as a whole cannot be used: keep yesterday's stock
"""

from __future__ import annotations

from typing import Literal


class PortError(Exception):
    """What went wrong on the far side, in words a merchant can act on.

    `adapter` names the adapter ("woocommerce"), `subject` the object concerned ("product 17",
    "https://shop.example"), `cause` what happened and `remedy` what to do. None of them may hold a
    secret, an address of a person or a payload.
    """

    def __init__(self, adapter: str, subject: str, cause: str, remedy: str = "") -> None:
        self.adapter = adapter
        self.subject = subject
        self.cause = cause
        self.remedy = remedy
        super().__init__(f"{adapter}: {subject}: {cause}" + (f" {remedy}" if remedy else ""))


class Retryable(PortError):
    """A passing fault before any effect: connection refused, 502 on a read, maintenance."""


class RateLimited(Retryable):
    """The platform asks to wait `retry_after_s` seconds; nothing was done."""

    def __init__(
        self, adapter: str, subject: str, cause: str, remedy: str = "", *, retry_after_s: float
    ) -> None:
        super().__init__(adapter, subject, cause, remedy)
        self.retry_after_s = retry_after_s


class OutcomeUnknown(PortError):
    """A write left and no answer came back (timeout, 504, cut connection): it may have been done.

    `is_repeatable`: the other side knows this request by its key, so that sending it again within the day is
    done once.
    """

    def __init__(
        self, adapter: str, subject: str, cause: str, remedy: str = "", *, is_repeatable: bool = False
    ) -> None:
        super().__init__(adapter, subject, cause, remedy)
        self.is_repeatable = is_repeatable


class Conflict(PortError):
    """The store holds `remote` where another number was expected; None when it did not say which."""

    def __init__(
        self, adapter: str, subject: str, cause: str, remedy: str = "", *, remote: int | None = None
    ) -> None:
        super().__init__(adapter, subject, cause, remedy)
        self.remote = remote


class Unauthorized(PortError):
    """The credentials are wrong, expired, revoked or too weak for this call."""


class Misconfigured(PortError):
    """The setting `field` of the connection cannot work; `remedy` says what would."""

    def __init__(self, adapter: str, subject: str, cause: str, remedy: str = "", *, field: str) -> None:
        super().__init__(adapter, subject, cause, remedy)
        self.field = field


class IdentityChanged(Misconfigured):
    """The far side proves itself by `presented` where `pinned` was learnt before: either its key was
    renewed or somebody stands in between. Nothing was sent to it. `field` is the setting that holds the pin;
    a person may set it to `presented` after asking the far side's owner."""

    def __init__(
        self,
        adapter: str,
        subject: str,
        cause: str,
        remedy: str = "",
        *,
        field: str,
        pinned: str,
        presented: str,
    ) -> None:
        super().__init__(adapter, subject, cause, remedy, field=field)
        self.pinned = pinned
        self.presented = presented


class NotFound(PortError):
    """The object named by `subject` does not exist on the far side."""


class Rejected(PortError):
    """The far side understood and refused this object for good; repeating cannot help."""


class Gone(Rejected):
    """The address of a person or browser takes nothing any more, whatever is sent to it: end what belongs to it.

    `why` is "unknown" (no such address, subscription expired), "stopped" (the person told the provider to stop)
    or "complained" (the person marked a message as spam).
    """

    def __init__(
        self,
        adapter: str,
        subject: str,
        cause: str,
        remedy: str = "",
        *,
        why: Literal["unknown", "stopped", "complained"] = "unknown",
    ) -> None:
        super().__init__(adapter, subject, cause, remedy)
        self.why = why


class Unsupported(PortError):
    """The platform has no such feature; the caller must offer another way, never an imitation."""


class FileFault(PortError):
    """A feed that must not be used as a whole (HTML page, truncated, missing column, empty).

    `code` is a stable word for rules and translations, e.g. "html_page", "truncated", "too_large".
    """

    def __init__(self, adapter: str, subject: str, cause: str, remedy: str = "", *, code: str) -> None:
        super().__init__(adapter, subject, cause, remedy)
        self.code = code
