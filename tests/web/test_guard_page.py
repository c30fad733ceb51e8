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


def _partly_held(shop: Shop, *pairs: tuple[int, int]) -> list[str]:
    """The held run as one of single rows that go from and to these quantities; the ids of the rows."""
    with shop.engine.begin() as db:
        db.execute(sa.text("update run set status = 'partly_held' where id = :r"), {"r": shop.held_run_id})
        db.execute(sa.text("delete from held_change where run_id = :r"), {"r": shop.held_run_id})
        return [
            str(
                db.execute(
                    sa.text("""
                        insert into held_change (merchant_id, run_id, source_id, item_key, reason, quantity_before,
                                                 quantity_after, row)
                        select merchant_id, id, source_id, :item, 'large_change', :before, :after,
                               jsonb_build_array('', '', '', cast(:after as int), false, false, null, null, null,
                                                 1, 7)
                          from run where id = :r returning id
                    """),
                    {"item": f"jump-{n}", "before": before, "after": after, "r": shop.held_run_id},
                ).scalar_one()
            )
            for n, (before, after) in enumerate(pairs)
        ]


def test_held_rows_are_approved_with_as_large_a_jump_from_now_on_listed_and_taken_back(
    owner: Person, shop: Shop, engine: sa.Engine
) -> None:
    first, second, _ = _partly_held(shop, (10, 9_000), (8_000, 0), (20, 7_000))
    here = f"/runs/{shop.held_run_id}/rows/always"
    assert "let these items jump" in owner.get(f"/runs/{shop.held_run_id}").text

    asked = owner.post(here, {"row": [first, second]}).text
    assert "jump-0: anywhere between 9 and 9,900" in asked
    assert "1 other ticked row is no jump" in asked
    assert owner.get("/suppliers/1/guard").text.count("jump-0") == 0, "only asked so far"

    owner.post(here, {"row": [first], "sure": "1"})

    with engine.connect() as db:
        rows = db.execute(sa.text("select item_key, status from held_change where run_id = :r order by id"),
                          {"r": shop.held_run_id}).all()  # fmt: skip
    assert [("jump-0", "approved"), ("jump-1", "held"), ("jump-2", "held")] == rows
    page = owner.get("/suppliers/1/guard").text
    assert "9–9,900" in page
    owner.post("/suppliers/1/guard/items/revoke", {"item": "jump-0"})
    assert "9–9,900" not in owner.get("/suppliers/1/guard").text


def test_rows_that_are_no_jump_are_approved_once_only(owner: Person, shop: Shop, engine: sa.Engine) -> None:
    (row,) = _partly_held(shop, (8_000, 0))
    assert 303 == owner.post(f"/runs/{shop.held_run_id}/rows/always", {"row": [row], "sure": "1"}).status_code
    with engine.connect() as db:
        assert 0 == db.execute(sa.text("select count(*) from item_band")).scalar_one()
        assert "held" == db.execute(sa.text("select status from held_change where id = :i"), {"i": int(row)}
                                    ).scalar_one()  # fmt: skip
