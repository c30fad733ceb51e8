"""Klaviyo's and Omnisend's event APIs on loopback: sign-in, version, form, and how each counts doubles."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from simulator.dials import Dials
from simulator.senders import Answer, Sender


class KlaviyoServer(Sender):
    """`events` are the attributes of the events counted: one for each person, metric and unique id.
    `scopes` are those of the key."""

    key = "pk_0123456789abcdef"

    def __init__(self, dials: Dials | None = None) -> None:
        super().__init__(dials)
        self.events: list[dict[str, Any]] = []
        self.scopes = {"events:write", "accounts:read"}
        self._seen: set[str] = set()

    def route(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if headers.get("authorization") != f"Klaviyo-API-Key {self.key}":
            return _klaviyo(401, "not_authenticated")
        if not headers.get("revision"):
            return _klaviyo(400, "invalid")
        if (method, path) == ("GET", "/api/accounts"):
            if "accounts:read" not in self.scopes:
                return _klaviyo(403, "permission_denied")
            about = {"contact_information": {"organization_name": "Shop"}}
            return 200, {"data": [{"type": "account", "id": "AbC123", "attributes": about}]}, {}
        if (method, path) != ("POST", "/api/events"):
            return _klaviyo(404, "not_found")
        if "events:write" not in self.scopes:
            return _klaviyo(403, "permission_denied")
        data = json.loads(body)["data"]
        attributes = data["attributes"]
        profile = attributes["profile"]["data"]["attributes"]
        if data["type"] != "event" or not {"email", "phone_number", "external_id"} & set(profile):
            return _klaviyo(400, "invalid")
        if len(attributes["properties"]) > 400 or not attributes["metric"]["data"]["attributes"]["name"]:
            return _klaviyo(400, "invalid")
        datetime.fromisoformat(attributes["time"])
        once = json.dumps([sorted(profile.items()), attributes["metric"], attributes["unique_id"]])
        if once not in self._seen:
            self._seen.add(once)
            self.events.append(attributes)
            self.sent.append(attributes["unique_id"])
        return 202, b"", {}


class OmnisendServer(Sender):
    """`events` are the bodies taken, each time they came: automations run for every one of them."""

    key = "omnisend-key-0123456789"

    def __init__(self, dials: Dials | None = None) -> None:
        super().__init__(dials)
        self.events: list[dict[str, Any]] = []
        self.may_read = True

    def route(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if headers.get("authorization") != f"Omnisend-API-Key {self.key}":
            return _omnisend(401)
        if headers.get("omnisend-version") != "2026-03-15":
            return _omnisend(400, "Omnisend-Version")
        if (method, path) == ("GET", "/api/segments"):
            return (200, {"segments": []}, {}) if self.may_read else _omnisend(403)
        if (method, path) != ("POST", "/api/events"):
            return _omnisend(404)
        event = json.loads(body)
        try:
            UUID(event["eventID"])
            datetime.fromisoformat(event["eventTime"])
        except ValueError:
            return _omnisend(400, "eventID")
        if not {"id", "email", "phone"} & set(event["contact"]):
            return _omnisend(400, "contact")
        if len(event["contact"].get("phone", "")) > 15:
            return _omnisend(400, "contact.phone")
        self.events.append(event)
        self.sent.append(event["properties"].get("unique", event["eventID"]))
        return 202, b"", {}


def _klaviyo(status: int, code: str) -> Answer:
    detail = "ann@example.com is not what we want"
    return status, {"errors": [{"status": status, "code": code, "detail": detail}]}, {}


def _omnisend(status: int, field: str = "") -> Answer:
    errors = [{"field": field, "code": "invalid_format", "message": "ann@example.com"}] if field else []
    return status, {"type": "problem", "status": status, "errors": errors}, {}
