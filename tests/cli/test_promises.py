"""dispo promises says whether restock dates were kept, and is no rate before enough are known."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.cli.conftest import Dispo

_PROMISES = sa.text("""
    insert into promise (merchant_id, variant_id, shown_at, first_shown_on, latest_shown_on, basis,
                         connection_id, restocked_at, is_kept)
    select :m, n, now(), current_date, current_date, 'stated', 7, now(), n <= :kept
      from generate_series(1, :all) as n
""")


@pytest.mark.parametrize(
    ("known", "kept", "said", "verdict"),
    [
        pytest.param(29, 29, "not measured", "target", id="too few to be a rate"),
        pytest.param(40, 20, "50.0% (35%–65%)", "missed", id="a rate with its interval"),
        pytest.param(200, 200, "100.0% (98%–100%)", "kept", id="without doubt"),
    ],
)
def test_a_rate_is_told_once_enough_is_known(
    dispo: Dispo, merchant: int, engine: sa.Engine, known: int, kept: int, said: str, verdict: str
) -> None:
    assert "No restock date was shown yet." in dispo("promises").out
    with engine.begin() as db:
        db.execute(_PROMISES, {"m": merchant, "kept": kept, "all": known})

    text, (row,) = dispo("promises").out, dispo("promises", "--json").json

    assert said in text
    assert (row["connection_id"], row["known"], row["kept"], row["verdict"], row["target"]) == (
        7,
        known,
        kept,
        verdict,
        0.95,
    )
