"""A folder of a supplier's daily files, judged one after the other: which would have been held, and why.

Reading, guessing the columns, judging and learning are those of a run (`trial`); nothing is stored. A side
file may say which days are glitches: then the merchant's answers are played too (a glitch that was taken is
undone, an ordinary day that waits is approved), so that one error is counted once.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from connector.intake import sources, uploads
from connector.intake.trial import Look, Trial
from connector.ports.errors import FileFault, Misconfigured
from connector.ports.suppliers import ReadOptions, Supplier
from connector.registry import Environment, manifest

ORDINARY = frozenset(
    {"", "0", "-", "false", "no", "none", "normal", "null", "ok", "clean", "good", "regular", "nan"}
)
"""What a side file may write for a day without a glitch."""
NORMAL = "normal"

_SIDE = re.compile(
    r"_?(side|sidecar|glitch(es)?|labels?|truth|manifest|index|verdicts?|answers?)\b.*\.(csv|tsv|json|jsonl|txt)",
    re.I,
)
_NO_FEED = re.compile(r"(readme|license|notice)(\..*)?|.*\.(md|py|log|sha256)", re.I)
_DATE = re.compile(r"(?<!\d)(20\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?!\d)")
_FILE_WORDS = ("file", "filename", "file_name", "name", "path", "day", "feed")
_LABEL_WORDS = ("glitch", "kind", "label", "type", "fault", "class", "status", "expected", "truth")
_OUTSIDE_SHARE = 0.02
_DATED_SHARE = 0.9


@dataclass(slots=True)
class Day:
    """One file's verdict: accepted, held, partly_held, rejected (it cannot be read), unchanged, or first (there
    was nothing to compare it with). `glitch` is what the side file calls it, None without a side file.
    `outcome`: caught, missed, harmless (a glitch that was read rightly), false_hold, right, or "" without a
    side file or for the first."""

    file: str
    glitch: str | None
    verdict: str
    reasons: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    rows: int = 0
    rows_held: int = 0
    runs_learnt: int = 0
    outcome: str = ""


@dataclass(slots=True)
class _Pending:
    """A glitch that was taken at least in part: whether it did harm shows with the next ordinary day."""

    day: Day
    before: dict[str, int]
    taken: dict[str, int]


def evaluate(
    directory: Path, side: Path | None = None, *, missing_policy: str = "keep", variants_path: str = ""
) -> list[list[Day]]:
    """The days of each supplier in `directory`, in the order of their names: a folder of files is one supplier, and so
    is a folder of dated folders with one file each. `variants_path` as in `ReadOptions`. Raises Misconfigured for a
    folder without files or a side file that cannot be read."""
    if not directory.is_dir():
        raise _wrong(directory.name, "It is no folder.", "Name the folder that holds the daily files.")
    side = side or next((path for path in sorted(directory.iterdir()) if _is_side(path)), None)
    labels = read_side(side) if side else None
    feeds = list(_feeds(directory, side))
    if not feeds:
        raise _wrong(directory.name, "There is no file in it.", "Put one file for each day into the folder.")
    supplier: Supplier = manifest("suppliers", "file_feed").build(sources.BY_HAND, {}, Environment())
    found = []
    for paths in feeds:
        own = labels
        if own is None:
            inside = next((p for p in sorted(paths[0].parent.iterdir()) if _is_side(p)), None)
            own = read_side(inside) if inside else None
        found.append(
            list(
                _days(
                    supplier, directory, paths, own, missing_policy, ReadOptions(variants_path=variants_path)
                )
            )
        )
    return found


def _wrong(name: str, cause: str, remedy: str) -> Misconfigured:
    return Misconfigured("guard", name, cause, remedy, field="directory")


def _is_side(path: Path) -> bool:
    return path.is_file() and _SIDE.fullmatch(path.name) is not None


def _feeds(directory: Path, side: Path | None) -> Iterator[list[Path]]:
    """The files of each supplier in order."""
    folders: dict[Path, list[Path]] = {}
    for path in directory.rglob("*"):
        hidden = any(part.startswith((".", "__")) for part in path.relative_to(directory).parts)
        if (
            path.is_file()
            and not hidden
            and path != side
            and not _is_side(path)
            and not _NO_FEED.fullmatch(path.name)
        ):
            folders.setdefault(path.parent, []).append(path)
    if len(folders) > 1 and all(len(paths) == 1 for paths in folders.values()):
        folders = {directory: [paths[0] for paths in folders.values()]}
    for _, paths in sorted(folders.items()):
        yield sorted(paths, key=lambda path: _natural(str(path.relative_to(directory))))


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Orders "day-9" before "day-10"."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.split(r"(\d+)", name.lower())
        if part
    ]


def read_side(path: Path) -> dict[str, str]:
    """File name → what is wrong with it ("normal" where nothing is), from CSV, TSV, JSON, JSON lines or plain text.

    CSV with or without a header (file, glitch); JSON as {name: glitch}, [{"file":…, "glitch":…}] or either of
    them under one key. Raises Misconfigured for anything else.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise _wrong(path.name, f"It cannot be read ({type(exc).__name__}).", "Give a UTF-8 file.") from exc
    if text.lstrip()[:1] in ("{", "["):
        pairs = list(_pairs(_json(path, text)))
    else:
        pairs = list(_table(text))
    if not pairs:
        raise _wrong(
            path.name,
            "No file names were found in it.",
            "Write one line “file,glitch” for each file, or JSON {“file”: “glitch”}.",
        )
    return {name.strip().replace("\\", "/").removeprefix("./"): _label(label) for name, label in pairs}


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as exc:
        raise _wrong(path.name, f"It is no valid JSON ({exc}).", "Correct it, or give a CSV.") from exc


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        for one in value:
            if isinstance(one, Mapping):
                name = next((one[word] for word in _FILE_WORDS if isinstance(one.get(word), str)), None)
                if name is not None:
                    yield name, next((one[word] for word in _LABEL_WORDS if word in one), "")
            elif isinstance(one, list) and len(one) >= 2:
                yield str(one[0]), one[1]
            elif isinstance(one, str):
                yield one, "glitch"
    elif isinstance(value, Mapping):
        nested = [
            inner
            for inner in value.values()
            if isinstance(inner, list) and inner and isinstance(inner[0], Mapping)
        ]
        for inner in nested:
            yield from _pairs(inner)
        if nested:
            return
        only = [inner for inner in value.values() if isinstance(inner, Mapping)]
        if len(only) == 1 and len(value) <= 3 and not any(word in only[0] for word in _LABEL_WORDS):
            yield from _pairs(only[0])
            return
        for name, label in value.items():
            if isinstance(label, Mapping):
                label = next((label[word] for word in _LABEL_WORDS if word in label), "")
            yield str(name), label


