"""Replays recorded requests against the simulated WooCommerce and lists every difference that matters.

The shop is built from recordings too: the catalogue of `products_pages_1_to_3` and
`variations_of_the_whole_shop`, then, for each cassette, what its own first answers show and none of its
requests had changed.
"""

from __future__ import annotations

import base64
import html
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import yaml
from werkzeug.test import Client
from woocommerce.oauth import OAuth

from simulator.dials import Fault
from simulator.shop import Item, Order, OrderLine, Product, Shop
from simulator.woocommerce import WooCommerceServer
from simulator.woocommerce.auth import ApiKey
from simulator.woocommerce.hooks import Webhook

RECORDED = Path(__file__).parent.parent / "recorded" / "woocommerce"
KEY, SECRET = "ck_recorded", "cs_recorded"
READ_KEY, READ_SECRET = "ck_reader", "cs_reader"

COMPARED = (
    "id name type parent_id status catalog_visibility sku price regular_price on_sale purchasable permalink "
    "manage_stock stock_quantity stock_status backorders backorders_allowed backordered low_stock_amount "
    "global_unique_id variations topic resource event hooks delivery_url value default group_id home url "
    "timezone_string currency version created_via customer_note amount reason note"
).split()
"""Fields compared for equality wherever both sides show them; ids of things made while replaying are not."""


@dataclass
class Case:
    """How one cassette is replayed: as whom, at which version, with which faults."""

    version: str = "11.0.1"
    timezone: str = "UTC"
    key: str = KEY
    secret: str = SECRET
    faults: list[Fault] = field(default_factory=list)
    is_maintenance: bool = False
    is_plain: bool = False
    body_limit_bytes: int | None = None
    wrong_clock_s: int = 0
    authorization: tuple[str | None, ...] = ()
    """One entry a request: "key:secret", or None for no key; empty: the case's key for all."""


@cache
def interactions(name: str) -> list[dict[str, Any]]:
    text = (RECORDED / "cassettes" / f"{name}.yaml").read_text()
    found: list[dict[str, Any]] = yaml.load(text, Loader=yaml.CSafeLoader)["interactions"]
    return found


def body_of(interaction: dict[str, Any]) -> Any:
    """The recorded answer as JSON, None for a page."""
    text = interaction["response"]["body"]["string"]
    try:
        return json.loads(text)
    except ValueError:
        return None


def rows_in(data: Any) -> Iterator[dict[str, Any]]:
    """Every product or variation shown in an answer."""
    if isinstance(data, list):
        for one in data:
            yield from rows_in(one)
    elif isinstance(data, dict):
        if isinstance(data.get("id"), int) and ("sku" in data or "stock_quantity" in data):
            yield data
        for part in ("create", "update", "delete"):
            yield from rows_in(data.get(part))


def minor(row: dict[str, Any]) -> int:
    return round(float(row.get("price") or 0) * 100)


def at(text: str | None) -> datetime:
    return datetime.fromisoformat(text or "2026-11-21T22:40:31").replace(tzinfo=UTC)


def put_product(shop: Shop, row: dict[str, Any]) -> None:
    """The product (and its own item) as one recorded row shows it."""
    number = row["id"]
    platform: dict[str, Any] = {"created_at": at("2026-11-21T22:40:31")}
    for name in ("status", "catalog_visibility"):
        if name in row:
            platform[name] = row[name]
    product = Product(
        id=number,
        handle=re.sub(r".*/product/|/$", "", row.get("permalink", "")),
        title=html.unescape(row.get("name", "")),
        published=row.get("status", "publish") == "publish",
        updated_at=at(row.get("date_modified_gmt")),
        platform=platform,
    )
    shop.products[number] = product
    if row.get("type") == "variable":
        product.platform.update(sku=row["sku"], manage_stock=bool(row.get("manage_stock")))
        if row.get("manage_stock"):
            product.platform["stock"] = row["stock_quantity"]
        return
    product.item_ids = [number]
    if row.get("type") == "external":
        platform["type"] = "external"
    shop.items[number] = item_of(row, number)


def item_of(row: dict[str, Any], product_id: int) -> Item:
    platform: dict[str, Any] = {
        "backorders": row.get("backorders", "no"),
        "low_stock_amount": row.get("low_stock_amount"),
    }
    if row.get("regular_price") not in (None, "", row.get("price")):
        platform["regular_price"] = row["regular_price"]
    if row.get("manage_stock") == "parent":
        platform["manage_stock"] = "parent"
    if not row.get("manage_stock"):
        platform["stock_status"] = row.get("stock_status", "instock")
    meta = row.get("meta_data") or []
    platform["meta_ids"] = {one["key"]: one["id"] for one in meta}
    options = [one["option"] for one in row.get("attributes") or () if "option" in one]
    return Item(
        id=row["id"],
        product_id=product_id,
        sku=row.get("sku", ""),
        title=options[0] if options else "",
        price_minor=minor(row),
        stock=row.get("stock_quantity"),
        tracked=bool(row.get("manage_stock")),
        backorders=row.get("backorders", "no") != "no",
        gtin=row.get("global_unique_id", ""),
        meta={one["key"]: one["value"] for one in meta},
        updated_at=at(row.get("date_modified_gmt")),
        platform=platform,
    )


