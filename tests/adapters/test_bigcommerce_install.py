"""The installation of the BigCommerce app: the code's exchange and the signed callbacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest

from adapters.stores.bigcommerce import MANIFEST
from adapters.stores.bigcommerce.install import (
    AppKeys,
    Caller,
    exchange_code,
    missing_scopes,
    verify_payload,
)
from connector.ports.errors import Misconfigured, OutcomeUnknown, Retryable, Unauthorized
from connector.registry import Environment
from simulator.bigcommerce import BigCommerceServer
from simulator.bigcommerce.apps import signed
from simulator.dials import Dials
from simulator.shop import Shop
from tests.support import ManualClock

ENVIRONMENT = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5.0)
CALLBACK = "https://dispo.example/bigcommerce/auth"
KEYS = AppKeys("simclient", "the-client-secret-of-the-app-in-the-portal", CALLBACK)


@pytest.fixture
def dials() -> Dials:
    return Dials()


@pytest.fixture
def server(clock: ManualClock, dials: Dials) -> Iterator[BigCommerceServer]:
    shop = Shop("Corner Shop", currency="EUR", clock=clock)
    shop.add_product("Mug", [{"sku": "MUG", "price_minor": 950, "stock": 3}])
    with BigCommerceServer(
        shop, client_secret=KEYS.client_secret, access_token="", redirect_uri=CALLBACK, dials=dials
    ) as server:
        yield server


def auth_query(server: BigCommerceServer) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(server.app.auth_callback()).query))


# ---------------------------------------------------------------- the exchange


def test_an_installation_gives_a_connection_that_works(server: BigCommerceServer) -> None:
    installed = exchange_code(ENVIRONMENT, KEYS, auth_query(server), login_url=server.url)
    assert (installed.store_hash, installed.user_id, installed.owner_id) == ("z4zn3wo", "24654", "12345")
    assert installed.user_email == "merchant@example.com"
    assert missing_scopes(installed.scopes) == []
    store = MANIFEST.build(
        {**installed.config(), "base_url": server.url}, installed.secrets(KEYS), ENVIRONMENT
    )
    check = store.check()
    assert (check.name, check.currency, check.warnings) == ("Corner Shop", "EUR", ())


def test_a_code_is_good_once(server: BigCommerceServer) -> None:
    query = auth_query(server)
    exchange_code(ENVIRONMENT, KEYS, query, login_url=server.url)
    with pytest.raises(Unauthorized) as caught:
        exchange_code(ENVIRONMENT, KEYS, query, login_url=server.url)
    assert caught.value.remedy != ""


def test_a_new_installation_ends_the_token_before(server: BigCommerceServer) -> None:
    first = exchange_code(ENVIRONMENT, KEYS, auth_query(server), login_url=server.url)
    second = exchange_code(ENVIRONMENT, KEYS, auth_query(server), login_url=server.url)
    assert not server.app.accepts(first.access_token)
    assert server.app.accepts(second.access_token)


def test_our_own_wrong_keys_are_a_setting_to_mend(server: BigCommerceServer) -> None:
    wrong = AppKeys("simclient", "not-the-secret", CALLBACK)
    with pytest.raises(Misconfigured) as caught:
        exchange_code(ENVIRONMENT, wrong, auth_query(server), login_url=server.url)
    assert caught.value.field == "client_secret"
    assert "not-the-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("context", ""),
        ("context", "stores/"),
        ("context", "stores/../../login"),
        ("context", "stores/abc?x=1"),
        ("context", "brands/abc"),
        ("code", ""),
    ],
)
def test_a_query_that_is_not_bigcommerces_asks_nobody(
    server: BigCommerceServer, name: str, value: str
) -> None:
    with pytest.raises(Unauthorized):
        exchange_code(ENVIRONMENT, KEYS, {**auth_query(server), name: value}, login_url=server.url)
    assert sum(server.calls.values()) == 0


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("timeout_after_success", OutcomeUnknown),
        ("cut_after_success", OutcomeUnknown),
        ("error", OutcomeUnknown),
    ],
)
def test_a_lost_answer_is_an_unknown_outcome(
    server: BigCommerceServer, dials: Dials, fault: Any, error: type[Exception]
) -> None:
    dials.fail_next.append(fault)
    with pytest.raises(error) as caught:
        exchange_code(ENVIRONMENT, KEYS, auth_query(server), login_url=server.url)
    for secret in (KEYS.client_secret, *server.app.tokens):
        assert secret not in str(caught.value) + repr(caught.value.__cause__)


def test_maintenance_is_retryable(server: BigCommerceServer, dials: Dials) -> None:
    dials.maintenance = True
    with pytest.raises(Retryable):
        exchange_code(ENVIRONMENT, KEYS, auth_query(server), login_url=server.url)


def test_no_representation_shows_a_secret(server: BigCommerceServer) -> None:
    installed = exchange_code(ENVIRONMENT, KEYS, auth_query(server), login_url=server.url)
    shown = repr(installed) + repr(KEYS)
    assert KEYS.client_secret not in shown
    assert installed.access_token not in shown
    assert "merchant@example.com" not in shown


# ---------------------------------------------------------------- signed callbacks


def test_a_signed_payload_names_store_and_person(server: BigCommerceServer, clock: ManualClock) -> None:
    token = server.app.signed_payload_jwt(url="/runs/7", channel_id=2)
    assert verify_payload(token, KEYS, clock.now()) == Caller(
        "z4zn3wo", "9876543", "7654321", "user@example.com", "en-US", "/runs/7", 2, "c5f0bcf5-1",
        made_at=clock.now(),
    )  # fmt: skip
    owner = server.app.signed_payload_jwt(user={"id": 7654321, "email": "owner@example.com"})
    assert verify_payload(owner, KEYS, clock.now()).is_owner


def payload(**claims: Any) -> dict[str, Any]:
    at = int(datetime(2026, 1, 5, 9, 0, tzinfo=UTC).timestamp())
    return {
        "aud": KEYS.client_id, "iss": "bc", "iat": at, "nbf": at, "exp": at + 86_400, "jti": "j",
        "sub": "stores/abc", "user": {"id": 1}, "owner": {"id": 1}, "url": "/", "channel_id": None, **claims,
    }  # fmt: skip


def hs256(**claims: Any) -> str:
    return signed({"alg": "HS256", "typ": "JWT"}, payload(**claims), KEYS.client_secret)


def without(name: str) -> str:
    claims = payload()
    del claims[name]
    return signed({"alg": "HS256", "typ": "JWT"}, claims, KEYS.client_secret)


def changed_in_the_middle() -> str:
    head, _, tail = hs256().split(".")
    other = hs256(sub="stores/stranger").split(".")[1]
    return f"{head}.{other}.{tail}"


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda: hs256(aud="another-app"), id="another audience"),
        pytest.param(lambda: hs256(aud=["another-app"]), id="a list of other audiences"),
        pytest.param(lambda: hs256(iss="bigcommerce"), id="another issuer"),
        pytest.param(lambda: hs256(sub="store/abc"), id="no store"),
        pytest.param(lambda: hs256(sub="stores/abc/../def"), id="a strange store"),
        pytest.param(lambda: hs256(sub=7), id="a number for a store"),
        pytest.param(lambda: hs256(user=None), id="nobody"),
        pytest.param(lambda: hs256(user={"id": 0}), id="a person without an id"),
        pytest.param(lambda: hs256(exp="never"), id="no time of expiry"),
        pytest.param(lambda: hs256(exp=float("1e300")), id="an expiry beyond time"),
        pytest.param(lambda: without("exp"), id="without expiry"),
        pytest.param(lambda: without("aud"), id="without audience"),
        pytest.param(lambda: without("iss"), id="without issuer"),
        pytest.param(lambda: without("sub"), id="without store"),
        pytest.param(lambda: signed({"alg": "HS256"}, payload(), "another secret"), id="another secret"),
        pytest.param(lambda: signed({"alg": "HS256"}, payload(), ""), id="an empty secret"),
        pytest.param(lambda: jwt.encode(payload(), None, algorithm="none"), id="no algorithm"),
        pytest.param(lambda: signed({"alg": "none"}, payload(), KEYS.client_secret), id="signed as none"),
        pytest.param(
            lambda: jwt.encode(payload(), KEYS.client_secret * 3, algorithm="HS512"), id="another algorithm"
        ),
        pytest.param(lambda: hs256().rpartition(".")[0] + ".", id="no signature"),
        pytest.param(changed_in_the_middle, id="another store under a good signature"),
        pytest.param(lambda: "", id="empty"),
        pytest.param(lambda: "a.b.c", id="not base64"),
        pytest.param(lambda: "é.ü.\udcff", id="not ascii"),
        pytest.param(lambda: "A" * 100_000, id="endless"),
    ],
)
def test_what_bigcommerce_did_not_sign_for_us_is_refused(
    forge: Callable[[], str], clock: ManualClock
) -> None:
    with pytest.raises(Unauthorized) as caught:
        verify_payload(forge(), KEYS, clock.now())
    assert KEYS.client_secret not in str(caught.value)


def test_a_payload_is_good_for_its_day_and_a_minute(clock: ManualClock) -> None:
    token = hs256()
    clock.advance(days=1, seconds=59)
    assert verify_payload(token, KEYS, clock.now()).store_hash == "abc"
    clock.advance(seconds=1)
    with pytest.raises(Unauthorized, match="expired"):
        verify_payload(token, KEYS, clock.now())


def test_a_payload_from_the_future_is_refused(clock: ManualClock) -> None:
    at = int(clock.now().timestamp())
    assert verify_payload(hs256(iat=at + 60, nbf=at + 60), KEYS, clock.now()).store_hash == "abc"
    with pytest.raises(Unauthorized, match="not valid yet"):
        verify_payload(hs256(iat=at + 61, nbf=at + 61), KEYS, clock.now())


@pytest.mark.parametrize(
    "url", ["//evil.example", "https://evil.example", "/\\evil.example", "x", "/a\nb", 7]
)
def test_a_deep_link_never_leads_elsewhere(url: object, clock: ManualClock) -> None:
    assert verify_payload(hs256(url=url), KEYS, clock.now()).path == "/"


def test_an_app_without_keys_verifies_nothing(clock: ManualClock) -> None:
    with pytest.raises(Misconfigured):
        verify_payload(signed({"alg": "HS256"}, payload(aud=""), ""), AppKeys("", ""), clock.now())


def test_a_scope_to_modify_includes_reading() -> None:
    granted = ["store_v2_products", "store_inventory", "store_locations", "store_v2_information_read_only"]
    assert missing_scopes(granted) == []
    assert missing_scopes([]) == [
        "store_v2_products",
        "store_inventory",
        "store_locations_read_only",
        "store_v2_information_read_only",
    ]
