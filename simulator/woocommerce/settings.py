"""The shop's options, its status page and the open index of the REST API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from simulator.shop import Shop
from simulator.woocommerce.replies import Call, Reply, RestError, cut, links, wanted_fields

_LABELS = {
    "woocommerce_manage_stock": ("products", "Manage stock", "checkbox", "yes"),
    "woocommerce_hold_stock_minutes": ("products", "Hold stock (minutes)", "number", "60"),
    "woocommerce_notify_low_stock_amount": ("products", "Low stock threshold", "number", "2"),
    "woocommerce_notify_no_stock_amount": ("products", "Out of stock threshold", "number", "0"),
    "woocommerce_hide_out_of_stock_items": ("products", "Out of stock visibility", "checkbox", "no"),
    "woocommerce_stock_format": ("products", "Stock display format", "select", ""),
    "woocommerce_currency": ("general", "Currency", "select", "USD"),
}


def defaults(shop: Shop) -> dict[str, str]:
    """The options of a fresh shop."""
    return {
        **{key: default for key, (_, _, _, default) in _LABELS.items()},
        "woocommerce_currency": shop.currency,
    }


class Settings:
    def __init__(self, shop: Shop, values: dict[str, str], version: str) -> None:
        self.shop = shop
        self.values = values
        self.version = version

    def one(self, call: Call, group: str, key: str) -> Reply:
        return Reply(self._render(group, key, call.home))

    def update(self, call: Call, group: str, key: str) -> Reply:
        self._render(group, key, call.home)
        self.values[key] = str((call.body or {}).get("value", ""))
        return Reply(self._render(group, key, call.home))

    def _render(self, group: str, key: str, home: str) -> dict[str, Any]:
        known = _LABELS.get(key)
        if known is None or known[0] != group:
            raise RestError(404, "rest_setting_setting_invalid", "Invalid setting.")
        _, label, kind, default = known
        return {
            "id": key,
            "label": label,
            "description": label,
            "type": kind,
            "default": default,
            "value": self.values[key],
            "group_id": group,
            "_links": links(home, f"settings/{group}/{key}", methods=["GET", "POST", "PUT", "PATCH"]),
        }

    def status(self, call: Call) -> Reply:
        """GET system_status; the part Dispo looks at."""
        data: dict[str, Any] = {
            "environment": {
                "home_url": call.home,
                "site_url": call.home,
                "version": self.version,
                "wp_version": "7.1" if int(self.version.split(".")[0]) >= 10 else "6.8.5",
                "wp_cron": False,
                "language": "en_US",
                "server_info": "nginx/1.22.1",
                "php_version": "8.2.36",
                "default_timezone": "UTC",
            },
            "database": {"wc_database_version": self.version},
            "active_plugins": [
                {"plugin": "woocommerce/woocommerce.php", "name": "WooCommerce", "version": self.version}
            ],
            "theme": {"name": "Storefront"},
            "settings": {
                "api_enabled": False,
                "force_ssl": False,
                "currency": self.values["woocommerce_currency"],
                "number_of_decimals": 2,
                "HPOS_enabled": True,
            },
            "security": {"secure_connection": call.home.startswith("https"), "hide_errors": True},
        }
        return Reply(cut(data, wanted_fields(call.query)))

    def index(self, call: Call, further: Sequence[str] = ()) -> Reply:
        """GET /wp-json/: open to everybody. `further` namespaces are those of plugins."""
        zone = ZoneInfo(self.shop.timezone)
        offset = zone.utcoffset(datetime.now(UTC).astimezone(zone).replace(tzinfo=None))
        data: dict[str, Any] = {
            "name": self.shop.name,
            "description": "",
            "url": call.home,
            "home": call.home,
            "gmt_offset": (offset.total_seconds() if offset else 0) / 3600,
            "timezone_string": self.shop.timezone,
            "namespaces": ["oembed/1.0", "wc/v3", "wc/v2", "wc/v1", "wc/store", "wp/v2", *further],
            "authentication": {},
        }
        return Reply(cut(data, wanted_fields(call.query)))
