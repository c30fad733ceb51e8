"""Talks to one ERPNext site by the REST API of the Frappe framework (v1, versions 13 and later). Reads only.

Facts (docs.frappe.io and the framework's source): a list has 20 rows unless `limit_page_length` says otherwise;
rows of a child table are given only with `parent`, the name of the document type they belong to; a refusal is
401 (wrong key) or 403 (no right), a request that makes no sense 417, "too many" 429 with Retry-After where the
site limits calls. Errors hold `exc`, a traceback, which nobody may see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from adapters.kit.api import Api
from adapters.kit.errors import Row
from adapters.kit.http import safe_url
from connector.ports.errors import FileFault, Misconfigured, NotFound, Unauthorized
from connector.registry import Environment

ADAPTER = "erpnext"
Record = Mapping[str, Any]
_TAG = re.compile(r"<[^>]*>")

_ROWS = (
    Row(
        401,
        Unauthorized,
        "ERPNext refused the API key.",
        "Generate keys anew on the user's page (Settings, API Access) and enter both.",
    ),
    Row(
        403,
        Unauthorized,
        "The key's user may not read this.",
        "Give its role the right to read Item, Bin, Warehouse and Purchase Order.",
    ),
    Row(404, NotFound, "ERPNext does not know this.", "Check the address, and that ERPNext is installed."),
    Row(
        417,
        Misconfigured,
        "ERPNext does not understand the question.",
        "ERPNext 13 or later is needed; ask who changed its document types.",
    ),
)


class Frappe:
    """One site, signed in with a user's API key. Thread-safe; construction does no network."""

    def __init__(self, environment: Environment, url: str, key: str, secret: str) -> None:
        self.subject = safe_url(url)
        self._api = Api(
            environment,
            ADAPTER,
            url,
            headers={"Authorization": f"token {key}:{secret}", "Accept": "application/json"},
            rows=_ROWS,
            secrets=(key, secret),
            explain=_explain,
        )

    def list(
        self,
        doctype: str,
        filters: Sequence[Sequence[Any]],
        fields: Sequence[str],
        *,
        limit: int,
        order: str = "name asc",
        parent: str = "",
    ) -> list[Record]:
        """The first `limit` documents that fit all `filters`, [field, operator, value] each.

        Raises Unauthorized where the key's user may not read them. `parent` is the document type that a child
        table belongs to, whose rights count.
        """
        params = {
            "fields": json.dumps(list(fields)),
            "filters": json.dumps([list(one) for one in filters]),
            "order_by": order,
            "limit_page_length": str(limit),
        }
        if parent:
            params["parent"] = parent
        found = self._api.json("GET", f"api/resource/{doctype}", subject=doctype, params=params)
        rows = found.get("data") if isinstance(found, dict) else None
        if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
            raise self._senseless(doctype)
        return rows

    def count(self, doctype: str, filters: Sequence[Sequence[Any]]) -> int:
        """How many documents fit `filters`; raises as `list`. It may count what this user does not see."""
        params = {"doctype": doctype, "filters": json.dumps([list(one) for one in filters])}
        found = self._api.json("GET", "api/method/frappe.client.get_count", subject=doctype, params=params)
        counted = found.get("message") if isinstance(found, dict) else None
        if not isinstance(counted, int):
            raise self._senseless(doctype)
        return counted

    def _senseless(self, doctype: str) -> FileFault:
        return FileFault(
            ADAPTER,
            doctype,
            "ERPNext's answer is not what was asked for.",
            "Check the address.",
            code="bad_json",
        )


def _explain(answer: httpx2.Response) -> str:
    """What Frappe says to people (`_server_messages`, JSON within JSON), else the error's name."""
    try:
        told = answer.json()
        first = json.loads(json.loads(told["_server_messages"])[0])
        return _TAG.sub("", str(first["message"]))
    except (ValueError, KeyError, TypeError, IndexError):
        pass
    try:
        return str(answer.json()["exc_type"])
    except (ValueError, KeyError, TypeError):
        return ""
