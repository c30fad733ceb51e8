"""What the merchant is told by mail: chosen, shown as it would leave, and switched off."""

from __future__ import annotations

import sqlalchemy as sa

from tests.web.conftest import Person
from tests.web.shop import Shop

GIVEN = {
    "is_on": "1", "refunds": "1", "address": "", "hours_between": "4", "quiet_from": "22:00", "quiet_until": "07:00",
}  # fmt: skip


def test_the_page_shows_the_mail_as_it_would_leave_now(owner: Person, shop: Shop) -> None:
    text = owner.get("/notices").text
    assert "Everything that needs you now, as one mail." in text
    assert "It goes to owner@shop.test." in text
    mail = owner.get("/notices/mail")
    assert "Order 4711" in mail.text
    assert "sandbox" in mail.headers["Content-Security-Policy"]


def test_a_choice_is_kept_or_refused_in_words(owner: Person, shop: Shop) -> None:
    refused = owner.post("/notices", {**GIVEN, "hours_between": "0", "address": "me and you@shop.test"})
    assert (refused.status_code, refused.text.count('class="error"')) == (422, 2)
    assert owner.post("/notices", GIVEN).status_code == 303
    with shop.engine.connect() as db:
        says = db.execute(sa.text("select says from notice_rule")).scalar_one()
    assert (says["hours_between"], says["new"], says["quiet_from"]) == (4, False, "22:00")


def test_the_page_is_french_to_whoever_reads_french(owner: Person, shop: Shop) -> None:
    owner.post("/language", {"locale": "fr"})
    text = owner.get("/notices").text
    assert "Ce dont vous êtes averti" in text
    assert "What you hear of" not in text
