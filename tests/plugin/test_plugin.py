"""The companion plugin's PHP: every file parses, and its own tests hold."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from adapters.stores.woocommerce.plugin.build import PLUGIN
from tests.support import require

OWN = Path(__file__).parent / "php"
TESTS = sorted(OWN.glob("test_*.php"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [require("php"), "-d", "display_errors=stderr", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "DISPO_PLUGIN": str(PLUGIN)},
        check=False,
    )


def test_every_file_parses() -> None:
    files = sorted(PLUGIN.rglob("*.php"))
    assert len(files) > 10
    for path in files:
        done = run("-l", str(path))
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_its_own_tests_hold(path: Path) -> None:
    done = run(str(path))
    lines = done.stdout.splitlines()
    failed = [line for line in lines if not line.startswith("ok ")]
    assert (done.returncode, failed, done.stderr) == (0, [], "")
    assert len(lines) == path.read_text(encoding="utf-8").count("\ntest( "), "a test was not reached"


def test_there_are_tests_to_run() -> None:
    assert [path.stem for path in TESTS] == [
        "test_checkout",
        "test_pages",
        "test_personal_data",
        "test_stock",
    ]


def test_a_file_called_by_itself_does_nothing() -> None:
    for path in sorted(PLUGIN.rglob("*.php")):
        done = run(str(path))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), path.name
