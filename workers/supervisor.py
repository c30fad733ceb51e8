"""Keeps the processes of one machine running: web, one worker for each queue, the clock, and the
embedded servers where there are any. Starts what is down, ends all in the right order, decides nothing
else.

Outside a single machine this is the work of systemd, a container platform or a Procfile runner.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import IO, Protocol

from connector.processes import end, has_ended, kill_group, spawn, wait_until

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0
HEALTHY_AFTER_S = 20.0
"""A child that ran this long before it ended is restarted at once: its pauses begin anew."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep running. `name` labels its output; `env` is its whole environment, None ours.

    With `restart=False` its end is final, and reported.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    restart: bool = True


class Server(Protocol):
    """What `connector.embedded` returns: None from `poll` while it runs."""

    def poll(self) -> int | None: ...

    def stop(self) -> None: ...


@dataclass(slots=True)
class Service:
    """An embedded server: started before every child, ended after the last, started again (at the
    same address) when it dies. `server` is the one that runs already, if any."""

    name: str
    start: Callable[[], Server]
    server: Server | None = None
    not_before: float = 0.0
    failures: int = 0


@dataclass(slots=True)
class _Running:
    child: Child
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    not_before: float = 0.0
    failures: int = 0
    is_over: bool = False
    unfinished: bytes = b""
    reader: int = field(default=-1)


