"""Talks to one Odoo database: JSON-2 from version 19 on, XML-RPC before. Reads only.

Facts of Odoo 19 (recorded from a real one): errors of JSON-2 are {name, message, arguments, context, debug},
where debug is a traceback; an unknown database is a 404 as HTML; an unknown field is a 500. XML-RPC answers
everything with 200: a wrong key is False from `authenticate` and fault 3 from `execute_kw`. XML-RPC is
deprecated in 19 and goes in 20.
"""

from __future__ import annotations

import json
import threading
import xmlrpc.client
from collections.abc import Mapping, Sequence
from typing import Any
from xml.parsers import expat

import httpx2

from adapters.kit.api import Api
from adapters.kit.http import safe_url
from connector.ports.errors import (
    FileFault,
    Misconfigured,
    NotFound,
    PortError,
    Rejected,
    Retryable,
    Unauthorized,
)
from connector.registry import Environment

ADAPTER = "odoo"
JSON2_SINCE = 19
OLDEST = 14
Record = Mapping[str, Any]


class Odoo:
    """One database, signed in with an API key. Thread-safe; construction does no network.

    `username` is needed for XML-RPC only. `language` and `company_id` (0: the user's own) go with every
    reading.
    """

    def __init__(
        self, environment: Environment, url: str, database: str, username: str, key: str, language: str
    ) -> None:
        self.subject = safe_url(url)
        self.company_id = 0
        self._database = database
        self._username = username
        self._key = key
        self._language = language
        self._api = Api(
            environment, ADAPTER, url, account=f"{self.subject}:{database}", secrets=(key,), judge=self._judge
        )
        self._lock = threading.Lock()
        self._version = 0
        self._user_id = 0

    @property
    def version(self) -> int:
        """Odoo's major version; asked once. Raises Misconfigured where no Odoo answers, or one too old."""
        with self._lock:
            if not self._version:
                self._version = self._find_version()
            return self._version

    @property
    def speaks_json(self) -> bool:
        return self.version >= JSON2_SINCE

    def search_read(
        self,
        model: str,
        domain: Sequence[Any],
        fields: Sequence[str],
        *,
        order: str = "id",
        limit: int = 0,
        context: Mapping[str, Any] | None = None,
    ) -> list[Record]:
        """The records of a model that fit `domain`; a many2one is [id, name], an empty field False.

        Raises Unauthorized where the key's user may not read the model, NotFound where Odoo has no such
        model (its app is not installed), Misconfigured for a field it has not.
        """
        how: dict[str, Any] = {"domain": list(domain), "fields": list(fields), "order": order}
        if limit:
            how["limit"] = limit
        found = self._ask(model, "search_read", how, context)
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise self._senseless(model)
        return found

    def search_count(self, model: str, domain: Sequence[Any]) -> int:
        """How many records fit `domain`; raises as `search_read`."""
        found = self._ask(model, "search_count", {"domain": list(domain)}, None)
        if not isinstance(found, int):
            raise self._senseless(model)
        return found

    def _ask(self, model: str, method: str, how: dict[str, Any], context: Mapping[str, Any] | None) -> Any:
        context = {**self._context(), **(context or {})}
        if context:
            how = {**how, "context": context}
        if self.speaks_json:
            return self._api.json(
                "POST",
                f"json/2/{model}/{method}",
                subject=model,
                json=how,
                headers={"Authorization": f"bearer {self._key}", "X-Odoo-Database": self._database},
            )
        return self._rpc(
            "object", "execute_kw", self._database, self._signed_in(), self._key, model, method, [], how,
            subject=model,
        )  # fmt: skip

    def _context(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._language:
            found["lang"] = self._language
        if self.company_id:
            found["allowed_company_ids"] = [self.company_id]
        return found

    def _find_version(self) -> int:
        # Public from 19 on; before, this address does not exist.
        answer = self._api.call("GET", "web/version", subject=self.subject, accepts=(301, 302, 303, 403, 404))
        major = 0
        if answer.status_code == 200:
            major = _major(_json(answer), "version_info")
        if not major:
            major = _major(self._rpc("common", "version", subject=self.subject), "server_version_info")
        if major < OLDEST:
            raise Misconfigured(
                ADAPTER,
                self.subject,
                f"This is Odoo {major}." if major else "No Odoo answers at this address.",
                f"Odoo {OLDEST} or later is needed." if major else "Enter the address people sign in at.",
                field="url",
            )
        return major

    def _signed_in(self) -> int:
        """The user's id, for XML-RPC."""
        if not self._user_id:
            if not self._username:
                raise Misconfigured(
                    ADAPTER,
                    self.subject,
                    "Odoo before version 19 wants to know whose key it is.",
                    "Enter the user's login.",
                    field="username",
                )
            found = self._rpc(
                "common", "authenticate", self._database, self._username, self._key, {}, subject=self.subject
            )
            if not isinstance(found, int) or isinstance(found, bool) or not found:
                raise _refused(self.subject)
            self._user_id = found
        return self._user_id

    def _rpc(self, service: str, method: str, *given: Any, subject: str) -> Any:
        content = xmlrpc.client.dumps(given, method, allow_none=True).encode()
        headers = {"Content-Type": "text/xml"}
        answer = self._api.call(
            "POST", f"xmlrpc/2/{service}", subject=subject, content=content, headers=headers
        )
        return _parsed(answer.content, subject)

    def _judge(self, answer: httpx2.Response, subject: str) -> PortError | None:
        """What the answers of both protocols mean; see the module."""
        status, content = answer.status_code, answer.content
        if status == 200:
            if b"<fault>" not in content[:512]:
                return None
            try:
                _parsed(content, subject)
            except xmlrpc.client.Fault as fault:
                return self._fault(fault, subject)
            return None
        told = _json(answer)
        if not isinstance(told, dict) or "message" not in told:
            # Only there: before 19 the address that tells the version does not exist either.
            if status == 404 and answer.request.url.path.startswith("/json/2/"):
                return self._no_database()
            return None
        return self._error(status, str(told.get("name", "")), str(told["message"]), subject)

    def _error(self, status: int, name: str, message: str, subject: str) -> PortError | None:
        detail = self._api.redact(message)
        if status == 401:
            return _refused(self.subject)
        if status == 403:
            return _forbidden(subject)
        if status == 404:
            return NotFound(
                ADAPTER, subject, f"Odoo has no such thing: {detail}", "Install the app it is part of."
            )
        if status == 422:
            if "language" in message.lower():
                return Misconfigured(
                    ADAPTER, subject, detail, "Enter one that is installed, as fr_FR.", field="language"
                )
            return Rejected(ADAPTER, subject, f"Odoo refused: {detail}")
        if status == 500 and name.startswith("builtins."):
            return self._bug(detail, subject)
        return None

    def _fault(self, fault: xmlrpc.client.Fault, subject: str) -> PortError:
        # A fault of code 1 is a traceback: only its last line says what happened.
        lines = [line.strip() for line in str(fault.faultString).splitlines() if line.strip()]
        detail = self._api.redact(lines[-1] if lines else "")
        if fault.faultCode == 3:
            return _refused(self.subject)
        if fault.faultCode == 4:
            return _forbidden(subject)
        if fault.faultCode == 2:
            if "doesn't exist" in str(fault.faultString):
                return NotFound(ADAPTER, subject, f"Odoo has no such thing: {detail}", "Install its app.")
            return Rejected(ADAPTER, subject, f"Odoo refused: {self._api.redact(str(fault.faultString))}")
        text = str(fault.faultString)
        if "database" in text and "does not exist" in text:
            return self._no_database()
        if "psycopg2." in detail:
            return Retryable(ADAPTER, subject, f"Odoo's database failed for now: {detail}")
        return self._bug(detail, subject)

    def _bug(self, detail: str, subject: str) -> PortError:
        if "Invalid field" in detail:
            return Misconfigured(
                ADAPTER,
                subject,
                f"Odoo does not know what it was asked for: {detail}",
                "Install the apps Inventory and, for what is on order, Purchase.",
                field="url",
            )
        return Rejected(ADAPTER, subject, f"Odoo failed at this request: {detail}")

    def _no_database(self) -> PortError:
        return Misconfigured(
            ADAPTER,
            self.subject,
            "This Odoo has no database of that name.",
            "Enter the name that Odoo shows when you sign in.",
            field="database",
        )

    def _senseless(self, subject: str) -> PortError:
        return FileFault(
            ADAPTER,
            subject,
            "Odoo's answer is not what was asked for.",
            "Check the address.",
            code="bad_json",
        )


def _refused(subject: str) -> Unauthorized:
    return Unauthorized(
        ADAPTER,
        subject,
        "Odoo refused the API key.",
        "Make a new key in your Odoo profile (Account security) and enter it.",
    )


def _forbidden(model: str) -> Unauthorized:
    return Unauthorized(
        ADAPTER,
        model,
        f"The key's user may not read {model}.",
        "Give the user the right to read Inventory, and Purchase for what is on order.",
    )


def _json(answer: httpx2.Response) -> Any:
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        return None


def _major(told: Any, name: str) -> int:
    """The first number of a version; saas versions begin with a word ("saas~18")."""
    info = told.get(name) if isinstance(told, dict) else None
    first = str(info[0]) if isinstance(info, list) and info else ""
    digits = first.rpartition("~")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _parsed(content: bytes, subject: str) -> Any:
    """The value of an XML-RPC answer. A document type is refused, and with it every entity that could grow
    without bounds or reach elsewhere. Raises xmlrpc.client.Fault, and FileFault for what is no answer."""
    unmarshaller = xmlrpc.client.Unmarshaller()
    unmarshaller.xml("", None)  # the parser hands over text, not bytes
    parser = expat.ParserCreate()

    def refuse(*_: Any) -> None:
        raise ValueError("an answer with a document type")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = unmarshaller.start
    parser.EndElementHandler = unmarshaller.end
    parser.CharacterDataHandler = unmarshaller.data
    try:
        parser.Parse(content, True)
        found: Any = unmarshaller.close()
    except (expat.ExpatError, xmlrpc.client.ResponseError, ValueError, TypeError, IndexError) as exc:
        raise FileFault(
            ADAPTER,
            subject,
            "Its answer is no XML-RPC.",
            "Enter the address people sign in at.",
            code="bad_xml",
        ) from exc
    return found[0] if len(found) == 1 else found
