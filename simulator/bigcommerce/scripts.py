"""V3 Scripts API: what apps put into the pages of a storefront."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from simulator.bigcommerce.replies import ApiError, Reply, ids, page_of

MOST = 10
_CHOICES = {
    "load_method": {"default", "async", "defer"},
    "location": {"head", "footer"},
    "visibility": {"storefront", "all_pages", "checkout", "order_confirmation"},
    "kind": {"src", "script_tag"},
    "consent_category": {"essential", "functional", "analytics", "targeting", "unknown"},
}


class Scripts:
    """The scripts of one app, at most ten, by uuid. `channels` gives the ids of the store's channels; those in
    `refuses` take none."""

    def __init__(self, client_id: str, channels: Callable[[], set[int]]) -> None:
        self.client_id = client_id
        self._channels = channels
        self.kept: dict[str, dict[str, Any]] = {}
        self.refuses: set[int] = set()

    def list(self, args: Mapping[str, str]) -> Reply:
        channels = ids(args, "channel_id:in")
        rows = [one for one in self.kept.values() if channels is None or one["channel_id"] in channels]
        return page_of(rows, args, most=250)

    def create(self, body: bytes) -> Reply:
        sent = self._checked(body, is_new=True)
        if len(self.kept) >= MOST:
            raise ApiError(422, f"An app may have at most {MOST} scripts.")
        if sent.get("channel_id", 1) not in self._channels() - self.refuses:
            raise ApiError(422, "JSON data is missing or invalid", {"channel_id": "is no channel"})
        made = {
            "channel_id": 1,
            "consent_category": "unknown",
            "enabled": True,
            "auto_uninstall": False,
            "integrity_hashes": [],
            **sent,
            "uuid": str(uuid.uuid4()),
            "api_client_id": self.client_id,
        }
        self.kept[made["uuid"]] = made
        return Reply({"data": made, "meta": {}})

    def update(self, number: str, body: bytes) -> Reply:
        kept = self._found(number)
        kept.update(self._checked(body, is_new=False))
        return Reply({"data": kept, "meta": {}})

    def delete(self, number: str) -> Reply:
        self._found(number)
        del self.kept[number]
        return Reply(None, 204)

    def clean_up(self) -> None:
        """The app was removed: what is `auto_uninstall` goes with it."""
        self.kept = {key: one for key, one in self.kept.items() if not one["auto_uninstall"]}

    def tags(self, channel_id: int, location: str, *, accepted: frozenset[str] | None = None) -> str:
        """The HTML a Stencil page of `channel_id` gets. `accepted`: the consent categories a shopper
        agreed to on a store that asks (essential always); None where the store does not ask."""
        shown = []
        for one in self.kept.values():
            if not one["enabled"] or one["channel_id"] != channel_id or one["location"] != location:
                continue
            if accepted is not None and one["consent_category"] not in accepted | {"essential"}:
                continue
            if one["kind"] == "script_tag":
                shown.append(str(one["html"]))
            else:
                load = "" if one["load_method"] == "default" else f" {one['load_method']}"
                shown.append(f'<script src="{one["src"]}"{load}></script>')
        return "\n".join(shown)

    def _found(self, number: str) -> dict[str, Any]:
        if number not in self.kept:
            raise ApiError(404, "The requested script was not found.")
        return self.kept[number]

    def _checked(self, body: bytes, *, is_new: bool) -> dict[str, Any]:
        try:
            sent = json.loads(body)
        except ValueError as exc:
            raise ApiError(400, "Input is invalid") from exc
        if not isinstance(sent, dict) or (is_new and not sent.get("name")):
            raise ApiError(422, "JSON data is missing or invalid", {"name": "error.path.missing"})
        for name, choices in _CHOICES.items():
            if name in sent and sent[name] not in choices:
                raise ApiError(422, "JSON data is missing or invalid", {name: "is not one of its values"})
        if (
            is_new
            and sent.get("kind") == "src"
            and not str(sent.get("src", "")).startswith(("https://", "http://"))
        ):
            raise ApiError(422, "JSON data is missing or invalid", {"src": "is required"})
        if sent.get("kind") == "script_tag" and str(sent.get("html", "")).count("<script") != 1:
            raise ApiError(422, "JSON data is missing or invalid", {"html": "must be one script tag"})
        return sent
