"""The storefront's addresses behind a shop's own domain, where its platform relays requests to our app.

/relay/<adapter>/s/availability?…&signature=… is verified by the platform's rules and then served as
/s/<the shop's public key>/availability. The signature says that the platform relays, not who asks: what a
shopper may do here is what any stranger may do at /s/, with the same limits. Who asks stands in X-Forwarded-For, as
the platform says it (Shopify, "Authenticate app proxies"); the request itself comes from the platform, whoever asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog

from connector.accounts.installations import by_shop
from connector.bootstrap import Runtime
from connector.ports.errors import Misconfigured, Unauthorized
from connector.web.sign_up_limits import network_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger()

_PLACE = re.compile(r"/relay/(?P<adapter>[a-z0-9_]{1,40})/s/(?P<rest>[A-Za-z0-9._-]{1,60})")
_FOR_ALL = frozenset({"notify-me.js"})
"""What is the same for every shop, and lies directly under /s/."""


class Relayed:
    """Before the application: what begins with /relay/ is verified and becomes a request to /s/."""

    def __init__(self, rt: Runtime, app: WSGIApplication) -> None:
        self._rt = rt
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not str(environ.get("PATH_INFO", "")).startswith("/relay/"):
            return self._app(environ, start_response)
        place = _PLACE.fullmatch(environ["PATH_INFO"])
        if place is None:
            return _refuse(start_response, "404 Not Found")
        try:
            shop = self._rt.app(place["adapter"]).relayed(str(environ.get("QUERY_STRING", "")))
            with self._rt.engine.connect() as db:
                row = by_shop(db, place["adapter"], shop)
        except Unauthorized:
            return _refuse(start_response, "401 Unauthorized")
        except Misconfigured:
            return _refuse(start_response, "404 Not Found")  # the operator has no app there
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
            log.warning("a relayed request was not served", error=type(error).__name__)
            return _refuse(start_response, "503 Service Unavailable")
        if row is None or row.ended_at is not None:
            return _refuse(start_response, "404 Not Found")
        rest = place["rest"]
        path = f"/s/{rest}" if rest in _FOR_ALL else f"/s/{row.public_key}/{rest}"
        client = _shopper(environ, self._rt.settings.trusted_proxies)
        return self._app({**environ, "PATH_INFO": path, "REMOTE_ADDR": client}, start_response)


def _shopper(environ: WSGIEnvironment, proxies: int) -> str:
    """The address of who asked the platform, "" where nobody says: then no limit by network holds, because one on
    the platform's address would lock all shoppers out together. `proxies` of our own each added an address."""
    said = [part.strip() for part in str(environ.get("HTTP_X_FORWARDED_FOR", "")).split(",")]
    if proxies:
        said = said[:-proxies]
    elif not network_of(str(environ.get("REMOTE_ADDR", ""))):
        return ""  # a proxy that nobody told us of: what it says may be the platform's address
    return said[0] if said else ""


def _refuse(start_response: StartResponse, status: str) -> Iterable[bytes]:
    body = status.partition(" ")[2].encode()
    start_response(
        status,
        [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ],
    )
    return [body]
