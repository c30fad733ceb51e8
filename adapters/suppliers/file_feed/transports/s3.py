"""An object of S3-compatible storage, by its key or as the newest that fits a pattern.

Requests are signed by a library (Signature Version 4) and sent by our own client, so that the address is
guarded as every other.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

import httpx2
import requests
from requests_aws4auth import AWS4Auth

from adapters.kit.errors import translate
from adapters.kit.http import Client
from adapters.suppliers.file_feed.records import ADAPTER
from adapters.suppliers.file_feed.transports.base import Head
from adapters.suppliers.file_feed.transports.web import ROWS, Access, HttpTransport
from connector.ports.errors import FileFault, Misconfigured, NotFound, Retryable, Unauthorized
from connector.ports.suppliers import Feed, FetchMark, NotModified
from connector.registry import Environment

MOST_PAGES = 50
"""Pages of a listing, of a thousand objects each."""
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_REGION = re.compile(r"<Region>([a-z0-9-]{1,40})</Region>")
_MOST_ERROR_BYTES = 65_536
_ELSEWHERE = (
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "TemporaryRedirect",
)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket and who may read it. `endpoint` is scheme and host; `is_path_style`: the bucket's name goes
    into the path, as most servers other than Amazon's want it, instead of before the host."""

    endpoint: str
    region: str
    name: str
    access_key: str
    secret_key: str = field(repr=False)
    is_path_style: bool = True

    def url(self, key: str = "", query: Mapping[str, str] | None = None) -> str:
        """The address of an object, or of the bucket itself with a query."""
        parts = urlsplit(self.endpoint)
        host = parts.netloc if self.is_path_style else f"{self.name}.{parts.netloc}"
        path = f"{parts.path.rstrip('/')}/{self.name}" if self.is_path_style else parts.path.rstrip("/")
        asked = f"?{urlencode(sorted(query.items()), quote_via=quote, safe='')}" if query else ""
        return f"{parts.scheme}://{host}{path}/{quote(key, safe='/~')}{asked}"

    def signed(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, str]:
        """The headers that sign a GET of `url`; `headers` are signed along where their names are Amazon's."""
        request = requests.Request("GET", url, headers=dict(headers or {})).prepare()
        # Their own path is signed; requests may have written it another way.
        request.url = url
        AWS4Auth(self.access_key, self.secret_key, self.region, "s3")(request)
        names = ("Authorization", "x-amz-date", "x-amz-content-sha256")
        return {name: request.headers[name] for name in names if name in request.headers}


