"""The channel ports: hand one finished message to a provider, once, and learn later what became of it.

A channel's manifest says in `medium` which of the four it is: "email" is a `Channel`, "sms" a `TextChannel`,
"push" a `PushChannel`, "event" an `EventChannel`. All keep one rule: no retry of their own, and the error's
type tells what became of the message. A channel that may be called by several threads at a time says in an
attribute `at_once` by how many.

    Gone             this address takes nothing ever again, or must not be written to: end what belongs to it
    Rejected         this message to this address is refused for good
    RateLimited      certainly not taken; again after `retry_after_s`
    Retryable        certainly not taken; again later
    OutcomeUnknown   it may have been taken: the request left and no answer came; may be sent again only where it
                     says `is_repeatable`
    Unauthorized     no message of this connection goes out until the credentials are mended
    Misconfigured    as before, for the setting `field`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

Medium = Literal["email", "sms", "push", "event"]


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message to one person, complete.

    `message_id` is ours and stable for the message (without angle brackets); `unsubscribe_url` is
    the one-click address (RFC 8058) or empty for messages that are part of a contract;
    `return_path` the envelope sender for bounces, empty for the channel's default.
    """

    message_id: str
    to: str
    subject: str
    text: str
    html: str
    from_name: str
    reply_to: str = ""
    unsubscribe_url: str = ""
    return_path: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class OutgoingText:
    """One SMS to one person.

    `to` is a number in E.164 ("+33612345678"); `sender` a number, short code or name that replaces the
    connection's own, empty for that. `validity_s`: the provider drops it when it could not be delivered within
    so many seconds, for an alert that is late is worse than none. `report_url` is where the provider shall tell
    what became of it, empty for nowhere.
    """

    message_id: str
    to: str
    text: str
    sender: str = ""
    validity_s: int = 14_400
    report_url: str = ""


