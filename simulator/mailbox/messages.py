"""The messages a mailbox holds, how they read, and whether their DKIM signature holds."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import dkim
from cryptography.hazmat.primitives import serialization

_UNSUBSCRIBE = {"list-unsubscribe", "list-unsubscribe-post"}


@dataclass(frozen=True)
class DkimVerdict:
    """What a receiver would say. "unknown_key": the signature names a key that was not given.

    `signed_headers` are the lower-case names in h=, repeated where the signer repeated them.
    """

    state: Literal["none", "valid", "invalid", "unknown_key"]
    domain: str = ""
    selector: str = ""
    signed_headers: tuple[str, ...] = ()

    @property
    def covers_unsubscribe(self) -> bool:
        """Both List-Unsubscribe headers are under a valid signature, as RFC 8058 asks."""
        return self.state == "valid" and set(self.signed_headers) >= _UNSUBSCRIBE


@dataclass(frozen=True)
class Duplicate:
    """The same person got the same thing more than once, told by `header` and its `value`."""

    header: Literal["Message-ID", "X-Dispo"]
    to: str
    value: str
    count: int


@dataclass(frozen=True)
class StoredMessage:
    """One message as it arrived: envelope and raw bytes. `id` counts from 1 in order of arrival."""

    id: int
    received_at: datetime
    envelope_from: str
    envelope_to: tuple[str, ...]
    raw: bytes
    mail_options: tuple[str, ...] = ()

    @cached_property
    def parsed(self) -> EmailMessage:
        """The message with decoded headers and parts."""
        parsed = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def subject(self) -> str:
        return str(self.parsed["Subject"] or "")

    @property
    def message_id(self) -> str:
        """Without angle brackets."""
        return str(self.parsed["Message-ID"] or "").strip().strip("<>")

    @property
    def text(self) -> str:
        """The text part, "" without one; line ends as "\\n"."""
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    @property
    def links(self) -> tuple[str, ...]:
        """The addresses that the HTML part links to, in order, each once."""
        found = re.findall(r'href="([^"]+)"', self.html)
        return tuple(dict.fromkeys(link.replace("&amp;", "&") for link in found))

    def headers(self) -> list[tuple[str, str]]:
        """Every header, decoded, in order."""
        return [(name, str(value)) for name, value in self.parsed.items()]

    def as_json(self, verdict: DkimVerdict) -> dict[str, Any]:
        """The message for tests in other processes."""
        return {
            "id": self.id,
            "received_at": self.received_at.isoformat(),
            "from": self.envelope_from,
            "to": list(self.envelope_to),
            "subject": self.subject,
            "message_id": self.message_id,
            "headers": [list(pair) for pair in self.headers()],
            "text": self.text,
            "html": self.html,
            "links": list(self.links),
            "dkim": {"state": verdict.state, "covers_unsubscribe": verdict.covers_unsubscribe},
        }

    def _part(self, subtype: str) -> str:
        part = self.parsed.get_body(preferencelist=(subtype,))
        return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


class Messages:
    """Every message taken, in order; on disk too when `directory` is given. Thread-safe."""

    def __init__(self, directory: Path | None, dkim_keys: Mapping[str, str]) -> None:
        self.dkim_keys = dict(dkim_keys)
        self._directory = directory
        self._changed = threading.Condition()
        self._messages: list[StoredMessage] = []
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            self._messages = [_load(path) for path in sorted(directory.glob("*.eml"))]
        self._last_id = max((message.id for message in self._messages), default=0)

    def add(
        self, received_at: datetime, sender: str, to: list[str], raw: bytes, options: list[str]
    ) -> StoredMessage:
        with self._changed:
            self._last_id += 1
            message = StoredMessage(self._last_id, received_at, sender, tuple(to), raw, tuple(options))
            if self._directory is not None:
                _save(message, self._directory)
            self._messages.append(message)
            self._changed.notify_all()
            return message

    def all(self, to: str = "") -> list[StoredMessage]:
        """In order of arrival; with `to` only those in that person's inbox (case does not matter)."""
        with self._changed:
            found = list(self._messages)
        return [m for m in found if not to or to.lower() in map(str.lower, m.envelope_to)]

    def wait_for(self, count: int, to: str, timeout_s: float) -> list[StoredMessage]:
        """The messages once there are `count`; raises TimeoutError when they do not come."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.all(to)) >= count, timeout_s):
                raise TimeoutError(f"{len(self.all(to))} of {count} messages after {timeout_s} s")
        return self.all(to)

    def clear(self) -> None:
        """Empty every inbox; ids go on."""
        with self._changed:
            self._messages.clear()
            if self._directory is not None:
                for path in [*self._directory.glob("*.eml"), *self._directory.glob("*.json")]:
                    path.unlink()

    def duplicates(self) -> list[Duplicate]:
        """Who got the same Message-ID, or the same X-Dispo header, more than once."""
        counts: Counter[tuple[Literal["Message-ID", "X-Dispo"], str, str]] = Counter()
        for message in self.all():
            dispo = str(message.parsed["X-Dispo"] or "")
            for to in message.envelope_to:
                if message.message_id:
                    counts["Message-ID", to.lower(), message.message_id] += 1
                if dispo:
                    counts["X-Dispo", to.lower(), dispo] += 1
        return [Duplicate(*key, count) for key, count in sorted(counts.items()) if count > 1]

    def verdict(self, message: StoredMessage) -> DkimVerdict:
        """What a receiver that knows `dkim_keys` says of the topmost signature."""
        signature = message.parsed["DKIM-Signature"]
        if signature is None:
            return DkimVerdict("none")
        tags = {
            tag.strip(): re.sub(r"\s", "", value)
            for tag, _, value in (part.partition("=") for part in str(signature).split(";"))
        }
        domain, selector = tags.get("d", ""), tags.get("s", "")
        headers = tuple(name.lower() for name in tags.get("h", "").split(":"))
        record = self.dkim_keys.get(f"{selector}._domainkey.{domain}")
        if record is None:
            return DkimVerdict("unknown_key", domain, selector, headers)
        try:
            holds = dkim.verify(message.raw, dnsfunc=lambda *_, **__: record.encode())
        except dkim.DKIMException:
            holds = False
        return DkimVerdict("valid" if holds else "invalid", domain, selector, headers)


def dkim_record(private_key_pem: str) -> str:
    """The DNS TXT record that publishes the public half of an RSA key: "v=DKIM1; k=rsa; p=…"."""
    key = serialization.load_pem_private_key(private_key_pem.encode(), None)
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"


def _save(message: StoredMessage, directory: Path) -> None:
    envelope = {
        "received_at": message.received_at.isoformat(),
        "from": message.envelope_from,
        "to": list(message.envelope_to),
        "options": list(message.mail_options),
    }
    (directory / f"{message.id:06d}.json").write_text(json.dumps(envelope))
    (directory / f"{message.id:06d}.eml").write_bytes(message.raw)


def _load(path: Path) -> StoredMessage:
    envelope = json.loads(path.with_suffix(".json").read_text())
    return StoredMessage(
        int(path.stem),
        datetime.fromisoformat(envelope["received_at"]),
        envelope["from"],
        tuple(envelope["to"]),
        path.read_bytes(),
        tuple(envelope["options"]),
    )
