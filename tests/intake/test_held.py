"""What waits for the merchant: held files, held rows, approval, rejection."""

from __future__ import annotations

import pytest

from connector.intake.held import approve, reject, rows_of_skus
from connector.intake.runtime import NotPossible
from connector.intake.undo import undo
from tests.intake.conftest import MERCHANT, Shop


def _file(**units: int | str) -> str:
    return "SKU,Stock\n" + "".join(f"{sku},{value}\n" for sku, value in units.items())


def _stock(count: int, units: int = 9) -> dict[str, int | str]:
    return {f"S{n}": units + n for n in range(count)}


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    """A shop of 40 variants whose supplier has stock of each."""
    for n in range(40):
        shop.add_variant(f"S{n}")
    shop.run(_file(**_stock(40)))
    return shop


def _all_to_zero() -> str:
    return _file(**{f"S{n}": 0 for n in range(20)}, **{f"S{n}": 9 + n for n in range(20, 40)})


class TestAHeldFile:
    def test_changes_nothing_and_says_why(self, stocked: Shop) -> None:
        before = stocked.observed(), stocked.available(), stocked.all("select as_of, mark from source")

        outcome = stocked.run(_all_to_zero())

        assert (outcome.status, outcome.error_code, outcome.rows_held) == ("held", "many_to_zero", 20)
        assert outcome.error == "20 of 40 items in stock would go to zero (50 %)."
        assert before == (
            stocked.observed(),
            stocked.available(),
            stocked.all("select as_of, mark from source"),
        )
        assert stocked.all(
            "select item_key, status, quantity_before, quantity_after from held_change order by id limit 2"
        ) == [("s0", "held", 9, 0), ("s1", "held", 10, 0)]

    def test_the_same_file_again_is_not_held_twice(self, stocked: Shop) -> None:
        stocked.run(_all_to_zero())

        outcome = stocked.run()

        assert (outcome.status, outcome.error_code) == ("unchanged", "waiting")
        assert outcome.error == "The same file as run 2, which waits for your answer."
        assert stocked.all("select count(*) from held_change") == [(20,)]

    def test_approval_applies_it_as_if_it_had_been_accepted(self, stocked: Shop) -> None:
        stocked.run(_all_to_zero())
        taken_at = stocked.rt.clock()

        outcome = approve(stocked.rt, MERCHANT, 2)

        assert (outcome.status, outcome.error, outcome.rows_held, outcome.rows_changed) == (
            "applied",
            "",
            0,
            20,
        )
        assert (outcome.variants_decided, outcome.variants_changed) == (20, 20)
        assert stocked.available()["S3"] == 0
        assert stocked.available()["S33"] == 42
        assert stocked.all("select as_of from source") == [(taken_at,)]
        assert stocked.all("select distinct status from held_change") == [("approved",)]
        assert stocked.run().status == "unchanged"

    def test_after_approval_the_next_file_is_read_by_its_changes_only(self, stocked: Shop) -> None:
        stocked.run(_all_to_zero())
        approve(stocked.rt, MERCHANT, 2)

        outcome = stocked.run(_all_to_zero().replace("S39,48", "S39,47"))

        assert (outcome.status, outcome.rows_changed) == ("applied", 1)
        assert stocked.supplier.tables[-1].parsed == 1

    def test_approval_zeroes_missing_items_and_pins_unreadable_ones(self, stocked: Shop) -> None:
        stocked.source(missing_policy="zero")
        first = stocked.rt.clock()
        text = _all_to_zero().replace("S39,48\n", "").replace("S38,47", "S38,soon")
        stocked.run(text)

        approve(stocked.rt, MERCHANT, 2)

        assert stocked.available()["S39"] == 0
        assert stocked.all("select quantity, as_of from observation where item_key = 's38'") == [(47, first)]

    def test_rejection_keeps_what_was_known_and_never_takes_that_file_again(self, stocked: Shop) -> None:
        stocked.run(_all_to_zero())

        outcome = reject(stocked.rt, MERCHANT, 2)

        assert outcome.status == "rejected"
        assert stocked.observed()["s3"] == 12
        again = stocked.run()
        assert (again.status, again.error_code) == ("rejected", "quarantined")
        assert stocked.all("select distinct status from held_change") == [("rejected",)]

    def test_a_newer_accepted_file_supersedes_it(self, stocked: Shop) -> None:
        stocked.run(_all_to_zero())

        assert stocked.run(_file(**_stock(40, units=10))).status == "applied"

        assert stocked.all("select status, error_code from run where id = 2") == [("rejected", "superseded")]
        assert stocked.all("select distinct status from held_change") == [("superseded",)]
        with pytest.raises(NotPossible, match=r"it is rejected\. A newer file was accepted since\."):
            approve(stocked.rt, MERCHANT, 2)
        assert stocked.observed()["s3"] == 13

    def test_a_held_first_file_can_be_approved(self, shop: Shop) -> None:
        shop.add_variant("A-1")
        text = "SKU,Stock\nA-1,5\nB-2,oak\nC-3,blue\n"
        shop.source(mapping={"columns": {"sku": "SKU", "quantity": "Stock"}})
        assert shop.run(text).error_code == "column_shift"
        assert shop.observed() == {}

        approve(shop.rt, MERCHANT, 1)

        assert shop.observed() == {"a-1": 5}
        assert shop.available() == {"A-1": 5}


