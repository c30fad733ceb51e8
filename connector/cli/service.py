"""dispo run, web, worker, clock, migrate: the processes of an installation."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import sys
import threading
from pathlib import Path

import click

from connector.accounts import entitlements
from connector.bootstrap import Runtime
from connector.cli.frame import with_servers
from connector.db import migrate
from connector.embedded import EmbeddedServer, start_postgres, start_redis
from connector.settings import Settings, child_environment, load_settings


@click.command("run")
@click.option("--demo", is_flag=True, help="Open a simulated shop with Dispo working in it.")
@click.option("--speed", type=float, default=1.0, show_default=True, help="Demo: days of sales a minute.")
def run_all(demo: bool, speed: float) -> None:
    """Everything on this machine: embedded servers where none are named, web, workers and clock."""
    # Loaded here: the product's rooms never depend on how it is started.
    from importlib import import_module

    supervisor_module = import_module("workers.supervisor")
    queues = import_module("workers.queues").QUEUES
    settings = load_settings()
    services = []
    if not settings.database_url:
        postgres = _start(start_postgres, settings.data_dir / "postgres")
        services.append(supervisor_module.Service("postgres", _starter("postgres", settings), postgres))
        settings = dataclasses.replace(settings, database_url=postgres.url)
    if not settings.redis_url:
        redis = _start(start_redis, settings.data_dir / "redis")
        services.append(supervisor_module.Service("redis", _starter("redis", settings), redis))
        settings = dataclasses.replace(settings, redis_url=redis.url)
    migrate(settings.database_url)
    children = []
    extra: dict[str, str] = {}
    if demo:
        plan = import_module("simulator.demo.plan").prepare(settings.data_dir, settings.base_url, speed)
        settings = dataclasses.replace(
            settings, allowed_private_hosts=settings.allowed_private_hosts | plan.hosts, is_demo=True
        )
        extra = dict(plan.environment)
        children.append(supervisor_module.Child("shop", plan.argv))
    environment = child_environment(settings, extra)
    me = [sys.executable, "-m", "connector.cli"]
    children += [
        supervisor_module.Child("web", [*me, "web"], environment),
        supervisor_module.Child("clock", [*me, "clock"], environment),
        *(
            supervisor_module.Child(f"worker-{name}", [*me, "worker", "--queue", name], environment)
            for name in queues
        ),
    ]
    children = [dataclasses.replace(child, env=environment) for child in children]
    click.echo(f"Dispo opens at {settings.base_url} (stop with Ctrl-C).")
    sys.exit(supervisor_module.Supervisor(children, services).run())


def _start(start: object, directory: Path) -> EmbeddedServer:
    server: EmbeddedServer = start(directory)  # type: ignore[operator]
    return server


def _starter(name: str, settings: Settings) -> object:
    starts = {"postgres": start_postgres, "redis": start_redis}
    return lambda: starts[name](settings.data_dir / name)


@click.command("web")
def web() -> None:
    """The web server (pages, storefront API, webhooks)."""
    from connector.web.server import serve

    with contextlib.ExitStack() as stack:
        settings = with_servers(load_settings(), stack, needs_redis=True)
        serve(settings.web_host, settings.web_port, workers=settings.web_workers)


@click.command("worker")
@click.option("--queue", required=True, help="push, notify, ads or intake.")
@click.option("--burst", is_flag=True, help="End when the queue is empty.")
def worker(queue: str, burst: bool) -> None:
    """One worker process for one queue."""
    from importlib import import_module

    with _running() as rt:
        try:
            import_module("workers.run").work(rt, queue, burst=burst)
        except ValueError as error:
            raise click.ClickException(str(error)) from error


@click.command("clock")
def clock() -> None:
    """Looks in the database for what is due and rings the workers."""
    from importlib import import_module

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with _running() as rt:
        # What the file of plans says holds from now on; what that changes is told to those concerned.
        entitlements.apply(rt.engine, rt.plans, rt.settings.apps, rt.now())
        import_module("workers.schedule").run_clock(rt, stop)


@click.command("migrate")
def migrate_command() -> None:
    """Bring the database to this release."""
    with contextlib.ExitStack() as stack:
        settings = with_servers(load_settings(), stack, needs_redis=False)
        migrate(settings.database_url)
    click.echo("The database is up to date.")


@contextlib.contextmanager
def _running():  # type: ignore[no-untyped-def]
    """A runtime on servers that run already (or are started here), without migrating."""
    with contextlib.ExitStack() as stack:
        rt = Runtime(with_servers(load_settings(), stack, needs_redis=True))
        stack.callback(lambda: rt.engine.dispose())
        yield rt


COMMANDS = (run_all, web, worker, clock, migrate_command)
