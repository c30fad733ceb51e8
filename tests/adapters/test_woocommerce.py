"""The WooCommerce adapter where the conformance suite does not look: traps, limits, odd shops."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from werkzeug.wrappers import Request, Response

from adapters.stores.woocommerce import MANIFEST
from adapters.stores.woocommerce.adapter import WooCommerceStore
from adapters.stores.woocommerce.shapes import SHOP_WIDE_OFF
from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Retryable,
    Unauthorized,
)
from connector.ports.stores import BadgeFacts, ListingRef, QuantityChange, StoreListing
from connector.registry import Environment
from simulator.dials import Dials
from simulator.server import ServerThread
from simulator.shop import Shop
from simulator.woocommerce import WooCommerceServer
from simulator.woocommerce.auth import ApiKey
from tests.support import ManualClock

KEY, SECRET = "ck_adapter", "cs_adapter"


def connect(url: str, *, key: str = KEY, secret: str = SECRET, **options: Any) -> WooCommerceStore:
    environment = Environment(
        **{"allowed_private_hosts": frozenset({"127.0.0.1", "localhost"}), "timeout_s": 5.0, **options}
    )
    store = MANIFEST.build({"url": url}, {"consumer_key": key, "consumer_secret": secret}, environment)
    assert isinstance(store, WooCommerceStore)
    return store


@pytest.fixture
def shop(clock: ManualClock) -> Shop:
    shop = Shop("Odd Shop", currency="EUR", clock=clock)
    for n in range(1, 251):
        shop.add_product(f"Cup {n}", [{"sku": f"CUP-{n:03}", "price_minor": 100, "stock": n}])
    for letter in "ABC":
        shop.add_product(
            f"Tee {letter}",
            [{"title": s, "sku": f"{letter}-{s}", "price_minor": 100, "stock": 5} for s in "SM"],
        )
    return shop


@pytest.fixture
def dials() -> Dials:
    return Dials()


@pytest.fixture
def server(shop: Shop, dials: Dials) -> Iterator[WooCommerceServer]:
    with WooCommerceServer(shop, key=KEY, secret=SECRET, dials=dials, deliver_webhooks=False) as server:
        yield server


@pytest.fixture
def store(server: WooCommerceServer) -> WooCommerceStore:
    return connect(server.url)


def listed(store: WooCommerceStore) -> dict[str, StoreListing]:
    return {one.sku: one for page in store.catalog() for one in page}


# ------------------------------------------------------------------ settings of a connection


@pytest.mark.parametrize(
    ("url", "key", "secret", "field"),
    [
        pytest.param("", KEY, SECRET, "url", id="no address"),
        pytest.param("shop.example", KEY, SECRET, "url", id="no scheme"),
        pytest.param("ftp://shop.example", KEY, SECRET, "url", id="another scheme"),
        pytest.param("https://me:pw@shop.example", KEY, SECRET, "url", id="with a user"),
        pytest.param("https://shop.example:99999", KEY, SECRET, "url", id="no such port"),
        pytest.param("https://shop.example", "", SECRET, "consumer_key", id="no key"),
        pytest.param("https://shop.example", "cs_a", "ck_b", "consumer_key", id="key and secret swapped"),
        pytest.param("https://shop.example", KEY, "cs_\n x", "consumer_secret", id="a line break inside"),
        pytest.param("https://shop.example", KEY, "cs_é", "consumer_secret", id="not ASCII"),
    ],
)
def test_an_impossible_setting_is_named(url: str, key: str, secret: str, field: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        connect(url, key=key, secret=secret)
    assert caught.value.field == field
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("entered", "used"),
    [
        ("https://Shop.example/", "https://shop.example"),
        ("  https://shop.example/boutique/ ", "https://shop.example/boutique"),
        ("https://shop.example/wp-json/wc/v3/", "https://shop.example"),
        ("https://shop.example/blog/wp-admin/index.php?x=1", "https://shop.example/blog"),
        ("http://shop.example:8080", "http://shop.example:8080"),
    ],
)
def test_the_address_may_be_copied_from_anywhere_in_the_shop(entered: str, used: str) -> None:
    assert connect(entered)._client.url == used


def test_a_private_address_is_refused_unless_the_operator_allows_it(server: WooCommerceServer) -> None:
    store = connect(server.url, allowed_private_hosts=frozenset())
    with pytest.raises(Misconfigured) as caught:
        store.check()
    assert caught.value.field == "url"
    assert sum(server.calls.values()) == 0


def test_https_uses_basic_authentication_and_the_operators_certificates(shop: Shop, tmp_path: Path) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    with WooCommerceServer(shop, key=KEY, secret=SECRET, tls=tls, deliver_webhooks=False) as server:
        check = connect(server.url, ca_file=str(bundle)).check()
        assert (check.name, check.warnings) == ("Odd Shop", ())
        with pytest.raises(Misconfigured) as caught:
            connect(server.url).check()
    assert "certificate" in caught.value.cause


# ------------------------------------------------------------------ check


def test_check_warns_of_what_spoils_the_service(server: WooCommerceServer, store: WooCommerceStore) -> None:
    assert [text[:30] for text in store.check().warnings] == ["The shop is reached without en"]
    server.settings["woocommerce_manage_stock"] = "no"
    server.settings["woocommerce_hide_out_of_stock_items"] = "yes"
    _, off, hides = store.check().warnings
    assert off == SHOP_WIDE_OFF
    assert hides.startswith("The shop hides products that are out of stock")


def test_check_notices_a_key_that_may_only_read(server: WooCommerceServer) -> None:
    server.keyring.keys.append(ApiKey("ck_reader", "cs_reader", "read"))
    reader = connect(server.url, key="ck_reader", secret="cs_reader")
    with pytest.raises(Unauthorized) as caught:
        reader.check()
    assert "Read/Write" in caught.value.remedy


def test_check_writes_nothing(shop: Shop, store: WooCommerceStore) -> None:
    before = {item.id: (item.stock, item.updated_at) for item in shop.items.values()}
    store.check()
    assert {item.id: (item.stock, item.updated_at) for item in shop.items.values()} == before


def test_a_clock_that_is_wrong_is_named(server: WooCommerceServer, store: WooCommerceStore) -> None:
    now = server.keyring.now
    server.keyring.now = lambda: now() + 3600
    with pytest.raises(Unauthorized) as caught:
        store.check()
    assert "clocks" in caught.value.cause


# ------------------------------------------------------------------ catalogue


def test_the_catalogue_takes_a_call_for_each_hundred(
    server: WooCommerceServer, store: WooCommerceStore
) -> None:
    assert sum(len(page) for page in store.catalog()) == 256
    assert dict(server.calls) == {
        "GET settings/<group>/<key>": 1,
        "GET products": 3,
        "GET variations": 1,
    }


def test_an_older_shop_costs_a_call_for_each_variable_product(shop: Shop) -> None:
    with WooCommerceServer(shop, key=KEY, secret=SECRET, version="8.9.2", deliver_webhooks=False) as server:
        assert sum(len(page) for page in connect(server.url).catalog()) == 256
        assert server.calls["GET products/<id>/variations"] == 3
        assert server.calls["GET variations"] == 1


def test_deleting_products_while_they_are_listed_hides_no_other(shop: Shop, store: WooCommerceStore) -> None:
    pages = store.catalog()
    seen = {one.sku for one in next(pages)}
    for n in range(1, 31):
        item = shop.by_sku(f"CUP-{n:03}")[0]
        del shop.products[item.product_id]
        del shop.items[item.id]
    seen |= {one.sku for page in pages for one in page}
    assert {f"CUP-{n:03}" for n in range(1, 251)} <= seen


def test_the_shop_wide_switch_is_the_reason_given_for_every_product(
    server: WooCommerceServer, store: WooCommerceStore
) -> None:
    server.settings["woocommerce_manage_stock"] = "no"
    found = listed(store)
    assert {one.problem for one in found.values()} == {SHOP_WIDE_OFF}
    assert {one.available for one in found.values()} == {None}


def test_a_changed_variation_is_listed_although_its_parent_is_not_stamped(
    shop: Shop, store: WooCommerceStore, clock: ManualClock
) -> None:
    clock.advance(hours=1)
    since = clock.now()
    item = shop.by_sku("B-M")[0]
    item.stock, item.updated_at = 1, since
    assert [one.sku for page in store.catalog(since) for one in page] == ["B-M"]
    assert [one.product_title for page in store.catalog(since) for one in page] == ["Tee B"]


@pytest.mark.parametrize("timezone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"])
def test_changes_are_found_in_every_time_zone(timezone: str, clock: ManualClock) -> None:
    shop = Shop("Zone", timezone=timezone, clock=clock)
    for n in range(3):
        shop.add_product(f"P {n}", [{"sku": f"P-{n}", "price_minor": 100, "stock": 1}])
    clock.advance(hours=12)
    shop.set_stock(shop.by_sku("P-1")[0].id, 9, by="shop")
    with WooCommerceServer(shop, key=KEY, secret=SECRET, deliver_webhooks=False) as server:
        store = connect(server.url)
        assert [one.sku for page in store.catalog(clock.now()) for one in page] == ["P-1"]
        later = clock.now() + timedelta(minutes=1)
        assert [one.sku for page in store.catalog(later) for one in page] == []


def test_prices_are_minor_units_of_the_shops_currency(clock: ManualClock) -> None:
    shop = Shop("Tokyo", currency="JPY", clock=clock)
    shop.add_product("Bowl", [{"sku": "BOWL", "price_minor": 150_000, "stock": 1}])
    with WooCommerceServer(shop, key=KEY, secret=SECRET, deliver_webhooks=False) as server:
        (listing,) = listed(connect(server.url)).values()
    assert listing.price_minor == 1500


def test_a_variation_without_a_sku_is_not_looked_up_by_its_parents(
    shop: Shop, store: WooCommerceStore
) -> None:
    item = shop.by_sku("A-S")[0]
    shop.products[item.product_id].platform["sku"] = "TEE-A"
    item.sku = "TEE-A"
    found = next(one for page in store.catalog() for one in page if one.ref.external_id == str(item.id))
    # Its sister is as much TEE-A as itself: a supplier's TEE-A must not become the number of one size.
    assert (found.sku, found.ref.sku) == ("", "")


def test_an_only_variation_without_a_sku_goes_by_its_parents(shop: Shop, store: WooCommerceStore) -> None:
    item = shop.by_sku("A-S")[0]
    sister = shop.by_sku("A-M")[0]
    shop.products[item.product_id].platform["sku"] = item.sku = "TEE-A"
    shop.products[item.product_id].item_ids.remove(sister.id)
    del shop.items[sister.id]
    found = next(one for page in store.catalog() for one in page if one.ref.external_id == str(item.id))
    assert (found.sku, found.ref.sku) == ("TEE-A", "")


# ------------------------------------------------------------------ numbers


def test_two_hundred_and_fifty_six_numbers_take_three_calls(
    server: WooCommerceServer, store: WooCommerceStore
) -> None:
    refs = [one.ref for one in listed(store).values()]
    server.calls.clear()
    found = store.read_quantities(refs)
    assert [one.ref for one in found] == refs
    assert dict(server.calls) == {"GET products": 3}


def test_without_skus_simple_products_and_variations_are_read_apart(
    server: WooCommerceServer, store: WooCommerceStore
) -> None:
    refs = [replace(one.ref, sku="") for one in listed(store).values()]
    server.calls.clear()
    assert len(store.read_quantities(refs)) == 256
    assert dict(server.calls) == {"GET products": 3, "GET variations": 1}


@pytest.mark.parametrize(
    "sku", ["A,B", "50% off", "a/b", " x", "<b>", "Ø 5", "a  b", "x" * 6000, "", "é&=?#+"]
)
def test_a_sku_of_any_kind_is_read(shop: Shop, store: WooCommerceStore, sku: str) -> None:
    product = shop.add_product("Odd", [{"sku": sku, "price_minor": 1, "stock": 8}])
    ref = ListingRef(str(product.id), str(product.id), str(product.id), sku=sku)
    assert [one.quantity for one in store.read_quantities([ref])] == [8]


def test_a_sku_that_moved_to_another_product_does_not_mislead(shop: Shop, store: WooCommerceStore) -> None:
    found = listed(store)
    first, second = shop.by_sku("CUP-001")[0], shop.by_sku("CUP-002")[0]
    first.sku, second.sku = "CUP-002", "CUP-001"
    refs = [found["CUP-001"].ref]
    assert [(one.ref.external_id, one.quantity) for one in store.read_quantities(refs)] == [
        (str(first.id), 1)
    ]


def test_long_skus_are_shared_out_over_calls_that_a_host_accepts(
    server: WooCommerceServer, clock: ManualClock
) -> None:
    shop = server.shop
    refs = []
    for n in range(100):
        product = shop.add_product(f"L {n}", [{"sku": f"{'L' * 150}-{n}", "price_minor": 1, "stock": n}])
        refs.append(ListingRef(*(str(product.id),) * 3, sku=f"{'L' * 150}-{n}"))
    readings = connect(server.url).read_quantities(refs)
    assert [one.quantity for one in readings] == list(range(100))
    assert dict(server.calls) == {"GET products": 4}


def test_variations_are_written_in_one_batch_for_each_parent(shop: Shop, store: WooCommerceStore) -> None:
    found = listed(store)
    order = ["CUP-001", "A-S", "B-S", "CUP-002", "A-M"]
    plan = store.plan_quantities([QuantityChange(found[sku].ref, 3, None) for sku in order])
    parents = {letter: shop.by_sku(f"{letter}-S")[0].product_id for letter in "AB"}
    assert [(one.operation, one.body["path"], [ref.sku for ref in one.refs]) for one in plan] == [
        ("update_products", "products/batch", ["CUP-001", "CUP-002"]),
        ("update_variations", f"products/{parents['A']}/variations/batch", ["A-S", "A-M"]),
        ("update_variations", f"products/{parents['B']}/variations/batch", ["B-S"]),
    ]


@pytest.mark.parametrize("quantity", [-1, True, 2.0, "7", None])
def test_only_whole_numbers_leave(store: WooCommerceStore, quantity: Any) -> None:
    # The shop would make 0 of a text in a batch, without an error.
    ref = ListingRef("1", "1", "1")
    with pytest.raises(ValueError, match="whole number"):
        store.plan_quantities([QuantityChange(ref, quantity, None)])


def test_the_badge_is_four_texts_and_says_nothing_with_empty_ones(store: WooCommerceStore) -> None:
    change = QuantityChange(ListingRef("5", "5", "5"), 0, None, BadgeFacts("out_of_stock"))
    (request,) = store.plan_quantities([change])
    assert request.body == {
        "path": "products/batch",
        "update": [
            {
                "id": 5,
                "stock_quantity": 0,
                "meta_data": [
                    {"key": "_dispo_state", "value": "out_of_stock"},
                    {"key": "_dispo_count", "value": ""},
                    {"key": "_dispo_restock_on", "value": ""},
                    {"key": "_dispo_restock_until", "value": ""},
                ],
            }
        ],
    }


def test_a_number_ignored_by_the_shop_is_rejected_with_the_remedy(
    server: WooCommerceServer, shop: Shop, store: WooCommerceStore
) -> None:
    found = listed(store)
    parent = shop.products[shop.by_sku("C-S")[0].product_id]
    parent.platform.update(manage_stock=True, stock=11)
    shop.by_sku("C-S")[0].platform["manage_stock"] = "parent"
    (request,) = store.plan_quantities([QuantityChange(found["C-S"].ref, 3, None)])
    (result,) = store.send(request, "key")
    assert (result.status, result.remote) == ("rejected", 11)
    assert "managed at the parent" in result.reason
    server.settings["woocommerce_manage_stock"] = "no"
    (request,) = store.plan_quantities([QuantityChange(found["CUP-005"].ref, 3, None)])
    (result,) = store.send(request, "key")
    assert (result.status, shop.by_sku("CUP-005")[0].stock) == ("rejected", 5)


def test_an_item_written_twice_in_one_batch_gets_its_results_in_order(
    shop: Shop, store: WooCommerceStore
) -> None:
    ref = listed(store)["CUP-009"].ref
    (request,) = store.plan_quantities([QuantityChange(ref, 3, None), QuantityChange(ref, 4, None)])
    assert [one.status for one in store.send(request, "key")] == ["done", "done"]
    assert shop.by_sku("CUP-009")[0].stock == 4


def test_the_variations_of_a_parent_that_is_gone_are_not_found(shop: Shop, store: WooCommerceStore) -> None:
    found = listed(store)
    for sku in ("A-S", "A-M"):
        del shop.items[shop.by_sku(sku)[0].id]
    changes = [QuantityChange(found[sku].ref, 3, None) for sku in ("A-S", "A-M")]
    (request,) = store.plan_quantities(changes)
    assert [one.status for one in store.send(request, "key")] == ["not_found", "not_found"]


def test_what_lies_in_the_trash_is_not_found_although_the_shop_writes_it(
    shop: Shop, store: WooCommerceStore
) -> None:
    found = listed(store)
    cup, tee = found["CUP-009"], found["A-S"]
    for one in (cup, tee):
        shop.products[int(one.ref.product_id)].platform["status"] = "trash"
    requests = store.plan_quantities([QuantityChange(one.ref, 3, None) for one in (cup, tee)])
    results = [one.status for request in requests for one in store.send(request, "key")]
    assert results == ["not_found", "not_found"]
    assert store.read_quantities([cup.ref, tee.ref]) == []


def test_an_unknown_key_over_plain_http_blames_the_key_alone(server: WooCommerceServer) -> None:
    with pytest.raises(Unauthorized) as caught:
        connect(server.url, key="ck_other").check()
    assert caught.value.cause == "The shop does not know the key."
    assert "Authorization" not in caught.value.remedy


def test_maintenance_is_named_by_the_first_call_too(store: WooCommerceStore, dials: Dials) -> None:
    dials.maintenance = True
    with pytest.raises(Retryable) as caught:
        store.check()
    assert "The shop is in maintenance." in caught.value.cause


# ------------------------------------------------------------------ answers that are none


class Answering:
    """A server that gives one answer to everything."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, b"", {"Content-Type": "application/json"}
        self.queries: list[str] = []
        self.server = ServerThread(self)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        request.get_data()
        self.queries.append(request.query_string.decode())
        return Response(self.body, self.status, self.headers)(environ, start_response)


