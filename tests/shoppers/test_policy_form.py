"""Settings for messages to shoppers as they are typed: read, written back, refused by field."""

from __future__ import annotations

from datetime import date, time

import pytest

from connector.i18n import gettext
from connector.shoppers.policy import ShopperPolicy
from connector.shoppers.policy_form import Fault, PolicyRefused, read, shape_of, write
from connector.web.policy_words import sections, why

DEFAULTS = ShopperPolicy()


def test_every_setting_is_in_the_form_with_the_words_of_its_choices() -> None:
    said = [one for section in sections(gettext("en"), "EUR") for one in section.fields]

    assert set(ShopperPolicy.model_fields) == {one.name for one in said}, "add it to policy_words.sections"
    assert len(said) == len({one.name for one in said})
    assert [] == [one.name for one in said if set(one.choices) != set(one.shape.choices)]


def test_what_is_written_reads_as_it_was() -> None:
    policy = ShopperPolicy(
        channels=("email", "sms"),
        settle_s=90,
        quiet_from=time(22),
        quiet_until=time(7, 30),
        warms_up_from=date(2026, 11, 22),
        pace="careful",
    )
    texts = {name: write(name, getattr(policy, name)) for name in ShopperPolicy.model_fields}

    assert "1.5" == texts["settle_s"] and "07:30" == texts["quiet_until"]
    given: dict[str, list[str]] = {
        name: text if isinstance(text, list) else [text] for name, text in texts.items()
    }
    assert policy == read(given, DEFAULTS)


def test_what_is_not_named_stays() -> None:
    before = ShopperPolicy(most_per_day=9, refuses_disposable=True)

    assert before.model_copy(update={"min_units": 3}) == read({"min_units": ["3"]}, before)
    assert not read({"refuses_disposable": []}, before).refuses_disposable


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        pytest.param(
            {"min_units": ["0"]}, {"min_units": Fault("number", "1", "10000")}, id="below the least"
        ),
        pytest.param({"min_units": ["many"]}, {"min_units": Fault("number", "1", "10000")}, id="no number"),
        pytest.param({"min_units": [""]}, {"min_units": Fault("number", "1", "10000")}, id="empty"),
        pytest.param({"min_units": ["1e3"], "pace": ["wild"]}, {"pace": Fault("choice")}, id="no choice"),
        pytest.param(
            {"settle_s": ["0.005"]}, {"settle_s": Fault("number", "0", "1440")}, id="no whole second"
        ),
        pytest.param({"channels": []}, {"channels": Fault("several")}, id="no channel"),
        pytest.param({"channels": ["pigeon"]}, {"channels": Fault("several")}, id="unknown channel"),
        pytest.param({"country": ["Fr1"]}, {"country": Fault("text")}, id="no country"),
        pytest.param({"quiet_from": ["25:00"]}, {"quiet_from": Fault("time")}, id="no time"),
        pytest.param({"quiet_from": ["22:00"]}, {"quiet_until": Fault("pair")}, id="half a pair"),
        pytest.param({"sms_from": ["21:00"]}, {"sms_until": Fault("order")}, id="ends before it begins"),
        pytest.param({"warms_up_from": ["tomorrow"]}, {"warms_up_from": Fault("day")}, id="no day"),
    ],
)
def test_a_wrong_field_is_named_with_its_bounds(
    given: dict[str, list[str]], faults: dict[str, Fault]
) -> None:
    with pytest.raises(PolicyRefused) as refused:
        read(given, DEFAULTS)

    assert faults == refused.value.faults
    assert all(why(gettext("fr"), fault) != why(gettext("en"), fault) for fault in faults.values())


def test_an_empty_text_is_none_only_where_there_may_be_none() -> None:
    assert read({"most_per_hour": [""]}, ShopperPolicy(most_per_hour=7)).most_per_hour is None
    assert shape_of("most_per_hour").is_optional and not shape_of("most_per_day").is_optional
