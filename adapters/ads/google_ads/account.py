"""The settings of one Google Ads account, checked; no Google library here."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Account:
    """Ids are ten digits; `login_customer_id` empty without a manager account; `endpoint`
    ("host:port") empty for Google's own. Secrets stay out of `repr`."""

    customer_id: str
    login_customer_id: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    token_uri: str
    endpoint: str = ""
