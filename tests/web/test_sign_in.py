"""Signing in, staying signed in, and everything that must not."""

from __future__ import annotations

from tests.web.conftest import PASSWORD, Person


def test_the_owner_signs_in_and_sees_the_overview(owner: Person) -> None:
    answer = owner.get("/")
    assert answer.status_code == 200
    assert "<h1>Overview</h1>" in answer.text


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(shop: object, anybody: Person) -> None:
    wrong = anybody.sign_in(password="not the password")
    unknown = anybody.sign_in(email="nobody@shop.test", password="not the password")
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert "Address and password do not fit." in wrong.text
    assert wrong.text.replace("owner@", "nobody@").count("nobody@shop.test") == unknown.text.count(
        "nobody@shop.test"
    )
    assert PASSWORD not in wrong.text
