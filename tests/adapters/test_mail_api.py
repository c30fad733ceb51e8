"""E-mail by Postmark's, Resend's and Mailgun's API, against their twins, and the reports they call back with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.channels.mail_api import MANIFEST, build, reports
from adapters.channels.mail_api.adapter import MailApiChannel
from connector.ports.channels import DeliveryReport, ReportRequest
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
from simulator.mail_api import FROM_DOMAIN, MailgunServer, MailProvider, PostmarkServer, ResendServer
from tests.conformance.channels import ChannelConformance, message

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
FROM = f"shop@{FROM_DOMAIN}"
ENVIRONMENT = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5)
TWINS: dict[str, type[MailProvider]] = {
    "postmark": PostmarkServer,
    "resend": ResendServer,
    "mailgun": MailgunServer,
}


def connect(place: str, twin: MailProvider, **config: str) -> MailApiChannel:
    # No rate of our own, so that no test waits.
    given = {"place": place, "from_address": FROM, "url": twin.url, "per_second": "0", **config}
    return build(given, {"token": MailProvider.key}, ENVIRONMENT)


class _Provider:
    def __init__(self, place: str, twin: MailProvider) -> None:
        self.twin = twin
        self.channel = connect(place, twin)

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
        self.twin.key = "changed"


class _Conformance(ChannelConformance):
    place = ""
    sends_content_apart = False

    @pytest.fixture
    def provider(self) -> Iterator[_Provider]:  # type: ignore[override]
        with TWINS[self.place]() as twin:
            yield _Provider(self.place, twin)


class TestPostmarkConformance(_Conformance):
    place = "postmark"


class TestResendConformance(_Conformance):
    place = "resend"
    is_repeatable = True


class TestMailgunConformance(_Conformance):
    place = "mailgun"


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, MailProvider]]:
    with PostmarkServer() as postmark, ResendServer() as resend, MailgunServer() as mailgun:
        yield {"postmark": postmark, "resend": resend, "mailgun": mailgun}


# --- What goes out ----------------------------------------------------------------------------------


def _headers(place: str, mail: dict[str, Any]) -> dict[str, str]:
    if place == "postmark":
        return {one["Name"]: one["Value"] for one in mail["Headers"]}
    if place == "resend":
        return dict(mail["headers"])
    return {name[2:]: value for name, value in mail.items() if name.startswith("h:")}


@pytest.mark.parametrize("place", TWINS)
def test_both_unsubscribe_headers_and_our_id_go_along(servers: dict[str, MailProvider], place: str) -> None:
    outgoing = dataclasses.replace(message(f"h-{place}@s.example"), language="fr")
    connect(place, servers[place]).send(outgoing)
    found = _headers(place, servers[place].mails[-1])
    found.pop("Message-Id", None)
    assert found == {
        "X-Dispo": f"h-{place}@s.example",
        "Auto-Submitted": "auto-generated",
        "List-Unsubscribe": "<https://dispo.example/u/abc>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Content-Language": "fr",
    }


@pytest.mark.parametrize(
    ("place", "name"),
    [("postmark", "From"), ("resend", "from"), ("mailgun", "from")],
)
def test_a_senders_name_cannot_add_a_header_or_another_sender(
    servers: dict[str, MailProvider], place: str, name: str
) -> None:
    outgoing = dataclasses.replace(
        message(f"n-{place}@s.example"), from_name='Mug, "Best"\r\nBcc: x@y.example', subject="a\r\nBcc: b"
    )
    connect(place, servers[place]).send(outgoing)
    mail = servers[place].mails[-1]
    assert mail[name] == f'"Mug, \\"Best\\" Bcc: x@y.example" <{FROM}>'
    assert mail.get("Subject", mail.get("subject")) == "a Bcc: b"


def test_a_reply_address_goes_along(servers: dict[str, MailProvider]) -> None:
    found = []
    for place, name in (("postmark", "ReplyTo"), ("resend", "reply_to"), ("mailgun", "h:Reply-To")):
        outgoing = dataclasses.replace(message(f"r-{place}@s.example"), reply_to="help@bücher.example")
        connect(place, servers[place]).send(outgoing)
        found.append(servers[place].mails[-1][name])
    assert found == ["help@xn--bcher-kva.example"] * 3


@pytest.mark.parametrize(
    "changed",
    [
        {"to": "nobody"},
        {"to": "théo@example.com"},
        {"message_id": "a b"},
        {"language": "e\nn"},
        {"unsubscribe_url": "https://a.example/>,<mailto:x@y.example"},
        {"return_path": "b@shop.example"},
    ],
)
def test_what_cannot_be_said_truthfully_is_refused_before_it_leaves(
    servers: dict[str, MailProvider], changed: dict[str, str]
) -> None:
    before = len(servers["resend"].asked)
    with pytest.raises(Rejected) as caught:
        connect("resend", servers["resend"]).send(dataclasses.replace(message(), **changed))
    assert len(servers["resend"].asked) == before
    assert "théo" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("postmark", "Postmark answers: server “Shop”, stream outbound."),
        ("resend", f"Resend answers: verified domains: {FROM_DOMAIN}."),
        ("mailgun", f"Mailgun answers: the domain {FROM_DOMAIN} is active."),
    ],
)
def test_a_check_says_what_was_found(servers: dict[str, MailProvider], place: str, expected: str) -> None:
    assert connect(place, servers[place]).check() == expected


def test_a_key_that_may_only_send_passes_the_check() -> None:
    with ResendServer() as twin:
        twin.is_sending_key = True
        assert connect("resend", twin).check() == "Resend answers: the key may send and nothing else."


# --- What comes back --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "config", "field"),
    [
        ("postmark", {"from_address": "shop@other.example"}, "from_address"),
        ("postmark", {"stream": "nope"}, "stream"),
        ("resend", {"from_address": "shop@other.example"}, "from_address"),
        ("mailgun", {"domain": "other.example"}, "domain"),
    ],
)
def test_a_wrong_setting_is_told_by_its_field(
    servers: dict[str, MailProvider], place: str, config: dict[str, str], field: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        connect(place, servers[place], **config).send(message())
    assert caught.value.field == field


def test_an_address_that_postmark_gave_up_is_gone() -> None:
    with PostmarkServer() as twin:
        twin.gone.add("gone@example.com")
        with pytest.raises(Gone) as caught:
            connect("postmark", twin).send(message(to="gone@example.com"))
    assert (caught.value.why, "gone@" in str(caught.value)) == ("complained", False)


class _Saying(PostmarkServer):
    """A provider that gives one answer to everything."""

    answer: Any = (200, {}, {})

    def route(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        return self.answer


@pytest.mark.parametrize(
    ("place", "answer", "error", "detail"),
    [
        ("postmark", (500, {"ErrorCode": 0}, {}), OutcomeUnknown, False),
        ("postmark", (503, {"ErrorCode": 100}, {}), Retryable, None),
        ("postmark", (422, {"ErrorCode": 405}, {}), RateLimited, 3_600.0),
        ("postmark", (429, {"ErrorCode": 429}, {"Retry-After": "9"}), RateLimited, 9.0),
        ("resend", (500, {"name": "application_error"}, {}), OutcomeUnknown, True),
        ("resend", (409, {"name": "concurrent_idempotent_requests"}, {}), OutcomeUnknown, True),
        ("resend", (409, {"name": "invalid_idempotent_request"}, {}), Rejected, None),
        ("resend", (429, {"name": "daily_quota_exceeded"}, {"Retry-After": "5"}), RateLimited, 3_600.0),
        ("resend", (429, {"name": "rate_limit_exceeded"}, {"Retry-After": "1"}), RateLimited, 1.0),
        ("mailgun", (500, b"oops", {}), OutcomeUnknown, False),
        ("mailgun", (503, b"", {}), Retryable, None),
    ],
)
def test_each_answer_has_one_meaning(place: str, answer: Any, error: type[PortError], detail: Any) -> None:
    with _Saying() as twin:
        twin.answer = answer
        with pytest.raises(PortError) as caught:
            connect(place, twin).send(message())
        assert type(caught.value) is error
        found = getattr(caught.value, "is_repeatable", getattr(caught.value, "retry_after_s", None))
        assert (found, len(twin.asked)) == (detail, 1)


def test_a_provider_that_says_too_many_is_left_alone_by_every_message() -> None:
    with PostmarkServer() as twin:
        channel = connect("postmark", twin)
        twin.dials.fail_next.append("throttle")
        with pytest.raises(RateLimited):
            channel.send(message("m1@s.example"))
        with pytest.raises(RateLimited) as caught:
            channel.send(message("m2@s.example"))
        assert (twin.sent, len(twin.asked)) == ([], 1)
        assert 5.0 < caught.value.retry_after_s <= 7.0


# --- Settings ---------------------------------------------------------------------------------------


def test_the_manifest_is_found_by_the_registry() -> None:
    assert manifest("channels", "mail_api") is MANIFEST
    assert [f.name for f in MANIFEST.fields if f.is_secret] == ["token", "report_secret"]


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        ({"place": "sendwhale"}, {}, "place"),
        ({"from_address": ""}, {}, "from_address"),
        ({"from_address": "shop"}, {}, "from_address"),
        ({"from_address": "thé@shop.example"}, {}, "from_address"),
        ({}, {"token": ""}, "token"),
        ({}, {"token": "a\nb"}, "token"),
        ({"per_second": "many"}, {}, "per_second"),
        ({"url": "ftp://x"}, {}, "url"),
        ({"place": "mailgun", "region": "mars"}, {}, "region"),
    ],
)
def test_an_impossible_setting_is_refused_by_name(
    config: dict[str, str], secrets: dict[str, str], field: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        build({"from_address": FROM, **config}, {"token": "s3cret", **secrets}, Environment())
    assert caught.value.field == field
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "secret"),
    [("postmark", ""), ("resend", ""), ("resend", "whsec_!"), ("resend", "whsec_YQ=="), ("mailgun", "")],
)
def test_reports_need_the_secret_that_signs_them(place: str, secret: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        reports({"place": place, "from_address": FROM}, {"token": "t", "report_secret": secret}, ENVIRONMENT)
    assert caught.value.field == "report_secret"


# --- Reports ----------------------------------------------------------------------------------------


def read(place: str, webhook: tuple[dict[str, str], bytes], now: datetime = NOW) -> list[DeliveryReport]:
    secrets = {"token": "t", "report_secret": TWINS[place].report_secret}
    reader = reports({"place": place, "from_address": FROM}, secrets, ENVIRONMENT)
    return reader.read(ReportRequest("https://dispo.example/r/1", *webhook), now)


BOUNCE = {
    "RecordType": "Bounce",
    "ID": 42,
    "Type": "HardBounce",
    "MessageID": "883953f4",
    "Email": "ann@example.com",
    "BouncedAt": "2026-01-05T03:59:00.2735393-05:00",
    "Metadata": {"dispo": "m1@shop.example"},
}


def test_a_bounce_told_by_postmark() -> None:
    assert read("postmark", PostmarkServer().webhook(BOUNCE)) == [
        DeliveryReport(
            "bounced_hard",
            "postmark:Bounce:42:2026-01-05T03:59:00.2735393-05:00",
            datetime(2026, 1, 5, 8, 59, 0, 273539, tzinfo=UTC),
            "ann@example.com",
            "m1@shop.example",
            "883953f4",
            "HardBounce",
        )
    ]


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"RecordType": "Delivery", "Recipient": "ann@example.com"}, "delivered"),
        ({"RecordType": "SpamComplaint"}, "complained"),
        ({"Type": "SoftBounce"}, "bounced_soft"),
        ({"Type": "SpamNotification"}, "complained"),
        ({"Type": "Unsubscribe"}, "stopped"),
        ({"Type": "AutoResponder"}, None),
        ({"RecordType": "SubscriptionChange", "SuppressSending": True}, "stopped"),
        (
            {"RecordType": "SubscriptionChange", "SuppressSending": True, "SuppressionReason": "HardBounce"},
            "bounced_hard",
        ),
        ({"RecordType": "SubscriptionChange", "SuppressSending": False}, "started"),
        ({"RecordType": "Open"}, None),
        ({"RecordType": None}, None),
    ],
)
def test_what_postmark_tells(changed: dict[str, Any], kind: str | None) -> None:
    found = read("postmark", PostmarkServer().webhook({**BOUNCE, **changed}))
    assert [report.kind for report in found] == ([kind] if kind else [])


RESEND = {
    "type": "email.bounced",
    "created_at": "2026-01-05T08:59:00.000Z",
    "data": {
        "email_id": "49a3999c",
        "to": ["ann@example.com"],
        "headers": [{"name": "X-Dispo", "value": "m1@shop.example"}],
        "bounce": {"type": "Permanent", "subType": "General", "message": "ann@example.com is unknown"},
    },
}


def test_a_bounce_told_by_resend() -> None:
    assert read("resend", ResendServer().webhook(RESEND, NOW)) == [
        DeliveryReport(
            "bounced_hard",
            "resend:msg_1",
            datetime(2026, 1, 5, 8, 59, tzinfo=UTC),
            "ann@example.com",
            "m1@shop.example",
            "49a3999c",
            "Permanent General",
        )
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("email.delivered", "delivered"),
        ("email.complained", "complained"),
        ("email.failed", "bounced_soft"),
        ("email.suppressed", "bounced_hard"),
        ("email.opened", None),
        ("contact.created", None),
    ],
)
def test_what_resend_tells(name: str, kind: str | None) -> None:
    found = read("resend", ResendServer().webhook({**RESEND, "type": name}, NOW))
    assert [report.kind for report in found] == ([kind] if kind else [])


MAILGUN = {
    "event": "failed",
    "severity": "permanent",
    "reason": "bounce",
    "recipient": "ann@example.com",
    "timestamp": NOW.timestamp() - 60.5,
    "message": {"headers": {"message-id": "m1@shop.example"}},
    "user-variables": {"dispo": "m1@shop.example"},
}


def test_a_bounce_told_by_mailgun() -> None:
    assert read("mailgun", MailgunServer().webhook(MAILGUN, NOW)) == [
        DeliveryReport(
            "bounced_hard",
            "mailgun:" + "a" * 50,
            datetime(2026, 1, 5, 8, 58, 59, 500_000, tzinfo=UTC),
            "ann@example.com",
            "m1@shop.example",
            "m1@shop.example",
            "bounce",
        )
    ]


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"event": "delivered"}, "delivered"),
        ({"event": "complained"}, "complained"),
        ({"event": "unsubscribed"}, "stopped"),
        ({"severity": "temporary"}, "bounced_soft"),
        ({"reason": "old"}, "bounced_soft"),
        ({"reason": "suppress-complaint"}, "complained"),
        ({"event": "opened"}, None),
    ],
)
def test_what_mailgun_tells(changed: dict[str, Any], kind: str | None) -> None:
    found = read("mailgun", MailgunServer().webhook({**MAILGUN, **changed}, NOW))
    assert [report.kind for report in found] == ([kind] if kind else [])


def _webhook(place: str) -> tuple[dict[str, str], bytes]:
    if place == "postmark":
        return PostmarkServer().webhook(BOUNCE)
    if place == "resend":
        return ResendServer().webhook(RESEND, NOW)
    return MailgunServer().webhook(MAILGUN, NOW)


@pytest.mark.parametrize("place", TWINS)
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b"null", b"{}", b"[" * 5_000])
def test_what_nobody_signed_is_not_read(place: str, body: bytes) -> None:
    with pytest.raises(Unauthorized):
        read(place, ({}, body))


@pytest.mark.parametrize("place", ["resend"])
def test_a_changed_body_breaks_the_signature(place: str) -> None:
    headers, body = _webhook(place)
    with pytest.raises(Unauthorized):
        read(place, (headers, body.replace(b"ann@", b"bob@")))


@pytest.mark.parametrize(
    ("place", "late"), [("resend", timedelta(minutes=6)), ("mailgun", timedelta(hours=10))]
)
def test_an_old_request_is_not_read_again(place: str, late: timedelta) -> None:
    assert len(read(place, _webhook(place), NOW + late / 2)) == 1
    for now in (NOW + late, NOW - late):
        with pytest.raises(Unauthorized):
            read(place, _webhook(place), now)


def test_mailgun_with_another_key_or_token_is_not_read() -> None:
    headers, body = _webhook("mailgun")
    document = json.loads(body)
    document["signature"]["token"] = "b" * 50
    with pytest.raises(Unauthorized):
        read("mailgun", (headers, json.dumps(document).encode()))


def test_a_wrong_password_is_not_postmark() -> None:
    _, body = _webhook("postmark")
    for value in ("", "Basic ZGlzcG86bm8=", "Bearer x", "Basic \xff"):
        with pytest.raises(Unauthorized):
            read("postmark", ({"authorization": value}, body))
