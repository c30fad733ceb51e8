"""The plugin's page in a real browser: the chosen variation, the form, and the word of Dispo when it is worse."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from adapters.stores.woocommerce.plugin.build import PLUGIN
from simulator.server import ServerThread
from tests.plugin.test_plugin import OWN, run


class Site:
    """A shop's page and Dispo behind one address. `live` is what Dispo says, `posted` what it was sent."""

    def __init__(self) -> None:
        self.live: dict[str, Any] = {}
        self.posted: list[dict[str, str]] = []
        self.page = ""
        self.server = ServerThread(self)
        self.url = self.server.url

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self.answer(Request(environ))(environ, start_response)

    def answer(self, request: Request) -> Response:
        if request.path == "/":
            return Response(self.page, content_type="text/html; charset=utf-8")
        if request.path.startswith("/assets/"):
            kind = "text/css" if request.path.endswith(".css") else "text/javascript"
            return Response((PLUGIN / request.path[1:]).read_bytes(), content_type=kind)
        if request.path == "/s/key-of-the-shop/subscribe":
            self.posted.append(dict(request.form))
            return Response('{"message": "Check your mail."}', content_type="application/json")
        if request.path == "/s/key-of-the-shop/availability":
            known = {i: self.live[i] for i in request.args["ids"].split(",") if i in self.live}
            return Response(json.dumps({"items": known}), content_type="application/json")
        return Response(status=404)

    def show(self, kind: str) -> None:
        done: subprocess.CompletedProcess[str] = run(str(OWN / "page.php"), self.url, kind)
        assert (done.returncode, done.stderr) == (0, "")
        scripts = "".join(
            f'<script src="/assets/{name}.js" defer></script>' for name in ("notify-me", "dispo")
        )
        head = f'<link rel="stylesheet" href="/assets/dispo.css">{scripts}'
        self.page = f"<!doctype html><html lang=en><head>{head}</head><body>{done.stdout}</body></html>"


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    site.server.start()
    yield site
    site.server.stop()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_page()
    page.set_default_timeout(5_000)
    yield page
    page.close()


def choose(page: Any, variation: int) -> None:
    """As WooCommerce does: the hidden field first, then the box."""
    page.evaluate(
        """(id) => {
            document.querySelector("[name=variation_id]").value = id || "";
            const box = document.getElementById("box");
            box.replaceChildren(...(id ? [document.getElementById("of-" + id).content.cloneNode(true)] : []));
        }""",
        variation,
    )


def test_the_form_follows_the_chosen_variation(site: Site, page: Any) -> None:
    site.show("variable")
    page.goto(site.url)
    page.wait_for_function("document.querySelector('.dispo').hidden")
    assert page.locator(".dispo-form").is_hidden()

    choose(page, 11)
    page.locator(".dispo-form").wait_for(state="visible")
    assert page.locator("#follows").inner_text() == "Out of stock"

    choose(page, 12)
    page.locator(".dispo-form").wait_for(state="hidden")
    assert page.locator("#follows").inner_text() == "Only 3 left"

    choose(page, 0)
    page.locator("#follows").wait_for(state="hidden")
    assert page.locator(".dispo").is_hidden()
    assert page.locator("form form").count() == 0


def test_a_sign_up_names_the_chosen_variation(site: Site, page: Any) -> None:
    site.show("variable")
    page.goto(site.url)
    choose(page, 11)
    page.locator(".dispo-form [name=email]").fill("ana@example.test")
    page.locator(".dispo-form button").click()
    page.get_by_text("Check your mail.").wait_for()
    (posted,) = site.posted
    assert int(posted.pop("took")) > 0
    assert posted == {
        "email": "ana@example.test",
        "website": "",
        "id": "11",
        "lang": "en",
        "consent": "2026-11",
        "zone": "UTC",
    }


def test_the_badge_on_a_cached_page_is_corrected_for_the_worse(site: Site, page: Any) -> None:
    site.show("simple")
    site.live = {"5": {"state": "out_of_stock"}}
    page.goto(site.url)
    badge = page.locator("[data-dispo-shows='5']")
    page.wait_for_function("document.querySelector('[data-dispo-shows]').dataset.state === 'out_of_stock'")
    assert badge.inner_text() == "Out of stock"
    page.locator(".dispo-form").wait_for(state="visible")
    assert page.locator(".dispo-badge:visible").count() == 1


def test_the_badge_shows_without_a_script(site: Site, browser: Any) -> None:
    site.show("simple")
    page = browser.new_page(java_script_enabled=False)
    page.goto(site.url)
    assert page.locator(".dispo-badge:visible").all_inner_texts() == ["In stock"]
    assert page.locator(".dispo-form").is_hidden()
    page.close()
