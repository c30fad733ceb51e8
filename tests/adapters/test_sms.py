"""SMS by Twilio and by an address of the merchant's own, against their twins, and what comes back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.channels import sms_webhook, twilio
from connector.ports.channels import Accepted, DeliveryReport, OutgoingText, ReportRequest
from connector.ports.errors import (
    Gone,
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
)
from connector.registry import Environment, manifest
from simulator.sms import ACCOUNT, SmsReceiver, TwilioServer
from tests.conformance.channels import TextConformance, text

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ENVIRONMENT = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5)
SENDER = "+33755555555"
REPORTS = "https://dispo.example/r/1?m="


def by_twilio(twin: TwilioServer, **config: str) -> Any:
    given = {"account_sid": ACCOUNT, "sender": SENDER, "url": twin.url, **config}
    return twilio.build(given, {"auth_token": TwilioServer.token}, ENVIRONMENT)


def by_webhook(twin: SmsReceiver, **config: str) -> Any:
    given = {"url": f"{twin.url}/send", **config}
    return sms_webhook.build(given, {"secret": SmsReceiver.secret}, ENVIRONMENT)


class _Provider:
    def __init__(self, twin: Any, channel: Any) -> None:
        self.twin = twin
        self.channel = channel

    def received(self) -> list[str]:
        return self.twin.sent

    def refuse(self, to: str) -> None:
        self.twin.gone.add(to)

    def fail_next(self) -> None:
        self.twin.dials.fail_next.append("throttle")

    def cut_next(self) -> None:
        self.twin.dials.fail_next.append("cut_before")

    def lose_next_answer(self) -> None:
        self.twin.dials.fail_next.append("cut_after_success")

    def revoke_credentials(self) -> None:
        self.twin.token = self.twin.secret = "whsec_Y2hhbmdlZGNoYW5nZWRjaGFuZ2Vk"


class TestTwilioConformance(TextConformance):
    def outgoing(self, message_id: str = "m1@shop.example", to: str = "") -> OutgoingText:
        # The twin tells texts apart by their status address.
        return dataclasses.replace(text(message_id, to or self.somebody), report_url=REPORTS + message_id)

    @pytest.fixture
    def provider(self) -> Iterator[_Provider]:  # type: ignore[override]
        with TwilioServer() as twin:
            yield _Provider(twin, by_twilio(twin))


class TestSmsWebhookConformance(TextConformance):
    is_repeatable = True

    @pytest.fixture
    def provider(self) -> Iterator[_Provider]:  # type: ignore[override]
        with SmsReceiver() as twin:
            yield _Provider(twin, by_webhook(twin, counts_once="yes"))


@pytest.fixture(scope="module")
def server() -> Iterator[TwilioServer]:
    with TwilioServer() as running:
        yield running


@pytest.fixture(scope="module")
def receiver() -> Iterator[SmsReceiver]:
    with SmsReceiver() as running:
        yield running


# --- What goes out ----------------------------------------------------------------------------------


def test_a_text_goes_to_twilio_as_it_is(server: TwilioServer) -> None:
    outgoing = OutgoingText(
        "m9", "+33612345678", "Réassort : tasse à 5 €", validity_s=600, report_url=REPORTS + "m9"
    )
    assert by_twilio(server).send(outgoing) == Accepted(f"SM{len(server.texts):032x}", 1)
    assert server.texts[-1] == {
        "To": "+33612345678",
        "From": SENDER,
        "Body": "Réassort : tasse à 5 €",
        "ValidityPeriod": "600",
        "StatusCallback": REPORTS + "m9",
    }


def test_a_messaging_service_sends_where_one_is_set(server: TwilioServer) -> None:
    service = "MG" + "0123456789abcdef" * 2
    # The service has not said how many parts: ours are told.
    assert by_twilio(server, sender=service).send(text(to="+33612345678")).segments == 1
    assert (server.texts[-1]["MessagingServiceSid"], "From" in server.texts[-1]) == (service, False)


def test_a_text_goes_to_the_merchants_address_with_its_parts(receiver: SmsReceiver) -> None:
    outgoing = OutgoingText("m8", "+33612345678", "ê" * 71, sender="Mug Shop")
    assert by_webhook(receiver).send(outgoing) == Accepted(f"own-{len(receiver.sent)}", 2)
    assert receiver.texts[-1] == {
        "id": "m8",
        "to": "+33612345678",
        "text": "ê" * 71,
        "sender": "Mug Shop",
        "validity_s": 14_400,
        "encoding": "UCS-2",
        "segments": 2,
        "report_url": "",
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"to": "0612345678"},
        {"to": "+0612345678"},
        {"to": "+33 6 12 34 56 78"},
        {"text": " \n"},
        {"text": "a" * 1_531},
        {"validity_s": 0},
        {"message_id": "a\nb"},
    ],
)
def test_what_no_sms_can_be_is_refused_before_it_leaves(
    server: TwilioServer, receiver: SmsReceiver, changed: dict[str, Any]
) -> None:
    before = len(server.asked) + len(receiver.asked)
    for channel in (by_twilio(server), by_webhook(receiver)):
        with pytest.raises(Rejected) as caught:
            channel.send(dataclasses.replace(text(), **changed))
        assert "0612345678" not in str(caught.value)
    assert len(server.asked) + len(receiver.asked) == before


@pytest.mark.parametrize(("sender", "expected"), [(SENDER, True), ("36179", True), ("Mug Shop", False)])
def test_a_name_as_sender_takes_no_answers(server: TwilioServer, sender: str, expected: bool) -> None:
    assert by_twilio(server, sender=sender).takes_answers == expected


def test_a_check_says_what_was_found(server: TwilioServer, receiver: SmsReceiver) -> None:
    assert by_twilio(server).check() == f"Twilio answers: account “Shop”, sender {SENDER}."
    assert by_webhook(receiver).check() == f"{receiver.url}/send answers and accepts our signature."


# --- What comes back --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "error", "detail"),
    [
        (21610, Gone, "stopped"),
        (21614, Gone, "unknown"),
        (21408, Rejected, None),
        (21606, Misconfigured, "sender"),
        (20005, Unauthorized, None),
        (21611, RateLimited, 60.0),
        (63038, RateLimited, 3_600.0),
    ],
)
def test_twilios_code_decides_what_is_told(code: int, error: type[PortError], detail: Any) -> None:
    with TwilioServer() as twin:
        twin.refuses_with = code
        with pytest.raises(PortError) as caught:
            by_twilio(twin).send(text())
    found = [getattr(caught.value, name, None) for name in ("why", "field", "retry_after_s")]
    assert type(caught.value) is error
    assert next((one for one in found if one is not None), None) == detail
    assert ("33612345678" in str(caught.value), str(code) in str(caught.value)) == (False, True)


def test_people_who_asked_to_stop_are_gone(receiver: SmsReceiver) -> None:
    receiver.stopped.add("+33611111111")
    with pytest.raises(Gone) as caught:
        by_webhook(receiver).send(text(to="+33611111111"))
    assert caught.value.why == "stopped"


@pytest.mark.parametrize(
    ("fault", "error"), [("error", Retryable), ("throttle", RateLimited), ("cut_before", OutcomeUnknown)]
)
def test_a_fault_has_one_meaning(fault: Any, error: type[PortError]) -> None:
    with TwilioServer() as twin:
        twin.dials.fail_next.append(fault)
        with pytest.raises(PortError) as caught:
            by_twilio(twin).send(text())
    assert type(caught.value) is error


# --- Settings ---------------------------------------------------------------------------------------


def test_the_manifests_are_found_by_the_registry() -> None:
    assert manifest("channels", "twilio") is twilio.MANIFEST
    assert manifest("channels", "sms_webhook") is sms_webhook.MANIFEST


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        ({"account_sid": ""}, {}, "account_sid"),
        ({"account_sid": "AC12"}, {}, "account_sid"),
        ({"sender": ""}, {}, "sender"),
        ({"sender": "A shop with a long name"}, {}, "sender"),
        ({"sender": "12"}, {}, "sender"),
        ({}, {"auth_token": ""}, "auth_token"),
    ],
)
def test_an_impossible_setting_of_twilio_is_refused_by_name(
    config: dict[str, str], secrets: dict[str, str], field: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        twilio.build(
            {"account_sid": ACCOUNT, "sender": SENDER, **config}, {"auth_token": "t", **secrets}, ENVIRONMENT
        )
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        ({"url": ""}, {}, "url"),
        ({"url": "http://sms.example.com/send"}, {}, "url"),
        ({"url": "https://u:p@sms.example.com"}, {}, "url"),
        ({"sender": "???"}, {}, "sender"),
        ({"counts_once": "maybe"}, {}, "counts_once"),
        ({}, {"secret": ""}, "secret"),
        ({}, {"secret": "whsec_c2hvcnQ="}, "secret"),
        ({}, {"secret": "no base64!"}, "secret"),
    ],
)
def test_an_impossible_setting_of_a_webhook_is_refused_by_name(
    config: dict[str, str], secrets: dict[str, str], field: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        sms_webhook.build(
            {"url": "https://sms.example.com/send", **config},
            {"secret": SmsReceiver.secret, **secrets},
            ENVIRONMENT,
        )
    assert caught.value.field == field


# --- Reports ----------------------------------------------------------------------------------------

URL = "https://dispo.example/r/1?m=m1"
STATUS = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+33612345678", "From": SENDER}
INBOUND = {"MessageSid": "SM2", "SmsStatus": "received", "From": "+33612345678", "To": SENDER, "Body": "x"}


def told_by_twilio(fields: dict[str, str], signed: str = URL, called: str = URL) -> list[DeliveryReport]:
    reader = twilio.reports({}, {"auth_token": TwilioServer.token}, ENVIRONMENT)
    headers, body = TwilioServer().callback(signed, fields)
    return reader.read(ReportRequest(called, headers, body), NOW)


def test_a_status_told_by_twilio() -> None:
    failed = {**STATUS, "MessageStatus": "undelivered", "ErrorCode": "30005"}
    assert told_by_twilio(failed) == [
        DeliveryReport(
            "bounced_hard", "twilio:SM1:undelivered", NOW, "+33612345678", "", "SM1", "Twilio 30005"
        )
    ]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (STATUS, "delivered"),
        ({**STATUS, "MessageStatus": "sent"}, None),
        ({**STATUS, "MessageStatus": "failed", "ErrorCode": "30003"}, "bounced_soft"),
        ({**STATUS, "MessageStatus": "failed", "ErrorCode": "21610"}, "stopped"),
        ({**INBOUND, "Body": " Arrêt ! "}, "stopped"),
        ({**INBOUND, "Body": "AIDE"}, "help"),
        ({**INBOUND, "Body": "START"}, "started"),
        ({**INBOUND, "Body": "j'arrête pas d'attendre"}, None),
        ({**INBOUND, "Body": "nope", "OptOutType": "STOP"}, "stopped"),
        ({"CallSid": "CA1"}, None),
    ],
)
def test_what_twilio_tells(fields: dict[str, str], kind: str | None) -> None:
    assert [report.kind for report in told_by_twilio(fields)] == ([kind] if kind else [])


@pytest.mark.parametrize(
    ("signed", "called"),
    [
        ("https://dispo.example:443/r", "https://dispo.example/r"),
        ("https://dispo.example/r", "https://dispo.example:8443/r"),
    ],
)
def test_twilio_may_sign_with_or_without_the_port(signed: str, called: str) -> None:
    assert len(told_by_twilio(STATUS, signed, called)) == 1


def test_what_twilio_did_not_sign_is_not_read() -> None:
    reader = twilio.reports({}, {"auth_token": TwilioServer.token}, ENVIRONMENT)
    headers, body = TwilioServer().callback(URL, STATUS)
    for request in (
        ReportRequest(URL, {}, body),
        ReportRequest(URL, {"x-twilio-signature": "\xff"}, body),
        ReportRequest("https://other.example/r/1?m=m1", headers, body),
        ReportRequest(URL, headers, body + b"&To=%2B33600000000"),
        ReportRequest(URL, headers, b"\xff=\xff"),
        ReportRequest("https://[", headers, b"&" * 5_000),
    ):
        with pytest.raises(Unauthorized):
            reader.read(request, NOW)


def told_by_webhook(
    kind: str, data: dict[str, Any], now: datetime = NOW, body: bytes = b""
) -> list[DeliveryReport]:
    reader = sms_webhook.reports({}, {"secret": SmsReceiver.secret}, ENVIRONMENT)
    headers, signed = SmsReceiver().report(kind, data, NOW)
    return reader.read(ReportRequest(URL, headers, body or signed), now)


def test_a_report_of_the_merchants_address() -> None:
    data = {"id": "m1", "provider_id": "own-1", "to": "+33612345678", "reason": "+33 6 12 34 56 78 is absent"}
    assert told_by_webhook("sms.failed", data) == [
        DeliveryReport("bounced_soft", "sms_webhook:r1", NOW, "+33612345678", "m1", "own-1", "… is absent")
    ]


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("sms.delivered", {"id": "m1"}, "delivered"),
        ("sms.undeliverable", {"id": "m1"}, "bounced_hard"),
        ("sms.stopped", {"to": "+33612345678"}, "stopped"),
        ("sms.received", {"from": "+33612345678", "text": "Stop"}, "stopped"),
        ("sms.received", {"from": "+33612345678", "text": "merci"}, None),
        ("sms.read", {"id": "m1"}, None),
    ],
)
def test_what_the_merchants_address_tells(kind: str, data: dict[str, Any], expected: str | None) -> None:
    assert [report.kind for report in told_by_webhook(kind, data)] == ([expected] if expected else [])


def test_an_unsigned_old_or_changed_report_is_not_read() -> None:
    for now, body in ((NOW + timedelta(minutes=6), b""), (NOW - timedelta(minutes=6), b""), (NOW, b"{}")):
        with pytest.raises(Unauthorized):
            told_by_webhook("sms.delivered", {"id": "m1"}, now, body)
