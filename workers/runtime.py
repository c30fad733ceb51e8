"""The one Runtime of a worker process, built before the first job."""

from __future__ import annotations

from connector.bootstrap import Runtime
from connector.settings import load_settings

_runtime: Runtime | None = None


def runtime() -> Runtime:
    """This process's runtime; built from the environment on first use."""
    global _runtime
    if _runtime is None:
        _runtime = Runtime(load_settings())
    return _runtime


def use(rt: Runtime) -> None:
    """Let the jobs of this process use `rt` (entry points and tests)."""
    global _runtime
    _runtime = rt
