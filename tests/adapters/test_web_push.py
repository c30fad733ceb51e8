"""Web push against a push service on loopback that checks the signature, and browsers that decrypt."""

from __future__ import annotations

import base64
import dataclasses
import traceback
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import http_ece
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.channels.web_push import MANIFEST, build, vapid
from adapters.channels.web_push.adapter import LARGEST_PAYLOAD, WebPushChannel
from connector.ports.channels import OutgoingPush
from connector.ports.errors import Gone, Misconfigured, PortError, RateLimited, Rejected, Unauthorized
from connector.registry import Environment, manifest
from simulator.push import PushServer
from tests.conformance.channels import PushConformance
from tests.support import ManualClock

KEY = "_5u3kNlU5Jdq2OmYMfEVcmcUsNC58lAcMh9xGa9KA7I"
LOCAL = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5)


def connect(environment: Environment = LOCAL, key: str = KEY) -> WebPushChannel:
    return build({"contact": "shop@example.com"}, {"private_key": key}, environment)


def push(
    server: PushServer, name: str = "ann", message_id: str = "m1@shop.example", **more: Any
) -> OutgoingPush:
    browser = server.browser(name, vapid.public_key(vapid.private_key(KEY)))
    return OutgoingPush(
        message_id,
        browser.endpoint,
        browser.p256dh,
        browser.auth,
        "De retour",
        "La tasse bleue est là.",
        "https://shop.example/tasse",
        **more,
    )


class _Provider:
    def __init__(self, twin: PushServer) -> None:
        self.twin = twin
        self.channel = connect()

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
        self.twin.refuses_signatures = True


class TestWebPushConformance(PushConformance):
    somebody = "ann"
    nobody = "gone-browser"

    def outgoing(self, message_id: str = "m1@shop.example", to: str = "") -> OutgoingPush:
        return push(self.twin, to or self.somebody, message_id)

    @pytest.fixture
    def provider(self) -> Iterator[_Provider]:  # type: ignore[override]
        with PushServer() as twin:
            self.twin = twin
            yield _Provider(twin)


@pytest.fixture(scope="module")
def server() -> Iterator[PushServer]:
    with PushServer() as running:
        yield running


def test_a_browser_reads_what_was_sent(server: PushServer) -> None:
    outgoing = push(server, "bob", icon="https://shop.example/i.png", language="fr", topic="v17", ttl_s=60)
    accepted = connect().send(dataclasses.replace(outgoing, urgency="high"))
    browser = server.browsers["bob"]
    assert browser.inbox == [
        {
            "id": "m1@shop.example",
            "title": "De retour",
            "body": "La tasse bleue est là.",
            "url": "https://shop.example/tasse",
            "icon": "https://shop.example/i.png",
            "lang": "fr",
        }
    ]
    assert [browser.asked[0][name] for name in ("ttl", "urgency", "topic")] == ["60", "high", "v17"]
    assert accepted.provider_id == str(len(server.sent))


def test_the_encryption_is_that_of_the_standard() -> None:
    """RFC 8291, appendix A: its keys and salt give its message."""

    def raw(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    sealed = http_ece.encrypt(
        b"When I grow up, I want to be a watermelon",
        salt=raw("DGv6ra1nlYgDCS1FRnbzlw"),
        private_key=vapid.private_key("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
        dh=raw("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        auth_secret=raw("BTBZMqHH6r4Tts7J_aSIgg"),
        version="aes128gcm",
    )
    assert vapid.to_base64url(sealed) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"
        "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
        "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_the_largest_notification_fits(server: PushServer) -> None:
    connection = connect()
    room = LARGEST_PAYLOAD - len(
        '{"id":"m1@shop.example","title":"","body":"","url":"","icon":"","lang":"en"}'
    )
    empty = dataclasses.replace(push(server, "cleo"), title="", url="")
    connection.send(dataclasses.replace(empty, body="x" * room))
    with pytest.raises(Rejected):
        connection.send(dataclasses.replace(empty, body="x" * (room + 1)))
    assert len(server.browsers["cleo"].inbox) == 1


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example/push",
        "https://fcm.googleapis.com.evil.example/x",
        "https://evilfcm.googleapis.com/x",
        "http://fcm.googleapis.com/x",
        "https://fcm.googleapis.com:8443/x",
        "https://10.0.0.1/x",
        "https://localhost/x",
    ],
)
def test_only_known_push_services_are_called(
    server: PushServer, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.kit.guard.getaddrinfo", lambda *_: pytest.fail("it was looked up"))
    with pytest.raises(Rejected) as caught:
        connect(Environment()).send(dataclasses.replace(push(server), endpoint=endpoint))
    assert type(caught.value) is Rejected


def test_a_known_name_that_leads_to_a_private_address_stops_nobody_else(
    server: PushServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "adapters.kit.guard.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", 443))]
    )
    outgoing = dataclasses.replace(push(server), endpoint="https://wns2-x.notify.windows.com/w/?token=1")
    with pytest.raises(Rejected):
        connect(Environment()).send(outgoing)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"endpoint": "no address"}, Gone),
        ({"endpoint": "https://u:p@fcm.googleapis.com/x"}, Gone),
        ({"p256dh": "abc"}, Gone),
        ({"p256dh": vapid.to_base64url(b"\x04" + b"\x01" * 64)}, Gone),
        ({"auth": "!"}, Gone),
        ({"topic": "a b"}, Rejected),
        ({"ttl_s": -1}, Rejected),
        ({"message_id": ""}, Rejected),
    ],
)
def test_what_no_browser_gave_is_refused_before_it_leaves(
    server: PushServer, changed: dict[str, Any], error: type[PortError]
) -> None:
    before = len(server.asked)
    with pytest.raises(PortError) as caught:
        connect().send(dataclasses.replace(push(server), **changed))
    assert (type(caught.value), len(server.asked)) == (error, before)