class S3Transport:
    """One object. `key` may hold `*`: then the newest that fits it."""

    def __init__(self, bucket: Bucket, key: str, environment: Environment) -> None:
        self._bucket = bucket
        self._key = key
        self._environment = environment
        self._subject = f"s3://{bucket.name}/{key}"

    def fetch(self, mark: FetchMark | None, directory: Path) -> Feed | NotModified:
        """As `Supplier.fetch`; unchanged is told by key and ETag."""
        key = self._chosen()
        # An ETag is of one object: two with the same bytes would be one.
        known, _, etag = (mark.etag if mark else "").rpartition("\n")
        asked = None
        if mark:
            asked = FetchMark(etag if known == key else "", "", mark.sha256)
        found = self._object(key).fetch(asked, directory)
        if isinstance(found, NotModified):
            return found
        told = FetchMark(f"{key}\n{found.mark.etag}", found.mark.last_modified, found.mark.sha256)
        return Feed(
            found.path,
            found.name,
            found.size_bytes,
            told,
            found.as_of,
            found.content_type,
            found.is_unchanged,
        )

    def head(self) -> Head:
        """The beginning of the object."""
        return self._object(self._chosen()).head()

    def _object(self, key: str) -> HttpTransport:
        url = self._bucket.url(key)
        name = posixpath.basename(key)
        return HttpTransport(
            url, Access(self._bucket.signed(url)), self._environment, judge=self._judge, name=name
        )

    def _chosen(self) -> str:
        if "*" not in self._key:
            return self._key
        found: tuple[str, str] = ("", "")
        count, token = 0, ""
        with Client(self._environment, ADAPTER) as client:
            for _ in range(MOST_PAGES):
                query = {"list-type": "2", "prefix": self._key.partition("*")[0]}
                if token:
                    query["continuation-token"] = token
                url = self._bucket.url(query=query)
                answer = client.request("GET", url, headers=self._bucket.signed(url))
                self._judge(answer)
                if answer.status_code >= 300:
                    raise translate(answer.status_code, ROWS, adapter=ADAPTER, subject=self._subject)
                page = self._page(answer.content)
                for key, changed in page.objects:
                    count += 1
                    if fnmatch.fnmatchcase(key, self._key):
                        found = max(found, (changed, key))
                token = page.next_token
                if not token:
                    break
            else:
                raise Misconfigured(
                    ADAPTER,
                    self._subject,
                    f"More than {MOST_PAGES * 1000:,} objects begin like this.",
                    "Make the part before the * longer.",
                    field="key",
                )
        if not found[1]:
            raise NotFound(
                ADAPTER,
                self._subject,
                f"No object fits this ({count} others begin like it).",
                "Check the pattern, and whether the supplier has delivered.",
            )
        return found[1]

    def _page(self, content: bytes) -> _Page:
        try:
            if b"<!DOCTYPE" in content:
                # No storage sends one, and entities could blow it up.
                raise ElementTree.ParseError("a document type")
            root = ElementTree.fromstring(content)  # noqa: S314
        except ElementTree.ParseError as exc:
            raise Retryable(ADAPTER, self._subject, "The server's list of objects cannot be read.") from exc
        objects = [
            (one.findtext("{*}Key") or "", one.findtext("{*}LastModified") or "")
            for one in root.iterfind("{*}Contents")
        ]
        return _Page(
            [(key, changed) for key, changed in objects if key and not key.endswith("/")],
            root.findtext("{*}NextContinuationToken") or "",
        )

    def _judge(self, answer: httpx2.Response) -> None:
        """Raises what an error of the storage means; it names them in words rather than by status."""
        if answer.status_code < 300 or answer.status_code == 304:
            return
        text = _beginning(answer)
        code = (_CODE.search(text) or [""] * 2)[1]
        if code == "NoSuchBucket":
            raise NotFound(
                ADAPTER, self._subject, "There is no such bucket.", "Check its name and the endpoint."
            )
        if code in ("NoSuchKey", "NoSuchVersion"):
            raise NotFound(
                ADAPTER,
                self._subject,
                "There is no such object.",
                "Check the key, and whether it was delivered.",
            )
        if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"):
            raise Unauthorized(
                ADAPTER,
                self._subject,
                f"The storage refused the access key or its secret ({code}).",
                "Enter both anew; check the region and the endpoint too, which are part of the signature.",
            )
        if code == "AccessDenied":
            raise Unauthorized(
                ADAPTER,
                self._subject,
                "This access key may not read it, or it is not there.",
                "Ask for the permissions s3:GetObject and, for a pattern, s3:ListBucket.",
            )
        if code in (
            "AuthorizationHeaderMalformed",
            "PermanentRedirect",
            "TemporaryRedirect",
            "IllegalLocationConstraintException",
        ):
            region = answer.headers.get("x-amz-bucket-region") or (_REGION.search(text) or [""] * 2)[1]
            raise Misconfigured(
                ADAPTER,
                self._subject,
                "The bucket lies in another region" + (f": {region}." if region else "."),
                "Enter that region.",
                field="region",
            )
        if code == "RequestTimeTooSkewed":
            raise Retryable(
                ADAPTER,
                self._subject,
                "The clocks of this machine and of the storage are more than 15 minutes apart.",
                "Have the operator set this machine's clock.",
            )
        if code == "InvalidObjectState":
            raise FileFault(
                ADAPTER,
                self._subject,
                "The object lies in an archive and must be restored first.",
                "Ask the supplier to keep the stock list in standard storage.",
                code="archived",
            )


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of a listing: (key, time as ISO text) of each object, and the token of the next page or ""."""

    objects: list[tuple[str, str]]
    next_token: str


def _beginning(answer: httpx2.Response) -> str:
    content = b""
    try:
        content = answer.content
    except httpx2.ResponseNotRead:
        for piece in answer.iter_bytes():
            content += piece
            if len(content) > _MOST_ERROR_BYTES:
                break
    return content[:_MOST_ERROR_BYTES].decode("utf-8", "replace")
