"""`dispo channel`: a merchant's own mail server."""

from __future__ import annotations

from simulator.mailbox import Mailbox
from tests.cli.conftest import Dispo
from tests.support import free_port


def connect(dispo: Dispo, port: int):  # type: ignore[no-untyped-def]
    return dispo(
        "channel", "connect", "email", "--set", "host=127.0.0.1", "--set", f"port={port}",
        "--set", "security=none", "--set", "from_address=stock@shop.example", "--json",
    )  # fmt: skip


def test_a_mail_server_is_checked_and_kept(dispo: Dispo, merchant: int) -> None:
    with Mailbox() as mailbox:
        ran = connect(dispo, mailbox.port)

        assert 0 == ran.code, ran.err
        assert ["active"] == [one["status"] for one in dispo("channel", "list", "--json").json]
        assert [] == mailbox.inbox()


def test_a_mail_server_that_does_not_answer_is_named_and_not_kept(dispo: Dispo, merchant: int) -> None:
    port = free_port()

    ran = connect(dispo, port)

    assert 1 == ran.code
    assert f"127.0.0.1:{port}" in ran.err
    assert [] == dispo("channel", "list", "--json").json
