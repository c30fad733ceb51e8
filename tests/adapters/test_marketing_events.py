"""Events for Klaviyo and Omnisend against their twins: what is sent, what counts once, what each answer means."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from adapters.channels import klaviyo, omnisend
from connector.ports.channels import Accepted, OutgoingEvent
from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Unauthorized,
)
from connector.registry import Environment, manifest
from simulator.marketing import KlaviyoServer, OmnisendServer
from tests.conformance.channels import EventConformance, event

ENVIRONMENT = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5)
WHOLE = OutgoingEvent(
    "7f9c24e8-3b12-4fef-91e0-56a2d5a1f0aa",
    "Back in Stock",
    datetime(2026, 1, 5, 9, 0, tzinfo=UTC),
    email="ann@example.com",
    phone="+33612345678",
    external_id="c17",
    properties={"title": "Tasse bleue", "url": "https://shop.example/t"},
    value=Decimal("12.50"),
    currency="EUR",
)


def to_klaviyo(twin: KlaviyoServer, **config: str) -> Any:
    return klaviyo.build({"url": twin.url, **config}, {"api_key": KlaviyoServer.key}, ENVIRONMENT)


def to_omnisend(twin: OmnisendServer, **config: str) -> Any:
    return omnisend.build({"url": twin.url, **config}, {"api_key": OmnisendServer.key}, ENVIRONMENT)


class _Provider:
    def __init__(self, twin: Any, channel: Any) -> None:
        self.twin = twin
        self.channel = channel

    def received(self) -> list[str]:
        return self.twin.sent

    def refuse(self, to: str) -> None:
        raise NotImplementedError("it takes every address")

    def fail_next(self) -> None:
        self.twin.dials.fail_next.append("throttle")

    def cut_next(self) -> None:
        self.twin.dials.fail_next.append("cut_before")

    def lose_next_answer(self) -> None:
        self.twin.dials.fail_next.append("cut_after_success")

    def revoke_credentials(self) -> None:
        self.twin.key = "changed"


class TestKlaviyoConformance(EventConformance):
    is_repeatable = True

    @pytest.fixture
    def provider(self) -> Iterator[_Provider]:  # type: ignore[override]
        with KlaviyoServer() as twin:
            yield _Provider(twin, to_klaviyo(twin))


class TestOmnisendConformance(EventConformance):
    def outgoing(self, message_id: str = "m1@shop.example", to: str = "") -> OutgoingEvent:
        # Omnisend keeps a UUID of its own making; the twin tells events apart by a property.
        return dataclasses.replace(event(message_id, to or self.somebody), properties={"unique": message_id})

    @pytest.fixture
    def provider(self) -> Iterator[_Provider]:  # type: ignore[override]
        with OmnisendServer() as twin:
            yield _Provider(twin, to_omnisend(twin))


def test_an_event_as_klaviyo_gets_it() -> None:
    with KlaviyoServer() as twin:
        assert to_klaviyo(twin).send(WHOLE) == Accepted("")
    assert twin.events == [
        {
            "unique_id": WHOLE.unique_id,
            "time": "2026-01-05T09:00:00+00:00",
            "properties": {"title": "Tasse bleue", "url": "https://shop.example/t"},
            "metric": {"data": {"type": "metric", "attributes": {"name": "Back in Stock"}}},
            "profile": {
                "data": {
                    "type": "profile",
                    "attributes": {
                        "email": "ann@example.com",
                        "phone_number": "+33612345678",
                        "external_id": "c17",
                    },
                }
            },
            "value": 12.5,
            "value_currency": "EUR",
        }
    ]


def test_an_event_as_omnisend_gets_it_with_no_consent() -> None:
    with OmnisendServer() as twin:
        assert to_omnisend(twin).send(WHOLE) == Accepted(WHOLE.unique_id)
    assert twin.events == [
        {
            "eventName": "Back in Stock",
            "eventID": WHOLE.unique_id,
            "eventTime": "2026-01-05T09:00:00+00:00",
            "origin": "api",
            "contact": {"email": "ann@example.com", "phone": "+33612345678", "id": "c17"},
            "properties": {
                "title": "Tasse bleue",
                "url": "https://shop.example/t",
                "value": 12.5,
                "currency": "EUR",
            },
        }
    ]


def test_an_id_that_is_no_uuid_gives_the_same_uuid_each_time() -> None:
    with OmnisendServer() as twin:
        channel = to_omnisend(twin)
        assert channel.send(event("m1")) == channel.send(event("m1")) != channel.send(event("m2"))


@pytest.mark.parametrize(
    "changed",
    [
        {"unique_id": ""},
        {"unique_id": "a b"},
        {"name": ""},
        {"name": "a\nb"},
        {"at": datetime(2026, 1, 5)},  # noqa: DTZ001 - the fault is meant
        {"email": "ann"},
        {"email": "", "phone": "", "external_id": ""},
        {"phone": "0612345678"},
        {"properties": {"when": datetime(2026, 1, 5, tzinfo=UTC)}},
        {"properties": {"n": float("nan")}},
        {"properties": {"text": "x" * 100_001}},
        {"currency": "euro"},
        {"value": Decimal("NaN")},
    ],
)
def test_what_no_system_could_take_is_refused_before_it_leaves(changed: dict[str, Any]) -> None:
    with KlaviyoServer() as twin:
        for build in (to_klaviyo, to_omnisend):
            with pytest.raises(Rejected) as caught:
                build(twin).send(dataclasses.replace(WHOLE, **changed))  # type: ignore[arg-type]
            assert [one for one in ("ann", "0612345678") if one in str(caught.value)] == []
        assert twin.asked == []


def test_a_check_says_what_was_found() -> None:
    with KlaviyoServer() as one, OmnisendServer() as two:
        assert to_klaviyo(one).check() == "Klaviyo answers: account “Shop”."
        assert to_omnisend(two).check() == "Omnisend answers and accepts the key."
        one.scopes, two.may_read = {"events:write"}, False
        told = "knows the key; whether it may write events is told by the first one."
        assert (to_klaviyo(one).check(), to_omnisend(two).check()) == (f"Klaviyo {told}", f"Omnisend {told}")


def test_a_key_without_the_scope_pauses_the_connection() -> None:
    with KlaviyoServer() as twin:
        twin.scopes = set()
        with pytest.raises(Unauthorized) as caught:
            to_klaviyo(twin).send(WHOLE)
    assert "events:write" in caught.value.remedy


class _Saying(KlaviyoServer):
    answer: Any = (202, b"", {})

    def route(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ((400, {"errors": [{"code": "invalid", "detail": "ann@example.com"}]}, {}), Rejected, "(invalid)"),
        ((400, {"errors": [{"field": "contact.email", "message": "ann@example.com"}]}, {}), Rejected, ""),
        ((429, {}, {"Retry-After": "3"}), RateLimited, ""),
        ((500, b"", {}), OutcomeUnknown, ""),
    ],
)
def test_each_answer_has_one_meaning(answer: Any, error: type[PortError], said: str) -> None:
    for build in (to_klaviyo, to_omnisend):
        with _Saying() as twin:
            twin.answer = answer
            with pytest.raises(PortError) as caught:
                build(twin).send(WHOLE)  # type: ignore[arg-type]
        assert type(caught.value) is error
        assert "ann@" not in str(caught.value)
        if isinstance(caught.value, OutcomeUnknown):
            assert caught.value.is_repeatable == (build is to_klaviyo)
        if build is to_klaviyo:
            assert said in caught.value.cause


def test_more_than_the_rate_waits_outside() -> None:
    """Omnisend takes 400 a minute: what is beyond is not asked of it."""
    with OmnisendServer() as twin:
        channel = to_omnisend(twin, per_minute="2")
        channel.send(event("m1"))
        channel.send(event("m2"))
        with pytest.raises(RateLimited) as caught:
            channel.send(event("m3"))
        assert len(twin.events) == 2
        assert 20.0 < caught.value.retry_after_s <= 30.0


@pytest.mark.parametrize(
    ("module", "config", "secrets", "field"),
    [
        (klaviyo, {}, {"api_key": ""}, "api_key"),
        (klaviyo, {}, {"api_key": "AbC123"}, "api_key"),
        (klaviyo, {"tier": "XXL"}, {"api_key": "pk_1"}, "tier"),
        (omnisend, {}, {"api_key": ""}, "api_key"),
        (omnisend, {"per_minute": "401"}, {"api_key": "k"}, "per_minute"),
        (omnisend, {"url": "x"}, {"api_key": "k"}, "url"),
    ],
)
def test_an_impossible_setting_is_refused_by_name(
    module: Any, config: dict[str, str], secrets: dict[str, str], field: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        module.build(config, secrets, ENVIRONMENT)
    assert caught.value.field == field


def test_the_manifests_are_found_by_the_registry() -> None:
    assert manifest("channels", "klaviyo") is klaviyo.MANIFEST
    assert manifest("channels", "omnisend") is omnisend.MANIFEST