@pytest.fixture
def answering() -> Iterator[Answering]:
    answering = Answering()
    with answering.server:
        yield answering


HTML = b"<!DOCTYPE html><html><body>Hello</body></html>"
PHP = b"<br />\n<b>Warning</b>: Undefined index\n" + b'{"update":[]}'


@pytest.mark.parametrize(
    ("status", "body", "headers", "read", "write"),
    [
        pytest.param(200, HTML, {}, Misconfigured, Misconfigured, id="a page"),
        pytest.param(200, PHP, {}, Misconfigured, OutcomeUnknown, id="warnings before the data"),
        pytest.param(200, b'{"update": [', {}, Misconfigured, OutcomeUnknown, id="half an answer"),
        pytest.param(200, b"null", {}, Misconfigured, OutcomeUnknown, id="null"),
        pytest.param(200, b'"x"', {}, Misconfigured, OutcomeUnknown, id="a text"),
        pytest.param(200, b"[1]", {}, Misconfigured, OutcomeUnknown, id="a list of numbers"),
        pytest.param(403, HTML, {}, Unauthorized, Unauthorized, id="a firewall"),
        pytest.param(404, HTML, {}, Misconfigured, Misconfigured, id="no WordPress"),
        pytest.param(429, HTML, {"Retry-After": "7"}, RateLimited, RateLimited, id="throttled"),
        pytest.param(500, b'{"code":"internal_server_error"}', {}, Retryable, OutcomeUnknown, id="500"),
        pytest.param(503, HTML, {}, Retryable, OutcomeUnknown, id="503 of a proxy"),
        pytest.param(524, HTML, {}, Retryable, OutcomeUnknown, id="524 of a content network"),
        pytest.param(
            401,
            b'{"code":"woocommerce_rest_authentication_error","message":"Invalid nonce - nonce has already '
            b'been used."}',
            {},
            Retryable,
            OutcomeUnknown,
            id="a proxy that repeats",
        ),
    ],
)
def test_an_answer_that_is_none_decides_by_what_may_have_happened(
    answering: Answering,
    status: int,
    body: bytes,
    headers: dict[str, str],
    read: type[PortError],
    write: type[PortError],
) -> None:
    answering.status, answering.body = status, body
    answering.headers = {"Content-Type": "application/json", **headers}
    store = connect(answering.server.url)
    ref = ListingRef("1", "1", "1", sku="A")
    (request,) = store.plan_quantities([QuantityChange(ref, 1, None)])
    acts: list[tuple[Callable[[], object], type[PortError]]] = [
        (lambda: store.read_quantities([ref]), read),
        (lambda: store.send(request, "key"), write),
    ]
    for act, expected in acts:
        with pytest.raises(PortError) as caught:
            act()
        assert type(caught.value) is expected
        assert KEY not in str(caught.value)
        assert SECRET not in str(caught.value)


