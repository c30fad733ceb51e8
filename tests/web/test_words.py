"""Nothing that merchants read is a name of our code."""

from __future__ import annotations

import pytest

from connector import i18n
from connector.bootstrap import TOPICS
from connector.web.words import Words


@pytest.mark.parametrize("locale", i18n.locales())
def test_everything_that_can_be_on_its_way_has_a_name(locale: str) -> None:
    words = Words(locale)
    named = {topic: words.topic(topic) for topic in TOPICS}
    assert [topic for topic, said in named.items() if said == topic] == []
    assert len(set(named.values())) == len(named)