def put_variation(shop: Shop, row: dict[str, Any]) -> None:
    parent = shop.products[row["parent_id"]]
    item = item_of(row, parent.id)
    if row.get("attributes"):
        parent.platform["attribute"] = row["attributes"][0]["name"]
    shop.items[item.id] = item
    if item.id not in parent.item_ids:
        parent.item_ids.append(item.id)
        parent.item_ids.sort()


def catalogue(shop: Shop) -> None:
    """The shop all 11.0.1 cassettes were recorded from."""
    for interaction in interactions("products_pages_1_to_3"):
        for row in body_of(interaction):
            put_product(shop, row)
    for row in body_of(interactions("variations_of_the_whole_shop")[0]):
        put_variation(shop, row)
    lamp = shop.products[244]
    lamp.collections, lamp.image_url = ("Éclairage & Lampes",), "https://woo.example/lampe.png"


def old_catalogue(shop: Shop, name: str) -> None:
    """The smaller shop of the 8.9 and 9.9 cassettes."""
    for source in ("wc99_variations_of_the_whole_shop_404", name):
        for interaction in interactions(source):
            for row in body_of(interaction) if isinstance(body_of(interaction), list) else ():
                if row.get("parent_id"):
                    put_variation(shop, {"price": "1", **with_option(row)})
                elif row["id"] not in shop.products:
                    slug = row.get("name", "v").lower().replace(" ", "-")
                    row = {"price": "1", "name": "V", **row}
                    row["permalink"] = f"https://woo.example/product/{slug}/"
                    put_product(shop, {**row, "type": "variable" if row["id"] == 110 else "simple"})


def with_option(row: dict[str, Any]) -> dict[str, Any]:
    """A SKU list names a variation "V - S" and shows no options: take the option from the name."""
    if "attributes" in row:
        return row
    return {**row, "attributes": [{"name": "Size", "option": row["name"].rpartition(" - ")[2]}]}


def given(shop: Shop, name: str) -> None:
    """Set what the cassette shows before it changed it: numbers, stamps, meta and orders."""
    settled: set[int] = set()
    for interaction in interactions(name):
        request = interaction["request"]
        sent = json.loads(request["body"]) if request.get("body") else {}
        changed = {one.get("id"): one for one in sent.get("update", [])}
        is_ignored = name == "stock_management_off_in_the_shop"
        for row in rows_in(body_of(interaction)):
            number = row["id"]
            if number in settled or number not in shop.items:
                continue
            item, fields = shop.items[number], changed.get(number, sent)
            settled.add(number)
            if (row.get("manage_stock", True) or is_ignored) and (
                is_ignored or not {"stock_quantity", "inventory_delta"} & set(fields)
            ):
                item.stock = row.get("stock_quantity", item.stock)
            if request["method"] == "GET" and "date_modified_gmt" in row:
                item.updated_at = at(row["date_modified_gmt"])
                shop.products[item.product_id].updated_at = item.updated_at
            if "meta_data" in row and "meta_data" not in fields:
                item.meta = {one["key"]: one["value"] for one in row["meta_data"]}
                item.platform["meta_ids"] = {one["key"]: one["id"] for one in row["meta_data"]}
        for order in body_of(interaction) if isinstance(body_of(interaction), list) else ():
            if "line_items" in order:
                put_order(shop, order)


def put_order(shop: Shop, row: dict[str, Any]) -> None:
    order = Order(
        id=row["id"],
        lines=[
            OrderLine(line["id"], line["variation_id"] or line["product_id"], line["quantity"])
            for line in row["line_items"]
        ],
        status=row["status"],
        created_at=at(row["date_created_gmt"]),
        updated_at=at(row["date_modified_gmt"]),
        platform={"created_via": row["created_via"], "billing": row["billing"]},
    )
    shop.orders[order.id] = order