def test_a_subscription_that_ended_is_gone(server: PushServer) -> None:
    outgoing = push(server, "dora")
    server.gone.add("dora")
    with pytest.raises(Gone) as caught:
        connect().send(outgoing)
    assert caught.value.why == "unknown"


def test_a_subscription_of_another_key_ends_nobody_elses(server: PushServer) -> None:
    with pytest.raises(Rejected) as caught:
        connect(key=vapid.new_key()).send(push(server, "eve"))
    assert (type(caught.value), server.browsers["eve"].inbox) == (Rejected, [])


def test_a_push_service_that_says_too_many_is_left_alone() -> None:
    with PushServer() as twin:
        channel = connect()
        twin.dials.fail_next.append("throttle")
        for number in range(2):
            with pytest.raises(RateLimited) as caught:
                channel.send(push(twin, message_id=f"m{number}"))
            assert 6.0 < caught.value.retry_after_s <= 7.0
        assert len(twin.asked) == 1


@pytest.mark.parametrize("fault", ["closed", "cut_before"])
def test_no_error_tells_the_address_of_a_browser(fault: Any) -> None:
    with PushServer() as twin:
        outgoing = push(twin, "a-secret-address")
        if fault != "closed":
            twin.dials.fail_next.append(fault)
            with pytest.raises(PortError) as caught:
                connect().send(outgoing)
    if fault == "closed":
        with pytest.raises(PortError) as caught:
            connect().send(outgoing)
    told = "".join(traceback.format_exception(caught.value))
    assert "a-secret-address" not in told


# --- The key ----------------------------------------------------------------------------------------


def test_a_signature_is_made_for_its_service_and_renewed_in_time(clock: ManualClock) -> None:
    signer = vapid.Signer(vapid.private_key(KEY), "mailto:shop@example.com", clock)
    first = signer.authorization("https://a.example")
    token, _, key = first.removeprefix("vapid t=").partition(", k=")
    point = vapid.from_base64url(key)
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    claims = jwt.decode(
        token, public, algorithms=["ES256"], options={"verify_exp": False, "verify_aud": False}
    )
    assert claims == {
        "aud": "https://a.example",
        "exp": int((clock.now() + timedelta(hours=12)).timestamp()),
        "sub": "mailto:shop@example.com",
    }
    clock.advance(minutes=59)
    assert signer.authorization("https://a.example") == first
    assert signer.authorization("https://b.example") != first
    clock.advance(minutes=2)
    assert signer.authorization("https://a.example") != first


def test_a_new_key_is_a_key_as_browsers_tools_write_it() -> None:
    assert MANIFEST.new_secrets is not None
    made = MANIFEST.new_secrets()["private_key"]
    assert len(made) == 43
    channel = connect(key=made)
    assert (len(vapid.from_base64url(channel.public_key)), channel.public_key[0]) == (65, "B")
    assert (
        channel.check()
        == f"The key signs for mailto:shop@example.com; its public half is {channel.public_key}."
    )


def test_a_key_in_pem_is_the_same_key() -> None:
    pem = vapid.private_key(KEY).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert connect(key=pem.decode()).public_key == connect().public_key


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        ({"contact": ""}, {}, "contact"),
        ({"contact": "shop"}, {}, "contact"),
        ({"contact": "http://shop.example"}, {}, "contact"),
        ({}, {"private_key": ""}, "private_key"),
        ({}, {"private_key": "c2hvcnQ"}, "private_key"),
        ({}, {"private_key": "A" * 43}, "private_key"),
        ({}, {"private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"}, "private_key"),
    ],
)
def test_an_impossible_setting_is_refused_by_name(
    config: dict[str, str], secrets: dict[str, str], field: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        build({"contact": "shop@example.com", **config}, {"private_key": KEY, **secrets}, LOCAL)
    assert caught.value.field == field
    assert [one for one in secrets.values() if one and one in str(caught.value)] == []


def test_the_manifest_is_found_by_the_registry_and_shows_no_secret() -> None:
    assert manifest("channels", "web_push") is MANIFEST
    assert KEY not in repr(vars(connect()))
    with pytest.raises(Unauthorized), PushServer() as twin:
        twin.refuses_signatures = True
        connect().send(push(twin))
