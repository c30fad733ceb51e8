"""The merchant's app behind a real web server, for the browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.serving import make_server

from tests.web.conftest import app, rt, shop, stranger

__all__ = ["app", "rt", "shop", "site", "stranger"]


@pytest.fixture
def site(app: Any) -> Iterator[str]:
    """The address of the running app."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
