"""File feeds: a supplier's stock list as a file, wherever it lies and whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.suppliers.file_feed.adapter import FileFeed
from adapters.suppliers.file_feed.places import PLACES, text, transport_of, wrong
from adapters.suppliers.file_feed.records import ADAPTER
from adapters.suppliers.presets import Preset, presets
from connector.ports.suppliers import ReadOptions
from connector.registry import Environment, Field, Manifest


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> FileFeed:
    """One file feed; no network, no file is touched.

    Raises Misconfigured, naming the field, for a missing or impossible setting.
    """
    transport, warning = transport_of(config, secrets, environment)
    return FileFeed(transport, _options(config), environment, warning, _preset(config))


def _preset(config: Mapping[str, Any]) -> Preset | None:
    name = text(config, "preset").lower()
    if not name:
        return None
    if name not in presets():
        raise wrong(
            "preset", f"Nothing is known of files of “{name}”.", f"Use one of: {', '.join(presets())}."
        )
    return presets()[name]


def _options(config: Mapping[str, Any]) -> ReadOptions:
    try:
        header_line = int(config.get("header_line") or 0)
    except (TypeError, ValueError) as exc:
        raise wrong(
            "header_line", "The header line is not a number.", "Enter a line number, or -1 for none."
        ) from exc
    delimiter = config.get("delimiter")
    return ReadOptions(
        format=text(config, "format"),
        encoding=text(config, "encoding"),
        # Not stripped: a tab is a delimiter.
        delimiter=delimiter if isinstance(delimiter, str) else "",
        records_path=text(config, "records_path"),
        variants_path=text(config, "variants_path"),
        header_line=header_line,
        sheet=text(config, "sheet"),
        member=text(config, "member"),
    )


MANIFEST = Manifest(
    name=ADAPTER,
    title="File feed (CSV, Excel, XML, JSON, EDI)",
    fields=(
        Field(
            "place",
            "Where the file is",
            is_required=False,
            help="Empty: told by the address. Else " + ", ".join(PLACES) + ".",
        ),
        Field(
            "url",
            "Address",
            is_required=False,
            help="Where the file is, beginning with https://.",
            places=("https", "sheet", "sftp", "ftp", "imap"),
            hints={
                "sftp": "The file's name may hold *: then the newest that fits.",
                "ftp": "ftpes:// and ftps:// are encrypted. The file's name may hold *: then the newest that fits.",
                "imap": "The mail server, beginning with imaps:// (or imap://: encrypted before the password is sent).",
                "sheet": "As copied from the browser. Share the sheet with anyone who has the link.",
            },
            examples={
                "https": "https://supplier.example/stock.csv",
                "sheet": "https://docs.google.com/spreadsheets/d/…",
                "sftp": "sftp://files.supplier.example/out/stock_*.csv",
                "ftp": "ftpes://files.supplier.example/out/stock.csv",
                "imap": "imaps://mail.example",
            },
        ),
        Field(
            "path",
            "Path",
            is_required=False,
            help="Instead of an address: a file in a directory the operator allowed.",
            places=("path",),
            examples={"path": "/srv/feeds/stock.csv"},
        ),
        Field(
            "by_hand",
            "Handed over",
            is_required=False,
            help="yes: instead of an address; a person hands the files over.",
            places=("upload",),
        ),
        Field(
            "username",
            "User",
            is_required=False,
            help="If the address asks for a user and a password.",
            places=("https", "sftp", "ftp", "imap"),
        ),
        Field(
            "password",
            "Password",
            is_secret=True,
            is_required=False,
            places=("https", "sftp", "ftp", "imap"),
        ),
        Field(
            "private_key",
            "Private key",
            is_secret=True,
            is_required=False,
            help="Instead of a password: OpenSSH or PEM, the whole file.",
            places=("sftp",),
            is_long=True,
        ),
        Field(
            "passphrase",
            "Passphrase of the key",
            is_secret=True,
            is_required=False,
            places=("sftp",),
        ),
        Field(
            "host_key",
            "Fingerprint of the server",
            is_required=False,
            help="Empty: learnt at the first connection. Another one later is refused.",
            places=("sftp",),
            is_rare=True,
            examples={"sftp": "ssh-ed25519 SHA256:…"},
        ),
        Field("folder", "Folder", is_required=False, help="INBOX if empty.", places=("imap",)),
        Field(
            "sender",
            "Sender",
            is_required=False,
            help="Only their messages count.",
            places=("imap",),
            examples={"imap": "stock@supplier.example"},
        ),
        Field("mail_subject", "Subject contains", is_required=False, places=("imap",)),
        Field(
            "attachment",
            "Attachment",
            is_required=False,
            help="A pattern, where a message has several.",
            places=("imap",),
            examples={"imap": "stock*.csv"},
        ),
        Field(
            "unread_only",
            "Unread only",
            is_required=False,
            help="yes, or empty for all.",
            places=("imap",),
            is_rare=True,
        ),
        Field("bucket", "Bucket", is_required=False, places=("s3",)),
        Field(
            "key",
            "Object",
            is_required=False,
            help="Its key; with * the newest that fits.",
            places=("s3",),
            examples={"s3": "out/stock_*.csv"},
        ),
        Field("region", "Region", is_required=False, help="us-east-1 if empty.", places=("s3",)),
        Field(
            "endpoint",
            "Endpoint",
            is_required=False,
            help="Empty for Amazon; else the address of the storage.",
            places=("s3",),
            examples={"s3": "https://storage.example"},
        ),
        Field("access_key", "Access key", is_required=False, places=("s3",)),
        Field("secret_key", "Secret of the access key", is_secret=True, is_required=False, places=("s3",)),
        Field(
            "bucket_style",
            "Where the bucket's name goes",
            is_required=False,
            help="path or host; host if empty at Amazon, else path.",
            places=("s3",),
            is_rare=True,
        ),
        Field(
            "header_name",
            "Header name",
            is_required=False,
            help="If a token goes in a header.",
            places=("https",),
            is_rare=True,
        ),
        Field(
            "header_value", "Header value", is_secret=True, is_required=False, places=("https",), is_rare=True
        ),
        Field(
            "query_name",
            "Parameter name",
            is_required=False,
            help='For a token in the address; "token" if empty.',
            places=("https",),
            is_rare=True,
        ),
        Field(
            "query_token",
            "Parameter token",
            is_secret=True,
            is_required=False,
            places=("https",),
            is_rare=True,
        ),
        Field(
            "token_url",
            "Token address",
            is_required=False,
            help="For OAuth client credentials.",
            places=("https",),
            is_rare=True,
        ),
        Field("client_id", "Client ID", is_required=False, places=("https",), is_rare=True),
        Field(
            "client_secret",
            "Client secret",
            is_secret=True,
            is_required=False,
            places=("https",),
            is_rare=True,
        ),
        Field("scope", "Scope", is_required=False, places=("https",), is_rare=True),
        Field("audience", "Audience", is_required=False, places=("https",), is_rare=True),
        Field(
            "token_style",
            "Where the client's secret goes",
            is_required=False,
            help="basic or body; basic if empty.",
            places=("https",),
            is_rare=True,
        ),
        Field(
            "preset",
            "It comes from",
            is_required=False,
            help="If it is a hub's file: doba, modalyst, salehoo, spocket or syncee.",
            places=PLACES,
        ),
        Field(
            "format",
            "Format",
            is_required=False,
            help="Empty to detect; else as in csv, tsv, xlsx, ods, xml, json, jsonl, x12, edifact.",
        ),
        Field("encoding", "Encoding", is_required=False, help="Empty to detect; else as in cp1252."),
        Field("delimiter", "Delimiter", is_required=False, help="Empty to detect; one character, or tab."),
        Field(
            "header_line",
            "Header line",
            is_required=False,
            help="Empty to detect; the line with the column names, -1 if there is none.",
        ),
        Field(
            "records_path",
            "List of records",
            is_required=False,
            help="JSON as in data.products, XML as in products/product.",
        ),
        Field(
            "variants_path",
            "Variants inside a record",
            is_required=False,
            help="JSON as in variants, XML as in variants/variant; - for a row for each product; empty to find it out.",
        ),
        Field(
            "sheet", "Sheet", is_required=False, help="Workbooks only: the name of the sheet with the list."
        ),
        Field(
            "member",
            "File in the archive",
            is_required=False,
            help="Archives only, as in stock*.csv; empty if there is only one list in it.",
        ),
    ),
    places={
        "https": "A web address",
        "sheet": "A Google sheet",
        "sftp": "A server, by SFTP",
        "ftp": "A server, by FTP or FTPS",
        "imap": "A mailbox",
        "s3": "Object storage (S3)",
        "push": "The supplier sends it here",
        "path": "This machine",
        "upload": "I hand it over",
    },
    build=build,
    help_page="docs/adapters/file-feed.md",
)
