"""What a cell means as a date or a lead time. PURE; `today` is passed in.

"03/04/2026" is 3 April or 4 March: the order comes from the merchant or from other cells of the column
(`DateOrder`), else it is a CellFault. A week or a month stands for its last day, because a promise must
not be earlier than the evidence.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from dateutil.parser import ParserError
from dateutil.parser import parse as parse_freely

from connector.intake.normalise import CellFault, read_number
from connector.intake.words import AT_ONCE, UNKNOWN_WORDS, fold

Order = Literal["", "dmy", "mdy", "ymd", "ydm"]

_FIRST_YEAR, _LAST_YEAR = 2000, 2089
_EXCEL_EPOCH = date(1899, 12, 30)
_ISO = re.compile(r"(\d{4})[-./](\d{1,2})[-./](\d{1,2})(?:[t ].*)?")
_COMPACT = re.compile(r"(20\d{2})(\d{2})(\d{2})")
_TRIPLE = re.compile(r"(\d{1,2})([-./ ])(\d{1,2})[-./ ](\d{2}|\d{4})(?:[t ]\d{1,2}:.*)?")
_WEEK_WORDS = (
    r"(?:kw|w|wk|week|woche|kalenderwoche|semaine|sem\.?|s|semana|settimana|sett\.?|tydzień|tydz\.?|tyg\.?)"
)
_WEEK = re.compile(rf"{_WEEK_WORDS}\s*(\d{{1,2}})(?:\s*[/.\- ]\s*(\d{{4}}|\d{{2}}))?")
_WEEK_LAST = re.compile(rf"(\d{{1,2}})\.?\s*{_WEEK_WORDS}(?:\s*[/.\- ]\s*(\d{{4}}))?")
_YEAR_WEEK = re.compile(r"(\d{4})\s*[-/. ]?\s*(?:w|kw|wk|week)\s*(\d{1,2})(?:-?([1-7]))?")
_PAIR = re.compile(r"(\d{1,2})[/.](\d{4})")
_WORDED = re.compile(r"(?:(\d{1,2})\.?\s*(?:de\s+|of\s+)?)?([^\W\d_]+)\.?\s*(?:de\s+)?,?\s*(\d{4})?")

_MONTHS = """
1 january januar janvier enero gennaio januari janeiro stycznia styczeń jan janv ene gen sty
2 february februar février febrero febbraio februari fevereiro lutego luty feb févr fev lut
3 march märz mars marzo maart março marca marzec mar mrz mrt marc
4 april avril abril aprile kwietnia kwiecień apr avr abr kwi
5 may mai mayo maggio mei maio maja maj mag
6 june juni juin junio giugno junho czerwca czerwiec jun giu cze
7 july juli juillet julio luglio julho lipca lipiec jul juil lug lip
8 august août agosto augustus sierpnia sierpień aug aoû ago sie
9 september septembre septiembre settembre setembro września wrzesień sep sept set wrz
10 october oktober octobre octubre ottobre outubro października październik oct okt ott out paź
11 november novembre noviembre novembro listopada listopad nov lis
12 december dezember décembre diciembre dicembre dezembro grudnia grudzień dec dez déc dic gru
"""


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.casefold().replace("ł", "l"))
    return "".join(char for char in folded if not unicodedata.combining(char))


_MONTH_OF = {
    _plain(word): int(number)
    for number, *words in (line.split() for line in _MONTHS.strip().splitlines())
    for word in words
}


@dataclass(slots=True)
class DateOrder:
    """Collects what the cells of one column prove about the order of day, month and year. `order` is "" until
    all agree. With `today` it also learns from years of two digits, of which only some are near."""

    today: date | None = None
    proved: set[str] = field(default_factory=set)
    proved_year_first: set[str] = field(default_factory=set)

    def add(self, text: str) -> None:
        """Learn from one cell; a cell that reads both ways teaches nothing."""
        folded = fold(text)
        if (whole := _ISO.fullmatch(folded)) is not None:
            month, day = int(whole[2]), int(whole[3])
            if max(month, day) > 12 >= min(month, day):
                self.proved_year_first.add("ydm" if month > 12 else "ymd")
            return
        found = _TRIPLE.fullmatch(folded)
        if found is None:
            return
        first, second = int(found[1]), int(found[3])
        if self.today is not None and len(found[4]) == 2 and found[2] != ".":
            near = _near(found, self.today)
            if len(near) == 1:
                self.proved.update(near)
        elif found[2] == "." or first > 12 >= second:
            self.proved.add("dmy")
        elif second > 12 >= first:
            self.proved.add("mdy")

    @property
    def order(self) -> Order:
        if not self.proved and self.proved_year_first == {"ydm"}:
            return "ydm"
        if len(self.proved) != 1:
            return ""
        orders: tuple[Order, ...] = ("dmy", "mdy", "ymd")
        return next(one for one in orders if one in self.proved)


def read_date(text: str, order: Order, today: date) -> date | None:
    """The day a cell names; None when blank or a placeholder such as 31.12.9999 or 1900-01-01.

    A week ("KW 49", "49/2026") is its Sunday, a month its last day; without a year, the nearest one to
    `today`. Dots always mean day first. `order` holds for the whole column: a cell that does not fit it is a
    fault, not a date of another order. Raises CellFault: ambiguous_date, bad_date.
    """
    folded = fold(text)
    if not folded or folded in UNKNOWN_WORDS:
        return None
    if (found := _ISO.fullmatch(folded)) is not None:
        if order == "ydm":
            return _day(text, int(found[1]), int(found[3]), int(found[2]))
        if not order and int(found[2]) > 12 >= int(found[3]):
            raise CellFault(
                "ambiguous_date",
                f"“{text}” has no such month, unless the day comes before it: say which order the column uses.",
            )
        return _day(text, int(found[1]), int(found[2]), int(found[3]))
    if (found := _COMPACT.fullmatch(folded)) is not None:
        return _day(text, int(found[1]), int(found[2]), int(found[3]))
    if (found := _TRIPLE.fullmatch(folded)) is not None:
        return _from_triple(text, found, order, today)
    if (found := _YEAR_WEEK.fullmatch(folded)) is not None:
        if found[3]:
            return _weekday(text, int(found[1]), int(found[2]), int(found[3]))
        return _week(text, int(found[2]), int(found[1]), today)
    if (found := _WEEK.fullmatch(folded)) is not None:
        return _week(text, int(found[1]), _year(found[2]) if found[2] else None, today)
    if (found := _WEEK_LAST.fullmatch(folded)) is not None:
        return _week(text, int(found[1]), int(found[2]) if found[2] else None, today)
    if (found := _PAIR.fullmatch(folded)) is not None:
        if int(found[1]) <= 12:
            raise CellFault(
                "ambiguous_date", f"“{text}” may be a month or a week: write “KW” or a full date."
            )
        return _week(text, int(found[1]), int(found[2]), today)
    if folded.isdigit() and 36_526 <= int(folded) <= 69_000:
        return _EXCEL_EPOCH + timedelta(days=int(folded))
    return _from_words(text, folded, today)


def _year(text: str) -> int:
    return int(text) + 2000 if len(text) <= 2 else int(text)


def _day(text: str, year: int, month: int, day: int) -> date | None:
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        raise CellFault("bad_date", f"“{text}” is not a day of the calendar.") from None


_LATE, _EARLY = timedelta(days=400), timedelta(days=5 * 365)
"""How far in the past and in the future a date of a stock list may lie."""


def _near(found: re.Match[str], today: date) -> dict[str, date]:
    """The days near `today` that a triple with a year of two digits may be, by their order; one day under
    several orders is kept under the first."""
    one, two, three = int(found[1]), int(found[3]), int(found[4])
    days: dict[str, date] = {}
    for order, year, month, day in (
        ("dmy", three, two, one),
        ("mdy", three, one, two),
        ("ymd", one, two, three),
    ):
        try:
            read = date(2000 + year, month, day)
        except ValueError:
            continue
        if today - _LATE <= read <= today + _EARLY:
            days[order] = read
    return days


def _from_triple(text: str, found: re.Match[str], order: Order, today: date) -> date | None:
    first, second, year = int(found[1]), int(found[3]), _year(found[4])
    if order == "ymd" and len(found[4]) == 2:
        return _day(text, first + 2000, second, int(found[4]))
    if not order and len(found[4]) == 2 and found[2] != ".":
        near = set(_near(found, today).values())
        if len(near) == 1:
            return near.pop()
        if near:
            raise CellFault(
                "ambiguous_date", f"“{text}” may be several days: say which order the column uses."
            )
    if order == "mdy" and found[2] != ".":
        return _day(text, year, first, second)
    if found[2] == "." or first > 12 or order == "dmy":
        return _day(text, year, second, first)
    if second > 12 or first == second:
        return _day(text, year, first, second)
    raise CellFault(
        "ambiguous_date", f"“{text}” may be day/month or month/day: say which order the column uses."
    )


def _weekday(text: str, year: int, week: int, day: int) -> date:
    try:
        return date.fromisocalendar(year, week, day)
    except ValueError:
        raise CellFault("bad_date", f"“{text}” is not a day of the calendar.") from None


def _week(text: str, week: int, year: int | None, today: date) -> date:
    if year is not None and not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise CellFault("bad_date", f"“{text}” is not a week of the calendar.")
    years = (year,) if year is not None else (today.year - 1, today.year, today.year + 1)
    days = []
    for candidate in years:
        try:
            days.append(date.fromisocalendar(candidate, week, 7))
        except ValueError:
            continue
    if not days:
        raise CellFault("bad_date", f"“{text}” is not a week of the calendar.")
    return min(days, key=lambda day: abs(day - today))


def _from_words(text: str, folded: str, today: date) -> date | None:
    found = _WORDED.fullmatch(folded)
    month = _MONTH_OF.get(_plain(found[2])) if found else None
    if found and month is not None:
        if found[3]:
            return _worded_day(text, found[1], month, int(found[3]))
        # Only one year in four has a 29 February: those without it are no candidates.
        years = [
            year
            for year in (today.year - 1, today.year, today.year + 1)
            if not found[1] or 1 <= int(found[1]) <= monthrange(year, month)[1]
        ]
        days = [day for year in years or (today.year,) if (day := _worded_day(text, found[1], month, year))]
        return min(days, key=lambda day: abs(day - today)) if days else None
    try:
        # What is left is English prose ("Mon, 7 Dec 2026 10:00"); two defaults show whether the text
        # names a whole day or dateutil filled parts of it in.
        one = parse_freely(folded, default=datetime(2001, 1, 1, tzinfo=UTC)).date()
        other = parse_freely(folded, default=datetime(2002, 2, 2, tzinfo=UTC)).date()
    except (ParserError, OverflowError, ValueError):
        one, other = date.min, date.max
    if one != other or not re.search(r"[a-z]", folded):
        raise CellFault("bad_date", f"“{text}” is not a date.")
    return one if _FIRST_YEAR <= one.year <= _LAST_YEAR else None


def _worded_day(text: str, day: str | None, month: int, year: int) -> date | None:
    if day:
        return _day(text, year, month, int(day))
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None
    return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)


_SPAN = re.compile(
    r"(?:(?:ca\.?|approx\.?|env\.?|about|circa|in|within|innerhalb von|binnen|sous|en|entro|w ciągu)\s*)?"
    r"(?P<a>\d[\d.,]*)(?:\s*(?:-|–|—|/|to|bis|à|a|tot|do|até)\s*(?P<b>\d[\d.,]*))?\s*(?P<unit>[^\W\d_][^\d]*)?"
)
_UNITS: tuple[tuple[str, Decimal], ...] = (
    (
        r"working|business|werktag|arbeitstag|ouvr|hábil|habil|lavorativ|werkdag|útei|uteis|útil|robocz",
        Decimal("1.4"),
    ),
    (r"h|hours?|hrs?|std\.?|stunden?|heures?|horas?|ore|ora|uur|uren|godz.*", Decimal(1) / 24),
    (r"d|days?|tage?n?|t|jours?|j|días?|dias?|giorn[io]|gg|dag(en)?|dni|dzień", Decimal(1)),
    (
        r"w|wks?|weeks?|wochen?|semaines?|sem|semanas?|settiman[ae]|weken|week|tygodni[ea]?|tydzień|tyg",
        Decimal(7),
    ),
    (r"m|months?|monate?n?|mois|mes|meses|mes[ei]|maand(en)?|mês|miesiąc[ea]?|miesięcy", Decimal(30)),
)


def read_lead_time(text: str) -> int | None:
    """Whole days until delivery, the longer end of a range; None when blank.

    "3-5 days" → 5, "2 Wochen" → 14, "24/48 h" → 2, "5 working days" → 7 (five of seven days count).
    Raises CellFault "bad_lead_time".
    """
    folded = fold(text)
    if not folded or folded in UNKNOWN_WORDS:
        return None
    if folded in AT_ONCE:
        return 0
    found = _SPAN.fullmatch(folded)
    if found is not None:
        factor = _factor(found["unit"])
        if factor is not None:
            try:
                most = max(read_number(part, "") for part in (found["a"], found["b"]) if part)
            except CellFault as fault:
                raise CellFault("bad_lead_time", fault.reason) from fault
            days = -(-most * factor // 1)
            if 0 <= days <= 3650:
                return int(days)
    raise CellFault("bad_lead_time", f"“{text[:60]}” is not a lead time in days, weeks or months.")


def _factor(unit: str | None) -> Decimal | None:
    if not unit:
        return Decimal(1)
    unit = unit.strip(" .")
    if re.search(_UNITS[0][0], unit):
        return _UNITS[0][1]
    for pattern, factor in _UNITS[1:]:
        if re.fullmatch(pattern, unit.split()[0].strip(".")):
            return factor
    return None
