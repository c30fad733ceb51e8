"""Connects Dispo to the demonstration's town, with the same commands a merchant types."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
from typing import Any

from connector.cli import main
from simulator.demo.town import (
    DKIM_SELECTOR,
    DOMAIN,
    KEY,
    SECRET,
    SHOPIFY,
    SHOPIFY_SECRET,
    SHOPIFY_TOKEN,
    WOO,
    Town,
)

EMAIL = "demo@vase-and-co.example"
SYNC_EVERY_S = 20


class OpeningFailed(RuntimeError):
    """A command ended with an error; the message holds what it said."""


def open_town(town: Town) -> None:
    """Set everything up on the first start; later starts only learn the shops' public keys.

    The WooCommerce shop is approved for writing; the Shopify shop waits for the visitor's approval.
    Each step is skipped when it was done before, so an interrupted opening is taken up again.
    """
    if not dispo("merchant", "list"):
        dispo(
            "merchant", "add", "--name", "Vase & Co", "--email", EMAIL, "--timezone", "Europe/London",
            "--currency", "GBP", password=secrets.token_urlsafe(16),
        )  # fmt: skip
    stores = {store["adapter"] for store in dispo("store", "list")}
    if WOO not in stores:
        dispo(
            "store", "connect", WOO, "--name", "Vase & Co", "--set", f"url={town.woo.url}",
            secret={"consumer_key": KEY, "consumer_secret": SECRET},
        )  # fmt: skip
    if SHOPIFY not in stores:
        dispo(
            "store", "connect", SHOPIFY, "--name", "Vase & Co Outlet", "--set", "shop=demo.myshopify.com",
            "--set", f"base_url={town.shopify.url}",
            secret={"access_token": SHOPIFY_TOKEN, "api_secret": SHOPIFY_SECRET},
        )  # fmt: skip
    known = {supplier["name"] for supplier in dispo("supplier", "list")}
    for wholesaler in town.wholesalers:
        if wholesaler.name not in known:
            more = ["--set", "records_path=items"] if wholesaler.kind == "json" else []
            dispo(
                "supplier", "connect", "file", town.supplier.address(wholesaler.name), "--name", wholesaler.name,
                "--every", str(SYNC_EVERY_S), "--lead-time-days", "7", *more,
            )  # fmt: skip
    found = {store["adapter"]: store for store in dispo("store", "list")}
    if found[WOO]["writes"] == "not approved":
        dispo("sync", check=False)
        dispo("store", "approve", str(found[WOO]["id"]), "--yes")
    if not dispo("ads", "list"):
        config, secret = town.ads.connection()
        pairs = [part for key, value in config.items() for part in ("--set", f"{key}={value}")]
        dispo("ads", "connect", "google_ads", "--live", *pairs, secret=secret)
    if not dispo("channel", "list"):
        dispo(
            "channel", "connect", "email", "--name", "Shop mail", "--set", "host=127.0.0.1",
            "--set", f"port={town.mailbox.port}", "--set", "security=none",
            "--set", f"from_address=stock@{DOMAIN}", "--set", f"dkim_selector={DKIM_SELECTOR}",
            "--secret-file", f"dkim_private_key={town.dkim_key}",
        )  # fmt: skip
    town.public_keys.update({store["adapter"]: store["public_key"] for store in found.values()})


def dispo(
    *arguments: str, secret: dict[str, str] | None = None, password: str = "", check: bool = True
) -> Any:
    """Run one command with --json and return what it printed. Raises OpeningFailed.

    In this process, because importing everything anew for each of a dozen commands takes longer than all
    their work. Secrets go through the environment, as an operator's would.
    """
    given = {f"DISPO_SECRET_{name.upper()}": value for name, value in (secret or {}).items()}
    if password:
        given["DISPO_PASSWORD"] = password
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    os.environ.update(given)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main([*arguments, "--json"])
            except SystemExit as ended:
                code = ended.code
    finally:
        for name in given:
            os.environ.pop(name, None)
    if code and check:
        raise OpeningFailed(f"dispo {' '.join(arguments[:3])}: {err.getvalue().strip()[-2000:]}")
    return json.loads(out.getvalue()) if out.getvalue().strip() else None
