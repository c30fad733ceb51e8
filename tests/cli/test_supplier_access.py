"""A supplier's server by SFTP whose key changes, and a token for one who sends."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import sqlalchemy as sa

from tests.adapters.transports.servers import PASSWORD, USER, SftpTwin
from tests.adapters.transports.sources import put
from tests.cli.conftest import Dispo


def test_a_server_with_a_new_key_is_read_again_only_after_a_person_accepted_it(
    dispo: Dispo, merchant: int, engine: sa.Engine, tmp_path: Path
) -> None:
    root = tmp_path / "served"
    put(root / "stock_1.csv", b"sku,stock\nA,1\nB,2\n")
    twin = SftpTwin(root)
    try:
        connected = dispo(
            "supplier", "connect", "sftp", f"sftp://127.0.0.1:{twin.port}/stock_*.csv", "--name", "Nord",
            "--set", f"username={USER}", "--json", DISPO_SECRET_PASSWORD=PASSWORD,
        )  # fmt: skip
        assert 0 == connected.code, connected.err
        supplier = str(connected.json["supplier"])
        first = f"ssh-ed25519 {twin.host_key.get_fingerprint()}"
        with engine.connect() as db:
            kept = db.execute(sa.text("select config ->> 'host_key' from connection where name = 'Nord'"))
            assert first == kept.scalar_one()

        twin.restart_with_key(asyncssh.generate_private_key("ssh-ed25519"))
        second = f"ssh-ed25519 {twin.host_key.get_fingerprint()}"
        refused = dispo("sync", "--json")
        assert 1 == refused.code
        assert first in refused.json["errors"][0] and second in refused.json["errors"][0]

        accepted = dispo("supplier", "accept-key", supplier, "--yes", "--json")
        assert (0, {"host_key": second}) == (accepted.code, accepted.json)
        ran = dispo("sync", "--json")
        assert ["applied"] == [run["status"] for run in ran.json["runs"]]
        again = dispo("supplier", "accept-key", supplier, "--yes")
        assert 1 == again.code and "No new key waits" in again.err
    finally:
        twin.stop()


def test_a_supplier_who_sends_gets_a_token(dispo: Dispo, merchant: int) -> None:
    connected = dispo("supplier", "connect", "push", "Sud", "--json")
    assert 0 == connected.code, connected.err
    made = dispo("supplier", "push-token", str(connected.json["supplier"]), "--json")
    assert made.json["token"].startswith("dispo_push_")
    assert "/feeds/" in made.json["address"]
    unknown = dispo("supplier", "push-token", "999")
    assert 1 == unknown.code and "There is no supplier 999." in unknown.err
