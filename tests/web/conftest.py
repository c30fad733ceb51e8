"""The app on this worker's database, signed in or not, and a merchant with something to see."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from connector.accounts.tables import User
from connector.bootstrap import Runtime
from connector.settings import Settings
from connector.web.app import create_app
from tests.kept import KeptWorld
from tests.web.shop import Shop

PASSWORD = "correct horse battery"
# A real hash costs a tenth of a second for each test, on purpose; here it would only cost time.
_HASH = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")


def add_person(shop: Shop, email: str, locale: str = "") -> None:
    """Somebody who may sign in for this shop with PASSWORD."""
    shop.add(User, email=email, password_hash=_HASH, locale=locale, created_at=shop.now)


def _open_shop(engine: sa.Engine, now: datetime) -> Shop:
    made = Shop(engine, now)
    add_person(made, "owner@shop.test", "en")
    return made


# More than sixty rows: made one by one, they take longer than what most tests do with them.
SHOP = KeptWorld(_open_shop)


@pytest.fixture
def rt(settings: Settings, engine: sa.Engine) -> Iterator[Runtime]:
    """A runtime on the shared engine."""
    runtime = Runtime(settings)
    runtime.__dict__["engine"] = engine  # the shared pool: nothing to dispose of
    yield runtime


@pytest.fixture
def app(rt: Runtime) -> Any:
    return create_app(rt)


@pytest.fixture
def shop(engine: sa.Engine, rt: Runtime) -> Shop:
    """A merchant with a store, suppliers, products, runs, shoppers and ads; owner@shop.test signs in."""
    made: Shop = SHOP.put(engine, rt.now())
    return made


class Person:
    """Somebody with a browser: `get` and `post` (with the page's own token)."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.sign_in_headers: list[tuple[str, str]] = []
        self._token = ("", "")

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, **options)

    def token(self) -> str:
        """The token of the sign-in page or, signed in, of a page of the session; asked for once a session, as
        by a browser that posts several forms of one page."""
        cookie = self.client.get_cookie("dispo") or self.client.get_cookie("__Host-dispo")
        if cookie is None or cookie.value != self._token[0]:
            answer = self.client.get("/sign-in")
            if answer.location is not None:
                answer = self.client.get("/settings", follow_redirects=True)
            found = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
            assert found is not None, answer.text
            cookie = self.client.get_cookie("dispo") or self.client.get_cookie("__Host-dispo")
            self._token = (cookie.value if cookie else "", found.group(1))
        return self._token[1]

    def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.token(), **(data or {})}, **options)

    def sign_in(self, email: str = "owner@shop.test", password: str = PASSWORD) -> TestResponse:
        answer = self.post("/sign-in", {"email": email, "password": password})
        self.sign_in_headers = list(answer.headers)
        return answer


@pytest.fixture
def anybody(app: Any) -> Person:
    """Nobody signed in."""
    return Person(app.test_client())


@pytest.fixture
def owner(app: Any, shop: Shop) -> Person:
    """The shop's owner, signed in."""
    person = Person(app.test_client())
    assert person.sign_in().status_code == 303
    return person


@pytest.fixture
def stranger(app: Any, engine: sa.Engine, rt: Runtime) -> Person:
    """Another merchant's owner, signed in."""
    other = Shop(engine, rt.now(), is_empty=True)
    add_person(other, "stranger@other.test")
    person = Person(app.test_client())
    assert person.sign_in("stranger@other.test").status_code == 303
    return person


@pytest.fixture
def second_browser(app: Any) -> Callable[[], Person]:
    """Further browsers of the same app."""
    return lambda: Person(app.test_client())
