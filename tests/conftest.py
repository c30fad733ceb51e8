"""Fixtures that every test may use. What only one area needs belongs in that folder's own conftest.py.

Servers are real and start on first use: each worker has a PostgreSQL and a Redis of its own, so that a
test may kill them without hurting another worker. The migrated cluster is built once for each version of
the migrations and copied (0.1 s instead of 2 s).
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import hashlib
import multiprocessing
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from hypothesis import settings as hypothesis_settings
from werkzeug.routing import Rule

from connector.embedded import EmbeddedServer, start_postgres, start_redis
from connector.settings import NAMES, Settings
from tests import support
from tests.support import ManualClock, require

# What is made while modules are imported and tests collected is there to stay: looking through it again and
# again for garbage is a fifth of the collection, and every full look later costs a third of a second.
gc.disable()

ROOT = Path(__file__).resolve().parent.parent

# The same examples on every machine and in every run, and few of them: a failure can be repeated.
hypothesis_settings.register_profile(
    "dispo", derandomize=True, max_examples=30, deadline=None, database=None, print_blob=True
)
hypothesis_settings.load_profile("dispo")

# Nothing of the developer's own installation may reach a test.
for _name in (*NAMES, "DATABASE_URL", "REDIS_URL", "PORT"):
    os.environ.pop(_name, None)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


# By their CPU time and their waits, longest first. The demonstration sits out a killed worker's lease.
_LONGEST = """
    e2e/test_demo.py e2e/test_pages.py test_embedded.py delivery/test_push.py
    delivery/test_torture.py delivery/test_echoes.py delivery/test_any_order.py adapters/transports/test_imap.py
    delivery/test_races.py conformance/test_shopify.py theme/test_render.py
    theme/test_browser.py workers/test_processes.py delivery/test_webhooks.py adapters/test_email.py
    adapters/test_kit_http.py adapters/test_bigcommerce_script.py web/test_pages.py
