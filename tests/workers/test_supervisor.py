"""Real processes that are killed, that refuse to end and that print without end."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connector.processes import is_alive
from tests.support import eventually
from workers.supervisor import Child, Service, Supervisor

SLEEPER = [sys.executable, "-S", "-c", "import time; print('up', flush=True); time.sleep(600)"]


@contextmanager
def running(supervisor: Supervisor) -> Iterator[None]:
    """`supervisor.run` beside the test. The thread outlives the children, as the kernel wants it."""
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        yield
    finally:
        supervisor.stop()
        thread.join(timeout=30)
    assert not thread.is_alive()


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def test_a_child_killed_with_9_is_started_again() -> None:
    output = io.StringIO()
    supervisor = Supervisor(
        [Child("web", SLEEPER), Child("clock", SLEEPER)], output=output, first_pause_s=0.01, grace_s=5
    )
    with running(supervisor):
        eventually(lambda: output.getvalue().count("| up") == 2, "both children are up")
        before = supervisor.pids()
        os.kill(before["web"], signal.SIGKILL)
        eventually(lambda: output.getvalue().count("web   | up") == 2, "web is up again")
        after = supervisor.pids()
    assert after["clock"] == before["clock"]
    assert after["web"] != before["web"]
    assert "web   | was killed by signal 9, starting it again in 0.0 s" in output.getvalue()
    assert [is_alive(pid) for pid in (*before.values(), *after.values())] == [False] * 4
    assert supervisor.pids() == {}


def test_a_killed_child_takes_its_own_children_with_it(tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(note)!r}, 'a').write(f'{{child.pid}}\\n')\n"
        "time.sleep(600)"
    )
    supervisor = Supervisor([Child("web", python(code))], output=io.StringIO(), first_pause_s=0.01, grace_s=5)

    def grandchildren() -> list[int]:
        return [int(line) for line in note.read_text().split()] if note.exists() else []

    with running(supervisor):
        eventually(lambda: len(grandchildren()) == 1, "the child has a child")
        os.kill(supervisor.pids()["web"], signal.SIGKILL)
        eventually(lambda: len(grandchildren()) == 2, "the child was started again")
        first = grandchildren()[0]
        eventually(_all_dead([first]), "the first child's child is gone")
    eventually(_all_dead(grandchildren()), "nothing is left")


def test_pauses_double_while_a_child_keeps_failing() -> None:
    output = io.StringIO()
    supervisor = Supervisor([Child("bad", python("raise SystemExit(3)"))], output=output, first_pause_s=0.01)
    with running(supervisor):
        eventually(lambda: output.getvalue().count("ended with status 3") >= 4, "four failures")
    pauses = [line.split("again in ")[1] for line in output.getvalue().splitlines()[:4]]
    assert pauses == ["0.0 s", "0.0 s", "0.0 s", "0.1 s"]


def test_a_missing_program_is_named_and_tried_again() -> None:
    output = io.StringIO()
    supervisor = Supervisor([Child("web", ["/no/such/program"])], output=output, first_pause_s=0.01)
    with running(supervisor):
        eventually(lambda: output.getvalue().count("\n") >= 2, "two attempts")
    assert output.getvalue().splitlines()[0] == (
        "web | cannot be started (No such file or directory: /no/such/program), starting it again in 0.0 s"
    )


def test_output_is_labelled_line_by_line_to_the_last_word() -> None:
    output = io.StringIO()
    code = "import sys; print('one'); print(); sys.stderr.write('two'); sys.stderr.flush()"
    supervisor = Supervisor([Child("job", python(code), restart=False)], output=output)
    assert supervisor.run() == 0
    assert sorted(output.getvalue().splitlines()) == [
        "job | ",
        "job | ended with status 0",
        "job | one",
        "job | two",
    ]


def test_more_output_than_a_pipe_holds_arrives_whole() -> None:
    output = io.StringIO()
    code = "print('\\n'.join('x' * 99 for _ in range(20000)))"
    assert Supervisor([Child("job", python(code), restart=False)], output=output).run() == 0
    assert output.getvalue().count("job | " + "x" * 99 + "\n") == 20000


def test_the_failure_of_a_child_that_is_not_restarted_is_the_result() -> None:
    output = io.StringIO()
    supervisor = Supervisor([Child("job", python("raise SystemExit(2)"), restart=False)], output=output)
    assert supervisor.run() == 1
    assert output.getvalue() == "job | ended with status 2\n"


def test_a_child_gets_its_environment_and_nothing_else() -> None:
    output = io.StringIO()
    code = "import os; print(sorted(set(os.environ) - {'LC_CTYPE'}))"
    child = Child("job", python(code), env={"ONLY": "this"}, restart=False)
    assert Supervisor([child], output=output).run() == 0
    assert output.getvalue().splitlines()[0] == "job | ['ONLY']"


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace() -> None:
    output = io.StringIO()
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True)\n"
        "time.sleep(600)"
    )
    supervisor = Supervisor([Child("deaf", python(code))], output=output, grace_s=0.2)
    with running(supervisor):
        eventually(lambda: "up" in output.getvalue(), "the child is up")
        pid = supervisor.pids()["deaf"]
    assert not is_alive(pid)
    assert "deaf | did not end within 0 s, killing it" in output.getvalue()


class FakeServer:
    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.status: int | None = None

    def poll(self) -> int | None:
        return self.status

    def stop(self) -> None:
        self.events.append("stopped")


def test_a_service_starts_first_is_started_again_and_ends_last() -> None:
    events: list[str] = []
    servers: list[FakeServer] = []

    def start() -> FakeServer:
        events.append("started")
        if len(events) == 2:
            raise RuntimeError("the disk is full")
        servers.append(FakeServer(events))
        return servers[-1]

    output = io.StringIO()
    supervisor = Supervisor(
        [Child("web", SLEEPER)], [Service("postgres", start)], output=output, first_pause_s=0.01, grace_s=5
    )
    with running(supervisor):
        eventually(lambda: "web      | up" in output.getvalue(), "web is up")
        pid = supervisor.pids()["web"]
        servers[0].status = -9
        eventually(lambda: len(servers) == 2, "the service was started again")
    assert events == ["started", "started", "started", "stopped"]
    assert not is_alive(pid)
    assert "postgres | ended (status -9), starting it again" in output.getvalue()
    assert "postgres | did not start, trying again in 0.0 s: the disk is full" in output.getvalue()


PROGRAM = """
import sys
from workers.supervisor import Child, Supervisor
child = Child("web", [sys.executable, "-S", "-c", "import time; time.sleep(600)"])
supervisor = Supervisor([child, Child("clock", child.argv)], grace_s=5)
sys.exit(supervisor.run(lambda: print(*supervisor.pids().values(), flush=True)))
"""


@pytest.fixture
def program() -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process, [int(pid) for pid in process.stdout.readline().split()]
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_all_children_and_succeeds(
    program: tuple[subprocess.Popen[str], list[int]], number: int
) -> None:
    process, pids = program
    assert [is_alive(pid) for pid in pids] == [True, True]
    process.send_signal(number)
    assert process.wait(timeout=20) == 0
    assert [is_alive(pid) for pid in pids] == [False, False]


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells children of a parent's death"
)
def test_no_child_outlives_a_killed_supervisor(program: tuple[subprocess.Popen[str], list[int]]) -> None:
    process, pids = program
    process.kill()
    eventually(_all_dead(pids), "the children end with their parent")


def _all_dead(pids: list[int]) -> Callable[[], bool]:
    return lambda: not any(is_alive(pid) for pid in pids)


def test_two_children_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="names of their own"):
        Supervisor([Child("web", SLEEPER), Child("web", SLEEPER)])
