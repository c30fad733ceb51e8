"""What cells mean as dates and lead times."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.intake.dates import DateOrder, Order, read_date, read_lead_time
from connector.intake.normalise import CellFault

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-06", date(2026, 12, 6)),
        ("2026-12-06T10:00:00Z", date(2026, 12, 6)),
        ("20261206", date(2026, 12, 6)),
        ("06.12.2026", date(2026, 12, 6)),
        ("6.12.26", date(2026, 12, 6)),
        ("13/12/2026", date(2026, 12, 13)),
        ("12/13/2026", date(2026, 12, 13)),
        ("KW 49", date(2026, 12, 6)),
        ("KW49/2026", date(2026, 12, 6)),
        ("49/2026", date(2026, 12, 6)),
        ("2026-W49", date(2026, 12, 6)),
        ("2026-W49-3", date(2026, 12, 2)),
        ("2026 KW 49", date(2026, 12, 6)),
        ("week 49", date(2026, 12, 6)),
        ("wk 2 2027", date(2027, 1, 17)),
        ("49. KW", date(2026, 12, 6)),
        ("49. tydzień 2026", date(2026, 12, 6)),
        ("13/12/26", date(2026, 12, 13)),
        ("12/13/26", date(2026, 12, 13)),
        ("26/12/13", date(2026, 12, 13)),
        ("26-05-06", date(2026, 5, 6)),
        ("13/12/19", date(2019, 12, 13)),
        ("semaine 2", date(2027, 1, 17)),
        ("15 mars 2027", date(2027, 3, 15)),
        ("15. März 2027", date(2027, 3, 15)),
        ("5 de enero de 2027", date(2027, 1, 5)),
        ("15 grudnia 2026", date(2026, 12, 15)),
        ("6 dec", date(2026, 12, 6)),
        ("December 2026", date(2026, 12, 31)),
        ("décembre 2026", date(2026, 12, 31)),
        ("Mon, 7 Dec 2026 10:00", date(2026, 12, 7)),
        ("46371", date(2026, 12, 15)),
        ("", None),
        ("tbd", None),
        ("31.12.9999", None),
        ("1900-01-01", None),
        ("0000-00-00", None),
    ],
)
def test_a_date_is_read(text: str, expected: date | None) -> None:
    assert read_date(text, "", TODAY) == expected


@pytest.mark.parametrize(("order", "expected"), [("dmy", date(2026, 12, 6)), ("mdy", date(2026, 6, 12))])
def test_the_columns_order_settles_day_and_month(order: Order, expected: date) -> None:
    assert read_date("06/12/2026", order, TODAY) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("06/12/2026", "ambiguous_date"),
        ("06/12/26", "ambiguous_date"),
        ("26/12/27", "ambiguous_date"),
        ("2026-24-12", "ambiguous_date"),
        ("2026-W60-1", "bad_date"),
        ("12/2026", "ambiguous_date"),
        ("31.02.2026", "bad_date"),
        ("2026-13-01", "ambiguous_date"),
        ("2026-13-32", "bad_date"),
        ("KW 60", "bad_date"),
        ("soon", "bad_date"),
        ("49", "bad_date"),
    ],
)
def test_what_cannot_be_told_is_a_fault(text: str, code: str) -> None:
    with pytest.raises(CellFault) as caught:
        read_date(text, "", TODAY)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["01/02/2026", "03/04/2026"], ""),
        (["01/02/2026", "13/02/2026"], "dmy"),
        (["01/02/2026", "02/13/2026"], "mdy"),
        (["13/02/2026", "02/13/2026"], ""),
        (["01.02.2026"], "dmy"),
    ],
)
def test_a_column_tells_its_order_only_where_all_proofs_agree(cells: list[str], order: Order) -> None:
    proofs = DateOrder()
    for cell in cells:
        proofs.add(cell)

    assert proofs.order == order


@pytest.mark.parametrize(
    ("cells", "order", "expected"),
    [
        (["05/06/2026", "13/06/2026"], "dmy", "2026-06-05 2026-06-13"),
        (["05/06/2026", "06/13/2026"], "mdy", "2026-05-06 2026-06-13"),
        (["26/12/27", "26/12/13"], "ymd", "2026-12-27 2026-12-13"),
        (["26/12/27", "31/12/26"], "dmy", "2027-12-26 2026-12-31"),
        (["2026-05-06", "2026-24-06"], "ydm", "2026-06-05 2026-06-24"),
        (["2026-05-06", "2026-06-24"], "", "2026-05-06 2026-06-24"),
        (["2026-05-06", "13/06/2026"], "dmy", "2026-05-06 2026-06-13"),
    ],
)
def test_the_order_is_that_of_the_column_and_every_cell_is_read_in_it(
    cells: list[str], order: Order, expected: str
) -> None:
    proofs = DateOrder(TODAY)
    for cell in cells:
        proofs.add(cell)

    assert proofs.order == order
    assert " ".join(str(read_date(cell, proofs.order, TODAY)) for cell in cells) == expected


@pytest.mark.parametrize(
    ("text", "order"),
    [("13/06/2026", "mdy"), ("06/13/2026", "dmy"), ("2026-06-24", "ydm"), ("13/06/26", "mdy")],
)
def test_a_cell_that_does_not_fit_its_column_is_a_fault(text: str, order: Order) -> None:
    with pytest.raises(CellFault) as caught:
        read_date(text, order, TODAY)
    assert caught.value.code == "bad_date"


@given(st.dates(date(2000, 1, 1), date(2089, 12, 31)), st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%Y%m%d"]))
def test_a_written_date_reads_back(day: date, form: str) -> None:
    assert read_date(day.strftime(form), "", TODAY) == day


@given(st.dates(date(2026, 1, 1), date(2027, 12, 31)))
def test_a_week_never_promises_earlier_than_any_of_its_days(day: date) -> None:
    year, week, _ = day.isocalendar()

    read = read_date(f"{year}-W{week:02d}", "", TODAY)

    assert read is not None
    assert day <= read < day + timedelta(days=7)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("3-5 days", 5),
        ("5", 5),
        ("2 Wochen", 14),
        ("1-2 weeks", 14),
        ("24/48h", 2),
        ("48 h", 2),
        ("5 working days", 7),
        ("3-5 Werktage", 7),
        ("5 jours ouvrés", 7),
        ("2 mois", 60),
        ("10 días", 10),
        ("ca. 3 Tage", 3),
        ("sofort", 0),
        ("", None),
        ("n/a", None),
    ],
)
def test_a_lead_time_is_read_as_its_longer_end_in_days(text: str, days: int | None) -> None:
    assert read_lead_time(text) == days


@pytest.mark.parametrize("text", ["soon", "-3", "5 apples", "99999 days", "3.000.00 days"])
def test_a_lead_time_that_cannot_be_told_is_a_fault(text: str) -> None:
    with pytest.raises(CellFault) as caught:
        read_lead_time(text)
    assert caught.value.code == "bad_lead_time"


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2027, 12, 1), date(2028, 2, 29)),
        (date(2028, 1, 10), date(2028, 2, 29)),
        (date(2029, 1, 5), date(2028, 2, 29)),
    ],
)
def test_a_leap_day_without_a_year_is_that_of_the_leap_year_beside_today(today: date, expected: date) -> None:
    assert expected == read_date("29 February", "", today)


def test_a_leap_day_far_from_any_is_a_fault() -> None:
    with pytest.raises(CellFault, match="is not a day of the calendar") as fault:
        read_date("29. Feb", "", date(2026, 6, 1))
    assert "bad_date" == fault.value.code


@pytest.mark.parametrize("text", ["December 9999", "dez 0000", "31 December 9999"])
def test_a_month_of_no_real_year_is_a_placeholder(text: str) -> None:
    assert read_date(text, "", date(2026, 6, 1)) is None
