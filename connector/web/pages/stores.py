"""Connecting a store: its address, the shop's own page where its owner agrees, or keys made by hand.

The shop's page is another site, and forms may only go to ours: so the answer to the form names the shop and
leads on by itself. Secrets that somebody types are never shown again, whatever happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.connections import ConnectionRow, connection
from connector.crypto import LinkInvalid
from connector.installs import handover, join
from connector.installs.handover import HandoverRow
from connector.ports.errors import Misconfigured, PortError
from connector.registry import ADAPTERS, Field, Manifest, manifest
from connector.web.pages.overview import kept
from connector.web.pages.plan import may_start
from connector.web.queries import embedded
from connector.web.view import confirm, digest, flash, gettext, page, reading, runtime

routes = Blueprint("stores", __name__)

LONGEST = 300


def _platforms() -> list[Manifest]:
    """The platforms whose shops hand out keys, by name."""
    found = [manifest("stores", name) for name in sorted(ADAPTERS["stores"])]
    return [one for one in found if one.handover is not None]


def _others() -> list[dict[str, Any]]:
    """The platforms whose stores install our app instead. `has_app`: the operator has one there."""
    apps = runtime().settings.apps
    found = [manifest("stores", name) for name in sorted(ADAPTERS["stores"])]
    return [{"title": one.title, "has_app": one.name in apps} for one in found if one.app is not None]


def _platform(name: str) -> Manifest:
    found = next((one for one in _platforms() if one.name == name), None)
    if found is None:
        abort(400)
    return found


def _secret_fields(of: Manifest) -> list[Field]:
    return [field for field in of.fields if field.is_secret and field.is_required]


def _form(
    status: int = 200,
    *,
    errors: Mapping[str, str] | None = None,
    refused: PortError | None = None,
    row: ConnectionRow | None = None,
    by_hand: bool = False,
    known_id: int | None = None,
) -> Response:
    """The page with both ways. Of what was typed only platform and address come back, never a secret."""
    platforms = _platforms()
    wanted = row.adapter if row else request.form.get("adapter", "")
    chosen = next((one for one in platforms if one.name == wanted), platforms[0])
    obstacle = runtime().handover(chosen.name).obstacle(runtime().base_url)
    here = f"/connections/{row.id}/renew" if row else "/stores/new"
    address = (
        runtime().handover(row.adapter).address(row.config)
        if row
        else request.form.get("address", "")[:LONGEST]
    )
    return page(
        "store_new",
        status,
        platforms=platforms,
        chosen=chosen,
        fields=_secret_fields(chosen),
        others=_others(),
        obstacle=obstacle,
        by_hand=by_hand or obstacle != "",
        errors=dict(errors or {}),
        refused=refused,
        known_id=known_id,
        address=address,
        row=row,
        back=f"/connections/{row.id}" if row else "/connections",
        action=here,
        own_address=runtime().base_url,
    )


# --- a new store --------------------------------------------------------------------------------------


@routes.get("/stores/new")
def new() -> Response:
    may_start("stores")
    return _form()


@routes.post("/stores/new")
def ask() -> Response:
    """Look at the shop, and lead on to its own page."""
    may_start("stores")
    rt, of = runtime(), _platform(request.form.get("adapter", ""))
    address = request.form.get("address", "").strip()
    if problem := _address_problem(address):
        return _form(422, errors={"address": problem})
    if rt.handover(of.name).obstacle(rt.base_url):
        return _form(422)
    try:
        found = rt.handover(of.name).look(address)
    except PortError as error:
        return _form(422, refused=error)
    with reading() as db:
        known_id = handover.same_shop(db, g.merchant_id, of.name, rt.handover(of.name).config(found.address))
    if known_id is not None:
        return _form(422, known_id=known_id)
    return _lead_on(of.name, found.address, found.name)


def _lead_on(adapter: str, address: str, name: str, renews: int | None = None) -> Response:
    handover_id, target = handover.begin(
        runtime(), g.merchant_id, g.account.user_id, adapter, address, name=name, renews=renews
    )
    answer = page(
        "store_go",
        target=target,
        address=address,
        name=name or address.partition("://")[2],
        handover_id=handover_id,
    )
    # The shop must not learn from which page of ours somebody comes, nor anybody else the state.
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Refresh"] = f"0;url={target}"
    return answer


@routes.post("/stores/new/keys")
def by_hand() -> Response:
    """Connect with keys that were made by hand in the shop."""
    may_start("stores")
    rt, of = runtime(), _platform(request.form.get("adapter", ""))
    address = request.form.get("address", "").strip()
    secrets, errors = _typed(of)
    if problem := _address_problem(address):
        errors["address"] = problem
    if errors:
        return _form(422, errors=errors, by_hand=True)
    try:
        found = rt.handover(of.name).look(address)
        connection_id = handover.connect(rt, g.merchant_id, g.account.email, of.name, found.address, secrets)
    except PortError as error:
        return _form(422, refused=error, by_hand=True)
    kept().forget(g.merchant_id)
    flash(gettext("The store is connected. Its catalogue is being read."))
    return redirect(f"/connections/{connection_id}", 303)


def _address_problem(address: str) -> str:
    if address and len(address) <= LONGEST:
        return ""
    return gettext("Enter the shop's address, as https://shop.example.")


def _typed(of: Manifest) -> tuple[dict[str, str], dict[str, str]]:
    """The secrets of the form, and what is missing of them."""
    secrets, errors = {}, {}
    for field in _secret_fields(of):
        secrets[field.name] = request.form.get(field.name, "").strip()[:LONGEST]
        if not secrets[field.name]:
            errors[field.name] = gettext("Enter it as the shop shows it.")
    return secrets, errors


# --- new keys for a store that is connected -------------------------------------------------------------


def _renewable(connection_id: int) -> ConnectionRow:
    with reading() as db:
        row = connection(db, g.merchant_id, connection_id)
    if row.kind != "store" or row.status == "ended" or not may_renew(row):
        abort(404)
    return row


def may_renew(row: ConnectionRow) -> bool:
    """Whether this store's access is keys that its shop hands out."""
    try:
        return row.kind == "store" and manifest(row.port, row.adapter).handover is not None
    except Misconfigured:
        return False