def _table(text: str) -> Iterator[tuple[str, str]]:
    first = text.lstrip().splitlines()[0] if text.strip() else ""
    delimiter = next((sign for sign in ("\t", ";", ",") if sign in first), None)
    rows = (
        list(csv.reader(io.StringIO(text), delimiter=delimiter))
        if delimiter
        else [line.split(None, 1) for line in text.splitlines()]
    )
    rows = [row for row in rows if row and row[0].strip() and not row[0].startswith("#")]
    if not rows:
        return
    head = [cell.strip().lower().replace(" ", "_") for cell in rows[0]]
    name = next((head.index(word) for word in _FILE_WORDS if word in head), None)
    label = next((head.index(word) for word in _LABEL_WORDS if word in head), None)
    for row in rows[1:] if name is not None else rows:
        at, said = name or 0, 1 if label is None else label
        if at < len(row):
            yield (
                row[at],
                row[said] if said < len(row) else "glitch" if label is None and len(head) == 1 else "",
            )


def _label(value: Any) -> str:
    if isinstance(value, list):
        value = "+".join(str(one) for one in value)
    if value is True:
        return "glitch"
    text = str("" if value is None else value).strip()
    return NORMAL if text.lower() in ORDINARY else text


def _label_of(labels: Mapping[str, str] | None, directory: Path, path: Path) -> str | None:
    if labels is None:
        return None
    relative = path.relative_to(directory).as_posix()
    stem = path.name.split(".")[0]
    names = (relative, path.name, path.name.removesuffix(".gz"), path.stem, stem, path.parent.name)
    return next((labels[name] for name in names if name in labels), NORMAL)


def _moments(paths: Sequence[Path]) -> list[datetime]:
    """When each file came: the date in its name where nearly all have one, else one day after the other."""
    days = []
    for path in paths:
        told = _DATE.search(path.name) or _DATE.search(path.parent.name)
        try:
            days.append(date(*(int(part) for part in told.groups())) if told else None)
        except ValueError:
            days.append(None)
    is_dated = sum(day is not None for day in days) >= _DATED_SHARE * len(days)
    at, moments = datetime(2026, 1, 5, 5, tzinfo=UTC), []
    for number, day in enumerate(days):
        if is_dated and day is not None:
            at = max(
                datetime(day.year, day.month, day.day, 5, tzinfo=UTC),
                at if number and is_dated else datetime.min.replace(tzinfo=UTC),
            )
        elif number:
            at += timedelta(days=1)
        moments.append(at)
    return moments


