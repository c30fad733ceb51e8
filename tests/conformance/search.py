"""What every adapter of the search port promises. Inherit `SearchConformance` and give `engine`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Protocol

import pytest

from connector.ports.errors import Misconfigured, PortError, RateLimited, Rejected, Retryable, Unauthorized
from connector.ports.search import PageTraffic, Search

FIRST, LAST = date(2025, 12, 6), date(2026, 1, 2)


class Engine(Protocol):
    """The far side of the test: a simulated search engine and how to make it misbehave.

    Its site has the pages a, b and c. Inside of FIRST to LAST they have 5, 3 and 0 clicks and 50, 30 and 10
    impressions; a day before FIRST another 100 of each. Page a is fine, b was not found, c is noindex.
    """

    search: Search
    secrets: tuple[str, ...]

    def url(self, page: str) -> str:
        """The address of a page."""

    def rows_at_once(self, most: int) -> None:
        """An answer holds at most so many pages."""

    def forbid_the_site(self) -> None:
        """The account may not read the site any more."""

    def use_up_the_day(self) -> None:
        """No inspection is left today."""

    def throttle_next(self) -> None:
        """The next request is too much."""

    def fail_next(self) -> None:
        """The next request fails for a reason that passes."""

    def cut_next(self) -> None:
        """The connection breaks before the next answer."""

    def end_access(self) -> None:
        """What was signed in with before counts no more; signing in works."""

    def revoke_credentials(self) -> None:
        """The account no longer accepts the credentials."""


class SearchConformance:
    """Inherited by each adapter's tests."""

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        raise NotImplementedError("give the simulated engine")

    def test_checking_names_the_account_and_the_site(self, engine: Engine) -> None:
        found = engine.search.check()
        assert found.name != ""
        assert found.site in [site.address for site in engine.search.sites() if site.is_readable]

    def test_traffic_is_of_the_days_asked_for_in_any_portions(self, engine: Engine) -> None:
        expected = [
            PageTraffic(engine.url("a"), 5, 50),
            PageTraffic(engine.url("b"), 3, 30),
            PageTraffic(engine.url("c"), 0, 10),
        ]
        for most in (100, 2, 1):
            engine.rows_at_once(most)
            portions = list(engine.search.traffic(FIRST, LAST))
            assert expected == [row for portion in portions for row in portion]
            assert max(len(portion) for portion in portions) <= most

    def test_inspections_are_in_words_of_no_platform(self, engine: Engine) -> None:
        found = [engine.search.inspect(engine.url(page)) for page in "abc"]
        assert [True, False, False] == [one.is_indexed for one in found]
        assert ["", "not_found", "noindex"] == [one.fault for one in found]
        assert all(one.crawled_at is not None and one.crawled_at.tzinfo is not None for one in found)

    def test_a_page_of_somebody_else_is_rejected_and_not_asked(self, engine: Engine) -> None:
        elsewhere = "https://somebody.example/a"
        assert engine.search.covers(engine.url("a"))
        assert not engine.search.covers(elsewhere)
        with pytest.raises(Rejected):
            engine.search.inspect(elsewhere)
        with pytest.raises(Rejected):
            engine.search.look(elsewhere)

    def test_a_site_that_may_not_be_read_names_the_setting(self, engine: Engine) -> None:
        engine.forbid_the_site()
        for ask in (
            engine.search.check,
            lambda: list(engine.search.traffic(FIRST, LAST)),
            lambda: engine.search.inspect(engine.url("a")),
        ):
            with pytest.raises(Misconfigured) as caught:
                ask()
            assert ("site", True) == (caught.value.field, caught.value.remedy != "")

    def test_too_much_says_for_how_long_and_asks_no_more(self, engine: Engine) -> None:
        engine.throttle_next()
        for _ in range(2):  # the second time nobody is asked
            with pytest.raises(RateLimited) as caught:
                engine.search.inspect(engine.url("a"))
            assert caught.value.retry_after_s > 0

    def test_a_days_allowance_used_up_is_a_rate_limit(self, engine: Engine) -> None:
        engine.use_up_the_day()
        with pytest.raises(RateLimited):
            engine.search.inspect(engine.url("a"))

    @pytest.mark.parametrize("fault", ["fail_next", "cut_next"])
    def test_what_passes_is_retryable_and_harmless_to_repeat(self, engine: Engine, fault: str) -> None:
        getattr(engine, fault)()
        with pytest.raises(Retryable):
            engine.search.inspect(engine.url("a"))
        assert engine.search.inspect(engine.url("a")).is_indexed

    def test_access_that_ended_is_renewed_once(self, engine: Engine) -> None:
        engine.search.check()
        engine.end_access()
        assert engine.search.inspect(engine.url("a")).is_indexed

    def test_refused_credentials_are_unauthorized_and_never_told(self, engine: Engine) -> None:
        engine.revoke_credentials()
        with pytest.raises(Unauthorized) as caught:
            engine.search.check()
        assert caught.value.remedy != ""
        assert [] == [secret for secret in engine.secrets if secret in str(caught.value)]
        assert isinstance(caught.value, PortError)
