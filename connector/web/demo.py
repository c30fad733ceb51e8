"""What a demonstration says about itself: who signs in and where its shops, mailbox and ads are."""

from __future__ import annotations

import json
from typing import Any

from connector.bootstrap import Runtime


def demo_facts(rt: Runtime) -> dict[str, Any]:
    """The content of `demo.json` in the data directory: name → address, and "email" of the
    demonstration's person if it is not the first one. Empty outside a demonstration, and before it
    has begun."""
    if not rt.settings.is_demo:
        return {}
    try:
        found = json.loads((rt.data_dir / "demo.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def demo_links(rt: Runtime) -> dict[str, str]:
    """Name → address of what the demonstration simulates; only web addresses."""
    return {
        str(name): address
        for name, address in demo_facts(rt).items()
        if isinstance(address, str) and address.startswith(("http://", "https://"))
    }
