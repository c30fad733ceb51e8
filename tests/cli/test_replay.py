"""Past files on the command line."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Dispo


def test_a_past_file_is_looked_at_fetched_and_applied_when_meant(
    dispo: Dispo, merchant: int, tmp_path: Path
) -> None:
    stock = tmp_path / "stock.csv"
    assert dispo("supplier", "connect", "upload", "Acme").code == 0
    for units in (5, 4):
        stock.write_text(f"SKU,Stock\nA-1,{units}\nB-2,7\n", encoding="utf-8")
        assert dispo("supplier", "upload", "1", str(stock)).code == 0

    seen = dispo("runs", "replay", "1", "--json").json
    refused = dispo("runs", "replay", "1", "--apply")
    fetched = dispo("runs", "file", "1", "-o", str(tmp_path / "first.csv"))
    meant = dispo("runs", "replay", "1", "--apply", "--older", "--json")
    why = dispo("why", "b-2")

    assert (seen["rows"], seen["observed"]["up"], seen["effect"]["concerned"]) == (2, 1, 0)
    assert refused.code == 1
    assert "--older" in refused.err
    assert (fetched.code, (tmp_path / "first.csv").read_text(encoding="utf-8")) == (
        0,
        "SKU,Stock\nA-1,5\nB-2,7\n",
    )
    assert (meant.code, meant.json["status"], meant.json["rows_changed"]) == (0, "applied", 1)
    assert "Acme lists it (run 1, line 3), but no product has this code" in why.out
    assert dispo("runs", "file", "99").code == 1