@routes.get("/connections/<int:connection_id>/renew")
def renewal(connection_id: int) -> Response:
    return _form(row=_renewable(connection_id))


@routes.post("/connections/<int:connection_id>/renew")
def renew(connection_id: int) -> Response:
    """Lead to the shop's page once more; the present keys stay until new ones are known to work."""
    row = _renewable(connection_id)
    rt = runtime()
    if rt.handover(row.adapter).obstacle(rt.base_url):
        return _form(422, row=row)
    try:
        found = rt.handover(row.adapter).look(rt.handover(row.adapter).address(row.config))
    except PortError as error:
        return _form(422, refused=error, row=row)
    return _lead_on(row.adapter, found.address, found.name, renews=row.id)


@routes.post("/connections/<int:connection_id>/renew/keys")
def renew_by_hand(connection_id: int) -> Response:
    """Put keys that were made by hand in place of the present ones."""
    row = _renewable(connection_id)
    secrets, errors = _typed(manifest(row.port, row.adapter))
    if errors:
        return _form(422, errors=errors, row=row, by_hand=True)
    try:
        handover.renew(runtime(), row, g.account.email, secrets)
    except PortError as error:
        return _form(422, refused=error, row=row, by_hand=True)
    return _renewed(row)


def _renewed(row: ConnectionRow) -> Response:
    kept().forget(g.merchant_id)
    flash(gettext("The new keys work and are used from now on. Delete the old one in the shop."))
    return redirect(f"/connections/{row.id}", 303)


# --- back from the shop -------------------------------------------------------------------------------


@routes.get("/stores/handovers/<int:handover_id>")
def back(handover_id: int) -> Response:
    """Where the shop sends the browser afterwards. What its address says is only believed where it says that
    nothing came of it."""
    return page("store_back", **_progress(handover_id))


@routes.get("/stores/handovers/<int:handover_id>/live")
def live(handover_id: int) -> Response:
    """The part of that page that changes; 204 when it has not."""
    found = _progress(handover_id)
    if request.args.get("seen") == found["mark"]:
        return Response(status=204)
    return page("_store_back", **found)


def _progress(handover_id: int) -> dict[str, Any]:
    rt = runtime()
    with reading() as db:
        row = handover.find(db, g.merchant_id, handover_id)
        if row is None:
            abort(404)
        is_known = row.status == "done" and row.connection_id is not None
        seen = embedded.facts(db, g.merchant_id, int(row.connection_id or 0)) if is_known else None
    step = _step(row, seen, is_denied=request.args.get("success") == "0")
    facts = [step, row.problem, seen.listings if seen else 0, bool(seen and seen.webhooks)]
    title = manifest("stores", row.adapter).title
    return {"row": row, "seen": seen, "step": step, "mark": digest(facts), "title": title, "now": rt.now()}


def _step(row: HandoverRow, seen: embedded.Facts | None, *, is_denied: bool) -> str:
    if row.status == "failed":
        return "failed"
    if row.status == "checking":
        return "checking"
    if row.status == "open":
        if is_denied:
            return "denied"
        return "waiting" if row.is_open(runtime().now()) else "expired"
    if row.is_renewal or seen is None:
        return "renewed"
    if seen.read_at is not None:
        return "read"
    return "trouble" if seen.trouble and not seen.is_reading else "reading"


# --- a store connected by hand that installs the app ----------------------------------------------------


def _invited(word: str) -> tuple[join.Invitation, int] | None:
    """Who asks, and this merchant's own connection of the shop. None, and said why, when there is nothing to
    agree to."""
    rt = runtime()
    try:
        invitation = join.invited(rt.keyring, word)
    except LinkInvalid:
        flash(gettext("This link is too old. Open Dispo in your store's admin again."), "bad")
        return None
    with reading() as db:
        found = join.find(db, invitation.adapter, invitation.shop, rt.now(), g.merchant_id)
    if not found:
        said = gettext(
            "This account has no store %(shop)s that is connected by hand. Sign in to the one that has.",
            shop=invitation.shop,
        )
        flash(said, "bad")
        return None
    return invitation, found[0].connection_id


@routes.get("/stores/join/<word>")
def ask_join(word: str) -> Response:
    """What it means to bring the store's admin and this account together."""
    found = _invited(word)
    if found is None:
        return redirect("/connections", 303)
    _ = gettext
    return confirm(
        title=_("Use this account in the admin of %(shop)s?", shop=found[0].shop),
        lead=_("Dispo is being installed there, and this account has the store by hand."),
        points=[
            _("Everybody who may open the app in that admin sees all of this account, its other stores too."),
            _("Dispo's access comes from the app from then on; the key made by hand is thrown away."),
            _("Numbers, rules and shoppers who wait stay as they are."),
        ],
        action=f"/stores/join/{word}",
        submit=_("Use this account"),
        back="/connections",
    )


@routes.post("/stores/join/<word>")
def agree_to_join(word: str) -> Response:
    found = _invited(word)
    if found is None or not join.agree(runtime(), g.merchant_id, found[1], found[0], g.account.email):
        return redirect("/connections", 303)
    flash(gettext("Agreed. Go back to the store's admin and go on there within 15 minutes."))
    return redirect(f"/connections/{found[1]}", 303)
