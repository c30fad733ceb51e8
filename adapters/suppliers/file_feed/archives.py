"""Archives: zip, tar (plain, gz, bz2, xz), gzip, bzip2 and xz, unpacked to disk in pieces.

An archive comes from outside, so nothing in it is trusted: names are never used as paths, sizes are counted
while unpacking and not believed, and an archive inside an archive is refused.
"""

from __future__ import annotations

import bz2
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Protocol

from adapters.suppliers.file_feed.faults import empty, no_table, too_large, truncated, unsupported
from adapters.suppliers.file_feed.packing import gunzip
from adapters.suppliers.file_feed.records import ADAPTER
from adapters.suppliers.file_feed.spreadsheets import workbook_kind
from connector.ports.errors import FileFault

MOST_ENTRIES = 2_000
MOST_FILES = 50
HIGHEST_RATIO = 300
RATIO_FROM_BYTES = 50_000_000
"""From so many bytes on a file that grew more than HIGHEST_RATIO times is a bomb: text packs to a tenth."""
_PIECE_BYTES = 1 << 20
_XZ_MEMORY_BYTES = 256 << 20
_NOT_DATA = (
    ".pdf",
    ".doc",
    ".docx",
    ".png",
    ".jpg",
    ".jpeg",
    ".gif",
    ".html",
    ".htm",
    ".md",
    ".md5",
    ".sha256",
    ".exe",
)
_PACKED = (
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)


