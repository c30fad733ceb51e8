"""Google Search Console on loopback: properties, traffic by page, inspections, and the pages of a small shop."""

from simulator.search_console.server import SearchConsoleServer, SearchDials
from simulator.search_console.site import Page, PageFacts, product_page

__all__ = ["Page", "PageFacts", "SearchConsoleServer", "SearchDials", "product_page"]
