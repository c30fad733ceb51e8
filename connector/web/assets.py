"""The static files: read once, compressed once, served from memory under addresses that never go stale.

An address carries a digest of the content, so browsers keep it for a year and still see every release.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, abort, request

STATIC = Path(__file__).with_name("static")
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its bytes, the same compressed, a digest of them and its media type."""

    body: bytes
    packed: bytes
    digest: str
    content_type: str


@cache
def assets() -> dict[str, Asset]:
    """Every static file by its path below `static/`."""
    found = {}
    for path in sorted(STATIC.rglob("*")):
        if path.suffix in _TYPES:
            body = path.read_bytes()
            found[path.relative_to(STATIC).as_posix()] = Asset(
                body,
                gzip.compress(body, 9, mtime=0),
                hashlib.sha256(body).hexdigest()[:16],
                _TYPES[path.suffix],
            )
    return found


def asset_url(name: str) -> str:
    """The address of a static file; raises KeyError for one that does not exist."""
    return f"/static/{name}?v={assets()[name].digest}"


def static_files() -> Blueprint:
    """The route that serves them."""
    routes = Blueprint("static_files", __name__)

    @routes.get("/static/<path:name>")
    def static_file(name: str) -> Response:
        asset = assets().get(name)
        if asset is None:
            abort(404)
        takes_gzip = "gzip" in request.headers.get("Accept-Encoding", "")
        answer = Response(asset.packed if takes_gzip else asset.body, content_type=asset.content_type)
        if takes_gzip:
            answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Vary"] = "Accept-Encoding"
        is_current = request.args.get("v") == asset.digest
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_current else "no-cache"
        answer.set_etag(asset.digest + ("-gzip" if takes_gzip else ""))
        answer.make_conditional(request)
        return answer

    return routes
