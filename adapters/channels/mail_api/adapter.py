"""Hands one message to a mail provider's HTTP API, once. What differs between providers is in their modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import httpx2

from adapters.kit import mail
from adapters.kit.api import Rate
from adapters.kit.sending import Sending
from adapters.kit.settings import Settings
from connector.ports.channels import Accepted, DeliveryReports, OutgoingMessage
from connector.ports.errors import PortError, Rejected
from connector.registry import Environment

NAME = "mail_api"


@dataclass(frozen=True, slots=True)
class Mail:
    """A message that was checked: addresses in ASCII, free text on one line, `headers` fit to be sent."""

    message: OutgoingMessage
    sender: str
    sender_name: str
    to: str
    reply_to: str
    subject: str
    headers: Mapping[str, str]

    @property
    def from_header(self) -> str:
        """Name and address, quoted as needed."""
        return str(mail.mailbox(self.sender, self.sender_name))


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the API: `json` or `content`."""

    path: str
    json: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """One provider's dialect. Stateless."""

    title: ClassVar[str]
    per_second: ClassVar[int]
    is_repeatable: ClassVar[bool]

    @property
    def url(self) -> str:
        """Where its API is."""

    @property
    def auth(self) -> Mapping[str, str]:
        """The headers that sign in."""

    def call(self, mail: Mail) -> Call:
        """The request that sends the message."""

    def provider_id(self, answer: httpx2.Response) -> str:
        """The provider's reference in an answer of success."""

    def judge(self, answer: httpx2.Response, subject: str) -> PortError | None:
        """What an answer means by the provider's own codes, None where its status says it all."""

    def check(self, sending: Sending) -> str:
        """Sign in without sending; what was found."""

    def reports(self, settings: Settings) -> DeliveryReports:
        """What reads its reports; raises Misconfigured without their secret."""


class MailApiChannel:
    """One account at a provider behind the channel port (`connector.ports.channels.Channel`). Thread-safe."""

    at_once = 4
    """A call waits for an answer from far away; the rate is kept whoever calls."""

    def __init__(
        self, provider: Provider, from_address: str, url: str, per_second: int, environment: Environment
    ) -> None:
        self._provider = provider
        self._from_address = from_address
        self._sending = Sending(
            environment,
            NAME,
            url,
            account=f"{provider.title}:{from_address}",
            headers=provider.auth,
            rate=Rate(per_second, 1.0) if per_second else None,
            judge=provider.judge,
            is_repeatable=provider.is_repeatable,
        )

    def check(self) -> str:
        """Sign in without sending; a sentence on what was found."""
        return self._provider.check(self._sending)

    def close(self) -> None:
        """Close every connection."""
        self._sending.close()

    def send(self, message: OutgoingMessage) -> Accepted:
        """Send it, without any retry. Raises as the port says; `return_path` is the provider's own, so that one
        given with the message is refused."""
        subject = mail.subject_of(NAME, message)
        if message.return_path:
            raise Rejected(NAME, subject, f"{self._provider.title} sets the return path by itself.")
        call = self._provider.call(
            Mail(
                message,
                self._from_address,
                mail.plain(message.from_name),
                _ascii(message.to, subject, "recipient"),
                _ascii(message.reply_to, subject, "reply address") if message.reply_to else "",
                mail.plain(message.subject),
                {**mail.headers(NAME, message, subject), "Content-Language": message.language},
            )
        )
        answer = self._sending.call(
            "POST", call.path, subject, json=call.json, content=call.content, headers=call.headers
        )
        return Accepted(self._provider.provider_id(answer))


def _ascii(text: str, subject: str, role: str) -> str:
    address, is_international = mail.address(NAME, text, subject, role)
    if is_international:
        raise Rejected(
            NAME,
            subject,
            f"The {role} holds letters beyond a–z before the @, which the provider does not take.",
            "Use another address, or send by SMTP to a server with SMTPUTF8.",
        )
    return address