""".split()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files go first, or one of them alone would be waited for at the end."""
    places = {ROOT / "tests" / name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session", autouse=True)
def _rules_compiled_once() -> Iterator[None]:
    """Keep what werkzeug makes of a rule: most tests of pages make an application of their own, and compiling
    its rules would take longer than their requests. It depends on the rule and the converters alone."""
    compiled: dict[Any, dict[str, Any]] = {}
    compile_rule = Rule.compile

    def once(self: Rule) -> None:
        assert self.map is not None
        key = (
            self.rule, self.host if self.map.host_matching else self.subdomain, self.merge_slashes,
            repr(self.defaults), *self.map.converters.items(),
        )  # fmt: skip
        kept = compiled.get(key)
        if kept is None:
            compile_rule(self)
            kept = {name: vars(self)[name] for name in ("_parts", "_trace", "_converters", "arguments")}
            kept["builders"] = (self._build.__func__, self._build_unknown.__func__)  # type: ignore[attr-defined]
            compiled[key] = kept
            return
        for name in ("_parts", "_trace", "_converters", "arguments"):
            setattr(self, name, kept[name].copy())
        build, build_unknown = kept["builders"]
        self._build, self._build_unknown = build.__get__(self), build_unknown.__get__(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "compile", once)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_outside_network() -> Iterator[None]:
    """Refuse every connection that leaves this machine, with the name of what was tried."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            host = str(address[0])
            if not (host.startswith("127.") or host in {"::1", "localhost", "0.0.0.0", "::ffff:127.0.0.1"}):
                raise PermissionError(f"A test tried to reach {host}:{address[1]}, outside this machine.")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


# --- PostgreSQL -------------------------------------------------------------------------------------


def _migrated_cluster() -> Path:
    """A stopped cluster whose database `dispo` is migrated and empty; kept between runs.

    Its name holds a digest of all that decides its content, so it is never out of date.
    """
    from connector.db import migrate

    digest = hashlib.sha256()
    sources = [*ROOT.glob("connector/migrations/**/*.py"), *ROOT.glob("connector/embedded/*.py")]
    for path in sorted([*sources, Path(__file__)]):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    store = Path(tempfile.gettempdir()) / f"dispo-tests-{os.geteuid()}"
    store.mkdir(mode=0o700, exist_ok=True)
    if store.stat().st_uid != os.geteuid() or store.stat().st_mode & 0o077:
        raise RuntimeError(f"{store} belongs to someone else: remove it or set TMPDIR.")
    kept = store / digest.hexdigest()[:16]
    with (store / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            for old in store.iterdir():
                if old.is_dir() and time.time() - old.stat().st_mtime > 86_400:
                    shutil.rmtree(old)
            building = Path(tempfile.mkdtemp(dir=store, prefix="building-"))
            with start_postgres(building, durable=False) as server:
                migrate(server.url)
                _statement(server, "CHECKPOINT")  # this server forgets at a stop what it has not yet written
            shutil.rmtree(building / "socket", ignore_errors=True)
            building.rename(kept)
    return kept


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """This worker's PostgreSQL; its database `dispo` is migrated and stays empty: the template."""
    directory = tmp_path_factory.mktemp("postgres") / "data"
    shutil.copytree(_migrated_cluster(), directory, symlinks=True)
    with start_postgres(directory, durable=False) as server:
        yield server


def _statement(postgres: EmbeddedServer, statement: str) -> None:
    url = sa.make_url(postgres.url)
    with psycopg.connect(
        host=str(url.query["host"]), user=url.username, dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(statement)


def _clone(postgres: EmbeddedServer, name: str, template: str = "dispo") -> str:
    _statement(postgres, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    return sa.make_url(postgres.url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def database_url(postgres: EmbeddedServer) -> str:
    """The migrated database that all tests of this worker share; `engine` empties it after each test."""
    return _clone(postgres, "test")


@pytest.fixture(scope="session")
def _pool(database_url: str) -> Iterator[sa.Engine]:
    from connector.db import make_engine

    engine = make_engine(database_url)
    yield engine
    engine.dispose()


# DELETE without triggers beats TRUNCATE (3 ms against 31 ms for 33 tables with their indexes) as long
# as tables are small; large ones are truncated so that dead rows do not slow later tests down.
_EMPTY = """
DO $$
DECLARE item record;
BEGIN
  SET LOCAL lock_timeout = '5s';
  SET LOCAL session_replication_role = replica;
  FOR item IN
    SELECT c.oid::regclass AS name, pg_relation_size(c.oid) AS size FROM pg_class c
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
      AND pg_relation_size(c.oid) > 0
  LOOP
    IF item.size > 1000000 THEN EXECUTE 'TRUNCATE ' || item.name || ' CASCADE';
    ELSE EXECUTE 'DELETE FROM ' || item.name;
    END IF;
  END LOOP;
  PERFORM setval(quote_ident(sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL;
END $$
"""


@contextlib.contextmanager
def emptied_afterwards(pool: sa.Engine) -> Iterator[sa.Engine]:
    """`pool`, whose database is emptied and whose ids start at 1 again at the end. A transaction left open
    fails the test."""
    yield pool
    try:
        with pool.begin() as connection:
            connection.exec_driver_sql(_EMPTY)
    except sa.exc.OperationalError as exc:
        pool.dispose()
        with pool.begin() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.exec_driver_sql(_EMPTY)
        pytest.fail(f"The test left a transaction open, so its rows could not be removed: {exc.orig}")


@pytest.fixture
def engine(_pool: sa.Engine) -> Iterator[sa.Engine]:
    """An engine on the shared migrated database, which is emptied and whose ids start at 1 again after
    the test. Commits are real, so other processes see them. A transaction left open fails the test."""
    with emptied_afterwards(_pool) as engine:
        yield engine


@pytest.fixture
def fresh_database_url(postgres: EmbeddedServer) -> Iterator[str]:
    """A migrated, empty database for this test alone: for changes of tables, and for kills."""
    yield _clone(postgres, "fresh")
    _statement(postgres, "DROP DATABASE fresh WITH (FORCE)")


@pytest.fixture
def empty_database_url(postgres: EmbeddedServer) -> Iterator[str]:
    """A database without any table: for the tests of the migrations."""
    yield _clone(postgres, "empty", "template0")
    _statement(postgres, "DROP DATABASE empty WITH (FORCE)")


# --- Redis, settings, time --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """This worker's Redis."""
    with start_redis(tmp_path_factory.mktemp("redis"), durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(redis_server: EmbeddedServer) -> str:
    """The address of this worker's Redis. Use `redis` too where the test writes to it."""
    return redis_server.url


@pytest.fixture
def redis(redis_url: str) -> Iterator[Any]:
    """A client of this worker's Redis, which is emptied after the test."""
    from redis import Redis

    with contextlib.closing(Redis.from_url(redis_url)) as client:
        yield client
        client.flushall()


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of an installation that uses this worker's servers and `tmp_path`."""
    # What was learnt of a shop at an address that another test's shop may have now.
    support.forget_budgets(redis_url)
    return Settings(
        data_dir=tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        secret_keys=(Fernet.generate_key().decode(),),
    )


@pytest.fixture
def clock() -> ManualClock:
    """A clock at 2026-01-05 09:00 UTC that moves only by `advance`."""
    return ManualClock()


@pytest.fixture
def free_port() -> int:
    """A free TCP port on 127.0.0.1; `tests.support.free_port()` gives more of them."""
    return support.free_port()


# --- Processes --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def processes() -> Any:
    """Makes real processes that a test may kill: `processes.Process(target=…)`. One fork server a worker
    imports what all of them need, which takes seconds, so that each starts in milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.nursery"])
    # Python knows one fork server for a process: from here on it is this one, whoever asks for one.
    forkserver.ensure_running()
    return context


# --- Browser ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The system's Chromium, without a window."""
    executable = require("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=[
                "--no-sandbox",  # Chromium refuses its sandbox to root, which a container usually is
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def browser_page(browser: Any) -> Iterator[Any]:
    """A page in a context of its own (no cookies). An uncaught script error fails the test."""
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(10_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def browser_context(browser: Any) -> Iterator[Callable[..., Any]]:
    """Makes further contexts, as for a phone, French or a second person: `browser_context(locale="fr")`."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> Any:
            context = browser.new_context(**options)
            stack.callback(context.close)
            context.set_default_timeout(10_000)
            return context

        yield make
