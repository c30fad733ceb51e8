"""What every adapter of the channel port promises. Inherit `ChannelConformance` and give `provider`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pytest

from connector.ports.channels import Channel, OutgoingMessage
from connector.ports.errors import (
    OutcomeUnknown,
    PortError,
    Rejected,
    Retryable,
    Unauthorized,
)


class Provider(Protocol):
    """The far side of the test: a simulated provider and how to make it misbehave."""

    channel: Channel

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


class ChannelConformance:
    """Inherited by each adapter's tests."""

    @pytest.fixture
    def provider(self) -> Iterator[Provider]:
        raise NotImplementedError("give the simulated provider")

    def test_checking_signs_in_and_sends_nothing(self, provider: Provider) -> None:
        assert provider.channel.check() != ""
        assert provider.received() == []

    def test_a_message_arrives_once(self, provider: Provider) -> None:
        provider.channel.send(message("m1@shop.example"))
        provider.channel.send(message("m2@shop.example"))
        assert provider.received() == ["m1@shop.example", "m2@shop.example"]

    def test_a_refused_address_is_rejected_and_hinders_nobody(self, provider: Provider) -> None:
        provider.refuse("gone@example.com")
        with pytest.raises(Rejected):
            provider.channel.send(message("m1@shop.example", "gone@example.com"))
        provider.channel.send(message("m2@shop.example"))
        assert provider.received() == ["m2@shop.example"]

    def test_a_passing_fault_is_retryable_and_is_not_retried_here(self, provider: Provider) -> None:
        provider.fail_next()
        with pytest.raises(Retryable):
            provider.channel.send(message())
        assert provider.received() == []

    def test_a_connection_cut_before_the_content_is_retryable(self, provider: Provider) -> None:
        provider.cut_next()
        with pytest.raises(Retryable):
            provider.channel.send(message())
        assert provider.received() == []
        provider.channel.send(message())
        assert provider.received() == ["m1@shop.example"]

    def test_a_lost_answer_is_an_unknown_outcome_and_is_not_repeated(self, provider: Provider) -> None:
        provider.lose_next_answer()
        with pytest.raises(OutcomeUnknown):
            provider.channel.send(message())
        assert provider.received() == ["m1@shop.example"]

    def test_refused_credentials_are_unauthorized_with_a_remedy(self, provider: Provider) -> None:
        provider.revoke_credentials()
        with pytest.raises(Unauthorized) as caught:
            provider.channel.send(message())
        assert caught.value.remedy != ""
        assert provider.received() == []

    def test_an_error_never_tells_who_the_message_was_for(self, provider: Provider) -> None:
        provider.refuse("gone@example.com")
        with pytest.raises(PortError) as caught:
            provider.channel.send(message(to="gone@example.com"))
        assert "gone" not in f"{caught.value}"
