"""What every adapter of the advertising port promises. Inherit `AdsConformance` and give `platform`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pytest

from connector.ports.ads import AdResult, Ads, AdStatus
from connector.ports.errors import OutcomeUnknown, RateLimited, Retryable, Unauthorized


class Platform(Protocol):
    """The far side of the test: a simulated account and how to make it misbehave.

    `enabled` are at least three enabled ads or keywords, `paused` one paused, `removed` one removed,
    `never` an id that never existed. `stubborn` is one that the platform refuses to pause.
    """

    ads: Ads
    enabled: list[str]
    paused: str
    removed: str
    never: str
    stubborn: str

    def status(self, external_id: str) -> str:
        """The state as the platform itself holds it, in the port's words."""

    def fail_next(self) -> None:
        """The next call fails before it has any effect."""

    def lose_next_answer(self) -> None:
        """The next call has its effect and no answer comes."""

    def use_up_quota(self) -> None:
        """Every further call is one too many."""

    def revoke_credentials(self) -> None:
        """The account no longer accepts the credentials."""

    def calls(self) -> int:
        """How many calls the platform admitted so far."""


class AdsConformance:
    """Inherited by each adapter's tests."""

    @pytest.fixture
    def platform(self) -> Iterator[Platform]:
        raise NotImplementedError("give the simulated platform")

    def test_the_account_says_who_it_is(self, platform: Platform) -> None:
        found = platform.ads.check()
        assert (bool(found.name), bool(found.account_id), len(found.currency)) == (True, True, 3)

    def test_every_ad_that_is_not_removed_is_listed_once_with_its_pages(self, platform: Platform) -> None:
        listed = [ad for page in platform.ads.ads() for ad in page]
        names = [ad.external_id for ad in listed]
        assert len(names) == len(set(names))
        assert {*platform.enabled, platform.paused} <= set(names)
        assert platform.removed not in names
        assert [ad for ad in listed if not ad.landing_pages] == []

    def test_pausing_and_resuming_are_done_and_can_be_read_back(self, platform: Platform) -> None:
        chosen = platform.enabled[:2]
        assert platform.ads.set_status(chosen, "paused", dry_run=False) == _done(chosen)
        assert platform.ads.statuses(chosen) == dict.fromkeys(chosen, "paused")
        assert platform.ads.set_status(chosen, "enabled", dry_run=False) == _done(chosen)
        assert platform.ads.statuses(chosen) == dict.fromkeys(chosen, "enabled")

    def test_setting_the_same_status_again_is_harmless(self, platform: Platform) -> None:
        for _ in range(2):
            assert platform.ads.set_status([platform.paused], "paused", dry_run=False) == _done(
                [platform.paused]
            )
        assert platform.status(platform.paused) == "paused"

    def test_one_bad_ad_among_good_ones_fails_alone_and_in_its_place(self, platform: Platform) -> None:
        chosen = [platform.enabled[0], platform.stubborn, platform.enabled[1], platform.never]
        results = platform.ads.set_status(chosen, "paused", dry_run=False)
        assert [result.external_id for result in results] == chosen
        assert [result.status for result in results] == ["done", "rejected", "done", "not_found"]
        assert all(bool(result.reason) == (result.status != "done") for result in results)
        assert [platform.status(name) for name in chosen[:3]] == ["paused", "enabled", "paused"]

    def test_a_removed_ad_is_not_found_and_stays_removed(self, platform: Platform) -> None:
        (result,) = platform.ads.set_status([platform.removed], "enabled", dry_run=False)
        assert (result.status, platform.status(platform.removed)) == ("not_found", "removed")

    def test_an_ad_that_is_gone_is_missing_from_the_statuses(self, platform: Platform) -> None:
        asked = [platform.enabled[0], platform.never, platform.paused]
        expected: dict[str, AdStatus] = {platform.enabled[0]: "enabled", platform.paused: "paused"}
        assert platform.ads.statuses(asked) == expected

    def test_a_dry_run_is_judged_by_the_platform_and_changes_nothing(self, platform: Platform) -> None:
        if not platform.ads.capabilities.can_validate:
            pytest.skip("the platform has no dry run")
        chosen = [platform.enabled[0], platform.stubborn]
        before = platform.calls()
        results = platform.ads.set_status(chosen, "paused", dry_run=True)
        assert [result.status for result in results] == ["done", "rejected"]
        assert platform.calls() == before + 1
        assert [platform.status(name) for name in chosen] == ["enabled", "enabled"]

    def test_a_lost_answer_is_an_unknown_outcome_and_repeating_settles_it(self, platform: Platform) -> None:
        chosen = platform.enabled[:1]
        platform.lose_next_answer()
        with pytest.raises(OutcomeUnknown):
            platform.ads.set_status(chosen, "paused", dry_run=False)
        assert platform.ads.statuses(chosen) == {chosen[0]: "paused"}
        assert platform.ads.set_status(chosen, "paused", dry_run=False) == _done(chosen)

    def test_a_passing_fault_of_a_read_may_be_repeated(self, platform: Platform) -> None:
        platform.fail_next()
        with pytest.raises(Retryable):
            platform.ads.statuses(platform.enabled)
        assert platform.ads.statuses(platform.enabled) == dict.fromkeys(platform.enabled, "enabled")

    def test_a_used_up_quota_names_the_wait_and_nothing_is_done(self, platform: Platform) -> None:
        platform.use_up_quota()
        with pytest.raises(RateLimited) as caught:
            platform.ads.set_status(platform.enabled[:1], "paused", dry_run=False)
        assert caught.value.retry_after_s > 0
        assert platform.status(platform.enabled[0]) == "enabled"

    def test_revoked_credentials_are_unauthorized_with_a_remedy(self, platform: Platform) -> None:
        platform.revoke_credentials()
        with pytest.raises(Unauthorized) as caught:
            platform.ads.set_status(platform.enabled[:1], "paused", dry_run=False)
        assert caught.value.remedy != ""
        assert platform.status(platform.enabled[0]) == "enabled"

    def test_nothing_to_do_is_no_call(self, platform: Platform) -> None:
        before = platform.calls()
        assert (platform.ads.set_status([], "paused", dry_run=False), platform.ads.statuses([])) == ([], {})
        assert platform.calls() == before

    def test_more_than_a_batch_is_refused_before_any_call(self, platform: Platform) -> None:
        before = platform.calls()
        too_many = [platform.never] * (platform.ads.capabilities.batch_size + 1)
        with pytest.raises(ValueError, match="at most"):
            platform.ads.set_status(too_many, "paused", dry_run=False)
        assert platform.calls() == before


def _done(names: list[str]) -> list[AdResult]:
    return [AdResult(name, "done") for name in names]
