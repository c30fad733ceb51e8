"""What every adapter of the channel ports promises, whatever its medium. Inherit `ChannelConformance` (e-mail),
`TextConformance` (SMS), `PushConformance` or `EventConformance`, and give `provider`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from connector.ports.channels import OutgoingEvent, OutgoingMessage, OutgoingText
from connector.ports.errors import (
    OutcomeUnknown,
    PortError,
    Rejected,
    Retryable,
    Unauthorized,
)


class Provider(Protocol):
    """The far side of the test: a simulated provider and how to make it misbehave."""

    channel: Any
    """A `Channel`, `TextChannel`, `PushChannel` or `EventChannel`."""

    def received(self) -> list[str]:
        """The message ids that arrived, in order, each as often as it arrived."""

    def refuse(self, to: str) -> None:
        """This address is unknown for good."""

    def fail_next(self) -> None:
        """The next message is not taken, for a reason that passes."""

    def cut_next(self) -> None:
        """The connection breaks before the next message's content."""

    def lose_next_answer(self) -> None:
        """The next message is taken and no answer comes."""

    def revoke_credentials(self) -> None:
        """The account no longer accepts the credentials."""


def message(message_id: str = "m1@shop.example", to: str = "ann@example.com") -> OutgoingMessage:
    return OutgoingMessage(
        message_id=message_id,
        to=to,
        subject="The blue mug is back",
        text="It is back in stock: https://shop.example/mug\n",
        html="<p>It is <a href='https://shop.example/mug'>back in stock</a>.</p>",
        from_name="Shop",
        unsubscribe_url="https://dispo.example/u/abc",
    )


def text(message_id: str = "m1@shop.example", to: str = "+33612345678") -> OutgoingText:
    return OutgoingText(message_id, to, "The blue mug is back: https://shop.example/m STOP: stop")


def event(unique_id: str = "m1@shop.example", email: str = "ann@example.com") -> OutgoingEvent:
    at = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    return OutgoingEvent(unique_id, "Back in Stock", at, email=email, properties={"title": "Blue mug"})


class _Conformance:
    """What all media share. `somebody` and `nobody` are addresses of the medium."""

    somebody = "ann@example.com"
    nobody = "gone@example.com"
    sends_content_apart = False
    """Whether the connection can be seen to break before the content left. HTTP sends both at once, so that
    what breaks without an answer is unknown."""
    is_repeatable = False
    """Whether an unknown outcome may be tried again, because the provider counts the message once."""
    refuses_addresses = True
    """Whether the provider says at once that an address is no good."""

    @pytest.fixture
    def provider(self) -> Iterator[Provider]:
        raise NotImplementedError("give the simulated provider")

    def outgoing(self, message_id: str = "m1@shop.example", to: str = "") -> Any:
        """A message of the medium, to `somebody` where `to` is empty."""
        raise NotImplementedError("give a message of the medium")

    def test_checking_signs_in_and_sends_nothing(self, provider: Provider) -> None:
        assert provider.channel.check() != ""
        assert provider.received() == []

    def test_a_message_arrives_once(self, provider: Provider) -> None:
        provider.channel.send(self.outgoing("m1@shop.example"))
        provider.channel.send(self.outgoing("m2@shop.example"))
        assert provider.received() == ["m1@shop.example", "m2@shop.example"]

    def test_a_refused_address_is_rejected_and_hinders_nobody(self, provider: Provider) -> None:
        self._refuse(provider)
        with pytest.raises(Rejected):
            provider.channel.send(self.outgoing("m1@shop.example", self.nobody))
        provider.channel.send(self.outgoing("m2@shop.example"))
        assert provider.received() == ["m2@shop.example"]

    def test_a_passing_fault_is_retryable_and_is_not_retried_here(self, provider: Provider) -> None:
        provider.fail_next()
        with pytest.raises(Retryable):
            provider.channel.send(self.outgoing())
        assert provider.received() == []

    def test_a_connection_cut_before_the_content_is_retryable(self, provider: Provider) -> None:
        if not self.sends_content_apart:
            pytest.skip("HTTP sends the content with the request: what breaks is unknown")
        provider.cut_next()
        with pytest.raises(Retryable):
            provider.channel.send(self.outgoing())
        assert provider.received() == []
        provider.channel.send(self.outgoing())
        assert provider.received() == ["m1@shop.example"]

    def test_a_lost_answer_is_an_unknown_outcome_and_is_not_repeated(self, provider: Provider) -> None:
        provider.lose_next_answer()
        with pytest.raises(OutcomeUnknown) as caught:
            provider.channel.send(self.outgoing())
        assert provider.received() == ["m1@shop.example"]
        assert caught.value.is_repeatable == self.is_repeatable
        if self.is_repeatable:
            provider.channel.send(self.outgoing())
            assert provider.received() == ["m1@shop.example"]

    def test_refused_credentials_are_unauthorized_with_a_remedy(self, provider: Provider) -> None:
        provider.revoke_credentials()
        with pytest.raises(Unauthorized) as caught:
            provider.channel.send(self.outgoing())
        assert caught.value.remedy != ""
        assert provider.received() == []

    def test_an_error_never_tells_who_the_message_was_for(self, provider: Provider) -> None:
        self._refuse(provider)
        with pytest.raises(PortError) as caught:
            provider.channel.send(self.outgoing(to=self.nobody))
        assert self.nobody not in f"{caught.value}"

    def _refuse(self, provider: Provider) -> None:
        if not self.refuses_addresses:
            pytest.skip("the provider takes every address")
        provider.refuse(self.nobody)


class ChannelConformance(_Conformance):
    """E-mail."""

    sends_content_apart = True

    def outgoing(self, message_id: str = "m1@shop.example", to: str = "") -> Any:
        return message(message_id, to or self.somebody)


class TextConformance(_Conformance):
    """SMS."""

    somebody = "+33612345678"
    nobody = "+33600000000"

    def outgoing(self, message_id: str = "m1@shop.example", to: str = "") -> Any:
        return text(message_id, to or self.somebody)


class EventConformance(_Conformance):
    """Events for a marketing system."""

    refuses_addresses = False

    def outgoing(self, message_id: str = "m1@shop.example", to: str = "") -> Any:
        return event(message_id, to or self.somebody)


class PushConformance(_Conformance):
    """Web push; `outgoing` needs the keys of a browser, which the twin makes."""