class Supervisor:
    """Runs `children` and `services` until SIGTERM, SIGINT or `stop`.

    Each line a child prints goes to `output` with the child's name before it. At the end every child
    gets SIGTERM and `grace_s` seconds, then its whole process group is killed; then the services stop.
    A child that was killed takes its own children with it before it is started again, so that no
    half of a web server keeps the port. Use it from the main thread: the kernel ties the children's
    lives to the thread that starts them.
    """

    def __init__(
        self,
        children: Sequence[Child],
        services: Sequence[Service] = (),
        *,
        grace_s: float = 20.0,
        output: IO[str] | None = None,
        first_pause_s: float = FIRST_PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        names = [child.name for child in children] + [service.name for service in services]
        if len(set(names)) != len(names):
            raise ValueError(f"children need names of their own: {names}")
        self._children = [_Running(child) for child in children]
        self._services = list(services)
        self._grace_s = grace_s
        self._output = output or sys.stdout
        self._first_pause_s = first_pause_s
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._width = max((len(name) for name in names), default=0)
        # A signal may arrive between a test and a wait; a byte in this pipe ends the wait in any case.
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._is_stopping = False

    def pids(self) -> dict[str, int]:
        """The process ids of the children that run now, by name."""
        processes = [(one.child.name, one.process) for one in self._children]
        return {
            name: process.pid for name, process in processes if process is not None and not has_ended(process)
        }

    def stop(self) -> None:
        """Ask `run` to end. Safe in a signal handler and from another thread."""
        self._is_stopping = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"x")

    def run(self, on_started: Callable[[], None] | None = None) -> int:
        """Start everything and keep it running until it is told to stop.

        `on_started` is called once all are started. Returns 0, or 1 when every child was of the kind
        that is not restarted and one of them failed.
        """
        with self._handled_signals():
            try:
                self._start_what_is_down()
                if on_started is not None:
                    on_started()
                while not self._is_stopping and not self._is_all_over():
                    self._pass_output_on(timeout_s=0.1)
                    self._bury()
                    self._start_what_is_down()
            finally:
                self._end_all()
        return int(any(one.is_over and one.failures for one in self._children))

    @contextlib.contextmanager
    def _handled_signals(self) -> Iterator[None]:
        def handle(number: int, frame: FrameType | None) -> None:
            self.stop()

        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may receive signals; the caller uses stop()
            return
        before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _start_what_is_down(self) -> None:
        now = self._clock()
        for service in self._services:
            if service.server is not None and service.server.poll() is None:
                continue
            if service.server is not None:
                self._say(service.name, f"ended (status {service.server.poll()}), starting it again")
                service.server = None
            if now >= service.not_before:
                self._start_service(service)
        for one in self._children:
            if one.process is None and not one.is_over and now >= one.not_before and not self._is_stopping:
                self._start(one)

    def _start_service(self, service: Service) -> None:
        try:
            service.server = service.start()
            service.failures = 0
        except RuntimeError as exc:
            # The children wait for their database by themselves; ending them would not help it.
            service.failures += 1
            pause_s = self._pause_s(service.failures)
            service.not_before = self._clock() + pause_s
            self._say(service.name, f"did not start, trying again in {pause_s:.1f} s: {exc}")

    def _start(self, one: _Running) -> None:
        reader, writer = os.pipe()
        try:
            one.process = spawn(one.child.argv, env=one.child.env, output=writer)
        except OSError as exc:
            os.close(reader)
            self._settle(one, f"cannot be started ({exc.strerror}: {one.child.argv[0]})", 127)
            return
        finally:
            os.close(writer)
        os.set_blocking(reader, False)
        one.reader = reader
        one.started = self._clock()
        self._selector.register(reader, selectors.EVENT_READ, one)

    def _bury(self) -> None:
        for one in self._children:
            if one.process is None or not has_ended(one.process):
                continue
            kill_group(one.process)
            status = one.process.wait()
            self._drain(one)
            one.process = None
            how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            self._settle(one, how, status)

    def _settle(self, one: _Running, how: str, status: int) -> None:
        """Decide what follows the end of a child."""
        if not one.child.restart:
            one.is_over = True
            one.failures = int(status != 0)
            self._say(one.child.name, how)
            return
        if one.started and self._clock() - one.started >= HEALTHY_AFTER_S:
            one.failures = 0
        one.failures += 1
        pause_s = self._pause_s(one.failures)
        one.not_before = self._clock() + pause_s
        self._say(one.child.name, f"{how}, starting it again in {pause_s:.1f} s")

    def _pause_s(self, failures: int) -> float:
        return min(LONGEST_PAUSE_S, self._first_pause_s * 2.0 ** min(failures - 1, 16))

    def _is_all_over(self) -> bool:
        return bool(self._children) and all(one.is_over for one in self._children)

    def _end_all(self) -> None:
        running = [one for one in self._children if one.process is not None]
        for one in running:  # all at once, then wait: the graces run side by side
            assert one.process is not None
            if not has_ended(one.process):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one.process.pid, signal.SIGTERM)

        def have_all_ended() -> bool:
            self._pass_output_on(timeout_s=0.0)  # a child that waits for us to read would never end
            return all(one.process is None or has_ended(one.process) for one in running)

        wait_until(have_all_ended, self._grace_s)
        for one in running:
            assert one.process is not None
            if not has_ended(one.process):
                self._say(one.child.name, f"did not end within {self._grace_s:.0f} s, killing it")
            end(one.process, ())
            self._drain(one)
            one.process = None
        for service in reversed(self._services):
            if service.server is not None:
                service.server.stop()
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _pass_output_on(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:
                os.read(self._wake_read, 4096)
            else:
                self._read(key.data)

    def _read(self, one: _Running) -> bool:
        """Pass on what a child printed; False when there is nothing now or never will be."""
        try:
            data = os.read(one.reader, 65536)
        except BlockingIOError:
            return False
        lines = (one.unfinished + data).split(b"\n")
        one.unfinished = lines.pop() if data else b""
        if len(one.unfinished) > 65536:  # a line without an end must not fill our memory
            lines.append(one.unfinished)
            one.unfinished = b""
        for line in lines:
            if line or data:
                self._say(one.child.name, line.decode(errors="replace"))
        if not data:
            self._close(one)
        return bool(data)

    def _drain(self, one: _Running) -> None:
        """The last output of a child that has ended. A grandchild in a session of its own may still
        hold the pipe: what it prints after this is not ours."""
        while one.reader >= 0 and self._read(one):
            pass
        if one.reader >= 0:
            if one.unfinished:
                self._say(one.child.name, one.unfinished.decode(errors="replace"))
                one.unfinished = b""
            self._close(one)

    def _close(self, one: _Running) -> None:
        self._selector.unregister(one.reader)
        os.close(one.reader)
        one.reader = -1

    def _say(self, name: str, line: str) -> None:
        try:
            self._output.write(f"{name:<{self._width}} | {line}\n")
            self._output.flush()
        except (BrokenPipeError, ValueError):  # nobody reads any more: keep working
            log.debug("%s: %s", name, line)
