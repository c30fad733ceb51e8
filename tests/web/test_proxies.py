"""Whose address a request counts for, behind the operator's own proxies and without them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import request

from connector.bootstrap import Runtime
from connector.settings import Settings
from connector.web.app import create_app


@pytest.mark.parametrize(
    ("proxies", "seen"),
    [
        pytest.param(0, "127.0.0.1", id="nobody may say for whom it asks"),
        pytest.param(1, "198.51.100.7", id="one proxy is believed about its client"),
        pytest.param(2, "203.0.113.9", id="two proxies, the outer one's client"),
    ],
)
def test_only_the_operators_proxies_are_believed(settings: Settings, proxies: int, seen: str) -> None:
    app = create_app(Runtime(replace(settings, trusted_proxies=proxies)))
    found: list[str | None] = []
    app.before_request_funcs.setdefault(None, []).insert(0, lambda: found.append(request.remote_addr))
    forwarded = "192.0.2.66, 203.0.113.9, 198.51.100.7"

    app.test_client().get("/healthz", headers={"X-Forwarded-For": forwarded})

    assert [seen] == found
