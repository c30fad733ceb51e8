"""From a connection's settings to its transport: where the file is, and how one gets in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from adapters.kit.api import Api
from adapters.kit.oauth import ClientCredentials
from adapters.suppliers.file_feed.records import ADAPTER
from adapters.suppliers.file_feed.transports import (
    Access,
    ByHand,
    HttpTransport,
    LocalTransport,
    Pushed,
    Transport,
    basic,
)
from adapters.suppliers.file_feed.transports.remote import RemoteTransport
from adapters.suppliers.file_feed.transports.sheet import export_url, judge
from connector.ports.errors import Misconfigured
from connector.registry import Environment

PLACES = ("https", "sheet", "sftp", "ftp", "imap", "s3", "push", "path", "upload")
_BY_SCHEME = {
    "http": "https",
    "https": "https",
    "sftp": "sftp",
    "ftp": "ftp",
    "ftps": "ftp",
    "ftpes": "ftp",
    "imap": "imap",
    "imaps": "imap",
}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OPEN_LINE = "The address is not encrypted, so others may read the credentials: use {}."


def place_of(config: Mapping[str, Any]) -> str:
    """Where a connection's file is, one of PLACES: as chosen, or as its other settings say."""
    chosen = text(config, "place")
    if chosen:
        if chosen not in PLACES:
            raise wrong("place", "There is no such place.", f"Use one of: {', '.join(PLACES)}.")
        return chosen
    url, path = text(config, "url"), text(config, "path")
    if config.get("by_hand") and not (url or path):
        return "upload"
    if bool(url) == bool(path):
        raise wrong("url", "Exactly one of address and path is needed.", "Enter one of them.")
    return "path" if path else _BY_SCHEME.get(url.partition("://")[0].lower(), "https")


