"""A shop asks what we keep about a person, or to forget them: POST /shop/<public key>/people.

For the tools a shop's own system has for that (WordPress's "Export Personal Data" and "Erase Personal Data").
The raw body is signed with a secret that only this shop and we know (`connector.ports.people`), and says when it
was asked; what was signed for another purpose, another shop or long ago is worth nothing. Only the sign-ups of
this store are shown and erased. No address is logged.

Body: {"what": "export" | "erase", "email", "page" (export, from 1), "at" (seconds since 1970)}. Answers: 200 with
{"items", "messages", "done"} or {"erased", "retained"}; 400 not understood; 401 not signed by this shop, or too old
(nothing is done); 404 no such store; 413 too large.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, request

from connector.accounts.audit import record
from connector.accounts.connections import ConnectionRow, by_public_key
from connector.crypto import SealBroken
from connector.db import transaction
from connector.ports.people import HEADER, is_signed, people_secret
from connector.shoppers import addresses, erase
from connector.shoppers.runtime import ShopperRuntime

MOST_BYTES = 4_096
PAGE = 50
LASTS_S = 300
"""How far the shop's clock may be from ours."""


def people(rt: ShopperRuntime) -> Blueprint:
    """The route, for an app that exempts it from CSRF: there is no session."""
    routes = Blueprint("people_of_shop", __name__)

    @routes.post("/shop/<public_key>/people")
    def ask(public_key: str) -> Response:
        if (request.content_length or 0) > MOST_BYTES:
            return _answer({"error": "too large"}, 413)
        body = request.get_data(cache=False)
        with rt.engine.connect() as db:
            row = by_public_key(db, public_key)
        if row is None or row.kind != "store" or row.status == "ended":
            return _answer({"error": "There is no such store."}, 404)
        if not _is_from(rt, row, body):
            return _answer({"error": "not signed"}, 401)
        asked = _read(body)
        if asked is None:
            return _answer({"error": "not understood"}, 400)
        if abs(rt.now().timestamp() - asked["at"]) > LASTS_S:
            return _answer({"error": "too old: check the clock of the shop's server"}, 401)
        do = _export if asked["what"] == "export" else _erase
        return _answer(do(rt, row, asked), 200)

    return routes


def _is_from(rt: ShopperRuntime, row: ConnectionRow, body: bytes) -> bool:
    try:
        secret = rt.keyring.unseal(row.sealed).get("webhook_secret", "") if row.sealed else ""
    except SealBroken:
        return False
    return bool(secret) and is_signed(people_secret(secret), body, request.headers.get(HEADER, ""))


def _read(body: bytes) -> dict[str, Any] | None:
    """The question; None when it is none."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(asked, dict) or asked.get("what") not in ("export", "erase"):
        return None
    page, at, email = asked.get("page", 1), asked.get("at"), asked.get("email")
    if type(page) is not int or not 1 <= page <= 10_000 or type(at) is not int or not isinstance(email, str):
        return None
    return {"what": asked["what"], "email": email, "page": page, "at": at}


def _export(rt: ShopperRuntime, row: ConnectionRow, asked: dict[str, Any]) -> dict[str, Any]:
    """One page of sign-ups with the messages about them. What cannot be an address was never kept."""
    with rt.engine.connect() as db:
        try:
            kept = erase.export(db, row.merchant_id, asked["email"], connection_id=row.id)
        except addresses.AddressInvalid:
            return {"items": [], "messages": [], "done": True}
        start = (asked["page"] - 1) * PAGE
        items = kept["subscriptions"][start : start + PAGE]
        titles = _titles(db, row.merchant_id, [one["variant_id"] for one in items])
    ids = {one["id"] for one in items}
    return {
        "items": [{**one, "item": titles.get(one["variant_id"], "")} for one in items],
        "messages": [one for one in kept["messages"] if one["subscription_id"] in ids],
        "done": start + PAGE >= len(kept["subscriptions"]),
    }


def _erase(rt: ShopperRuntime, row: ConnectionRow, asked: dict[str, Any]) -> dict[str, Any]:
    """Forget the person in this store. `retained`: the keyed digest of an address that is never to be written
    to again stays, or it would be written to again."""
    with transaction(rt.engine) as db:
        try:
            _, key = addresses.normalise(asked["email"])
        except addresses.AddressInvalid:
            return {"erased": 0, "retained": False}
        now = rt.now()
        count = erase.erase(db, row.merchant_id, asked["email"], now, connection_id=row.id)
        retained = addresses.is_suppressed(db, rt.keyring, row.merchant_id, key)
        if count:
            subject = f"connection {row.id}"
            record(
                db, row.merchant_id, now, "shop", "privacy.erase_person", subject, {"subscriptions": count}
            )
    return {"erased": count, "retained": retained}


def _titles(db: sa.Connection, merchant_id: int, variant_ids: list[int]) -> dict[int, str]:
    rows = db.execute(
        sa.text("select id, title, sku from variant where merchant_id = :m and id = any(:ids)"),
        {"m": merchant_id, "ids": variant_ids},
    )
    return {row.id: row.title or row.sku for row in rows}


def _answer(value: dict[str, Any], status: int) -> Response:
    answer = Response(json.dumps(value), status, content_type="application/json")
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
