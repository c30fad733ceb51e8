"""What load balancers and monitoring ask."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
import sqlalchemy as sa

from connector.bootstrap import Runtime
from connector.web.app import create_app
from connector.web.health import metrics_token
from tests.web.conftest import Person
from tests.web.shop import Shop

AWAY = "postgresql+psycopg://nobody@127.0.0.1:1/none"


@pytest.fixture
def without_database(rt: Runtime) -> Any:
    """The app while its database cannot be reached."""
    return create_app(Runtime(dataclasses.replace(rt.settings, database_url=AWAY)))


def test_it_is_alive_and_ready(anybody: Person) -> None:
    assert anybody.get("/healthz").text == "ok\n"
    answer = anybody.get("/readyz")
    assert (answer.status_code, answer.json) == (200, {"database": "ok", "redis": "ok"})


def test_without_its_database_it_is_alive_and_not_ready(without_database: Any) -> None:
    client = without_database.test_client()
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["database"]) == (503, "away")


def test_without_redis_it_is_ready_and_says_so(rt: Runtime) -> None:
    alone = Runtime(dataclasses.replace(rt.settings, redis_url="redis://127.0.0.1:1/0"))
    alone.__dict__["engine"] = rt.engine
    answer = create_app(alone).test_client().get("/readyz")
    assert (answer.status_code, answer.json["redis"]) == (200, "away (work is found later)")


def test_an_older_database_is_not_ready(rt: Runtime, anybody: Person) -> None:
    with rt.engine.connect() as db:
        present = db.execute(sa.text("select version_num from alembic_version")).scalar_one()
    try:
        _set_revision(rt, "0001" if present != "0001" else "")
        found = anybody.get("/readyz").json["database"]
        _set_revision(rt, "9999")
        newer = anybody.get("/readyz").json["database"]
    finally:
        _set_revision(rt, present)
    assert found == "older than this release: run dispo migrate"
    assert newer == "ok"


def _set_revision(rt: Runtime, revision: str) -> None:
    with rt.engine.begin() as db:
        db.execute(sa.text("delete from alembic_version"))
        if revision:
            db.execute(sa.text("insert into alembic_version values (:r)"), {"r": revision})


def test_metrics_count_what_waits_and_what_became_of_it(shop: Shop, anybody: Person) -> None:
    text = anybody.get("/metrics").text
    assert 'dispo_outbox_pending{topic="store.quantity"} 1.0' in text
    assert 'dispo_runs_day{status="held"} 1.0' in text
    assert 'dispo_messages_day{status="unknown"} 1.0' in text
    assert 'dispo_connections{status="active"} 5.0' in text
    assert "dispo_attempts_unknown 0.0" in text
    assert re.search(r'dispo_outbox_oldest_seconds\{topic="store.quantity"\} \d', text)


@pytest.mark.parametrize(
    ("token", "status"), [("", 404), ("Bearer wrong", 404), ("Bearer é", 404), ("right", 200)]
)
def test_metrics_from_elsewhere_need_the_token(rt: Runtime, anybody: Person, token: str, status: int) -> None:
    given = f"Bearer {metrics_token(rt)}" if token == "right" else token
    answer = anybody.get(
        "/metrics", environ_overrides={"REMOTE_ADDR": "203.0.113.7"}, headers={"Authorization": given}
    )
    assert answer.status_code == status


@pytest.mark.parametrize("language", ["en", "fr"])
def test_pages_without_the_database_say_so_in_words(without_database: Any, language: str) -> None:
    client = without_database.test_client()
    with client.session_transaction() as session:
        session["user"] = [1, 1, 1]
    answer = client.get("/", headers={"Accept-Language": language})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    said = {"en": "Dispo is not available just now", "fr": "Dispo n’est pas disponible en ce moment"}
    assert said[language] in answer.text
    assert "Traceback" not in answer.text


def test_a_sign_in_without_the_database_says_so(without_database: Any) -> None:
    person = Person(without_database.test_client())
    assert person.sign_in().status_code == 503
