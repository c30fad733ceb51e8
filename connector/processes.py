"""Starting and ending child processes that never outlive us. Shared by the embedded servers and the
supervisor; knows nothing of what the children do.

On Linux the kernel signals each child when its parent dies (PR_SET_PDEATHSIG), so that even
`kill -9` of the parent leaves nothing behind. The kernel ties this to the *thread* that started the
child: start children from a thread that lives as long as the process, in practice the main thread.
Elsewhere a killed parent leaves its children running, and the next start finds and reuses them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

_PR_SET_PDEATHSIG = 1
_PROC = Path("/proc")


def _die_with_parent(death_signal: int) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before the fork: no import after it
    parent = os.getpid()

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:  # the parent died between the fork and the line above
            os._exit(1)

    return in_child


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    output: IO[Any] | int | None = None,
    death_signal: int = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start `argv` as the leader of a session of its own, standard input closed.

    `env` None inherits ours; `output` receives standard output and error (None inherits). The own
    session keeps Ctrl-C in a terminal from reaching children before their supervisor has decided the
    order in which they end. Raises OSError when the program cannot be started.
    """
    return subprocess.Popen(
        list(argv),
        env=None if env is None else dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        start_new_session=True,
        preexec_fn=_die_with_parent(death_signal),
    )


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """True once `process` has exited, leaving its exit status unread.

    While the status is unread the process id, and so the group id, cannot be given to anyone else:
    that is the moment to signal what is left of the group.
    """
    if process.returncode is not None:
        return True
    try:
        found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # someone else has read the status
        return True
    return found is not None


def end(process: subprocess.Popen[bytes], steps: Sequence[tuple[int, float]]) -> int:
    """End `process`: send each signal of `steps` and wait its seconds, then SIGKILL the whole group.

    Returns the exit status. The group is killed even when the leader ended by itself, because a
    leader killed with -9 leaves its own children behind.
    """
    for number, grace_s in steps:
        if has_ended(process):
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        wait_until(lambda: has_ended(process), grace_s)
    kill_group(process)
    return process.wait()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL whatever lives in the group that `process` leads; nothing to do once it was waited for."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for zombies
            os.killpg(process.pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """True while a process `pid` exists, whoever owns it, and is not a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError, IndexError):
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def works_in(pid: int, directory: Path) -> bool:
    """True if process `pid` is alive and has `directory` as its working directory or in its command
    line: tells a server of that directory from a stranger that was given the same process id."""
    if not is_alive(pid):
        return False
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / "cwd").readlink() == directory.resolve()
    shown = subprocess.run(["ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True)
    return str(directory) in shown.stdout


def wait_until(is_true: Callable[[], bool], timeout_s: float, every_s: float = 0.005) -> bool:
    """Poll `is_true` for at most `timeout_s` seconds; returns its last answer."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() >= deadline:
            return is_true()
        time.sleep(every_s)
    return True
