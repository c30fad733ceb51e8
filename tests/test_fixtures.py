"""The fixtures keep their own promises: the other tests depend on them."""

from __future__ import annotations

import socket
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from tests.support import ManualClock, require


@pytest.mark.parametrize("attempt", [1, 2])
def test_each_test_finds_an_empty_database_and_ids_from_one(engine: sa.Engine, attempt: int) -> None:
    with engine.begin() as connection:
        count = connection.execute(sa.text("SELECT count(*) FROM merchant")).scalar_one()
        assert count == 0
        found = connection.execute(
            sa.text("SELECT last_value FROM pg_sequences WHERE sequencename LIKE 'merchant%'")
        ).scalars()
        assert set(found) <= {None}


def test_the_shared_database_is_migrated(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM alembic_version")).scalar_one() == 1


def test_a_fresh_database_has_the_tables_and_an_empty_one_has_none(
    fresh_database_url: str, empty_database_url: str
) -> None:
    def tables(url: str) -> set[str]:
        engine = sa.create_engine(url)
        try:
            return set(sa.inspect(engine).get_table_names())
        finally:
            engine.dispose()

    assert "merchant" in tables(fresh_database_url)
    assert tables(empty_database_url) == set()


def test_connections_out_of_this_machine_are_refused() -> None:
    with (
        socket.socket() as outside,
        pytest.raises(PermissionError, match=r"A test tried to reach 192\.0\.2\.1:80"),
    ):
        outside.connect(("192.0.2.1", 80))


def test_the_clock_moves_only_when_told_and_never_back() -> None:
    clock = ManualClock()
    assert clock.now() == datetime(2026, 1, 5, 9, tzinfo=UTC)
    assert clock.advance(days=1, minutes=30) == datetime(2026, 1, 6, 9, 30, tzinfo=UTC)
    assert clock() == clock.now()
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(seconds=-1)


def test_a_missing_program_skips_here_and_fails_in_continuous_integration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI", "false")
    with pytest.raises(pytest.skip.Exception, match="'no-such-program' is not installed"):
        require("no-such-program")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="'no-such-program' is not installed"):
        require("no-such-program")


@pytest.mark.browser
def test_the_browser_shows_a_page(browser_page: object) -> None:
    browser_page.goto("data:text/html,<title>Dispo</title>")  # type: ignore[attr-defined]
    assert browser_page.title() == "Dispo"  # type: ignore[attr-defined]
