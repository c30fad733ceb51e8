"""The files as they came, compressed under `data_dir/feeds/<merchant>/<source>/<sha256>.gz`: what
"why is this at 0?" and a doubt about a supplier are answered from. The last ones are kept."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

KEPT_FILES = 14
_INCOMING = "incoming-"


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
    """Compress `path` into `directory`, whole or not at all, and drop all but the last `KEPT_FILES`."""
    target = directory / name_of(sha256)
    if target.exists():
        os.utime(target)
        return
    part = directory / f".{sha256}.part"
    with path.open("rb") as source, gzip.open(part, "wb", compresslevel=1) as packed:
        shutil.copyfileobj(source, packed, 4 << 20)
    part.replace(target)
    kept = sorted(directory.glob("*.gz"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    for old in kept[KEPT_FILES:]:
        old.unlink(missing_ok=True)