class TestHeldRows:
    def test_only_the_suspicious_row_waits(self, stocked: Shop) -> None:
        first = stocked.rt.clock()
        text = _file(**{**_stock(40), "S1": 9_000, "S2": 3})

        outcome = stocked.run(text)

        assert (outcome.status, outcome.rows_held, outcome.rows_changed) == ("partly_held", 1, 1)
        assert (stocked.available()["S1"], stocked.available()["S2"]) == (10, 3)
        assert stocked.all("select as_of from observation where item_key = 's1'") == [(first,)]
        assert stocked.all("select item_key, reason, quantity_before, quantity_after from held_change") == [
            ("s1", "large_change", 10, 9_000)
        ]

    def test_approval_applies_the_row(self, stocked: Shop) -> None:
        stocked.run(_file(**{**_stock(40), "S1": 9_000, "S2": 3}))

        outcome = approve(stocked.rt, MERCHANT, 2)

        assert (outcome.status, outcome.rows_held, outcome.rows_changed) == ("applied", 0, 2)
        assert stocked.available()["S1"] == 9_000
        assert stocked.all("select as_of, run_id from observation where item_key = 's1'") == [(None, 2)]
        assert stocked.run(_file(**{**_stock(40), "S1": 9_000, "S2": 4})).status == "applied"

    def test_an_unanswered_row_is_asked_about_once_more_by_the_newer_run(self, stocked: Shop) -> None:
        stocked.run(_file(**{**_stock(40), "S1": 9_000}))

        assert stocked.run(_file(**{**_stock(40), "S1": 9_000, "S2": 3})).status == "partly_held"

        assert stocked.all("select run_id, status from held_change order by id") == [
            (2, "superseded"),
            (3, "held"),
        ]
        assert stocked.all("select id, status, rows_held from run where id > 1 order by id") == [
            (2, "applied", 0),
            (3, "partly_held", 1),
        ]
        with pytest.raises(NotPossible, match=r"it is applied\. A newer file answered 1 of its rows\."):
            approve(stocked.rt, MERCHANT, 2)

    def test_of_a_run_whose_rows_are_answered_in_part_the_rest_is_counted(self, stocked: Shop) -> None:
        stocked.run(_file(**{**_stock(40), "S1": 9_000, "S2": 8_000}))

        without_s2 = {sku: units for sku, units in _stock(40).items() if sku != "S2"}
        stocked.run(_file(**{**without_s2, "S1": 12}))

        assert stocked.all("select status, rows_held from run where id = 2") == [("partly_held", 1)]

    def test_a_rejected_row_is_not_asked_about_again_while_the_file_repeats_it(self, stocked: Shop) -> None:
        stocked.run(_file(**{**_stock(40), "S1": 9_000}))
        assert reject(stocked.rt, MERCHANT, 2).status == "applied"

        outcome = stocked.run(_file(**{**_stock(40), "S1": 9_000, "S2": 3}))

        assert (outcome.status, outcome.rows_held, outcome.rows_rejected) == ("applied", 0, 1)
        assert stocked.issues() == [(3, "", "rejected_before")]
        assert stocked.available()["S1"] == 10
        stocked.run(_file(**{**_stock(40), "S1": 12}))
        assert stocked.available()["S1"] == 12
        assert stocked.all("select quarantined from snapshot") == [([],)]

    def test_the_number_going_back_to_what_it_was_closes_the_question(self, stocked: Shop) -> None:
        stocked.run(_file(**{**_stock(40), "S1": 9_000}))

        stocked.run(_file(**{**_stock(40), "S2": 3}))

        assert stocked.all("select status from held_change") == [("superseded",)]
        assert stocked.all("select quantity, as_of from observation where item_key = 's1'") == [(10, None)]