class _Unpacker(Protocol):
    """The standard library's decompressors of one stream."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Member:
    """A file that was unpacked: its name in the archive, and where it lies now."""

    name: str
    path: Path


def packed_kind(path: Path) -> str:
    """zip, tar, gzip, bzip2 or xz (also 7z, rar, zstd, which are refused); "" for a file that is not packed.

    Told by content. An XLSX or ODS workbook is a zip too: ask `spreadsheets.workbook_kind` first.
    """
    with path.open("rb") as file:
        head = file.read(512)
    for magic, kind in _PACKED:
        if head.startswith(magic):
            return kind
    return "tar" if head[257:262] == b"ustar" else ""


def unpack(path: Path, kind: str, pattern: str, subject: str, max_bytes: int) -> list[Member]:
    """The files in the archive whose names fit `pattern` (as "stock*.csv"; empty: those that may be data),
    beside it on disk; together at most `max_bytes`.

    Raises FileFault: too_large, archive_bomb, nested_archive, unsafe_name, encrypted, truncated, empty,
    no_table (nothing fits), unsupported_format.
    """
    if kind in {"7z", "rar", "zstd"}:
        raise unsupported(
            subject,
            f"It is a {kind} archive, which is not read.",
            "Ask the supplier for zip or gzip, or for the file itself.",
        )
    unpacking = _Unpacking(path, pattern, subject, max_bytes)
    try:
        if kind == "zip":
            return unpacking.zipped()
        if kind == "tar":
            return unpacking.tarred(path)
        plain = unpacking.stream(kind)
        return unpacking.tarred(plain) if packed_kind(plain) == "tar" else [unpacking.only(plain)]
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as exc:
        raise truncated(subject, "The archive is damaged or ends too early.") from exc


class _Unpacking:
    """One archive; `_left` bytes may still be written."""

    def __init__(self, path: Path, pattern: str, subject: str, max_bytes: int) -> None:
        self._path = path
        self._pattern = pattern
        self._subject = subject
        self._max_bytes = max_bytes
        self._left = max_bytes
        self._count = 0

    def zipped(self) -> list[Member]:
        with zipfile.ZipFile(self._path) as archive:
            entries = archive.infolist()
            self._require_few(len(entries))
            names = self._wanted([one.filename for one in entries if not one.is_dir()])
            found = []
            for entry in entries:
                if entry.filename not in names:
                    continue
                if entry.flag_bits & 0x1:
                    raise FileFault(
                        ADAPTER,
                        self._subject,
                        f"“{entry.filename}” in it is encrypted.",
                        "Ask the supplier to pack it without a password.",
                        code="encrypted",
                    )
                try:
                    with archive.open(entry) as file:
                        found.append(self._save(file, entry.filename, entry.compress_size))
                except (NotImplementedError, RuntimeError) as exc:
                    raise unsupported(
                        self._subject,
                        f"“{entry.filename}” is packed by a method that is not read.",
                        "Ask the supplier for an ordinary zip file.",
                    ) from exc
                except zlib.error as exc:
                    raise truncated(self._subject, f"“{entry.filename}” in it is damaged.") from exc
            return found

    def tarred(self, path: Path) -> list[Member]:
        with tarfile.open(path, "r:") as archive:
            entries = []
            for entry in archive:
                entries.append(entry)
                self._require_few(len(entries))
            # Links and devices are no files of data, whatever they point to.
            names = self._wanted([one.name for one in entries if one.isfile()])
            found = []
            for entry in entries:
                if entry.isfile() and entry.name in names:
                    file = archive.extractfile(entry)
                    assert file is not None
                    found.append(self._save(file, entry.name, entry.size))
            return found

    def stream(self, kind: str) -> Path:
        """The one file that was compressed without an archive."""
        target = self._target()
        with self._path.open("rb") as file, target.open("wb") as out:
            for piece in self._inflated(file, kind):
                self._take(len(piece), file.tell())
                out.write(piece)
        return target

    def only(self, path: Path) -> Member:
        name = self._path.name
        for end in (".gz", ".bz2", ".xz"):
            name = name.removesuffix(end)
        self._refuse_packed(path, name)
        return Member(name, path)

    def _inflated(self, file: BinaryIO, kind: str) -> Iterator[bytes]:
        make: Callable[[], _Unpacker]
        if kind == "gzip":
            yield from gunzip(iter(lambda: file.read(65_536), b""), self._subject, self._max_bytes)
            return
        if kind == "bzip2":
            make = bz2.BZ2Decompressor
        else:

            def make() -> _Unpacker:
                return lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES)

        unpacker = make()
        try:
            while chunk := file.read(65_536):
                if unpacker.eof:
                    chunk = chunk.lstrip(b"\0")  # some writers pad with zeros
                    if not chunk:
                        continue
                    unpacker = make()
                pending = chunk
                while True:
                    if unpacker.eof:
                        pending = unpacker.unused_data.lstrip(b"\0")
                        if not pending:
                            break
                        unpacker = make()
                    piece = unpacker.decompress(pending, _PIECE_BYTES)
                    pending = b""
                    if piece:
                        yield piece
                    elif not unpacker.eof:
                        break
        except (OSError, lzma.LZMAError, ValueError) as exc:
            raise truncated(self._subject, "Its compression is damaged.") from exc
        if not unpacker.eof:
            raise truncated(self._subject, "It ends in the middle of its compression.")

    def _save(self, file: IO[bytes], name: str, packed_bytes: int) -> Member:
        target = self._target()
        size_bytes = 0
        with target.open("wb") as out:
            while piece := file.read(_PIECE_BYTES):
                size_bytes += len(piece)
                self._take(len(piece), packed_bytes, size_bytes)
                out.write(piece)
        self._refuse_packed(target, name)
        return Member(name, target)

    def _take(self, size_bytes: int, packed_bytes: int, unpacked_bytes: int | None = None) -> None:
        self._left -= size_bytes
        if self._left < 0:
            raise too_large(self._subject, self._max_bytes)
        unpacked = self._max_bytes - self._left if unpacked_bytes is None else unpacked_bytes
        if unpacked > RATIO_FROM_BYTES and unpacked > HIGHEST_RATIO * max(1, packed_bytes):
            raise FileFault(
                ADAPTER,
                self._subject,
                f"It grows more than {HIGHEST_RATIO} times when unpacked, which no stock list does.",
                "Ask the supplier what it is, or for the file without compression.",
                code="archive_bomb",
            )

    def _target(self) -> Path:
        """A name of ours beside the archive: what the archive calls a file is never a path."""
        self._count += 1
        return self._path.with_name(f"{self._path.name}.{self._count}.unpacked")

    def _wanted(self, names: list[str]) -> set[str]:
        for name in names:
            parts = PurePosixPath(name.replace("\\", "/")).parts
            if ".." in parts or name.startswith(("/", "\\")) or name[1:2] == ":" or "\0" in name:
                raise FileFault(
                    ADAPTER,
                    self._subject,
                    f"It holds a file “{name[:80]}”, whose name leads out of the archive.",
                    "Tell the supplier: an archive like this is made to do harm.",
                    code="unsafe_name",
                )
        if not names:
            raise empty(self._subject, "The archive holds no file.")
        if self._pattern:
            wanted = [name for name in names if _fits(name, self._pattern)]
            if not wanted:
                raise no_table(
                    self._subject,
                    f"No file in it fits “{self._pattern}”; it holds {listed(names)}.",
                    "Correct the file name in the feed's settings.",
                )
        else:
            wanted = [name for name in names if _may_be_data(name)] or names
        if len(set(wanted)) != len(wanted):
            raise truncated(self._subject, "It holds two files of the same name.")
        if len(wanted) > MOST_FILES:
            raise ambiguous(self._subject, wanted)
        return set(wanted)

    def _require_few(self, count: int) -> None:
        if count > MOST_ENTRIES:
            raise FileFault(
                ADAPTER,
                self._subject,
                f"It holds more than {MOST_ENTRIES:,} files.",
                "Ask the supplier for an archive with the stock list alone.",
                code="archive_bomb",
            )

    def _refuse_packed(self, path: Path, name: str) -> None:
        if packed_kind(path) and not workbook_kind(path):
            raise FileFault(
                ADAPTER,
                self._subject,
                f"“{name}” in it is an archive again.",
                "Ask the supplier to pack the file once.",
                code="nested_archive",
            )


def ambiguous(subject: str, names: list[str]) -> FileFault:
    """The fault of an archive in which several files may be the list."""
    return FileFault(
        ADAPTER,
        subject,
        f"Several files in it look like the list: {listed(names)}.",
        "Name the file in the feed's settings; stars stand for what changes, as in stock*.csv.",
        code="ambiguous_archive",
    )


def listed(names: list[str]) -> str:
    """The first ten names in words."""
    shown = ", ".join(f"“{name[:80]}”" for name in sorted(names)[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown


def _fits(name: str, pattern: str) -> bool:
    path = PurePosixPath(name.casefold())
    return fnmatch(path.name, pattern.casefold()) or fnmatch(str(path), pattern.casefold())


def _may_be_data(name: str) -> bool:
    path = PurePosixPath(name)
    is_hidden = path.name.startswith(".") or "__MACOSX" in path.parts
    is_readme = path.stem.casefold() in {"readme", "liesmich", "license"}
    return not (is_hidden or is_readme or path.name.casefold().endswith(_NOT_DATA))
