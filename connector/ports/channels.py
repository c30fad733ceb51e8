"""The channel port: hand one finished message to a provider, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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
class Accepted:
    """The provider took responsibility; `provider_id` is its reference, empty when it gives none."""

    provider_id: str


class Channel(Protocol):
    """One way to reach people. Construction does no network."""

    def check(self) -> str:
        """Reach the provider and sign in without sending; a sentence on what was found."""

    def send(self, message: OutgoingMessage) -> Accepted:
        """Send it, without any retry of its own.

        Raises Rejected when this address is refused for good, Retryable or RateLimited when it was
        certainly not taken, OutcomeUnknown when the connection broke after the content was sent.
        """
