"""Where suppliers send their files: PUT or POST /feeds/<key>, with the connection's own token.

Answers are JSON: 202 taken (200: these very bytes came last time), 400 empty or damaged, 401 no or a wrong
token, 409 the connection is paused, 413 too large, 415 not a file, 429 too often. A file is streamed to disk
and then goes the way of one that a person hands over.
"""

from __future__ import annotations

import hashlib
import mimetypes
import tempfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

from flask import Blueprint, Response, jsonify, request
from flask_limiter import Limiter
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.http import parse_options_header

from connector.accounts.connections import ConnectionRow, by_public_key
from connector.bootstrap import Runtime
from connector.intake import push, uploads
from connector.ports.errors import Misconfigured

PER_CONNECTION = "60 per 10 minutes"
PER_CLIENT_REFUSED = "20 per 5 minutes"
_PIECE = 1 << 18
_NOT_FILES = ("multipart/", "text/html", "image/", "audio/", "video/", "application/x-www-form-urlencoded")


class _Refused(Exception):
    """What is answered instead: status, a stable word, a sentence."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.code, self.sentence = status, code, sentence


def feeds(rt: Runtime, limiter: Limiter) -> Blueprint:
    """The blueprint; its requests carry a token and no cookie."""
    routes = Blueprint("feeds", __name__)

    def refused(response: Any) -> bool:
        return bool(response.status_code == 401)

    def key() -> str:
        return "feed:" + str((request.view_args or {}).get("key", ""))[:80]

    @routes.route("/feeds/<key>", methods=["PUT", "POST"], strict_slashes=False)
    @routes.route("/feeds/<key>/<name>", methods=["PUT", "POST"])
    @limiter.limit(PER_CLIENT_REFUSED, deduct_when=refused)
    @limiter.limit(PER_CONNECTION, key_func=key)
    def take(key: str, name: str = "") -> Response:
        row = _row(rt, key)
        _require_file()
        with tempfile.TemporaryFile(prefix="dispo-push-") as file:
            sha256 = _save(file)
            file.seek(0)
            try:
                received = push.receive(rt, row, _name(name), file, sha256)
            except Misconfigured as error:
                raise _Refused(400, "unusable", f"{error.cause} {error.remedy}") from error
            except LookupError as error:
                raise _Refused(409, "ended", "This supplier is not connected any more.") from error
        status_url = f"{rt.base_url}/feeds/{key}/runs/{received.run_id}"
        told = {"run": received.run_id, "status_url": status_url, "is_repeat": received.is_repeat}
        return _json(200 if received.is_repeat else 202, told)

    @routes.get("/feeds/<key>/runs/<int:run_id>")
    @limiter.limit(PER_CLIENT_REFUSED, deduct_when=refused)
    def status(key: str, run_id: int) -> Response:
        row = _row(rt, key, is_reading=True)
        with rt.engine.connect() as db:
            found = push.outcome(db, row, run_id)
        if found is None:
            raise _Refused(404, "unknown", "There is no such run.")
        return _json(200, found)

    @routes.errorhandler(_Refused)
    def say(error: _Refused) -> Response:
        answer = _json(error.status, {"error": error.code, "message": error.sentence})
        if error.status == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    @routes.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        if isinstance(error, RequestEntityTooLarge):
            return say(_too_large())
        if error.code == 429:
            answer = say(_Refused(429, "too_often", "Too many requests. Wait five minutes."))
            answer.headers["Retry-After"] = "300"
            return answer
        return say(_Refused(error.code or 500, "refused", error.description or "Refused."))

    return routes


def _row(rt: Runtime, key: str, *, is_reading: bool = False) -> ConnectionRow:
    """The connection of this address and token. Nobody learns whether only one of them is wrong."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    with rt.engine.connect() as db:
        row = by_public_key(db, key)
    if (
        kind.lower() != "bearer"
        or row is None
        or row.kind != "supplier"
        or not push.is_token(row, token.strip())
    ):
        raise _Refused(
            401, "unauthorized", "Address or token are wrong. Send the header Authorization: Bearer TOKEN."
        )
    if not is_reading and row.status != "active":
        raise _Refused(409, "paused", "The merchant has paused this connection. Try again later.")
    return row


def _require_file() -> None:
    kind = request.mimetype
    if kind.startswith(_NOT_FILES):
        raise _Refused(
            415,
            "not_a_file",
            f"A body of the type {kind} is no stock list. Send the file itself, as in: curl -T stock.csv …",
        )
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip"):
        raise _Refused(415, "unknown_encoding", "Of content encodings only gzip is understood.")
    request.max_content_length = uploads.MOST_BYTES
    if (request.content_length or 0) > uploads.MOST_BYTES:
        raise _too_large()


def _save(file: IO[bytes]) -> str:
    """Write the body to `file`, unpacked; its digest. Never more than MOST_BYTES."""
    digest, size_bytes = hashlib.sha256(), 0
    for piece in _pieces():
        size_bytes += len(piece)
        if size_bytes > uploads.MOST_BYTES:
            raise _too_large()
        digest.update(piece)
        file.write(piece)
    expected = request.content_length
    if not request.headers.get("Content-Encoding") and expected is not None and size_bytes != expected:
        raise _Refused(
            400, "cut", f"{size_bytes} of {expected} bytes arrived. Nothing was taken: send it again."
        )
    return digest.hexdigest()


def _pieces() -> Iterator[bytes]:
    raw = iter(lambda: request.stream.read(_PIECE), b"")
    if "gzip" not in request.headers.get("Content-Encoding", "").lower():
        yield from raw
        return
    unpacker = zlib.decompressobj(31)
    try:
        for pending in raw:
            while pending:
                if unpacker.eof:
                    unpacker = zlib.decompressobj(31)
                yield unpacker.decompress(pending, _PIECE)
                pending = unpacker.unconsumed_tail or unpacker.unused_data
    except zlib.error as error:
        raise _Refused(
            400, "damaged", "The body is not valid gzip. Nothing was taken: send it again."
        ) from error
    if not unpacker.eof:
        raise _Refused(400, "cut", "The body ends in the middle. Nothing was taken: send it again.")


def _name(name: str) -> str:
    """The file's name: of the address, of Content-Disposition, else after the type of the body."""
    told = parse_options_header(request.headers.get("Content-Disposition", ""))[1].get("filename", "")
    return name or told or "stock" + (mimetypes.guess_extension(request.mimetype) or "")


def _too_large() -> _Refused:
    return _Refused(
        413,
        "too_large",
        f"The file is larger than {uploads.MOST_BYTES // 1_000_000} MB. Put it behind an address instead.",
    )


def _json(status: int, value: dict[str, Any]) -> Response:
    answer = jsonify(value)
    answer.status_code = status
    answer.headers["Cache-Control"] = "no-store"
    return answer
