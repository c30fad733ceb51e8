"""Hands one SMS to Twilio's Messages API, once. https://www.twilio.com/docs/messaging/api/message-resource

Twilio has no key by which a message is counted once: what breaks after the request left is unknown. Its errors
are told apart by their code; the words beside it quote the number and are left out.
"""

from __future__ import annotations

from urllib.parse import urlencode

import httpx2

from adapters.kit.api import Rate, basic
from adapters.kit.phones import checked, sender_kind
from adapters.kit.sending import Sending, document, text_of
from connector.ports.channels import Accepted, OutgoingText
from connector.ports.errors import (
    Gone,
    Misconfigured,
    PortError,
    RateLimited,
    Rejected,
    Unauthorized,
)
from connector.registry import Environment

NAME = "twilio"
URL = "https://api.twilio.com"

_STOPPED = 21610
_NO_SUCH_NUMBER = {21211, 21214, 21217, 21614, 21635}
_ACCOUNT = {20003, 20005, 20008, 30002}
_SENDER = {21212, 21603, 21606, 21659, 21660, 21661, 21701, 21703, 21704, 21705}
_FULL = {20429: 1.0, 21611: 60.0, 30001: 60.0, 63038: 3_600.0}


class TwilioChannel:
    """One account behind `connector.ports.channels.TextChannel`. Thread-safe."""

    at_once = 4
    """A call waits for an answer from far away; the rate is kept whoever calls."""

    def __init__(
        self, account: str, sender: str, token: str, url: str, per_second: int, environment: Environment
    ) -> None:
        self._account = account
        self._sender = sender
        self._sending = Sending(
            environment,
            NAME,
            url,
            account=account,
            headers={"Authorization": basic(account, token)},
            rate=Rate(per_second, 1.0) if per_second else None,
            judge=_judge,
        )

    @property
    def takes_answers(self) -> bool:
        """False for a name as sender."""
        return sender_kind(self._sender) != "name"

    def check(self) -> str:
        """Sign in without sending; a sentence on what was found."""
        path = f"/2010-04-01/Accounts/{self._account}.json"
        found = document(self._sending.call("GET", path, "Twilio", is_read=True))
        status = text_of(found, "status")
        if status != "active":
            raise Unauthorized(
                NAME, "Twilio", f"The account is {status or 'not active'}.", "Ask Twilio to open it again."
            )
        trial = "; a trial account writes to verified numbers only" if found.get("type") == "Trial" else ""
        return f"Twilio answers: account “{text_of(found, 'friendly_name')}”, sender {self._sender}{trial}."

    def close(self) -> None:
        """Close every connection."""
        self._sending.close()

    def send(self, message: OutgoingText) -> Accepted:
        """Send it, without any retry; raises as the port says."""
        subject, counted = checked(NAME, message)
        sender = message.sender or self._sender
        fields = {
            "To": message.to,
            "MessagingServiceSid" if sender.startswith("MG") and len(sender) == 34 else "From": sender,
            "Body": message.text,
            "ValidityPeriod": str(message.validity_s),
        }
        if message.report_url:
            fields["StatusCallback"] = message.report_url
        answer = self._sending.call(
            "POST",
            f"/2010-04-01/Accounts/{self._account}/Messages.json",
            subject,
            content=urlencode(fields).encode("ascii"),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        found = document(answer)
        # A messaging service has not chosen the number yet, and says 0.
        told = text_of(found, "num_segments")
        count = int(told) if told.isascii() and told.isdigit() else 0
        return Accepted(text_of(found, "sid"), count or counted.count)


def _judge(answer: httpx2.Response, subject: str) -> PortError | None:
    if answer.status_code < 300:
        return None
    code = document(answer).get("code")
    if not isinstance(code, int):
        return None
    said = f"(Twilio {code})"
    if code == _STOPPED:
        return Gone(NAME, subject, f"The person answered STOP to this sender {said}.", why="stopped")
    if code in _NO_SUCH_NUMBER:
        return Gone(NAME, subject, f"No SMS can reach this number {said}.", "Ask for a mobile number.")
    if code in _ACCOUNT or answer.status_code == 401:
        return Unauthorized(
            NAME,
            "Twilio",
            f"The account or its token is refused {said}.",
            "Enter account SID and auth token.",
        )
    if code in _SENDER:
        return Misconfigured(
            NAME,
            "Twilio",
            f"The account may not send from this sender {said}.",
            "Enter a number or service of this account that can send SMS.",
            field="sender",
        )
    if code in _FULL:
        return RateLimited(
            NAME, "Twilio", f"Twilio takes no more from this sender now {said}.", retry_after_s=_FULL[code]
        )
    if answer.status_code == 400:
        return Rejected(
            NAME,
            subject,
            f"Twilio refused the message {said}.",
            f"What {code} means: https://www.twilio.com/docs/api/errors/{code}",
        )
    return None
