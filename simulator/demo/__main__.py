"""`python -m simulator.demo PLAN`: the town around Dispo, until SIGTERM."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import httpx2

from simulator.demo import plan
from simulator.demo.opening import OpeningFailed, open_town
from simulator.demo.people import People
from simulator.demo.town import Town

TICK_S = 0.5
PUBLISH_EVERY_S = 15.0
# Everybody here shares one network address, and sign-ups per network are limited.
ASK_EVERY_S = 31.0
SAVE_EVERY_S = 30.0


def main() -> int:
    """Open the town, connect Dispo to it once, then let days pass."""
    town = Town(plan.load(Path(sys.argv[1])))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    town.start()
    try:
        try:
            open_town(town)
        except OpeningFailed as error:
            print(f"The demonstration could not be set up. {error}", flush=True)
            return 1
        links = town.plan.links()
        print(f"Open {town.plan.base_url}/demo", flush=True)
        print(f"Shops {links['storefront']}  mail {links['mailbox']}  ads {links['ads']}", flush=True)
        _live(town, stop)
    finally:
        town.stop()
    return 0


def _live(town: Town, stop: threading.Event) -> None:
    people = People(town)
    next_publish = next_ask = next_save = time.monotonic()
    before = time.monotonic()
    said_day = int(town.day)
    while not stop.wait(TICK_S):
        now = time.monotonic()
        town.pass_time((now - before) / 60 * town.plan.days_per_minute)
        before = now
        if now >= next_publish:
            next_publish = now + PUBLISH_EVERY_S
            town.publish()
        try:
            people.read_mail()
            if now >= next_ask:
                next_ask = now + ASK_EVERY_S
                people.ask()
        except httpx2.HTTPError as error:
            # Dispo is restarting: shoppers come back later, as they would.
            print(f"Dispo did not answer ({type(error).__name__}); shoppers try again.", flush=True)
        if now >= next_save:
            next_save = now + SAVE_EVERY_S
            town.save()
        if int(town.day) != said_day:
            said_day = int(town.day)
            print(
                f"Day {said_day}: {town.orders} orders so far, {people.signed_up} sign-ups, "
                f"{people.bought} bought after a message, {people.invited_and_gone} came too late.",
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