def prepared(server: WooCommerceServer, name: str) -> None:
    """What a cassette takes for granted besides products."""
    shop = server.shop
    if name == "order_refund_and_note":
        order = body_of(interactions(name)[3])
        put_order(shop, {**order, "status": "processing"})
    if name.startswith("webhook"):
        first = re.search(r'"id":(\d+)', interactions(name)[0]["response"]["body"]["string"])
        server.webhooks._ids = itertools.count(int(first.group(1)) if first else 1)
    if name == "webhook_disabled_after_failures":
        hook = body_of(interactions(name)[1])
        server.webhooks.hooks[hook["id"]] = Webhook(
            id=hook["id"],
            name=hook["name"],
            topic=hook["topic"],
            delivery_url=hook["delivery_url"],
            secret="x",
            created_at=shop.now(),
            status="disabled",
            updated_at=shop.now(),
        )


@contextmanager
def server_for(name: str, case: Case) -> Iterator[WooCommerceServer]:
    clock = {"now": at("2026-11-21T23:20:00")}
    shop = Shop("Woo Test", "EUR", case.timezone, clock=lambda: clock["now"])
    if case.version == "11.0.1":
        catalogue(shop)
    else:
        old_catalogue(shop, name)
    if case.timezone != "UTC":
        # The recorded columns in shop time were written while the shop was set to UTC.
        for item in shop.items.values():
            item.updated_at -= timedelta(days=1)
        for product in shop.products.values():
            product.updated_at -= timedelta(days=1)
    given(shop, name)
    with WooCommerceServer(
        shop, key=KEY, secret=SECRET, version=case.version, deliver_webhooks=False
    ) as server:
        server.keyring.keys.append(ApiKey(READ_KEY, READ_SECRET, "read"))
        server.keyring.now = lambda: clock["now"].timestamp()
        server.dials.fail_next.extend(case.faults)
        server.dials.maintenance = case.is_maintenance
        server.is_plain_permalinks = case.is_plain
        server.body_limit_bytes = case.body_limit_bytes
        server.clock = clock  # type: ignore[attr-defined]
        prepared(server, name)
        yield server


