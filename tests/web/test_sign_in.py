"""Signing in, staying signed in, and everything that must not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from connector.accounts.merchants import set_password
from connector.bootstrap import Runtime
from connector.web import auth
from connector.web.app import create_app
from tests.web.conftest import PASSWORD, Person
from tests.web.shop import Shop


def test_the_owner_signs_in_and_sees_the_overview(owner: Person) -> None:
    answer = owner.get("/")
    assert answer.status_code == 200
    assert "<h1>Overview</h1>" in answer.text


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(shop: Shop, anybody: Person) -> None:
    wrong = anybody.sign_in(password="not the password")
    unknown = anybody.sign_in(email="nobody@shop.test", password="not the password")
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert "Address and password do not fit." in wrong.text

    def without_secrets(answer: Any) -> str:
        lines = answer.text.replace("nobody@shop.test", "owner@shop.test").splitlines()
        return "\n".join(line for line in lines if "csrf_token" not in line and "nonce" not in line)

    assert without_secrets(unknown) == without_secrets(wrong)


def test_the_tenth_wrong_password_is_the_last_one_answered(shop: Shop, anybody: Person) -> None:
    codes = [anybody.sign_in(password="wrong wrong wrong").status_code for _ in range(11)]
    assert codes == [401] * 10 + [429]
    refused = anybody.sign_in()
    assert refused.status_code == 429
    assert "Too many attempts." in refused.text
    assert int(refused.headers["Retry-After"]) > 0


def test_other_addresses_may_sign_in_while_one_is_guessed(
    shop: Shop, anybody: Person, redis: Any, second_browser: Callable[[], Person]
) -> None:
    for _ in range(11):
        anybody.sign_in(email="victim@shop.test", password="wrong wrong wrong")
    assert second_browser().sign_in().status_code == 303


@pytest.fixture(autouse=True)
def _count_anew(redis: Any) -> None:
    redis.flushall()


def test_without_redis_attempts_are_still_counted(rt: Runtime, shop: Shop) -> None:
    settings = dataclasses.replace(rt.settings, redis_url="redis://127.0.0.1:1/0")
    alone = Runtime(settings)
    alone.__dict__["engine"] = rt.engine
    person = Person(create_app(alone).test_client())
    codes = [person.sign_in(password="wrong wrong wrong").status_code for _ in range(11)]
    assert codes == [401] * 10 + [429]


def test_a_new_password_ends_every_session(owner: Person, shop: Shop) -> None:
    assert owner.get("/").status_code == 200
    with shop.engine.begin() as db:
        set_password(db, "owner@shop.test", "another battery staple")
    answer = owner.get("/")
    assert (answer.status_code, answer.location) == (303, "/sign-in")


def test_changing_the_password_keeps_this_session_and_ends_the_others(
    owner: Person, second_browser: Callable[[], Person]
) -> None:
    elsewhere = second_browser()
    elsewhere.sign_in()
    owner.post("/settings/password", {"current": PASSWORD, "new": "another battery staple"})
    assert owner.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 303
    assert second_browser().sign_in(password="another battery staple").status_code == 303


@pytest.mark.parametrize(
    ("current", "new", "said"),
    [
        ("not it at all", "another battery staple", "The present password does not fit."),
        (PASSWORD, "short", "The new password needs at least 10 characters."),
    ],
    ids=["wrong present password", "too short"],
)
def test_a_password_that_will_not_do_changes_nothing(
    owner: Person, second_browser: Callable[[], Person], current: str, new: str, said: str
) -> None:
    answer = owner.post("/settings/password", {"current": current, "new": new}, follow_redirects=True)
    assert said in answer.text
    assert second_browser().sign_in().status_code == 303


def test_the_cookie_is_closed_to_scripts_and_other_sites(owner: Person) -> None:
    (cookie,) = [
        value for name, value in owner.sign_in_headers if name == "Set-Cookie" and value.startswith("dispo=")
    ]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie  # this installation has a plain address


def test_behind_tls_the_cookie_is_bound_to_this_host(rt: Runtime, shop: Shop) -> None:
    secure = Runtime(dataclasses.replace(rt.settings, base_url="https://dispo.shop.test"))
    secure.__dict__["engine"] = rt.engine
    answer = create_app(secure).test_client().get("/sign-in", base_url="https://dispo.shop.test")
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-dispo=")
    assert "Secure; HttpOnly; Path=/; SameSite=Lax" in cookie
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_forged_cookie_is_nobody(shop: Shop, anybody: Person) -> None:
    anybody.client.set_cookie("dispo", "eyJ1c2VyIjpbMSwxLDFdfQ.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb")
    assert anybody.get("/").location == "/sign-in"


def test_signing_out_ends_the_session(owner: Person) -> None:
    assert owner.post("/sign-out").location == "/sign-in"
    assert owner.get("/products").location == "/sign-in?next=/products"


@pytest.mark.parametrize(
    ("asked", "goes"),
    [
        ("/products?state=low_stock", "/products?state=low_stock"),
        ("https://evil.test/", "/"),
        ("//evil.test/", "/"),
        ("/\\evil.test", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
        ("", "/"),
    ],
)
def test_after_signing_in_nobody_is_sent_elsewhere(
    shop: Shop, anybody: Person, asked: str, goes: str
) -> None:
    answer = anybody.client.post(
        "/sign-in",
        query_string={"next": asked},
        data={"csrf_token": anybody.token(), "email": "owner@shop.test", "password": PASSWORD},
    )
    assert (answer.status_code, answer.location) == (303, goes)


def test_a_form_without_its_token_changes_nothing(owner: Person, shop: Shop) -> None:
    answer = owner.client.post("/connections/freeze")
    assert answer.status_code == 400
    assert "This form is out of date" in answer.text
    with shop.engine.connect() as db:
        assert db.execute(sa.text("select is_frozen from merchant")).scalar_one() is False


def test_a_sign_in_is_in_the_log(owner: Person) -> None:
    assert "signed in" in owner.get("/log").text


@pytest.fixture
def demo(rt: Runtime) -> Runtime:
    runtime = Runtime(dataclasses.replace(rt.settings, is_demo=True))
    runtime.__dict__["engine"] = rt.engine
    return runtime


def test_the_demonstration_is_open_from_this_machine(demo: Runtime, shop: Shop) -> None:
    (demo.data_dir / "demo.json").write_text('{"mailbox": "http://127.0.0.1:1025/", "odd": "javascript:1"}')
    client = create_app(demo).test_client()
    assert client.get("/demo").location == "/"
    text = client.get("/").text
    assert '<a href="http://127.0.0.1:1025/"' in text
    assert "javascript:1" not in text


@pytest.mark.parametrize(
    ("environ", "headers"),
    [
        ({"REMOTE_ADDR": "203.0.113.7"}, {}),
        ({"REMOTE_ADDR": "203.0.113.7"}, {"X-Forwarded-For": "127.0.0.1"}),
        ({"REMOTE_ADDR": "127.0.0.1"}, {"X-Forwarded-For": "203.0.113.7"}),
        ({"REMOTE_ADDR": ""}, {}),
    ],
    ids=["elsewhere", "elsewhere with a header", "through a proxy here", "no peer"],
)
def test_the_demonstration_is_closed_to_others(
    demo: Runtime, shop: Shop, environ: dict[str, str], headers: dict[str, str]
) -> None:
    client = create_app(demo).test_client()
    answer = client.get("/demo", environ_overrides=environ, headers=headers)
    assert answer.status_code == 404
    assert client.get("/").location == "/sign-in"


def test_without_a_demonstration_there_is_no_open_door(shop: Shop, anybody: Person) -> None:
    assert anybody.get("/demo").status_code == 404
    assert "/demo" not in anybody.get("/sign-in").text


def test_a_demonstration_that_has_not_begun_says_so(demo: Runtime, engine: sa.Engine) -> None:
    answer = create_app(demo).test_client().get("/demo")
    assert (answer.status_code, answer.headers["Refresh"]) == (503, "2")


def test_the_language_follows_the_browser_until_it_is_chosen(shop: Shop, anybody: Person) -> None:
    french = {"Accept-Language": "fr-CA,fr;q=0.9,en;q=0.5"}
    assert '<html lang="fr">' in anybody.get("/sign-in", headers=french).text
    assert '<html lang="en">' in anybody.get("/sign-in", headers={"Accept-Language": "de"}).text
    answer = anybody.post("/language", {"locale": "en", "next": "/sign-in"})
    assert answer.location == "/sign-in"
    assert '<html lang="en">' in anybody.get("/sign-in", headers=french).text


def test_a_signed_in_language_is_kept_with_the_person(
    owner: Person, second_browser: Callable[[], Person]
) -> None:
    owner.post("/language", {"locale": "fr"})
    elsewhere = second_browser()
    elsewhere.sign_in()
    assert "<h1>Accueil</h1>" in elsewhere.get("/").text


def test_everything_is_closed_unless_it_is_named_open(app: Any) -> None:
    named = {
        "auth", "bigcommerce_app", "channel_hooks", "feeds", "handover", "health", "order_answers",
        "people_of_shop", "push_pages", "shopify_app", "static_files", "storefront",
    }  # fmt: skip
    assert frozenset(named) == auth.PUBLIC