@dataclass(frozen=True, slots=True)
class OutgoingPush:
    """One notification to one browser.

    `endpoint`, `p256dh` and `auth` are what the browser gave at its subscription (the keys in base64url). `title`,
    `body`, `url` (opened by a click) and `icon` reach the page's service worker as JSON under these names, with
    `message_id` as `id` and `language` as `lang`. `ttl_s`: how long the push service keeps it for a browser that is
    away; 0 delivers at once or never. Of two with the same `topic` (up to 32 letters, digits, - and _) only
    the newer is kept for a browser that is away; empty for none.
    """

    message_id: str
    endpoint: str
    p256dh: str = field(repr=False)
    auth: str = field(repr=False)
    title: str
    body: str
    url: str
    icon: str = ""
    ttl_s: int = 14_400
    topic: str = ""
    urgency: Literal["very-low", "low", "normal", "high"] = "normal"
    language: str = "en"


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """One event about one person, for the merchant's own marketing system, which then writes to them.

    Only for people who agreed to that: the caller's duty. The person is named by `email`, `phone` (E.164) or
    `external_id`, at least one. `name` as the merchant sees it there ("Back in Stock"); `properties` is JSON.
    `unique_id` is the same on every repetition, so that the system counts the event once. `at` is aware.
    `value` with `currency` (ISO 4217) is what it is worth, None for nothing.
    """

    unique_id: str
    name: str
    at: datetime
    email: str = ""
    phone: str = ""
    external_id: str = ""
    properties: Mapping[str, object] = field(default_factory=dict)
    value: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took responsibility; `provider_id` is its reference, empty when it gives none. `segments`
    is the number of parts an SMS was sent in, which is what it costs; 0 for other media."""

    provider_id: str
    segments: int = 0


class Channel(Protocol):
    """One way to reach people by e-mail. Construction does no network."""

    def check(self) -> str:
        """Reach the provider and sign in without sending; a sentence on what was found."""

    def send(self, message: OutgoingMessage) -> Accepted:
        """Send it, without any retry of its own.

        Raises Gone when this address takes nothing any more, Rejected when it or the content is refused for
        good, Retryable or RateLimited when it was certainly not taken, OutcomeUnknown when the connection
        broke after the content was sent.
        """


class TextChannel(Protocol):
    """One way to reach people by SMS. Construction does no network."""

    @property
    def takes_answers(self) -> bool:
        """Whether people can answer STOP: False for a name as sender, whose texts must hold a link to leave."""

    def check(self) -> str:
        """As `Channel.check`."""

    def send(self, message: OutgoingText) -> Accepted:
        """As `Channel.send`; Gone also where the person answered STOP before, with `why` "stopped"."""


class PushChannel(Protocol):
    """One way to reach browsers. Construction does no network."""

    @property
    def public_key(self) -> str:
        """The key a page gives to `pushManager.subscribe` as `applicationServerKey` (base64url)."""

    def check_browser(self, endpoint: str, p256dh: str, auth: str) -> None:
        """Whether a browser with this address and these keys could be sent to; no network. Raises Rejected, or Gone,
        which is one."""

    def check(self) -> str:
        """Whether the key can sign; there is no provider to sign in to."""

    def send(self, message: OutgoingPush) -> Accepted:
        """As `Channel.send`; Gone when the browser ended its subscription."""


class EventChannel(Protocol):
    """One marketing system that takes events. Construction does no network."""

    def check(self) -> str:
        """As `Channel.check`."""

    def send(self, message: OutgoingEvent) -> Accepted:
        """As `Channel.send`. Where the system counts an event once by its `unique_id`, OutcomeUnknown says that it
        is repeatable; not every system does."""


ReportKind = Literal["delivered", "bounced_hard", "bounced_soft", "complained", "stopped", "started", "help"]


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of a message, or what its reader answered.

    "bounced_hard": nobody is at this address; "bounced_soft": not delivered this time. "complained": marked as
    spam. "stopped", "started", "help": the person wrote STOP, START or HELP, or unsubscribed at the provider;
    "started" lifts what "stopped" set and is no new sign-up.
    `report_id` is the same each time the provider tells the same thing: whoever acts keeps it and acts once.
    `message_id` is ours where the report tells it; `provider_message_id` is that of `Accepted`. `address` may be
    empty. `reason` is short, in English, without the address. Bounce messages (by a mailbox) are written
    by anybody: act on them only where `message_id` names a message that was sent, and then on that message's own
    address.
    """

    kind: ReportKind
    report_id: str
    at: datetime
    address: str = ""
    message_id: str = ""
    provider_message_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """A provider's HTTP request as it came. `url` is the complete address the provider called, as it knows it
    (public scheme and host, with the query); `body` the raw bytes."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class DeliveryReports(Protocol):
    """Verifies and reads a provider's reports for one connection. Does no network, keeps nothing."""

    def read(self, request: ReportRequest, now: datetime) -> list[DeliveryReport]:
        """The reports in a request whose signature holds; [] for what says nothing about delivery.

        Raises Unauthorized when the signature is absent, wrong or too old, and Rejected when a signed
        body is not what the provider documents; never anything else, whatever the bytes are. The caller answers
        204 without a body. A request may be repeated within the window: `report_id` tells.
        """


@dataclass(frozen=True, slots=True)
class MailedReports:
    """One message of a bounce mailbox: `uid` names it there, `reports` is empty for one that is no report."""

    uid: str
    reports: tuple[DeliveryReport, ...]


class ReportMailbox(Protocol):
    """The mailbox that bounces and complaints come back to. Construction does no network."""

    def check(self) -> str:
        """Sign in and open the folder; a sentence on what was found."""

    def fetch(self, limit: int = 100) -> list[MailedReports]:
        """The oldest messages not yet `done`, at most `limit`. The same again until they are `done`."""

    def done(self, uids: Sequence[str]) -> None:
        """These were acted on and need not come again."""