def replay(name: str, case: Case) -> list[str]:
    """The differences between the recording and the simulator, in words; empty when there is none."""
    found: list[str] = []
    renamed: dict[str, str] = {}
    with server_for(name, case) as server:
        client = Client(server)
        for n, interaction in enumerate(interactions(name)):
            request, recorded = interaction["request"], interaction["response"]
            stamp = (recorded["headers"].get("Date") or recorded["headers"].get("date") or [""])[0]
            if stamp:
                moment = datetime.strptime(stamp, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
                server.clock["now"] = moment  # type: ignore[attr-defined]
            answer = ask(client, request, case, n, renamed, server)
            where = f"{n + 1}. {request['method']} {urlsplit(request['uri']).path}"
            found += [f"{where}: {text}" for text in compare(interaction, answer, renamed)]
            if recorded["status"]["code"] == 201 and answer.status_code == 201:
                renamed[str(body_of(interaction)["id"])] = str(answer.get_json()["id"])
    return found


def ask(
    client: Client, request: dict[str, Any], case: Case, n: int, renamed: dict[str, str], server: Any
) -> Any:
    uri = urlsplit(request["uri"])
    path, query = uri.path, uri.query
    for was, now in renamed.items():
        path = re.sub(f"/{was}(?=/|$)", f"/{now}", path)
    accepted = {k.lower(): v for k, v in request["headers"].items()}.get("accept") or ["*/*"]
    headers = {"Accept": accepted[0]}
    who = case.authorization[n] if case.authorization else f"{case.key}:{case.secret}"
    if uri.scheme == "https" and who:
        headers["Authorization"] = "Basic " + base64.b64encode(who.encode()).decode()
    if uri.scheme == "http" and who and not case.authorization:
        # Signed by the library itself, so that the simulator's signature is checked by another hand.
        plain = urlencode(dict(parse_qsl(query)))
        signed = OAuth(
            url=f"http://woo.example{path}" + (f"?{plain}" if plain else ""),
            consumer_key=case.key,
            consumer_secret=case.secret,
            version="wc/v3",
            method=request["method"],
            oauth_timestamp=int(server.keyring.now()) - case.wrong_clock_s,
        ).get_oauth_url()
        query = urlsplit(signed).query + (f"&{query}" if query else "")
    elif uri.scheme == "http" and who:
        headers["Authorization"] = "Basic " + base64.b64encode(who.encode()).decode()
    return client.open(
        path,
        base_url=f"{uri.scheme}://{uri.netloc}",
        query_string=query,
        method=request["method"],
        data=(request.get("body") or "").encode(),
        content_type="application/json",
        headers=headers,
    )


def compare(interaction: dict[str, Any], answer: Any, renamed: dict[str, str]) -> Iterator[str]:
    recorded = interaction["response"]
    status = recorded["status"]["code"]
    if answer.status_code != status:
        yield f"status {answer.status_code}, recorded {status}: {answer.get_data(as_text=True)[:200]}"
        return
    headers = {k.lower(): v[0] for k, v in recorded["headers"].items()}
    kind = headers.get("content-type", "").lower()
    if answer.headers.get("Content-Type", "").lower() != kind:
        yield f"content type {answer.headers.get('Content-Type')}, recorded {kind}"
    for name in ("X-WP-Total", "X-WP-TotalPages", "Retry-After", "Allow", "Location"):
        # The id of something new, and the order of a query, are not compared.
        ours, theirs = (
            re.sub(r"/\d+$", "/N", str(value or "").partition("?")[0])
            for value in (answer.headers.get(name), headers.get(name.lower()))
        )
        if ours != theirs:
            yield f"{name} {ours!r}, recorded {theirs!r}"
    known, own = link(headers.get("link", "")), link(answer.headers.get("Link", ""))
    if known != own and kind.startswith("application/json"):
        yield f"Link {own}, recorded {known}"
    data = body_of(interaction)
    if data is not None:
        text = json.dumps(data)
        for was, now in renamed.items():
            text = re.sub(rf'(?<="id": ){was}\b|(?<=[/=]){was}\b', now, text)
        data = json.loads(text)
        yield from differences("", data, answer.get_json(), is_new=status == 201)


def link(text: str) -> list[tuple[str, frozenset[tuple[str, str]]]]:
    """(rel, path and query) of each link; keys and signatures left out, as in the recording."""
    found = []
    for address, rel in re.findall(r'<([^>]*)>; rel="([^"]*)"', text):
        query = {
            k: v for k, v in parse_qsl(urlsplit(address).query) if not k.startswith(("oauth", "consumer"))
        }
        found.append((rel, frozenset({("path", urlsplit(address).path), *query.items()})))
    return found


def differences(path: str, theirs: Any, ours: Any, *, is_new: bool = False) -> Iterator[str]:
    """Differences in what is compared, in words."""
    if isinstance(theirs, list) and isinstance(ours, list):
        if path in ("", ".update") and [i.get("id") for i in theirs] != [i.get("id") for i in ours]:
            yield f"{path} ids {[i.get('id') for i in ours]}, recorded {[i.get('id') for i in theirs]}"
            return
        for n, (one, other) in enumerate(zip(theirs, ours, strict=False)):
            yield from differences(f"{path}[{n}]", one, other, is_new=is_new)
        return
    if not isinstance(theirs, dict) or not isinstance(ours, dict):
        if theirs != ours:
            yield f"{path} {ours!r}, recorded {theirs!r}"
        return
    if "code" in theirs or "error" in theirs:
        if theirs != ours:
            yield f"{path} {ours}, recorded {theirs}"
        return
    if theirs.get("namespaces"):
        if not {"wc/v3"} <= set(ours["namespaces"]):
            yield f"{path} has no wc/v3"
    elif "environment" not in theirs and not isinstance(theirs.get("settings"), dict):
        missing, added = set(theirs) - set(ours), set(ours) - set(theirs)
        if (missing or added) and ("sku" in theirs or "topic" in theirs):
            yield f"{path} lacks {sorted(missing)}, adds {sorted(added)}"
    for name in COMPARED:
        if name == "id" and is_new:
            continue
        if name in theirs and name in ours and theirs[name] != ours[name]:
            yield f"{path}.{name} {ours[name]!r}, recorded {theirs[name]!r}"
    if "meta_data" in theirs and "sku" in theirs and "line_items" not in theirs:
        rows = [{m["key"]: m["value"] for m in side.get("meta_data", [])} for side in (theirs, ours)]
        rows = [{k: v for k, v in row.items() if not k.startswith("_wp_")} for row in rows]
        if rows[0] != rows[1]:
            yield f"{path}.meta_data {rows[1]}, recorded {rows[0]}"
    for line, other in zip(theirs.get("line_items", ()), ours.get("line_items", ()), strict=True):
        for name in (
            "name",
            "product_id",
            "variation_id",
            "quantity",
            "sku",
            "total",
            "price",
            "parent_name",
        ):
            if line[name] != other[name]:
                yield f"{path}.line_items.{name} {other[name]!r}, recorded {line[name]!r}"
        mine, known = ({m["key"]: m["value"] for m in x["meta_data"]} for x in (other, line))
        if mine != known:
            yield f"{path}.line_items.meta_data {mine}, recorded {known}"
    for part in ("create", "update", "delete"):
        if part in theirs:
            yield from differences(f".{part}", theirs[part], ours.get(part))
    for part in ("environment", "settings"):
        if isinstance(theirs.get(part), dict):
            for name in ("home_url", "version", "wp_version", "currency"):
                if theirs[part].get(name) != ours[part].get(name):
                    yield f"{part}.{name} {ours[part].get(name)!r}, recorded {theirs[part].get(name)!r}"
