"""Every channel has what its port, the forms and the help need. Their conformance runs in tests/adapters."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.registry import ADAPTERS, Environment, Manifest, manifest

ROOT = Path(__file__).resolve().parents[2]
MEDIA = {
    "email": "email",
    "klaviyo": "event",
    "mail_api": "email",
    "omnisend": "event",
    "sms_webhook": "sms",
    "twilio": "sms",
    "web_push": "push",
}


def test_every_channel_says_its_medium() -> None:
    assert {name: manifest("channels", name).medium for name in ADAPTERS["channels"]} == MEDIA


@pytest.fixture(params=sorted(ADAPTERS["channels"]))
def found(request: pytest.FixtureRequest) -> Manifest:
    return manifest("channels", request.param)


def test_its_help_page_names_every_setting(found: Manifest) -> None:
    help_page = (ROOT / "docs" / found.help_page).read_text(encoding="utf-8")
    assert help_page.startswith("# ")
    # Rare ones and the choice between providers need no line of their own.
    common = [field.label for field in found.fields if not field.is_rare]
    words = help_page.casefold()
    assert [label for label in common if label.casefold() not in words] == []


def test_what_it_makes_by_itself_is_a_secret_that_it_takes(found: Manifest) -> None:
    if found.new_secrets is None:
        pytest.skip("it makes none")
    made = found.new_secrets()
    assert set(made) <= {field.name for field in found.fields if field.is_secret}
    assert made != found.new_secrets()
    found.build({"contact": "shop@example.com"}, made, Environment())
