"""The files as they came, compressed under `data_dir/feeds/<merchant>/<source>/<sha256>.gz`: what
"why is this at 0?", a replay and a doubt about a supplier are answered from.

A file is named by its content, so the same file is kept once however often it comes, and what is read back is
proved to be what came. How long files stay is decided in `retention`.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

from connector.ports.errors import FileFault

_INCOMING = "incoming-"
_PIECE = 1 << 20


def directory_of(data_dir: Path, merchant_id: int, source_id: int) -> Path:
    """The directory of one source's files, made when it is missing; nobody else may read it."""
    directory = data_dir / "feeds" / str(merchant_id) / str(source_id)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory


def incoming(directory: Path, run_id: int) -> Path:
    """An empty directory for one fetch; what an interrupted run left behind is removed."""
    for old in directory.glob(f"{_INCOMING}*"):
        shutil.rmtree(old, ignore_errors=True)
    fresh = directory / f"{_INCOMING}{run_id}"
    fresh.mkdir(mode=0o700)
    return fresh


def name_of(sha256: str) -> str:
    """The file name of a feed with this digest."""
    return f"{sha256}.gz"


def keep(path: Path, directory: Path, sha256: str) -> None:
    """Compress `path` into `directory`, whole or not at all. Raises OSError, as when the disk is full."""
    target = directory / name_of(sha256)
    if target.exists():
        os.utime(target)
        return
    part = directory / f".{sha256}.part"
    try:
        with path.open("rb") as source, gzip.open(part, "wb", compresslevel=1) as packed:
            shutil.copyfileobj(source, packed, 4 << 20)
        part.replace(target)
    except OSError:
        part.unlink(missing_ok=True)
        raise


class Keeping:
    """`keep` beside a run. That a file cannot be kept is told by `end` and never stops the stock."""

    def __init__(self, path: Path, directory: Path, sha256: str) -> None:
        self._given = (path, directory, sha256)
        self._problem = ""
        self._thread = threading.Thread(target=self._keep, name="keep-a-feed")
        self._thread.start()

    def _keep(self) -> None:
        try:
            keep(*self._given)
        except OSError as error:
            is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            self._problem = "no_space" if is_full else type(error).__name__

    def end(self) -> str:
        """Wait until it is done; "" when the file is kept, "no_space" or the error's kind when it is not."""
        self._thread.join()
        return self._problem


def is_kept(data_dir: Path, feed_path: str) -> bool:
    """Whether the file of a run (`run.feed_path`) is still here."""
    return bool(feed_path) and (data_dir / feed_path).is_file()


def pieces(data_dir: Path, feed_path: str) -> Iterator[bytes]:
    """The bytes as they came, a megabyte at a time. Raises FileFault ("not_kept", "damaged")."""
    with _open(data_dir, feed_path) as packed:
        try:
            while piece := packed.read(_PIECE):
                yield piece
        except (OSError, EOFError, zlib.error) as exc:
            raise _damaged(feed_path) from exc


def unpack(data_dir: Path, feed_path: str, sha256: str, target: Path) -> int:
    """Write the file as it came to `target`; returns its size in bytes. Raises FileFault: not_kept, or damaged
    where the bytes are not those that came."""
    digest, size_bytes = hashlib.sha256(), 0
    with target.open("wb") as out:
        for piece in pieces(data_dir, feed_path):
            digest.update(piece)
            size_bytes += out.write(piece)
    if digest.hexdigest() != sha256:
        raise _damaged(feed_path)
    return size_bytes


def _open(data_dir: Path, feed_path: str) -> gzip.GzipFile:
    try:
        if not feed_path:
            raise FileNotFoundError
        return gzip.GzipFile(data_dir / feed_path, "rb")
    except FileNotFoundError as exc:
        raise FileFault(
            "intake",
            "the kept file",
            "The file of this run is not kept any more.",
            "Ask the supplier for it, or hand it over again.",
            code="not_kept",
        ) from exc


def _damaged(feed_path: str) -> FileFault:
    return FileFault(
        "intake",
        Path(feed_path).name,
        "The kept file is damaged: it is not what the supplier sent.",
        "Ask the supplier for it again; check the disk that Dispo keeps its files on.",
        code="damaged",
    )
