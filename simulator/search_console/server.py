"""The simulated Search Console: OAuth, properties with permissions, paging, quotas, and dials.

It enforces what Google does: bearer tokens that end, the scope, a property's permission, at most 25,000 rows
a page, final data that are days behind, 2,000 inspections a day and 600 a minute of one property.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, Response, jsonify, request

from simulator.dials import Dials
from simulator.search_console.site import Page
from simulator.server import ServerThread, cut_connection

SCOPE = "https://www.googleapis.com/auth/webmasters.readonly"
MOST_ROWS = 25_000
LAG_DAYS = 3
PACIFIC = ZoneInfo("America/Los_Angeles")


@dataclass
class SearchDials(Dials):
    """As `Dials`, one roll a request to the API (not to the shop's pages).

    `most_rows` lowers the rows of one answer; `inspections_a_day` and `_a_minute` are the property's;
    `is_api_enabled` False: the Cloud project has not switched the API on.
    """

    most_rows: int = MOST_ROWS
    inspections_a_day: int = 2000
    inspections_a_minute: int = 600
    is_api_enabled: bool = True


class SearchConsoleServer:
    """Search Console and a shop on 127.0.0.1:`port`. `pages` maps a path below `/shop/` to its page.

    `sites` maps a property to its permission level; `calls` are (method, path) in order, the shop's pages
    among them; `inspected` the addresses inspected. `clock` gives aware times for the quotas and the data.
    """

    email = "reader@project.iam.gserviceaccount.com"

    def __init__(self, port: int = 0, *, clock: Callable[[], datetime] | None = None) -> None:
        self.clock = clock or (lambda: datetime.now(UTC))
        self.dials = SearchDials()
        self.pages: dict[str, Page] = {}
        self.calls: list[tuple[str, str]] = []
        self.inspected: list[str] = []
        self.client = {"client_id": "client-1", "client_secret": secrets.token_urlsafe(12)}
        self.refresh_tokens = {secrets.token_urlsafe(12)}
        self._key = rsa.generate_private_key(65537, 2048)
        self.is_key_valid = True
        self._tokens: dict[str, str] = {}
        self._used: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._server = ServerThread(self._app(), port)
        self.url = self._server.url
        self.hosts = frozenset({f"127.0.0.1:{self._server.port}"})
        self.site = f"{self.url}/shop/"
        self.sites = {self.site: "siteOwner", "sc-domain:other.example": "siteUnverifiedUser"}

    def __enter__(self) -> SearchConsoleServer:
        self._server.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.stop()

    def page_url(self, path: str) -> str:
        """The public address of a page."""
        return f"{self.site}{path}"

    def service_account(self) -> str:
        """The JSON key file of the reader."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        key = {"type": "service_account", "client_email": self.email, "private_key": pem}
        return json.dumps({**key, "token_uri": "https://elsewhere.example/token"})

    def connection(self, *, by_user: bool = False) -> tuple[dict[str, str], dict[str, str]]:
        """Settings and secrets of the adapter: as the service account, or by a user's refresh token."""
        config = {"site": self.site, "endpoint": self.url, "token_uri": f"{self.url}/token"}
        if by_user:
            config["client_id"] = self.client["client_id"]
            return config, {
                "client_secret": self.client["client_secret"],
                "refresh_token": next(iter(self.refresh_tokens)),
            }
        return config, {"service_account_key": self.service_account()}

    def end_tokens(self) -> None:
        """Every access token ends now; new ones may be had."""
        self._tokens.clear()

    def refuse_sign_in(self) -> None:
        """Keys and refresh tokens are revoked, and what was got with them."""
        self.is_key_valid = False
        self.refresh_tokens.clear()
        self.end_tokens()

    # --- the app --------------------------------------------------------------------------------------

    def _app(self) -> Flask:
        app = Flask("simulator.search_console")
        app.add_url_rule("/token", view_func=self._token, methods=["POST"])
        app.add_url_rule("/webmasters/v3/sites", view_func=self._sites)
        app.add_url_rule(
            "/webmasters/v3/sites/<path:site>/searchAnalytics/query", view_func=self._query, methods=["POST"]
        )
        app.add_url_rule("/v1/urlInspection/index:inspect", view_func=self._inspect, methods=["POST"])
        app.add_url_rule("/shop/<path:path>", view_func=self._page)
        app.before_request(self._before)
        return app

    def _before(self) -> Any:
        path = urlsplit(request.full_path).path
        with self._lock:
            self.calls.append((request.method, path))
        if path.startswith("/shop/") or path == "/token":
            return None
        fault = self.dials.roll()
        if fault in ("cut_before", "cut_after_success"):
            cut_connection(request.environ)
            return Response("", 500)
        if fault == "timeout_after_success":
            return _error(504, "Gateway timeout.", "backendError", "DEADLINE_EXCEEDED")
        if fault == "error":
            return _error(503, "The service is currently unavailable.", "backendError", "UNAVAILABLE")
        if fault == "throttle":
            return _error(403, "Search Analytics QPS quota exceeded.", "quotaExceeded", "PERMISSION_DENIED")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token) != SCOPE:
            return _error(
                401, "Request had invalid authentication credentials.", "authError", "UNAUTHENTICATED"
            )
        if not self.dials.is_api_enabled:
            return _error(
                403, "API has not been used in project 1 before or it is disabled.", "accessNotConfigured",
                "PERMISSION_DENIED",
            )  # fmt: skip
        return None

    def _token(self) -> Any:
        form = request.form
        if form.get("grant_type") == "refresh_token":
            is_client = {name: form.get(name) for name in self.client} == self.client
            if not is_client:
                return jsonify(error="invalid_client", error_description="Unauthorized"), 401
            if form.get("refresh_token") not in self.refresh_tokens:
                return jsonify(error="invalid_grant", error_description="Token has been revoked."), 400
        else:
            try:
                claims = jwt.decode(
                    form.get("assertion", ""),
                    self._key.public_key(),
                    algorithms=["RS256"],
                    audience=f"{self.url}/token",
                    issuer=self.email,
                    options={"require": ["exp", "iat", "scope"]},
                )
            except jwt.PyJWTError:
                claims = {}
            if claims.get("scope") != SCOPE or not self.is_key_valid:
                return jsonify(error="invalid_grant", error_description="Invalid JWT Signature."), 400
        token = secrets.token_urlsafe(16)
        self._tokens[token] = SCOPE
        return jsonify(access_token=token, expires_in=3599, token_type="Bearer")

    def _sites(self) -> Any:
        entries = [{"siteUrl": name, "permissionLevel": level} for name, level in self.sites.items()]
        return jsonify(siteEntry=entries) if entries else jsonify({})

    def _refusal(self, site: str) -> Any:
        if self.sites.get(site, "siteUnverifiedUser") == "siteUnverifiedUser":
            return _error(
                403,
                f"User does not have sufficient permission for site '{site}'. See also: "
                "https://support.google.com/webmasters/answer/2451999.",
                "forbidden",
                "PERMISSION_DENIED",
            )
        return None

    def _query(self, site: str) -> Any:
        refused = self._refusal(site)
        if refused is not None:
            return refused
        asked = request.get_json()
        limit = int(asked.get("rowLimit", 1000))
        if not 1 <= limit <= MOST_ROWS or asked.get("dimensions") != ["page"]:
            return _error(400, "Request contains an invalid argument.", "badRequest", "INVALID_ARGUMENT")
        first, last = date.fromisoformat(asked["startDate"]), date.fromisoformat(asked["endDate"])
        if asked.get("dataState", "final") == "final":
            last = min(last, self.clock().astimezone(PACIFIC).date() - timedelta(days=LAG_DAYS))
        rows = sorted(
            (row for row in (self._row(path, first, last) for path in self.pages) if row["impressions"]),
            key=lambda row: (-row["clicks"], -row["impressions"], row["keys"]),
        )
        start = int(asked.get("startRow", 0))
        found = rows[start : start + min(limit, self.dials.most_rows)]
        said: dict[str, Any] = {"responseAggregationType": "byPage"}
        return jsonify({**said, "rows": found} if found else said)

    def _row(self, path: str, first: date, last: date) -> dict[str, Any]:
        days = [count for day, count in self.pages[path].traffic.items() if first <= day <= last]
        clicks, impressions = sum(one[0] for one in days), sum(one[1] for one in days)
        return {
            "keys": [self.page_url(path)],
            "clicks": float(clicks),
            "impressions": float(impressions),
            "ctr": clicks / impressions if impressions else 0.0,
            "position": 4.2,
        }

    def _inspect(self) -> Any:
        asked = request.get_json()
        site, url = str(asked.get("siteUrl", "")), str(asked.get("inspectionUrl", ""))
        refused = self._refusal(site)
        if refused is not None:
            return refused
        if not url.startswith(site):
            return _error(
                400, "You do not own this site, or the inspected URL is not part of this property.",
                "badRequest", "INVALID_ARGUMENT",
            )  # fmt: skip
        now = self.clock()
        day, minute = now.astimezone(PACIFIC).date().isoformat(), now.isoformat(timespec="minutes")
        with self._lock:
            for key, most in ((day, self.dials.inspections_a_day), (minute, self.dials.inspections_a_minute)):
                if self._used[(site, key)] >= most:
                    return _error(
                        429, f"Quota exceeded for {site}.", "rateLimitExceeded", "RESOURCE_EXHAUSTED"
                    )
            self._used[(site, day)] += 1
            self._used[(site, minute)] += 1
            self.inspected.append(url)
        page = self.pages.get(url.removeprefix(self.site))
        if page is None:
            index = {"verdict": "NEUTRAL", "coverageState": "URL is unknown to Google"}
            return jsonify(inspectionResult={"indexStatusResult": index})
        return jsonify(inspectionResult=page.facts.result(url))

    def _page(self, path: str) -> Any:
        page = self.pages.get(path)
        if page is None:
            return Response("<h1>Not found</h1>", 404, content_type="text/html")
        answer = Response(page.html, page.status, content_type="text/html; charset=utf-8")
        if page.location:
            answer.headers["Location"] = page.location
        if page.robots_header:
            answer.headers["X-Robots-Tag"] = page.robots_header
        return answer


def _error(code: int, message: str, reason: str, status: str) -> Response:
    """An error in Google's shape."""
    errors = [
        {"message": message, "domain": "usageLimits" if "xceeded" in reason else "global", "reason": reason}
    ]
    answer = jsonify(error={"code": code, "message": message, "errors": errors, "status": status})
    answer.status_code = code
    return answer
