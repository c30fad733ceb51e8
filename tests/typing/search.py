"""mypy proves here that each search adapter keeps the port's signatures; nothing runs."""

from __future__ import annotations

from adapters.search.google_search_console.adapter import SearchConsole
from connector.ports.search import Search


def google_search_console(adapter: SearchConsole) -> Search:
    return adapter
