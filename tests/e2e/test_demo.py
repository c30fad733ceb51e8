"""`dispo run --demo` from nothing to a shop kept true, through killed workers and a restart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from tests.support import eventually, free_port

pytestmark = pytest.mark.slow


class Demo:
    """One demonstration in a directory of its own, run as a visitor runs it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("DISPO_", "DATABASE_", "REDIS_"))},
            "DISPO_DATA_DIR": str(directory),
            "PORT": str(self.port),
        }
        self.log = directory.parent / "demo.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "connector.cli", "run", "--demo"],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def said(self, text: str) -> bool:
        if self.process is not None and self.process.poll() is not None:
            pytest.fail(f"It ended: {self.log.read_text()[-3000:]}")
        return text in self.log.read_text(errors="replace")

    def dispo(self, *arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "connector.cli", *arguments, "--json"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def children(self, *words: str) -> list[psutil.Process]:
        assert self.process is not None
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it ended meanwhile, or is a zombie
                line = " ".join(child.cmdline())
                if all(word in line for word in words):
                    found.append(child)
        return found


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    made = Demo(tmp_path / "data")
    made.directory.mkdir()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait(30)


def test_it_opens_works_survives_kills_and_goes_on_after_a_restart(demo: Demo) -> None:
    demo.start()
    eventually(lambda: demo.said("/demo"), "the opening", timeout_s=600)
    web = httpx2.Client(base_url=f"http://127.0.0.1:{demo.port}", follow_redirects=True, timeout=60)
    assert 200 == web.get("/demo").status_code
    assert "Vase &amp; Co Outlet" in web.get("/").text

    for words in (("worker", "push"), ("worker", "intake"), ("clock",)):
        for child in demo.children(*words):
            child.kill()
    store = next(s for s in demo.dispo("store", "list") if s["adapter"] == "woocommerce")

    def is_right() -> bool:
        found = demo.dispo("store", "diff", str(store["id"]))["difference"]
        return bool(found["same"] > 1400 and found["unwritable"] == 0)

    # The killed worker's turn is free again when its heartbeat was missed for a minute.
    eventually(is_right, "the shop to say what it should", timeout_s=600, every_s=15)
    assert ["google_ads"] == [account["adapter"] for account in demo.dispo("ads", "list")]
    links = json.loads((demo.directory / "demo.json").read_text())
    assert 200 == web.get(links["storefront"] + "woocommerce/").status_code
    assert 200 == web.get(links["mailbox"]).status_code
    before = {p.pid for p in demo.children()}
    assert 0 == demo.stop()
    assert [] == [pid for pid in before if psutil.pid_exists(pid)]

    demo.start()
    eventually(lambda: demo.log.read_text().count("/demo (") + demo.log.read_text().count("Open http") >= 2,
               "the second opening", timeout_s=300)  # fmt: skip
    assert 200 == web.get("/demo").status_code
    assert 2 == len(demo.dispo("store", "list"))
    assert 0 == demo.stop()
