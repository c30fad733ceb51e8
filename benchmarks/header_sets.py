"""Header sets of suppliers' files with what each column truly is, and files made from them.

The data files describe one set by two lines: `@ language name options…` (a delimiter, an encoding,
"headerless") and its columns, `header = field ~ kind`, divided by " | "; field "-" is a column that Dispo
must leave alone. A kind makes the values: `ean`, `int:0-90`, `intz:0-9` (half of them zero), `dec,:2-9`,
`dec.:`, `eur,:`, `date:%d/%m/%Y`, `code:AB-##?` (# a digit, ? a letter), `pick:a/b`, `const:x`, `name`, …;
with "?" after the kind's name half of the cells are blank.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

DATA = Path(__file__).parent / "data"
ROWS = 24
DELIMITERS = {";": ";", ",": ",", "|": "|", "tab": "\t"}
ENCODINGS = ("cp1252", "cp1250")


@dataclass(frozen=True, slots=True)
class HeaderSet:
    """One supplier's file: `fields` are the true field of each column, "" where it is to be left alone."""

    language: str
    name: str
    columns: tuple[str, ...]
    fields: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    delimiter: str = ","
    encoding: str = "utf-8"
    has_header: bool = True

    def write(self, directory: Path) -> Path:
        """The file as the supplier would send it."""
        path = directory / f"{self.name}.csv"
        with path.open("w", encoding=self.encoding, errors="replace", newline="") as out:
            writer = csv.writer(out, delimiter=self.delimiter)
            if self.has_header:
                writer.writerow(self.columns)
            writer.writerows(self.rows)
        return path


def read_sets(path: Path) -> list[HeaderSet]:
    """The header sets of a data file; the same values at every call. Raises ValueError for a bad line."""
    sets: list[HeaderSet] = []
    head: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("@"):
            head = line[1:].split()
        elif line.strip() and not (line.startswith("#") and not head):
            if len(head) < 2:
                raise ValueError(f"{path.name}, line {number}: columns without a set.")
            sets.append(_set_of(head, line))
            head = []
    return sets


def _set_of(head: Sequence[str], line: str) -> HeaderSet:
    language, name, *options = head
    chance = random.Random(name)
    columns, fields, cells = [], [], []
    for part in line.strip().split(" | "):
        header, _, rest = part.partition(" = ")
        field, _, kind = rest.partition(" ~ ")
        columns.append(header.strip())
        fields.append("" if field.strip() == "-" else field.strip())
        cells.append(values(kind.strip(), ROWS, chance))
    return HeaderSet(
        language=language,
        name=name,
        columns=tuple(columns),
        fields=tuple(fields),
        rows=tuple(zip(*cells, strict=True)),
        delimiter=next((DELIMITERS[o] for o in options if o in DELIMITERS), ","),
        encoding=next((o for o in options if o in ENCODINGS), "utf-8"),
        has_header="headerless" not in options,
    )


def values(kind: str, count: int, chance: random.Random) -> list[str]:
    """`count` cells of a kind (see the module)."""
    name, _, argument = kind.partition(":")
    is_sparse = name.endswith("?")
    make = _MAKERS[name.removesuffix("?")]
    made = [make(argument, chance, number) for number in range(count)]
    return ["" if is_sparse and chance.random() < 0.5 else cell for cell in made]


def _between(argument: str, chance: random.Random) -> float:
    low, _, high = argument.partition("-")
    return chance.uniform(float(low), float(high))


def _integer(argument: str, chance: random.Random, number: int) -> str:
    low, _, high = argument.partition("-")
    return str(chance.randint(int(low), int(high)))


def _often_zero(argument: str, chance: random.Random, number: int) -> str:
    return "0" if chance.random() < 0.5 else _integer(argument, chance, number)


def _decimal(pattern: str, sign: str) -> Callable[[str, random.Random, int], str]:
    def make(argument: str, chance: random.Random, number: int) -> str:
        return pattern.format(f"{_between(argument, chance):.2f}".replace(".", sign))

    return make


def _whole(zeros: str) -> Callable[[str, random.Random, int], str]:
    def make(argument: str, chance: random.Random, number: int) -> str:
        return _integer(argument, chance, number) + zeros

    return make


def _code(argument: str, chance: random.Random, number: int) -> str:
    return "".join(
        chance.choice("0123456789")
        if char == "#"
        else chance.choice("ABCDEFGHJKLMNPRSTUVWXYZ")
        if char == "?"
        else char
        for char in argument
    )


def _barcode(length: int) -> Callable[[str, random.Random, int], str]:
    def make(argument: str, chance: random.Random, number: int) -> str:
        first = {8: "40", 12: "0", 13: "4006", 14: "1400"}[length]
        body = first + "".join(chance.choice("0123456789") for _ in range(length - 1 - len(first)))
        total = sum(int(d) * (3 if at % 2 == 0 else 1) for at, d in enumerate(reversed(body)))
        return body + str(-total % 10)

    return make


def _day(argument: str, chance: random.Random, number: int) -> str:
    return (date(2026, 12, 1) + timedelta(days=chance.randint(0, 150))).strftime(argument)


_NAMES = ("Lampe Nord", "Chaise Oslo", "Set tazze blu", "Fietsbel chroom", "Oak shelf 80 cm", "Mochila Sur")
_NAMES += ("Kubek 330 ml", "Garden hose 25 m", "Perceuse 18 V", "Wandhaken 3er", "Camisola lã", "Kabel USB-C")


def _name(argument: str, chance: random.Random, number: int) -> str:
    return f"{chance.choice(_NAMES)} {chance.choice('ABCDEFGH')}{chance.randint(1, 99)}"


_MAKERS: dict[str, Callable[[str, random.Random, int], str]] = {
    "ean": _barcode(13),
    "ean8": _barcode(8),
    "upc": _barcode(12),
    "gtin14": _barcode(14),
    "int": _integer,
    "intz": _often_zero,
    "dec,": _decimal("{}", ","),
    "dec.": _decimal("{}", "."),
    "eur,": _decimal("{} €", ","),
    "gbp": _decimal("£{}", "."),
    "usd": _decimal("${}", "."),
    "de0": _whole(",000"),
    "de2": _whole(",00"),
    "fr2": _whole(",00"),
    "code": _code,
    "seq": lambda argument, chance, number: str(10_001 + number),
    "date": _day,
    "iso": lambda argument, chance, number: _day("%Y-%m-%dT%H:%M:%SZ", chance, number),
    "pick": lambda argument, chance, number: chance.choice(argument.split("/")),
    "const": lambda argument, chance, number: argument,
    "name": _name,
    "upname": lambda argument, chance, number: _name(argument, chance, number).upper(),
    "text": lambda argument, chance, number: (
        f"{_name(argument, chance, number)}, {_name('', chance, 0)}: see page"
    ),
    "slug": lambda argument, chance, number: _name(argument, chance, number).lower().replace(" ", "-"),
    "url": lambda argument, chance, number: f"https://img.example/{number}.jpg",
    "blank": lambda argument, chance, number: "",
}
