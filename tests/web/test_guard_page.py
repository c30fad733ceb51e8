"""What is usual at a supplier, and approving a reason for good."""

from __future__ import annotations

import json

import sqlalchemy as sa

from tests.web.conftest import Person
from tests.web.shop import Shop

HOLDS = [
    {
        "code": "rows_vanished",
        "sentence": "The file has 480 rows where the last one had 1,000.",
        "value": 0.52,
    }
]


def _holds(engine: sa.Engine, run_id: int, holds: list[dict[str, object]]) -> None:
    with engine.begin() as db:
        db.execute(
            sa.text("update run set shape = cast(:shape as jsonb) where id = :run"),
            {"shape": json.dumps({"holds": holds}), "run": run_id},
        )


def _allowed(engine: sa.Engine) -> dict[str, float]:
    with engine.connect() as db:
        stored = db.execute(sa.text("select allowed from source where id = 1")).scalar_one()
    return {code: one["value"] for code, one in stored.items()}


def test_a_reason_is_approved_for_good_shown_and_taken_back(
    owner: Person, shop: Shop, engine: sa.Engine
) -> None:
    _holds(engine, shop.held_run_id, HOLDS)
    assert "Approve always for this reason" in owner.get(f"/runs/{shop.held_run_id}").text
    assert "Many rows are gone" in owner.get(f"/runs/{shop.held_run_id}/always").text

    owner.post(f"/runs/{shop.held_run_id}/always")

    assert {"rows_vanished": 0.572} == _allowed(engine)
    page = owner.get("/suppliers/1/guard").text
    assert "Many rows are gone" in page
    assert "57 %" in page
    owner.post("/suppliers/1/guard/rows_vanished/revoke")
    assert {} == _allowed(engine)
    with engine.connect() as db:
        events = db.execute(sa.text("select action from audit_event order by id")).scalars().all()
    assert ["source.allow", "run.approve", "source.disallow"] == [
        one for one in events if one.split(".")[0] in ("source", "run")
    ]


def test_what_is_asked_every_time_cannot_be_approved_for_good(
    owner: Person, shop: Shop, engine: sa.Engine
) -> None:
    _holds(engine, shop.held_run_id, [{"code": "all_equal", "sentence": "All 810 rows are 0.", "value": 1.0}])

    assert "Approve always" not in owner.get(f"/runs/{shop.held_run_id}").text
    owner.post(f"/runs/{shop.held_run_id}/always")

    assert {} == _allowed(engine)
    with engine.connect() as db:
        status = db.execute(
            sa.text("select status from run where id = :r"), {"r": shop.held_run_id}
        ).scalar_one()
    assert "held" == status


def test_a_stranger_sees_and_changes_nothing(stranger: Person, shop: Shop, engine: sa.Engine) -> None:
    _holds(engine, shop.held_run_id, HOLDS)

    assert [404, 404] == [
        stranger.get(path).status_code for path in ("/suppliers/1/guard", f"/runs/{shop.held_run_id}/always")
    ]
    assert 404 == stranger.post(f"/runs/{shop.held_run_id}/always").status_code
    assert {} == _allowed(engine)
