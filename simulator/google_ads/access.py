"""Who may do what in the simulated Google Ads: tokens, managers, project access level, quota."""

from __future__ import annotations

import re
import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NoReturn

from simulator.google_ads.accounts import Accounts
from simulator.google_ads.wire import Refusal

ProjectLevel = Literal["test", "explorer", "basic", "standard"]
# Operations a day that Google grants a Cloud project (None: no limit).
OPERATIONS_PER_DAY: dict[ProjectLevel, int | None] = {
    "test": 15_000,
    "explorer": 2_880,
    "basic": 15_000,
    "standard": None,
}
_TOKEN_LIFE_S = 3_599


class Refused(Exception):
    """The call is refused as a whole. `status` names a gRPC status; without refusals the answer has
    no GoogleAdsFailure, as when Google's front end turns a request away."""

    def __init__(self, status: str, message: str, *refusals: Refusal) -> None:
        super().__init__(message)
        self.status = status
        self.refusals = refusals


@dataclass
class User:
    """A Google user behind one refresh token, with the customers they open directly."""

    refresh_token: str
    customers: set[str]
    can_write: bool = True
    can_read_metrics: bool = True
    is_revoked: bool = False


@dataclass
class Project:
    """The Cloud project of the OAuth client: its access level and what it used today."""

    client_id: str = "simulated-client.apps.example"
    client_secret: str = "simulated-client-secret"
    level: ProjectLevel = "basic"
    operations_per_day: int | None = -1
    """-1: what the level grants; None: unlimited."""
    used: dict[str, int] = field(default_factory=dict)


class Access:
    """Issues access tokens and decides on every call. Thread-safe."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts
        self.project = Project()
        self.users: dict[str, User] = {}
        self._tokens: dict[str, tuple[User, datetime]] = {}
        self._lock = threading.Lock()

    def add_user(self, refresh_token: str, *customers: str, can_write: bool = True) -> User:
        self.users[refresh_token] = User(refresh_token, set(customers), can_write)
        return self.users[refresh_token]

    def issue(self, client_id: str, client_secret: str, refresh_token: str) -> tuple[int, dict[str, object]]:
        """The token endpoint's answer: status and body."""
        if (client_id, client_secret) != (self.project.client_id, self.project.client_secret):
            return 401, {"error": "invalid_client", "error_description": "The OAuth client was not found."}
        user = self.users.get(refresh_token)
        if user is None or user.is_revoked:
            return 400, {
                "error": "invalid_grant",
                "error_description": "Token has been expired or revoked.",
            }
        token = f"ya29.{secrets.token_urlsafe(24)}"
        with self._lock:
            self._tokens[token] = (user, self.accounts.now() + timedelta(seconds=_TOKEN_LIFE_S))
        return 200, {
            "access_token": token,
            "expires_in": _TOKEN_LIFE_S,
            "scope": "https://www.googleapis.com/auth/adwords",
            "token_type": "Bearer",
        }

    def forget_access_tokens(self) -> None:
        """Make every access token given out so far invalid, as a password change does."""
        with self._lock:
            self._tokens.clear()

    def admit(self, headers: dict[str, str], customer_id: str, operations: int, *, is_write: bool) -> User:
        """Let one call through and count it, or raise Refused; the user who made it."""
        user = self._user(headers.get("authorization", ""))
        login = headers.get("login-customer-id", customer_id)
        if not re.fullmatch(r"\d{10}", login):
            _refuse("INVALID_ARGUMENT", "header_error.INVALID_LOGIN_CUSTOMER_ID", "Invalid login customer.")
        if not re.fullmatch(r"\d{10}", customer_id):
            _refuse("INVALID_ARGUMENT", "request_error.INVALID_CUSTOMER_ID", "Invalid customer ID.")
        customer = self.accounts.customers.get(customer_id)
        if customer is None:
            _refuse("UNAUTHENTICATED", "authentication_error.CUSTOMER_NOT_FOUND", "No customer found.")
        if login not in user.customers:
            _refuse(
                "PERMISSION_DENIED",
                "authorization_error.USER_PERMISSION_DENIED",
                "User doesn't have permission to access customer. Note: If you're accessing a client "
                "customer, the manager's customer id must be set in the 'login-customer-id' header.",
            )
        if login != customer_id and customer_id not in self.accounts.customers[login].clients:
            _refuse(
                "PERMISSION_DENIED",
                "authorization_error.INVALID_LOGIN_CUSTOMER_ID_SERVING_CUSTOMER_ID_COMBINATION",
                "The login customer specified does not have access to the account specified.",
            )
        if customer.status == "CANCELED":
            _refuse(
                "PERMISSION_DENIED",
                "authorization_error.CUSTOMER_NOT_ENABLED",
                "The customer account can't be accessed because it has been deactivated.",
            )
        if self.project.level == "test" and not customer.test_account:
            _refuse(
                "PERMISSION_DENIED",
                "authorization_error.CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION",
                "The Google Cloud project is only approved for use with test accounts.",
            )
        if is_write and not user.can_write:
            _refuse(
                "PERMISSION_DENIED",
                "authorization_error.ACTION_NOT_PERMITTED",
                "The user does not have permission to perform this action.",
            )
        self._count(operations)
        return user

    def _user(self, authorization: str) -> User:
        if not authorization:
            raise Refused("UNAUTHENTICATED", "Request is missing required authentication credential.")
        with self._lock:
            user, expires_at = self._tokens.get(authorization.removeprefix("Bearer "), (None, None))
        if user is None or expires_at is None or user.is_revoked or expires_at <= self.accounts.now():
            raise Refused("UNAUTHENTICATED", "Request had invalid authentication credentials.")
        return user

    def _count(self, operations: int) -> None:
        limit = self.project.operations_per_day
        if limit == -1:
            limit = OPERATIONS_PER_DAY[self.project.level]
        now = self.accounts.now()
        day = str(now.date())
        with self._lock:
            used = self.project.used.get(day, 0)
            if limit is not None and used + operations > limit:
                midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
                refusal = Refusal(
                    "quota_error.RESOURCE_EXHAUSTED",
                    "Too many requests. Retry later.",
                    retry_delay_s=(midnight - now).total_seconds(),
                )
                raise Refused("RESOURCE_EXHAUSTED", refusal.message, refusal)
            self.project.used[day] = used + operations


def _refuse(status: str, code: str, message: str) -> NoReturn:
    raise Refused(status, message, Refusal(code, message))