def transport_of(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> tuple[Transport, str]:
    """The transport, and a sentence of warning or "". Raises Misconfigured, naming the field."""
    place = place_of(config)
    if place == "upload":
        return ByHand(), ""
    if place == "push":
        return Pushed(), ""
    if place == "path":
        path = text(config, "path")
        if not Path(path).is_absolute() or "\0" in path:
            raise wrong("path", "The path is not absolute.", "Begin it with a slash.")
        return LocalTransport(path, environment), ""
    if place == "sftp":
        return _sftp(config, secrets, environment), ""
    if place == "ftp":
        return _ftp(config, secrets, environment)
    if place == "sheet":
        return HttpTransport(
            export_url(text(config, "url")), Access(), environment, judge=judge, name="sheet.csv"
        ), ""
    if place == "s3":
        return _s3(config, secrets, environment), ""
    if place == "imap":
        return _imap(config, secrets, environment), ""
    return _web(config, secrets, environment)


def _web(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> tuple[Transport, str]:
    url = text(config, "url")
    access = _access(config, secrets)
    warning = ""
    if _address(url, {"http": 80, "https": 443}).scheme == "http" and (access.headers or access.params):
        warning = _OPEN_LINE.format("https")
    bearer = _bearer(config, secrets, environment)
    if bearer is not None and any(name.lower() == "authorization" for name in access.headers):
        raise wrong(
            "token_url", "OAuth and another way of signing in exclude each other.", "Remove one of them."
        )
    return HttpTransport(url, access, environment, bearer=bearer), warning


def _bearer(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> ClientCredentials | None:
    """The client credentials of OAuth 2.0, None where none are given."""
    token_url, client_id = text(config, "token_url"), text(config, "client_id")
    client_secret = secrets.get("client_secret", "").strip()
    if not (token_url or client_id or client_secret):
        return None
    for name, value in (("token_url", token_url), ("client_id", client_id), ("client_secret", client_secret)):
        if not value:
            raise wrong(name, "OAuth needs a token address, a client ID and its secret.", "Enter all three.")
    try:
        _address(token_url, {"http": 80, "https": 443})
    except Misconfigured as exc:
        raise wrong("token_url", exc.cause, exc.remedy) from exc
    style = text(config, "token_style") or "basic"
    if style not in ("basic", "body"):
        raise wrong("token_style", "There is no such way.", "Use basic or body.")
    audience = text(config, "audience")
    return ClientCredentials(
        Api(environment, ADAPTER, token_url, secrets=(client_secret,), tries=1),
        token_url,
        client_id,
        client_secret,
        scope=text(config, "scope"),
        style="body" if style == "body" else "basic",
        extra={"audience": audience} if audience else {},
    )


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{1,40}")


def _s3(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> Transport:
    from adapters.suppliers.file_feed.transports.s3 import Bucket, S3Transport

    endpoint, region = text(config, "endpoint").rstrip("/"), text(config, "region") or "us-east-1"
    name, key = text(config, "bucket"), text(config, "key").lstrip("/")
    access_key, secret_key = text(config, "access_key"), secrets.get("secret_key", "").strip()
    if not _REGION.fullmatch(region):
        raise wrong("region", "This is not a region.", "Use one as eu-central-1.")
    if not _BUCKET.fullmatch(name):
        raise wrong("bucket", "This is not the name of a bucket.", "Small letters, digits, dots and hyphens.")
    if not key or key.endswith("/"):
        raise wrong("key", "No object is named.", "Enter its key, as in out/stock.csv or out/stock_*.csv.")
    if any(part in ("", ".", "..") for part in key.split("/")) or any(ord(one) < 32 for one in key):
        raise wrong("key", "The key has an empty part or a control character.", "Copy it again.")
    if not (access_key and secret_key):
        raise wrong("access_key", "The access key or its secret is missing.", "Enter both.")
    style = text(config, "bucket_style") or ("path" if endpoint else "host")
    if style not in ("path", "host"):
        raise wrong("bucket_style", "There is no such way.", "Use path or host.")
    if not endpoint:
        endpoint = f"https://s3.{region}.amazonaws.com"
    try:
        _address(endpoint, {"http": 80, "https": 443})
    except Misconfigured as exc:
        raise wrong("endpoint", exc.cause, exc.remedy) from exc
    bucket = Bucket(endpoint, region, name, access_key, secret_key, style == "path")
    return S3Transport(bucket, key, environment)


def _imap(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> Transport:
    from adapters.suppliers.file_feed.transports.imap import ImapTransport, Mailbox

    parts = _address(text(config, "url"), {"imaps": 993, "imap": 143})
    username, password = text(config, "username"), secrets.get("password", "")
    if not (username and password):
        raise wrong("username", "The user or the password is missing.", "Enter both.")
    mailbox = Mailbox(
        host=parts.hostname or "",
        port=parts.port or (993 if parts.scheme == "imaps" else 143),
        is_tls_first=parts.scheme == "imaps",
        username=username,
        password=password,
        folder=text(config, "folder") or "INBOX",
        sender=text(config, "sender"),
        title=text(config, "mail_subject"),
        attachment=text(config, "attachment") or "*",
        is_unread_only=text(config, "unread_only") == "yes",
    )
    return ImapTransport(mailbox, environment)


def _sftp(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> Transport:
    # Loaded only where it is used: it brings a library of its own.
    from adapters.suppliers.file_feed.transports.sftp import Login, SftpServer, read_key

    parts = _address(text(config, "url"), {"sftp": 22})
    username, password, key = (
        text(config, "username"),
        secrets.get("password", ""),
        secrets.get("private_key", ""),
    )
    if not username:
        raise wrong("username", "The user is missing.", "Enter the user that the supplier gave you.")
    if not (password or key.strip()):
        raise wrong("password", "Neither a password nor a private key is given.", "Enter one of them.")
    login = Login(
        host=parts.hostname or "",
        port=parts.port or 22,
        username=username,
        password=password,
        key=read_key(key, secrets.get("passphrase", "")) if key.strip() else None,
        pinned=text(config, "host_key"),
    )
    server = SftpServer(login, environment)
    subject = f"{parts.scheme}://{parts.netloc}{parts.path}"
    return RemoteTransport(server.opened, _remote_path(parts), subject, environment, learnt=server.learnt)


def _ftp(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> tuple[Transport, str]:
    from adapters.suppliers.file_feed.transports.ftp import FtpServer, Login, Protection

    parts = _address(text(config, "url"), {"ftp": 21, "ftpes": 21, "ftps": 990})
    by_scheme: dict[str, Protection] = {"ftp": "none", "ftpes": "explicit", "ftps": "implicit"}
    password = secrets.get("password", "")
    username = text(config, "username")
    for name, value in (("username", username), ("password", password)):
        if "\r" in value or "\n" in value:
            raise wrong(name, "It holds a line break.", "Copy it again.")
    login = Login(
        parts.hostname or "",
        parts.port or (990 if parts.scheme == "ftps" else 21),
        username,
        password,
        by_scheme[parts.scheme],
    )
    subject = f"{parts.scheme}://{parts.netloc}{parts.path}"
    server = FtpServer(login, environment)
    warning = _OPEN_LINE.format("ftpes or sftp") if parts.scheme == "ftp" and password else ""
    return RemoteTransport(server.opened, _remote_path(parts), subject, environment), warning


def _remote_path(parts: SplitResult) -> str:
    """The path on a file server: after one slash it begins in the user's folder, after two at the root.

    RFC 1738 has it so for FTP; servers of both kinds start a session in the user's folder.
    """
    path = unquote(parts.path)[1:]
    folder, _, name = path.rpartition("/")
    if not name or name in (".", ".."):
        raise wrong(
            "url", "The address names a folder and no file.", "Add the file's name, as in /out/stock_*.csv."
        )
    if "*" in folder:
        raise wrong("url", "Only the file's name may hold a *.", "Name the folder.")
    if any(ord(one) < 32 for one in path):
        raise wrong("url", "The path holds a control character.", "Copy it again.")
    return path


def _access(config: Mapping[str, Any], secrets: Mapping[str, str]) -> Access:
    headers: dict[str, str] = {}
    params: dict[str, str] = {}
    username, password = text(config, "username"), secrets.get("password", "")
    if password and not username:
        raise wrong("username", "A password was given without a user.", "Enter the user's name.")
    if username:
        headers["Authorization"] = basic(username, password)
    name, value = text(config, "header_name"), secrets.get("header_value", "").strip()
    if bool(name) != bool(value):
        raise wrong("header_name", "A header needs a name and a value.", "Enter both, or neither.")
    if name:
        if not _TOKEN.fullmatch(name) or name.lower() in {"host", "content-length", "transfer-encoding"}:
            raise wrong("header_name", "This cannot be the name of a header.", "Use one as X-Api-Key.")
        if not value.isprintable() or not value.isascii():
            raise wrong("header_value", "The value holds a character no header may hold.", "Copy it again.")
        if username and name.lower() == "authorization":
            raise wrong(
                "header_name", "A user and an Authorization header exclude each other.", "Remove one of them."
            )
        headers[name] = value
    token = secrets.get("query_token", "").strip()
    if token:
        params[text(config, "query_name") or "token"] = token
    return Access(headers, params)


def _address(url: str, schemes: Mapping[str, int]) -> SplitResult:
    """The parts of an address with one of these schemes."""
    known = " or ".join(f"{one}://" for one in schemes)
    # A file's name may hold these; only web addresses have queries.
    parts_of = url if url.startswith("http") else url.replace("?", "%3F").replace("#", "%23")
    try:
        parts = urlsplit(parts_of)
        is_usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        if set(schemes) == {"http", "https"}:
            raise wrong("url", "This is not a web address.", "Begin it with https://.")
        raise wrong("url", "This is not such an address.", f"Begin it with {known}, then server and path.")
    if parts.username or parts.password:
        raise wrong(
            "url",
            "The address holds a user or a password, which would be stored unsealed.",
            "Enter them in their own fields.",
        )
    return parts


def text(config: Mapping[str, Any], name: str) -> str:
    """A setting without spaces around it, "" when there is none."""
    value = config.get(name)
    return value.strip() if isinstance(value, str) else ""


def wrong(field: str, cause: str, remedy: str) -> Misconfigured:
    """What is wrong with a setting."""
    return Misconfigured(ADAPTER, "the feed's settings", cause, remedy, field=field)
