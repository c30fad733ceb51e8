"""The page of delivery dates: settings are checked, seen before they hold, kept, and exported."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from connector.positions.shipping import SourceCalendar, kept_rule
from connector.web.delivery_form import read_delivery, shown
from tests.web.conftest import Person
from tests.web.shop import Shop

GOOD = {
    "is_on": "1",
    "handling_days": "1",
    "cut_off": "14:00",
    **{f"day{day}": "1" for day in range(5)},
    "country": "FR",
    "subdivision": "57",
    "closed_on": "2026-12-24\n2026-12-31",
    "making_days": "5",
    "zone0_name": "France",
    "zone0_countries": "fr, MC",
    "zone0_least": "1",
    "zone0_most": "2",
    "zone0_week": "0-5",
    "zone0_holidays": "FR",
}


def say(text: str, **values: object) -> str:
    return text % values if values else text


def test_what_is_read_is_what_is_shown_again() -> None:
    found = read_delivery({**GOOD, "source7": "3", "source8": "0", "source9": "5"}, [7, 8], say)
    assert found.errors == {}
    rule = found.rule
    assert rule is not None
    assert (rule.handling_days, rule.making_days, rule.source_days) == (1, 5, {7: 3})
    assert rule.closed_on == (date(2026, 12, 24), date(2026, 12, 31))
    assert rule.zones[0].countries == ("FR", "MC")
    assert rule == read_delivery(shown(rule, "", ""), [7, 8], say).rule


def test_calendars_of_suppliers_are_read_and_shown_again() -> None:
    form = {**GOOD, "moves_restock_dates": "1", "source7_week": "0-5", "source7_country": "DE"}
    found = read_delivery({**form, "source7_closed": "2026-12-28 2026-12-24"}, [7, 8], say).rule
    assert found is not None
    assert found.source_calendars == {
        7: SourceCalendar(
            weekdays=frozenset(range(6)), country="DE", closed_on=(date(2026, 12, 24), date(2026, 12, 28))
        )
    }
    assert (True, False) == (found.moves_restock_dates, shown(found, "", "")["moves_restock_dates"] == "")
    assert found == read_delivery(shown(found, "", ""), [7, 8], say).rule


def test_without_the_box_restock_dates_keep_no_calendar() -> None:
    found = read_delivery(GOOD, [], say).rule
    assert found is not None
    assert found.booked_in() is None
    assert shown(None, "FR", "France")["moves_restock_dates"] == "1"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"handling_days": "-1"}, "handling_days", id="negative"),
        pytest.param({"handling_days": "61"}, "handling_days", id="too many"),
        pytest.param({"cut_off": "noon"}, "cut_off", id="no time"),
        pytest.param({f"day{day}": "" for day in range(5)}, "weekdays", id="never works"),
        pytest.param({"country": "XX", "subdivision": ""}, "country", id="no country"),
        pytest.param({"subdivision": "BY"}, "subdivision", id="part of another"),
        pytest.param({"closed_on": "24.12."}, "closed_on", id="no date"),
        pytest.param({"making_days": "soon"}, "making_days", id="no number"),
        pytest.param({"zone0_name": " "}, "zone0_name", id="goes nowhere"),
        pytest.param({"zone0_least": "3"}, "zone0_most", id="turned round"),
        pytest.param({"zone0_countries": "France"}, "zone0_countries", id="no code"),
        pytest.param({"zone0_holidays": "XX"}, "zone0_holidays", id="no holidays"),
        pytest.param({"source7_country": "DE"}, "source7_week", id="a supplier's holidays without its days"),
        pytest.param(
            {"source7_week": "0-4", "source7_closed": "soon"}, "source7_closed", id="no closing day"
        ),
    ],
)
def test_each_mistake_is_said_beside_its_field(changes: dict[str, str], field: str) -> None:
    found = read_delivery({**GOOD, **changes}, [7], say)
    assert (found.rule, [field]) == (None, list(found.errors))


def rule(shop: Shop) -> Any:
    with shop.engine.connect() as db:
        return kept_rule(db, shop.merchant_id)


def test_settings_are_seen_before_they_hold(owner: Person, shop: Shop) -> None:
    assert "Days until you hand a parcel over" in owner.get("/delivery").text

    seen = owner.post("/delivery", {**GOOD, "preview": "1"})

    assert (seen.status_code, rule(shop)) == (200, None)
    assert "Not saved yet" in seen.text
    assert "Vase Lumière, white" in seen.text

    assert owner.post("/delivery", {**GOOD, "handling_days": "x"}).status_code == 422
    assert rule(shop) is None
    assert owner.post("/delivery", GOOD).status_code == 303
    assert rule(shop).handling_days == 1
    with shop.engine.connect() as db:
        done = sa.text("select action from audit_event where merchant_id = :m order by id desc limit 1")
        assert "delivery.save" == db.execute(done, {"m": shop.merchant_id}).scalar_one()


def test_windows_kept_with_orders_are_exported(owner: Person, shop: Shop) -> None:
    shop.execute(
        """
        insert into order_promise (merchant_id, connection_id, order_id, line_id, variant_id, from_on, until_on,
                                   basis, zone, shown_at)
        values (:m, :c, 'o-1', '1', :v, '2026-11-24', '2026-11-26', 'stock', 'France', '2026-11-22T10:00Z')
        """,
        c=shop.store_id,
        v=shop.variants["A-13"],
    )
    lines = owner.get("/delivery.csv").text.splitlines()
    assert lines[1:] == [
        '2026-11-22T10:00:00+00:00,Atelier Vase,o-1,1,A-13,"Vase Lumière, white",2026-11-24,2026-11-26,stock,France'
    ]
