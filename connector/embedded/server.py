"""What the embedded servers have in common: the handle, and the directory, lock, log and socket of each."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from connector.processes import end, is_alive, wait_until

ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
"""The whole environment of the servers: the caller's own (PGDATA, PGOPTIONS, secrets) does not reach them."""

_SOCKET_BYTES = 103  # sun_path holds 108 bytes with its final zero on Linux, 104 on macOS


class EmbeddedError(RuntimeError):
    """An embedded server cannot run: the message names the directory, the cause and the remedy."""


class EmbeddedServer:
    """A running server. `url` is what its clients need, `pid` its process id.

    `is_ours` is False when the server was already running in that directory under another process:
    then `stop` leaves it alone and `poll` watches its process id.
    """

    def __init__(
        self,
        url: str,
        pid: int,
        process: subprocess.Popen[bytes] | None = None,
        steps: Sequence[tuple[int, float]] = (),
    ) -> None:
        self.url = url
        self.pid = pid
        self.is_ours = process is not None
        self._process = process
        self._steps = steps

    def poll(self) -> int | None:
        """None while it runs, else its exit status (-1 for a server of another process)."""
        if self._process is None:
            return None if is_alive(self.pid) else -1
        return self._process.poll()

    def stop(self) -> None:
        """End the server if it is ours, by its process id; harmless when it has ended already."""
        if self._process is not None:
            end(self._process, self._steps)

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def answer(argv: Sequence[str]) -> str | None:
    """The output of a command, or None when it cannot be run or fails."""
    try:
        return subprocess.run(
            argv,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            text=True,
            timeout=30,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None


def private(directory: Path) -> Path:
    """Create `directory` with mode 700; its parents and their rights are left as they are."""
    directory = directory.absolute()
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.chmod(0o700)
    except OSError as exc:
        raise EmbeddedError(
            f"The directory {directory} cannot be used ({exc.strerror}). "
            "Set DISPO_DATA_DIR to a directory that this user may write."
        ) from exc
    return directory.resolve()


def give(directory: Path, owner: tuple[int, int]) -> None:
    """Give `directory` and all it holds to `owner`, when it is not theirs already. For root only."""
    if directory.stat().st_uid == owner[0]:
        return
    for parent, _, names in os.walk(directory):
        for path in (parent, *(os.path.join(parent, name) for name in names)):  # noqa: PTH118
            os.chown(path, *owner, follow_symlinks=False)


@contextlib.contextmanager
def locked(directory: Path, timeout_s: float) -> Iterator[None]:
    """One starter at a time in `directory`; the kernel frees the lock of one that was killed."""
    with (directory / "lock").open("w") as file:

        def is_locked() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if not wait_until(is_locked, timeout_s):
            raise EmbeddedError(
                f"Another process has been starting the server in {directory} for {timeout_s:.0f} seconds. "
                "Wait for it, or end it."
            )
        yield


def socket_directory(directory: Path, name: str, owner: tuple[int, int] | None) -> Path:
    """A directory of mode 700 for the socket `name`: in `directory`, or a temporary one if that path is
    longer than a socket's address may be. The temporary one is remembered, so that the address of the
    server stays the same when it is started again."""
    inside = directory / "socket"
    if len(os.fsencode(inside / name)) <= _SOCKET_BYTES:
        inside.mkdir(exist_ok=True, mode=0o700)
        chosen = inside
    else:
        note = directory / "socket-directory"
        chosen = Path(note.read_text().strip()) if note.exists() else inside
        owners = {os.geteuid(), *((owner[0],) if owner else ())}
        if not _is_private(chosen, owners):  # never trust a name in a directory that all may write
            chosen = Path(tempfile.mkdtemp(prefix="dispo-"))
            if len(os.fsencode(chosen / name)) > _SOCKET_BYTES:
                chosen.rmdir()
                chosen = Path(tempfile.mkdtemp(prefix="dispo-", dir="/tmp"))
            note.write_text(f"{chosen}\n")
    if owner is not None:
        give(chosen, owner)
    return chosen


def _is_private(path: Path, owners: set[int]) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_mode & 0o077 == 0 and found.st_uid in owners


def log_file(path: Path) -> IO[bytes]:
    """The log at `path`, open for appending; begun anew once it has passed 10 MB."""
    if path.exists() and path.stat().st_size > 10_000_000:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def tail(path: Path, start: int) -> str:
    """What the log at `path` holds from byte `start` on."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def last_lines(output: str, count: int = 3) -> str:
    """The last lines of a program's output, on one line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " / ".join(lines[-count:]) or "it said nothing."


def pid_in(path: Path) -> int:
    """The process id on the first line of `path`, 0 when there is none."""
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return 0
