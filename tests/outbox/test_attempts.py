"""Frozen requests and their keys."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from connector.db import transaction
from connector.outbox import attempts
from connector.outbox.attempts import Attempt, AttemptMoved
from tests.outbox.support import run

BODY = {"quantities": [{"id": "gid://1", "quantity": 3}], "name": "naïve"}


def freeze(engine: sa.Engine, body: dict[str, object] | None = None, connection: int = 7) -> Attempt:
    with transaction(engine) as db:
        return attempts.freeze(db, 1, connection, "push", "set_quantities", body or BODY)


def move(engine: sa.Engine, verb: object, attempt: Attempt, *note: str) -> Attempt:
    with transaction(engine) as db:
        return verb(db, attempt, *note)  # type: ignore[operator, no-any-return]


def opened(engine: sa.Engine, connection: int = 7, merchant: int = 1) -> list[Attempt]:
    with transaction(engine) as db:
        return attempts.open_attempts(db, merchant, connection, "push")


def test_a_frozen_request_comes_back_as_it_was(engine: sa.Engine) -> None:
    attempt = freeze(engine)
    assert (attempt.request, attempt.status, attempt.generation, attempt.sent_at) == (BODY, "frozen", 0, None)
    key = uuid.uuid5(attempts.NAMESPACE, f"1:{attempt.id}:{attempt.digest}:0")
    assert attempt.idempotency_key == key
    assert move(engine, attempts.mark_sent, attempt).request == BODY


def test_the_digest_knows_content_and_operation_but_not_the_order_of_names(engine: sa.Engine) -> None:
    digest = freeze(engine, {"a": 1, "b": 2}).digest
    assert freeze(engine, {"b": 2, "a": 1}).digest == digest
    assert freeze(engine, {"a": 1, "b": 3}).digest != digest
    with transaction(engine) as db:
        assert attempts.freeze(db, 1, 7, "push", "other", {"a": 1, "b": 2}).digest != digest


def test_the_same_request_twice_has_two_keys(engine: sa.Engine) -> None:
    """Setting 3 again after somebody else changed it is a new effect, not a repetition."""
    assert freeze(engine).idempotency_key != freeze(engine).idempotency_key


def test_a_body_that_is_no_json_is_refused(engine: sa.Engine) -> None:
    with pytest.raises(TypeError):
        freeze(engine, {"when": object()})
    with pytest.raises(ValueError, match="JSON"):
        freeze(engine, {"rate": float("nan")})
    assert run(engine, "select count(*) from delivery_attempt") == 0


def test_what_may_have_left_is_open_until_it_is_settled(engine: sa.Engine) -> None:
    never_left, sent, lost, done, refused = (freeze(engine) for _ in range(5))
    freeze(engine, connection=8)
    sent, lost, done, refused = (move(engine, attempts.mark_sent, a) for a in (sent, lost, done, refused))
    lost = move(engine, attempts.unknown, lost, "timeout")
    move(engine, attempts.succeed, done)
    move(engine, attempts.fail, refused, "422")
    assert [(a.id, a.status) for a in opened(engine)] == [(sent.id, "sent"), (lost.id, "unknown")]
    assert opened(engine, connection=8) == []
    assert opened(engine, merchant=2) == []
    again = move(engine, attempts.mark_sent, lost)
    assert (again.idempotency_key, again.request) == (lost.idempotency_key, lost.request)
    move(engine, attempts.resolve, again, "read back: 3")
    move(engine, attempts.succeed, sent)
    assert opened(engine) == []
    with transaction(engine) as db:
        assert attempts.discard_frozen(db, 1, 7, "push") == 1
    assert run(engine, "select status from delivery_attempt where id = :i", i=never_left.id) == "failed"
    assert run(engine, "select status from delivery_attempt where connection_id = 8") == "frozen"


def test_a_spent_key_is_replaced_for_the_same_request(engine: sa.Engine) -> None:
    first = move(engine, attempts.mark_sent, freeze(engine))
    second = move(engine, attempts.next_generation, first)
    assert (second.id, second.request, second.digest) == (first.id, first.request, first.digest)
    assert (second.generation, second.status) == (1, "frozen")
    assert second.idempotency_key == uuid.uuid5(attempts.NAMESPACE, f"1:{first.id}:{first.digest}:1")
    assert second.idempotency_key != first.idempotency_key


@pytest.mark.parametrize("verb", ["mark_sent", "next_generation"])
def test_a_settled_attempt_is_never_sent_again(engine: sa.Engine, verb: str) -> None:
    sent = move(engine, attempts.mark_sent, freeze(engine))
    move(engine, attempts.succeed, sent)
    with pytest.raises(AttemptMoved, match="another worker"):
        move(engine, getattr(attempts, verb), sent)
    assert run(engine, "select status from delivery_attempt") == "succeeded"


def test_a_late_answer_to_an_old_key_changes_nothing(engine: sa.Engine) -> None:
    first = move(engine, attempts.mark_sent, freeze(engine))
    second = move(engine, attempts.mark_sent, move(engine, attempts.next_generation, first))
    with pytest.raises(AttemptMoved):
        move(engine, attempts.fail, first, "too late")
    assert [a.idempotency_key for a in opened(engine)] == [second.idempotency_key]


def test_settled_attempts_are_pruned_by_age_and_open_ones_stay(engine: sa.Engine) -> None:
    old, young, lost = (move(engine, attempts.mark_sent, freeze(engine)) for _ in range(3))
    move(engine, attempts.succeed, old)
    run(
        engine,
        "update delivery_attempt set settled_at = now() - interval '8 days' where settled_at is not null",
    )
    move(engine, attempts.succeed, young)
    move(engine, attempts.unknown, lost, "timeout")
    run(engine, "update delivery_attempt set created_at = now() - interval '99 days'")
    assert attempts.prune(engine, timedelta(days=7)) == 1
    assert run(engine, "select array_agg(id order by id) from delivery_attempt") == [young.id, lost.id]
