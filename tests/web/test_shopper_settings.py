"""The settings for messages to shoppers, and the previews of all of them, as their owner sees them."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from connector.bootstrap import Runtime
from connector.i18n import locales
from connector.shoppers.policy import ShopperPolicy, policy_of
from connector.shoppers.previews import TESTS_PER_HOUR
from connector.shoppers.render import KINDS
from tests.shoppers.world import RecordingChannel
from tests.web.conftest import Person
from tests.web.shop import Shop

FORM = {
    "channels": "email",
    "min_units": "2",
    "settle_s": "10",
    "pace": "careful",
    "sms_from": "09:00",
    "sms_until": "19:00",
    "most_per_day": "3",
    "slip_days": "3",
    "slip_pause_days": "4",
    "code_days": "30",
}


def test_settings_are_kept_with_who_changed_what(owner: Person, stranger: Person, shop: Shop) -> None:
    assert 303 == owner.post("/shoppers/settings", FORM).status_code

    with shop.engine.connect() as db:
        policy = policy_of(db, shop.merchant_id)
        noted = db.execute(
            sa.text("select actor, detail from audit_event where action = 'shoppers.settings'")
        ).one()
    assert (2, 600, "careful", 3) == (policy.min_units, policy.settle_s, policy.pace, policy.most_per_day)
    assert "owner@shop.test" == noted.actor and [1, 2] == noted.detail["min_units"]
    text = owner.get("/shoppers/settings").text
    assert 'name="settle_s" value="10"' in text and 'value="careful" checked' in text
    assert 'name="settle_s" value="0"' in stranger.get("/shoppers/settings").text


def test_a_wrong_setting_is_named_and_nothing_is_kept(owner: Person, shop: Shop) -> None:
    answer = owner.post("/shoppers/settings", {**FORM, "min_units": "0", "quiet_from": "22:00"})

    assert 422 == answer.status_code
    assert "2 fields need your attention. Nothing was saved." in answer.text
    assert "Enter a number from 1 to 10000." in answer.text and "Enter both, or neither." in answer.text
    assert 'name="settle_s" value="10"' in answer.text  # what was typed stays
    with shop.engine.connect() as db:
        assert ShopperPolicy() == policy_of(db, shop.merchant_id)


@pytest.mark.parametrize("locale", locales())
@pytest.mark.parametrize("kind", KINDS)
def test_every_message_is_shown_in_every_language(owner: Person, kind: str, locale: str) -> None:
    asked = f"kind={kind}&locale={locale}"
    text = owner.get(f"/shoppers/messages/preview?{asked}").text
    frame = owner.get(f"/shoppers/messages/preview/mail?{asked}&colors=dark")

    assert "Vase Lumière, blue" in text  # the product most shoppers wait for
    assert f'src="/shoppers/messages/preview/mail?kind={kind}&amp;locale={locale}"' in text
    assert {'href="#"'} == set(re.findall(r'href="[^"]*"', frame.text))
    assert "prefers-color-scheme" not in frame.text and "@media all" in frame.text
    assert "sandbox" in frame.headers["Content-Security-Policy"]
    assert f'lang="{locale}"' in frame.text


def test_there_is_no_preview_of_what_is_no_message(owner: Person) -> None:
    assert 404 == owner.get("/shoppers/messages/preview?kind=spam").status_code
    assert 404 == owner.get("/shoppers/messages/preview?locale=tlh").status_code


def test_a_test_goes_to_oneself_is_marked_and_counts_for_nothing(
    owner: Person, shop: Shop, rt: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = RecordingChannel()
    monkeypatch.setattr(rt, "channel", lambda merchant_id, connection_id: mail)
    with shop.engine.connect() as db:
        before = db.scalar(sa.text("select count(*) from message"))
    asked = {"kind": "back_in_stock", "locale": "fr", "to": "somebody@else.test"}

    assert 303 == owner.post("/shoppers/messages/preview/test", asked).status_code
    [sent] = mail.sent
    assert ("owner@shop.test", "fr", "") == (sent.to, sent.language, sent.unsubscribe_url)
    assert sent.subject.startswith("[Test] De retour en stock")
    with shop.engine.connect() as db:
        assert before == db.scalar(sa.text("select count(*) from message"))
    for _ in range(TESTS_PER_HOUR - 1):
        owner.post("/shoppers/messages/preview/test", asked)
    answer = owner.post("/shoppers/messages/preview/test", asked)
    assert 429 == answer.status_code and "10 tests were sent within an hour." in answer.text
    assert TESTS_PER_HOUR == len(mail.sent)


def test_a_test_that_cannot_leave_says_why(owner: Person) -> None:
    answer = owner.post("/shoppers/messages/preview/test", {"kind": "confirm", "locale": "en"})

    assert 422 == answer.status_code
    assert "The test was not sent. " in answer.text and "No way to send them is set up." in answer.text
