"""dispo search: connect, look, findings, dismiss, disconnect, against the simulated Search Console."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from connector.catalog.pages import page_key
from connector.positions.tables import Position
from simulator.search_console import Page, SearchConsoleServer, product_page
from tests.builders import World
from tests.cli.conftest import Dispo


def test_from_connecting_to_disconnecting(dispo: Dispo, engine: sa.Engine, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with SearchConsoleServer() as server:
        world = World(engine, now=now)
        variant_id = world.variant("vase", title="Vase")
        with engine.begin() as db:
            db.execute(
                sa.insert(Position.__table__).values(  # type: ignore[attr-defined]
                    merchant_id=world.merchant_id,
                    variant_id=variant_id,
                    out_since=now - timedelta(days=50),
                    decided_at=now,
                    why={},
                )
            )
        url = server.page_url("vase")
        world.listing(world.store(), variant_id, 0, title="Vase", url=url, page_key=page_key(url))
        traffic = {now.date() - timedelta(days=6): (9, 70)}
        server.pages["vase"] = Page(html=product_page("Vase", "OutOfStock"), traffic=traffic)
        config, secrets = server.connection()
        key = tmp_path / "key.json"
        key.write_text(secrets["service_account_key"])
        hosts = {"DISPO_ALLOWED_PRIVATE_HOSTS": ",".join(server.hosts)}
        pairs = [f"--set={name}={value}" for name, value in config.items()]

        made = dispo(
            "search",
            "connect",
            "google",
            *pairs,
            f"--secret-file=service_account_key={key}",
            "--json",
            **hosts,
        )
        assert (0, "") == (made.code, made.err)
        site = str(made.json["connection_id"])
        assert (server.site, server.email) == (made.json["site"], made.json["account"])
        looked = dispo("search", "look", site, "--most", "5", "--json", **hosts)
        assert (1, 0) == (looked.json["inspected"], looked.json["waiting"])

    (finding,) = dispo("search", "findings", "--json").json
    assert ("sold_out", "undated", url, 9) == tuple(
        finding[name] for name in ("kind", "cause", "url", "clicks")
    )
    assert "redirect the address" in finding["remedy"]
    assert "sold_out" in dispo("search", "findings").out
    assert 0 == dispo("search", "dismiss", str(finding["id"])).code
    assert [] == dispo("search", "findings", "--json").json
    assert 0 == dispo("search", "dismiss", str(finding["id"]), "--undo").code
    assert 0 == dispo("search", "days", "51").code
    assert [] == dispo("search", "findings", "--json").json
    assert [finding["id"]] == [
        one["id"] for one in dispo("search", "findings", "--state", "closed", "--json").json
    ]
    refused = dispo("search", "dismiss", str(finding["id"]))
    assert (1, True) == (refused.code, "There is no open finding" in refused.err)
    assert 0 == dispo("search", "disconnect", site).code
    assert [] == dispo("search", "list", "--json").json
    assert 1 == dispo("search", "look", site).code