class TestSomeRows:
    def _ids(self, shop: Shop, *keys: str) -> list[int]:
        return [
            row[0] for key in keys for row in shop.all(f"select id from held_change where item_key = '{key}'")
        ]

    def test_those_chosen_are_applied_and_the_rest_goes_on_waiting(self, stocked: Shop) -> None:
        stocked.run(_file(**{**_stock(40), "S1": 9_000, "S2": 8_000, "S3": 7_000}))

        first = approve(stocked.rt, MERCHANT, 2, rows=self._ids(stocked, "s2"))

        assert (first.status, first.rows_held, first.rows_changed) == ("partly_held", 2, 1)
        numbers = stocked.available()
        assert (numbers["S1"], numbers["S2"], numbers["S3"]) == (10, 8_000, 12)

        second = reject(stocked.rt, MERCHANT, 2, rows=self._ids(stocked, "s1"))
        last = approve(stocked.rt, MERCHANT, 2)

        assert (second.status, second.rows_held) == ("partly_held", 1)
        assert (last.status, last.rows_held, last.rows_changed) == ("applied", 0, 2)
        assert (stocked.available()["S1"], stocked.available()["S3"]) == (10, 7_000)
        # What was rejected is not asked about again while the file repeats it.
        again = stocked.run(_file(**{**_stock(40), "S1": 9_000, "S2": 8_000, "S3": 7_000, "S4": 1}))
        assert (again.status, again.rows_held, again.rows_changed) == ("applied", 0, 1)

    def test_rows_of_a_held_file_are_as_old_as_it_and_the_file_itself_is_not_taken(
        self, stocked: Shop
    ) -> None:
        known_at = stocked.all("select as_of from source")
        stocked.run(_all_to_zero())
        made_at = stocked.all("select as_of from run where id = 2")

        outcome = approve(stocked.rt, MERCHANT, 2, rows=self._ids(stocked, "s3", "s4"))

        assert (outcome.status, outcome.error_code, outcome.rows_held) == ("held", "many_to_zero", 18)
        assert (stocked.available()["S3"], stocked.available()["S5"]) == (0, 14)
        assert known_at == stocked.all("select as_of from source")
        assert made_at == stocked.all("select distinct as_of from observation where item_key in ('s3', 's4')")

    def test_a_held_file_is_taken_once_all_its_rows_are_approved(self, stocked: Shop) -> None:
        stocked.run(_all_to_zero())
        made_at = stocked.all("select as_of from run where id = 2")
        approve(stocked.rt, MERCHANT, 2, rows=self._ids(stocked, "s3"))

        outcome = approve(stocked.rt, MERCHANT, 2)

        assert (outcome.status, outcome.error_code, outcome.rows_changed) == ("applied", "", 20)
        assert made_at == stocked.all("select as_of from source")
        assert stocked.run().status == "unchanged"
        undo(stocked.rt, MERCHANT, 2)
        assert (stocked.available()["S3"], stocked.available()["S5"]) == (12, 14)

    def test_what_is_left_of_a_held_file_may_be_rejected_and_what_was_approved_undone(
        self, stocked: Shop
    ) -> None:
        known_at = stocked.all("select as_of from source")
        stocked.run(_all_to_zero())
        approve(stocked.rt, MERCHANT, 2, rows=self._ids(stocked, "s3"))

        outcome = reject(stocked.rt, MERCHANT, 2)

        assert (outcome.status, stocked.available()["S3"]) == ("applied", 0)
        assert stocked.run().error == "This very file was rejected or undone: it is not taken again."
        undo(stocked.rt, MERCHANT, 2)
        assert (stocked.available()["S3"], stocked.all("select as_of from source")) == (12, known_at)

    def test_a_row_that_a_newer_file_answered_is_not_applied(self, stocked: Shop) -> None:
        stocked.run(_file(**{**_stock(40), "S1": 9_000, "S2": 8_000}))
        rows = self._ids(stocked, "s1")
        stocked.run(_file(**{**_stock(40), "S1": 11, "S2": 8_000}))

        with pytest.raises(NotPossible):
            approve(stocked.rt, MERCHANT, 2, rows=rows)

        assert stocked.available()["S1"] == 11

    def test_rows_are_found_by_sku_and_an_unknown_one_is_named(self, stocked: Shop) -> None:
        stocked.run(_file(**{**_stock(40), "S1": 9_000, "S2": 8_000}))
        with stocked.rt.engine.connect() as db:
            assert rows_of_skus(db, MERCHANT, 2, ["S1", "s2"]) == self._ids(stocked, "s1", "s2")
            with pytest.raises(NotPossible, match="Nothing of run 2 waits for: S9"):
                rows_of_skus(db, MERCHANT, 2, ["S1", "S9"])