def test_a_redirect_names_the_address_to_enter_and_no_key(answering: Answering) -> None:
    answering.status = 301
    answering.headers = {
        "Location": f"https://www.shop.example/wp-json/wc/v3/products?oauth_signature=x&k={KEY}"
    }
    with pytest.raises(Misconfigured) as caught:
        list(connect(answering.server.url).catalog())
    assert caught.value.cause == "The shop redirects to https://www.shop.example."
    assert len(answering.queries) == 1, "it was not followed"


def test_a_key_that_the_shop_repeats_is_not_repeated(answering: Answering) -> None:
    answering.status = 400
    answering.body = f'{{"code":"x","message":"<b>{KEY}</b> and {SECRET} &amp; more"}}'.encode()
    with pytest.raises(PortError) as caught:
        connect(answering.server.url)._client.get("products")
    assert "… and … & more" in str(caught.value)


def test_parameters_are_sent_once_over_plain_http(answering: Answering) -> None:
    answering.body = b"[]"
    connect(answering.server.url).read_quantities([ListingRef("1", "1", "1", sku="A")])
    assert answering.queries[0].count("sku=") == 1


def test_the_secret_is_never_logged(
    server: WooCommerceServer, store: WooCommerceStore, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        store.check()
        listed(store)
    assert SECRET not in caplog.text
    assert 'rel="next"' not in caplog.text


def test_other_users_of_the_library_in_this_process_are_left_alone(server: WooCommerceServer) -> None:
    from woocommerce import API

    assert API(server.url, KEY, SECRET).get("products", params={"per_page": 1}).status_code == 200


# ------------------------------------------------------------------ webhooks


def test_a_paused_webhook_is_revived_with_the_present_secret(
    server: WooCommerceServer, store: WooCommerceStore
) -> None:
    address = "https://dispo.example/webhooks/7"
    topics = store.subscribe(address, "first")
    assert topics == ["product.updated", "product.deleted", "order.created", "order.updated"]
    server.webhooks.hooks[2].status = "disabled"
    store.subscribe(address, "second")
    assert [(h.status, h.secret) for h in server.webhooks.hooks.values()] == [
        ("active", "first"),
        ("active", "second"),
        ("active", "first"),
        ("active", "first"),
    ]
    store.subscribe("https://dispo.example/webhooks/8", "third")
    assert len(server.webhooks.hooks) == 8