def _days(
    supplier: Supplier,
    directory: Path,
    paths: Sequence[Path],
    labels: Mapping[str, str] | None,
    missing_policy: str,
    options: ReadOptions,
) -> Iterator[Day]:
    trial = Trial(paths[0].parent.name, missing_policy=missing_policy)
    days: list[Day] = []
    pending: list[_Pending] = []
    ordinary: list[dict[str, int]] = []
    outside: list[int] = []
    for path, at in zip(paths, _moments(paths), strict=True):
        label = _label_of(labels, directory, path)
        day = Day(path.relative_to(directory).as_posix(), label, "accepted")
        days.append(day)
        is_glitch = label not in (None, NORMAL)
        try:
            look = trial.look(supplier.open(uploads.from_disk(path), options), at)
        except (FileFault, Misconfigured) as fault:
            day.verdict, day.reasons = "rejected", [f"{fault.cause} {fault.remedy}".strip()]
            day.codes = [fault.code if isinstance(fault, FileFault) else "misconfigured"]
            day.outcome = "" if label is None else "caught" if is_glitch else "false_hold"
            continue
        _say(day, look, trial)
        is_held = day.verdict == "held"
        if label is None:
            if not is_held:
                trial.accept(look)
        elif is_glitch:
            if is_held or (day.verdict == "first"):
                day.outcome = "caught" if is_held else ""
            else:
                pending.append(_taken(day, trial, look))
            if day.verdict == "first":
                trial.accept(look)
        else:
            day.outcome = "false_hold" if is_held or day.verdict == "partly_held" else "right"
            if day.verdict == "first":
                day.outcome = ""
            now = {key: units for key, (units, _) in look.items.items()}
            if len(ordinary) == 2:
                outside.append(_outside(ordinary[1], ordinary[0], now))
            _settle(pending, now, outside)
            ordinary = [*ordinary[-1:], now]
            trial.accept(look, approved=is_held or day.verdict == "partly_held")
    for one in pending:
        one.day.outcome = "missed"
    yield from days


def _say(day: Day, look: Look, trial: Trial) -> None:
    day.rows, day.runs_learnt = look.evidence.rows, look.limits.runs
    day.codes = [hold.code for hold in look.verdict.file]
    day.reasons = [hold.sentence for hold in look.verdict.file]
    if look.verdict.file:
        day.verdict = "held"
    elif trial.rows is None:
        day.verdict = "first"
    elif look.held:
        day.verdict, day.rows_held = "partly_held", len(look.held)
        day.codes = [look.verdict.row_reason]
        day.reasons = [f"{len(look.held):,} rows wait: {look.verdict.row_reason.replace('_', ' ')}."]
    elif trial.history and trial.history[-1].content == look.entry.content:
        day.verdict = "unchanged"


def _taken(day: Day, trial: Trial, look: Look) -> _Pending:
    before = {key: one.units for key, one in trial.known.items()}
    after = copy.deepcopy(trial)
    after.accept(look)
    return _Pending(day, before, {key: one.units for key, one in after.known.items()})


def _settle(pending: list[_Pending], now: Mapping[str, int], outside: Sequence[int]) -> None:
    """Decide about glitches that were taken, now that an ordinary day tells what was true: harmless where no
    more numbers stand out than on ordinary days."""
    usual = 2 * sorted(outside)[len(outside) // 2] if outside else 0
    for one in pending:
        wrong = _outside(one.taken, one.before, now)
        is_harmless = wrong <= max(2, usual, _OUTSIDE_SHARE * len(one.taken))
        one.day.outcome = (
            "missed" if not is_harmless else "caught" if one.day.verdict == "partly_held" else "harmless"
        )
    pending.clear()


def _outside(between: Mapping[str, int], before: Mapping[str, int], after: Mapping[str, int]) -> int:
    """How many items say a number outside of what the days before and after say."""
    count = 0
    for key, units in between.items():
        around = [value for value in (before.get(key), after.get(key)) if value is not None]
        count += not around or not min(around) <= units <= max(around)
    return count


def summary(days: Iterable[Day]) -> dict[str, Any]:
    """Counts and shares over `days`: harmful glitches held, ordinary days held for nothing, both by kind. Shares
    are None where there is nothing to divide by."""
    days = list(days)
    judged = [day for day in days if day.outcome]
    glitches = [day for day in judged if day.glitch != NORMAL]
    normal = [day for day in judged if day.glitch == NORMAL]
    kinds = sorted({day.glitch or "" for day in glitches})
    return {
        "files": len(days),
        "verdicts": {word: n for word in _VERDICTS if (n := sum(day.verdict == word for day in days))},
        "glitches": _counts(glitches),
        "normal": {
            "days": len(normal),
            "false_holds": (held := sum(day.outcome == "false_hold" for day in normal)),
            "false_share": round(held / len(normal), 4) if normal else None,
        },
        "by_kind": {kind: _counts([day for day in glitches if day.glitch == kind]) for kind in kinds},
    }


_VERDICTS = ("first", "accepted", "unchanged", "partly_held", "held", "rejected")


def _counts(days: Sequence[Day]) -> dict[str, Any]:
    caught, harmless = (sum(day.outcome == word for day in days) for word in ("caught", "harmless"))
    harmful = len(days) - harmless
    return {
        "days": len(days),
        "held": caught,
        "harmless": harmless,
        "missed": harmful - caught,
        "held_share": round(caught / harmful, 4) if harmful else None,
    }