def test_an_approved_file_says_in_which_currency_its_costs_are(shop: Shop) -> None:
    rows = [f"A-{n},{n + 1},{{}}\n" for n in range(40)]
    shop.run("SKU,Stock,Cost\n" + "".join(rows).replace("{}", "2.00 €"))
    run = shop.run("SKU,Stock,Cost\n" + "".join(rows[:5]).replace("{}", "2.50 USD"))
    assert ("held", [("EUR",)]) == (run.status, shop.all("select cost_currency from source"))

    approve(shop.rt, MERCHANT, run.run_id)

    assert [("USD",)] == shop.all("select cost_currency from source")
    undo(shop.rt, MERCHANT, run.run_id)
    assert [("EUR",)] == shop.all("select cost_currency from source")


def test_a_run_that_holds_nothing_cannot_be_answered(stocked: Shop) -> None:
    for answer in (approve, reject):
        with pytest.raises(NotPossible, match=r"Nothing of run 1 waits: it is applied\."):
            answer(stocked.rt, MERCHANT, 1)


def test_another_merchants_run_does_not_exist(stocked: Shop) -> None:
    stocked.run(_all_to_zero())

    for answer in (approve, reject):
        with pytest.raises(LookupError, match=r"Merchant 2 has no run 2\."):
            answer(stocked.rt, 2, 2)
    assert stocked.all("select status from run where id = 2") == [("held",)]


@pytest.mark.parametrize("undoes", [False, True], ids=["approved", "approved and undone"])
def test_rows_that_an_approved_file_lacked_are_read_when_they_come_back(stocked: Shop, undoes: bool) -> None:
    stocked.source(missing_policy="zero")
    # Word for word the first file would be held for that alone.
    good = _file(**_stock(40) | {"S0": 10})
    stocked.run(_file(**_stock(25)))
    approve(stocked.rt, MERCHANT, 2)
    assert stocked.available()["S39"] == 0
    if undoes:
        undo(stocked.rt, MERCHANT, 2)
        assert stocked.all("select row_count from snapshot") == [(40,)]

    outcome = stocked.run(good)

    assert (outcome.error, outcome.status) == ("", "applied")
    assert (outcome.rows_missing, stocked.available()["S39"]) == (0, 48)
