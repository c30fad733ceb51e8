"""Files a person hands over: kept in the database until a worker has read them, then gone (the run keeps
its own copy). A kill in between loses nothing: the file is taken again, and a run of the same bytes changes
nothing."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from connector.db import transaction
from connector.intake import archive, runs
from connector.intake.records import Outcome
from connector.intake.runtime import Runtime, SourceBusy
from connector.ports.errors import Misconfigured
from connector.ports.suppliers import Feed, FetchMark

MOST_BYTES = 100_000_000
"""The largest file a person may hand over; larger ones belong behind an address."""
PATIENCE = 3
"""So many accidents of one file hold up the files behind it."""
_PIECE = 1 << 20
_LONGEST_NAME = 120


def accept(
    db: sa.Connection,
    merchant_id: int,
    source_id: int,
    name: str,
    content: IO[bytes],
    *,
    actor: str,
    now: datetime,
    run_id: int | None = None,
) -> int:
    """Keep `content` for the next worker, in the caller's transaction; returns the upload's id. `run_id` is a
    queued run of the same source that is to become this file's.

    Raises Misconfigured for a file that is empty or larger than MOST_BYTES, LookupError for a source that
    is not this merchant's.
    """
    known = sa.text("select 1 from source where merchant_id = :m and id = :s")
    if db.execute(known, {"m": merchant_id, "s": source_id}).first() is None:
        raise LookupError(source_id)
    name = safe_name(name)
    packed = io.BytesIO()
    packer = gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6)
    size_bytes = 0
    digest = hashlib.sha256()
    while piece := content.read(_PIECE):
        size_bytes += len(piece)
        if size_bytes > MOST_BYTES:
            raise _wrong(
                name,
                f"The file is larger than {MOST_BYTES // 1_000_000} MB.",
                "Put it behind an address and connect that, or send only the columns that are needed.",
            )
        packer.write(piece)
        digest.update(piece)
    packer.close()
    if not size_bytes:
        raise _wrong(name, "The file is empty.", "Export it again and choose it anew.")
    return int(
        db.execute(
            sa.text("""
                insert into upload (merchant_id, source_id, name, size_bytes, packed, sha256, run_id, actor,
                                    received_at)
                values (:m, :s, :name, :size, :packed, :sha256, :run, :actor, :now) returning id
            """),
            {
                "m": merchant_id,
                "s": source_id,
                "name": name,
                "size": size_bytes,
                "packed": packed.getvalue(),
                "sha256": digest.hexdigest(),
                "run": run_id,
                "actor": actor,
                "now": now,
            },
        ).scalar_one()
    )


def take(rt: Runtime, merchant_id: int, source_id: int) -> list[Outcome]:
    """Run every waiting file of this source, the oldest first; how each ended. Raises SourceBusy while
    another run of the source is at work: the files stay.

    A file whose runs end in an accident again and again lets newer ones go first, and is done with once one of them
    was read: it says what holds now. Its runs say how each of them failed.
    """
    outcomes = []
    while (found := _oldest(rt, merchant_id, source_id)) is not None:
        directory = archive.directory_of(rt.data_dir, merchant_id, source_id) / f"upload-{found.id}"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
        try:
            # What was sold since it was handed over is not in it yet.
            feed = _unpack(found.packed, directory / found.name, found.received_at)
            outcomes.append(
                runs.run(rt, merchant_id, source_id, trigger="upload", run_id=found.run_id, feed=feed)
            )
        except SourceBusy:
            raise
        except Exception:
            # The promised run says how it failed and is over. The file is still here and gets a run of its own:
            # taken for the old one's, it would be thrown away unread.
            with transaction(rt.engine) as db:
                db.execute(_RELEASE, {"m": merchant_id, "id": found.id})
            raise
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        with transaction(rt.engine) as db:
            db.execute(_GONE, {"m": merchant_id, "s": source_id, "id": found.id, "patience": PATIENCE})
    return outcomes


_RELEASE = sa.text("""
    update upload u
       set tries = tries + 1, run_id = case when exists (
             select 1 from run r where r.merchant_id = u.merchant_id and r.id = u.run_id and r.status = 'failed'
           ) then null else run_id end
     where u.merchant_id = :m and u.id = :id
""")
_GONE = sa.text("""
    delete from upload
     where merchant_id = :m and (id = :id or (source_id = :s and id < :id and tries >= :patience))
""")


def from_disk(path: Path) -> Feed:
    """A file on this machine as a feed, for a run started by hand. Raises Misconfigured."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        cause = f"It cannot be read ({exc.strerror or type(exc).__name__})."
        raise _wrong(path.name, cause, "Check the path.") from exc
    size_bytes = path.stat().st_size
    if not size_bytes:
        raise _wrong(path.name, "The file is empty.", "Export it again.")
    return Feed(path, safe_name(path.name), size_bytes, FetchMark(sha256=digest), None)


def safe_name(name: str) -> str:
    """The last part of a file name a browser sent, fit for a directory of ours."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(c if c.isalnum() or c in "._- " else "_" for c in last).strip(". ")
    return kept[-_LONGEST_NAME:] or "upload"


def _oldest(rt: Runtime, merchant_id: int, source_id: int) -> Any:
    with rt.engine.connect() as db:
        return db.execute(
            sa.text("""
                select id, name, packed, received_at, run_id from upload
                 where merchant_id = :m and source_id = :s order by tries >= :patience, id limit 1
            """),
            {"m": merchant_id, "s": source_id, "patience": PATIENCE},
        ).one_or_none()


def _unpack(packed: bytes, path: Path, as_of: datetime) -> Feed:
    """The file on disk again; `accept` packed it, so its size is known to be bounded."""
    digest = hashlib.sha256()
    size_bytes = 0
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as content, path.open("wb") as out:
        while piece := content.read(_PIECE):
            digest.update(piece)
            size_bytes += out.write(piece)
    return Feed(path, path.name, size_bytes, FetchMark(sha256=digest.hexdigest()), as_of)


def _wrong(name: str, cause: str, remedy: str) -> Misconfigured:
    return Misconfigured("upload", name, cause, remedy, field="file")
