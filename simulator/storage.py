"""S3-compatible object storage on loopback: one bucket, read only, which verifies each signature itself.

Written from Amazon's description of Signature Version 4 and sharing nothing with the signer of the product, so
that both must be right to agree. Paths name the bucket first ("path style").
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

from simulator.server import ServerThread, cut_connection

_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


def signature(
    secret: str, method: str, path: str, query: str, headers: dict[str, str], signed: list[str], scope: str
) -> str:
    """The hex signature of a request without a body. `path` is as sent, `headers` have small names."""
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    canonical_query = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in pairs)
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in signed)
    body_digest = headers["x-amz-content-sha256"]
    request = f"{method}\n{path}\n{canonical_query}\n{lines}\n{';'.join(signed)}\n{body_digest}"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{digest}"
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class ObjectStorage:
    """Serves `objects` (key → (bytes, aware time)) of `bucket`. Turn `status`, `cut` and `page_size` live."""

    def __init__(self, bucket: str = "feeds", region: str = "eu-west-3") -> None:
        self.bucket, self.region = bucket, region
        self.access_key, self.secret_key = "AKIDEXAMPLE", "secret"
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.requests: Counter[tuple[str, int]] = Counter()
        self.status = 0
        self.cut_at: int | None = None
        self.cut = False
        self.page_size = 1000
        self._server = ServerThread(self)
        self.url, self.port = self._server.url, self._server.port

    def __enter__(self) -> ObjectStorage:
        self._server.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.stop()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        raw_path = environ.get("RAW_URI") or environ["REQUEST_URI"]
        path, _, query = raw_path.partition("?")
        if self.cut:
            cut_connection(environ)
            return []
        if self.status:
            return self._answer(start, path, self.status, b"", {})
        refused = self._refused(environ, path, query)
        if refused:
            return self._error(start, path, 403, refused)
        bucket, _, _ = path.lstrip("/").partition("/")
        if bucket != self.bucket:
            return self._error(start, path, 404, "NoSuchBucket")
        key = environ["PATH_INFO"].encode("latin-1").decode().lstrip("/").partition("/")[2]
        return self._listing(start, query) if not key else self._object(start, environ, key)

    def _refused(self, environ: dict[str, Any], path: str, query: str) -> str:
        kind, _, rest = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if kind != "AWS4-HMAC-SHA256":
            return "AccessDenied"
        parts = dict(one.strip().split("=", 1) for one in rest.split(","))
        access_key, _, scope = parts["Credential"].partition("/")
        if access_key != self.access_key:
            return "InvalidAccessKeyId"
        if scope.split("/")[1:] != [self.region, "s3", "aws4_request"]:
            return "AuthorizationHeaderMalformed"
        names = parts["SignedHeaders"].split(";")
        headers = {name: environ.get("HTTP_" + name.upper().replace("-", "_"), "") for name in names}
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
            return "AccessDenied"
        if headers["x-amz-content-sha256"] != _EMPTY_SHA256:
            return "XAmzContentSHA256Mismatch"
        sent_at = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs((datetime.now(UTC) - sent_at).total_seconds()) > 900:
            return "RequestTimeTooSkewed"
        method = environ["REQUEST_METHOD"]
        wanted = signature(self.secret_key, method, path, query, headers, names, scope)
        return "" if hmac.compare_digest(wanted, parts["Signature"]) else "SignatureDoesNotMatch"

    def _listing(self, start: Any, query: str) -> list[bytes]:
        asked = dict(parse_qsl(query))
        keys = sorted(key for key in self.objects if key.startswith(asked.get("prefix", "")))
        first = int(asked.get("continuation-token", "0"))
        page = keys[first : first + self.page_size]
        more = first + self.page_size < len(keys)
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key>"
            f"<LastModified>{self.objects[key][1]:%Y-%m-%dT%H:%M:%S}.000Z</LastModified></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{first + self.page_size}</NextContinuationToken>" if more else ""
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{contents}{token}'
            f"<IsTruncated>{str(more).lower()}</IsTruncated></ListBucketResult>"
        )
        return self._answer(start, "/", 200, body.encode(), {"Content-Type": "application/xml"})

    def _object(self, start: Any, environ: dict[str, Any], key: str) -> list[bytes]:
        if key not in self.objects:
            return self._error(start, key, 404, "NoSuchKey")
        content, changed_at = self.objects[key]
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        headers = {"ETag": etag, "Last-Modified": format_datetime(changed_at, usegmt=True)}
        if environ.get("HTTP_IF_NONE_MATCH") == etag:
            return self._answer(start, key, 304, b"", headers)
        return self._answer(start, key, 200, content, headers, self.cut_at)

    def _error(self, start: Any, name: str, status: int, code: str) -> list[bytes]:
        region = f"<Region>{self.region}</Region>" if code == "AuthorizationHeaderMalformed" else ""
        status = 400 if region else status
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code>{region}</Error>'.encode()
        return self._answer(start, name, status, body, {"Content-Type": "application/xml"})

    def _answer(
        self,
        start: Any,
        name: str,
        status: int,
        body: bytes,
        headers: dict[str, str],
        cut_at: int | None = None,
    ) -> list[bytes]:
        self.requests[name, status] += 1
        length = {} if status == 304 else {"Content-Length": str(len(body))}
        start(f"{status} answer", list({**headers, **length}.items()))
        return [body if cut_at is None else body[:cut_at]]
