"""The shoppers of the demonstration who ask to be told: they sign up, read their mail, click and buy."""

from __future__ import annotations

import random

import httpx2

from simulator.demo.town import WOO, Town
from simulator.mailbox.messages import StoredMessage
from simulator.storefront.server import CONSENT_VERSION

CLAIMS = 0.35
_NAMES = (
    "amelie", "oscar", "chloe", "hugo", "ines", "jules", "lea", "noah", "emma", "louis", "ruth", "theo", "vera",
    "felix", "nora", "max",
)  # fmt: skip


class People:
    """Shoppers of `town`. Each mail is read once; `invited_and_gone` counts clicks that found nothing."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._dice = random.Random(f"people:{town.day}")
        self._web = httpx2.Client(timeout=10, follow_redirects=False)
        self._read = max((message.id for message in town.mailbox.inbox()), default=0)
        self._number = self._read
        self.signed_up = self.bought = self.invited_and_gone = 0

    def ask(self) -> None:
        """Somebody looks for something that is sold out, wanted things more often, and leaves an address."""
        town = self._town
        key = town.public_keys.get(WOO)
        shop = town.shops[WOO]
        with shop.lock:
            out = [item for item in shop.items.values() if (item.stock or 0) <= 0]
        if not key or not out:
            return
        item = self._dice.choices(out, [town.history.daily_mean.get(i.sku, 1.0) for i in out])[0]
        self._number += 1
        answer = self._web.post(
            f"{town.plan.base_url}/s/{key}/subscribe",
            json={
                "id": town.storefront.external_id(WOO, item),
                "email": f"{self._dice.choice(_NAMES)}.{self._number}@example.net",
                "lang": self._dice.choice(("en", "en", "fr")),
                "consent": CONSENT_VERSION,
                "units": 1,
            },
        )
        self.signed_up += answer.status_code < 300

    def read_mail(self) -> None:
        """Open what came: confirm a sign-up, or follow an invitation and perhaps buy."""
        for message in self._town.mailbox.inbox():
            if message.id > self._read:
                self._read = message.id
                self._open(message)

    def _open(self, message: StoredMessage) -> None:
        for link in message.links:
            if "/confirm/" in link:
                self._web.post(link)
                return
            if "/c/" in link and self._dice.random() < CLAIMS:
                self._follow(link)
                return

    def _follow(self, link: str) -> None:
        landing = self._web.get(link).headers.get("location", "")
        handle = landing.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
        shop = self._town.shops[WOO]
        product = shop.by_handle(handle)
        if product is None:
            return
        item = next((i for i in shop.items_of(product) if (i.stock or 0) > 0), None)
        if item is not None and self._town.buy_one(WOO, item.id, 1):
            self.bought += 1
        else:
            self.invited_and_gone += 1
