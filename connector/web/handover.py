"""Where shops post the keys that their owners agreed to hand over.

Public and without a session or a token of ours: a shop signs nothing, its state is the proof (see
`connector.installs.handover`). Exactly 200 says that the keys are taken; at anything else the shop deletes
them again. Answers: 200 taken; 400 no keys; 403 nobody waits for them, or they do not work at the address
they were asked for; 404 no such platform; 503 the database is away. Bodies are never logged.
"""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, request

from connector.installs import handover
from connector.ports.errors import Misconfigured, PortError, Rejected
from connector.registry import ADAPTERS
from connector.web.view import runtime

log = structlog.get_logger()

MOST_BYTES = 20_000

routes = Blueprint("handover", __name__)


@routes.post("/handover/<adapter>")
def taken(adapter: str) -> Response:
    """Take a shop's keys."""
    rt = runtime()
    if adapter not in ADAPTERS["stores"]:
        return _said("no such platform", 404)
    try:
        rt.handover(adapter)
    except Misconfigured:
        return _said("no such platform", 404)
    request.max_content_length = MOST_BYTES
    try:
        status = handover.take(rt, adapter, request.get_data(cache=False))
    except Rejected:
        return _said("no keys", 400)
    except PortError as error:
        log.warning("keys of a shop were not taken", adapter=adapter, cause=error.cause)
        return _said("not taken", 403)
    return _said(f"taken: {status}", 200)


def _said(text: str, status: int) -> Response:
    return Response(text, status, content_type="text/plain; charset=utf-8")
