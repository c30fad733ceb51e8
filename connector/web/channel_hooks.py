"""Where providers of mail and SMS tell what became of messages: /hooks/channels/<public key>.

Answers: 204 acted on, known before, or nothing to do; 400 signed, but not what the provider documents; 401 not signed
with the secret of this connection; 404 no such address; 413 too large; 503 the database is away, send it again.
Nothing of a body is logged.
"""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, request

from connector.accounts.connections import by_public_key
from connector.bootstrap import Runtime
from connector.crypto import SealBroken
from connector.ports.channels import DeliveryReports, ReportRequest
from connector.ports.errors import Misconfigured, Rejected, Unauthorized
from connector.registry import manifest
from connector.shoppers.reports import act_on

log = structlog.get_logger()

MOST_BYTES = 512_000
_LONGEST_KEY = 80


def channel_hooks(rt: Runtime) -> Blueprint:
    """The route (exempt it from CSRF: the provider's signature is the proof)."""
    routes = Blueprint("channel_hooks", __name__)

    @routes.post("/hooks/channels/<public_key>")
    def take(public_key: str) -> Response:
        request.max_content_length = MOST_BYTES
        body = request.get_data(cache=False, parse_form_data=False)
        with rt.engine.connect() as db:
            row = by_public_key(db, public_key) if len(public_key) <= _LONGEST_KEY else None
        if row is None or row.kind != "channel" or row.status == "ended":
            return _said("unknown address", 404)
        found = manifest("channels", row.adapter)
        if found.reports is None or found.medium is None:
            return _said("unknown address", 404)
        query = request.query_string.decode("latin-1")
        # As the provider knows it, whatever proxies made of it: some sign the address.
        url = f"{rt.base_url}/hooks/channels/{public_key}{'?' if query else ''}{query}"
        try:
            reader: DeliveryReports = found.reports(row.config, rt.secrets(row), rt.environment)
            reports = reader.read(ReportRequest(url, dict(request.headers.items()), body), rt.now())
        except Unauthorized:
            log.warning("a delivery report was not signed", adapter=row.adapter, connection=row.id)
            return _said("not signed", 401)
        except Rejected as error:
            log.warning("a delivery report was not read", adapter=row.adapter, error=str(error))
            return _said("not understood", 400)
        except (Misconfigured, SealBroken) as error:
            # Without its secret nothing can be believed; the provider shows the merchant that it was refused.
            log.warning("a delivery report cannot be verified", adapter=row.adapter, error=str(error))
            return _said("no secret is set for reports", 401)
        ours = request.args.get("m", "")[:300].replace("\0", "")
        act_on(rt, row.merchant_id, row.id, found.medium, reports, message_id=ours)
        return Response(status=204)

    return routes


def _said(text: str, status: int) -> Response:
    return Response(text, status, content_type="text/plain; charset=utf-8")
