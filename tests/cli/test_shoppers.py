"""dispo shoppers: who waits, what alerts came to, settings, and people brought along and taken back."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.cli.conftest import Dispo, Ran

FIRST, SECOND = "ada@example.com", "bob@example.com"


@pytest.fixture
def store_id(engine: sa.Engine, merchant: int) -> int:
    """A store with a mug that is sold out and a vase that is in stock; two people wait for the mug, the second of
    them with priority; a third was told and bought two."""
    given = {"m": merchant}
    with engine.begin() as db:
        store = db.execute(
            sa.text("""
                insert into connection (merchant_id, kind, adapter, name, config, public_key, created_at)
                values (:m, 'store', 'woocommerce', 'Shop', '{}', 'pk', now()) returning id
            """),
            given,
        ).scalar_one()
        db.execute(
            sa.text("""
                with made as (
                  insert into variant (merchant_id, sku, sku_key, title)
                  values (:m, 'MUG', 'mug', 'Mug'), (:m, 'VASE', 'vase', 'Vase') returning id, sku
                ), listed as (
                  insert into listing (merchant_id, connection_id, variant_id, external_id, product_id, stock_id, sku,
                                       title, is_managed, confirmed_available, seen_at)
                  select :m, :c, id, sku, sku, sku, sku, sku, true, 0, now() from made
                ), placed as (
                  insert into position (merchant_id, variant_id, available, state, decided_at, why)
                  select :m, id, case sku when 'VASE' then 4 else 0 end,
                         case sku when 'VASE' then 'in_stock' else 'out_of_stock' end, now(), '{}' from made
                ), people as (
                  insert into subscription (merchant_id, variant_id, connection_id, address, address_key, status,
                                            wanted_units, priority, created_at, confirmed_at)
                  select :m, made.id, :c, address, address, status, units, priority, now(), now()
                    from made, (values ('ada@example.com', 'waiting', 1, 0), ('bob@example.com', 'waiting', 3, 1),
                                       ('cyd@example.com', 'fulfilled', 2, 0)) p(address, status, units, priority)
                   where sku = 'MUG' returning id, variant_id, address
                ), back as (
                  insert into episode (merchant_id, variant_id, opened_at, units_at_open)
                  select :m, id, now(), 5 from made where sku = 'MUG' returning id
                ), told as (
                  insert into invitation (merchant_id, subscription_id, episode_id, variant_id, claim_rate, created_at,
                                          clicked_at, order_id, ordered_at, order_units, order_minor, order_currency)
                  select :m, people.id, back.id, variant_id, 0.2, now(), now(), '77', now(), 2, 3998, 'EUR'
                    from people, back where address = 'cyd@example.com' returning id, subscription_id
                )
                insert into message (merchant_id, kind, subscription_id, invitation_id, message_id, status, created_at,
                                     settled_at)
                select :m, 'back_in_stock', subscription_id, id, 'x@dispo', 'sent', now(), now() - interval '1 hour'
                  from told
            """),
            {**given, "c": store},
        )
    return int(store)


def people(engine: sa.Engine) -> list[tuple[str, str]]:
    with engine.connect() as db:
        rows = db.execute(
            sa.text("select address, status from subscription where origin = 'import' order by id")
        )
        return [(row.address, row.status) for row in rows]


def test_who_waits_is_listed_in_the_order_they_are_told(dispo: Dispo, store_id: int) -> None:
    ran = dispo("shoppers", "list", "--json")
    assert [(SECOND, "MUG", 3), (FIRST, "MUG", 1)] == [
        (row["address"], row["sku"], row["wanted_units"]) for row in ran.json
    ]
    assert ("[]", "") == (dispo("shoppers", "list", "--sku", "vase", "--json").out.strip(), ran.err)
    all_of_them = dispo("shoppers", "list", "--status", "", "--sku", "Mug")
    assert 3 == all_of_them.out.count("@example.com") and "priority" in all_of_them.out
    assert "Nobody waits." in dispo("shoppers", "list", "--sku", "VASE").out

    short = dispo("shoppers", "list", "--limit", "1", "--json")
    assert (1, "Only the first 1 are shown; --limit shows more.\n") == (len(short.json), short.err)


def test_what_alerts_came_to_is_said_in_sums_and_by_product(dispo: Dispo, store_id: int) -> None:
    ran = dispo("shoppers", "worth", "--json")
    funnel = {"told": 1, "clicked": 1, "in_vain": 0, "ordered": 1, "units_ordered": 2}
    assert (2, 4, funnel, [["EUR", 3998]]) == (
        ran.json["sums"]["people"], ran.json["sums"]["units"], ran.json["sums"]["funnel"], ran.json["sums"]["revenue"]
    )  # fmt: skip
    assert [("MUG", 2, True)] == [
        (row["sku"], row["people"], row["is_learned"]) for row in ran.json["products"]
    ]
    assert "1 were told, 1 clicked (0 in vain), 1 ordered 2 units" in dispo("shoppers", "worth").out


def test_every_invitation_is_a_line_of_a_file(dispo: Dispo, store_id: int) -> None:
    head, line = csv.reader(io.StringIO(dispo("shoppers", "export").out))
    found = dict(zip(head, line, strict=True))

    assert ("MUG", "cyd@example.com", "sent", "77", "2", "3998", "EUR") == tuple(
        found[name]
        for name in ("sku", "address", "message", "order_id", "order_units", "order_minor", "currency")
    )


def test_settings_are_shown_changed_and_refused_with_the_reason(dispo: Dispo, merchant: int) -> None:
    assert 0 == dispo("shoppers", "settings", "set", "min_units=3", "channels=email,sms").code
    found = dispo("shoppers", "settings", "show", "--json").json
    assert (3, ["email", "sms"]) == (found["min_units"], found["channels"])

    wrong = dispo("shoppers", "settings", "set", "min_units=none", "pace=careful")
    assert 1 == wrong.code and "Nothing was changed. min_units: " in wrong.err
    assert "fair" == dispo("shoppers", "settings", "show", "--json").json["pace"]
    unknown = dispo("shoppers", "settings", "set", "speed=9")
    assert 1 == unknown.code and "'speed=9' is not NAME=VALUE with one of: " in unknown.err


def bring(dispo: Dispo, tmp_path: Path, store_id: int, content: str, *more: str) -> Ran:
    path = tmp_path / "list.csv"
    path.write_text(content, encoding="utf-8")
    return dispo("shoppers", "import", str(path), "--store", str(store_id), *more)


def test_a_list_is_tried_brought_along_and_taken_back(
    dispo: Dispo, engine: sa.Engine, tmp_path: Path, store_id: int
) -> None:
    content = "email,sku,created_at,confirmed_at\ndee@example.com,MUG,2026-01-02,2026-01-02\nwrong,MUG,,\n"
    tried = bring(dispo, tmp_path, store_id, content, "--dry-run")
    assert "'email' is taken as address." in tried.out and "Nobody was taken in." in tried.out
    assert "Line 3:  This is not an e-mail address." in tried.out
    assert [] == people(engine)

    taken = bring(dispo, tmp_path, store_id, content, "--json").json
    assert (1, 1) == (taken["taken"], taken["counts"]["confirmed"])
    assert [("dee@example.com", "waiting")] == people(engine)
    assert (
        "1 people were taken back; 0 left as they are." in dispo("shoppers", "undo", str(taken["import"])).out
    )
    again = dispo("shoppers", "undo", str(taken["import"]))
    assert (1, []) == (again.code, people(engine))
    assert "This import was dealt with already" in again.err


def test_columns_that_are_not_known_are_asked_for_and_said(
    dispo: Dispo, engine: sa.Engine, tmp_path: Path, store_id: int
) -> None:
    content = "Adresse;Réf.;Le;Couleur\ndee@example.com;MUG;04/05/2025;bleu\n"
    asked = bring(dispo, tmp_path, store_id, content)
    assert 1 == asked.code and "04/05/2025" in asked.err
    assert "Say what its columns are, for example: --column email='Adresse' --column sku='Réf.'" in asked.err
    # What the values are is shown, but is no part of the error.
    assert "@" not in asked.err.partition("Error:")[2]
    assert [] == people(engine)

    said = ("--column", "email=adresse", "--column", "sku=2", "--column", "date=Le", "--dates", "dmy")
    ran = bring(dispo, tmp_path, store_id, content, *said)
    assert 0 == ran.code and "Not used: 'Couleur'." in ran.out
    with engine.connect() as db:
        kept = db.scalar(sa.text("select consent_text from subscription where origin = 'import'"))
    assert "imported from another tool, list.csv, signed up 2025-05-04." == kept


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        pytest.param("colour=Couleur", "'colour=Couleur' is not WHAT=NAME with one of: email,", id="no such field"),
        pytest.param("email=Mail", "There is no column 'Mail'. There are: Adresse, Couleur.", id="no such column"),
        pytest.param("email=Adresse", "Say which column names the product", id="no product"),
    ],
)  # fmt: skip
def test_columns_that_cannot_be_are_refused(
    dispo: Dispo, tmp_path: Path, store_id: int, said: str, reason: str
) -> None:
    ran = bring(dispo, tmp_path, store_id, "Adresse,Couleur\na@example.com,bleu\n", "--column", said)

    assert 1 == ran.code and reason in ran.err


def test_a_list_of_one_product_names_it_once(
    dispo: Dispo, engine: sa.Engine, tmp_path: Path, store_id: int
) -> None:
    ran = bring(dispo, tmp_path, store_id, "eMail,Is Customer\na@example.com,yes\n", "--sku", "MUG")

    assert (0, [("a@example.com", "unconfirmed")]) == (ran.code, people(engine)), ran.err


def test_what_is_in_stock_is_decided_by_the_operator(
    dispo: Dispo, engine: sa.Engine, tmp_path: Path, store_id: int
) -> None:
    content = "email,sku,confirmed_at\ndee@example.com,VASE,2026-01-02\n"
    asked = bring(dispo, tmp_path, store_id, content)
    assert 1 == asked.code and "Add --in-stock tell, wait or leave. Nobody was taken in." in asked.err
    assert [] == people(engine)

    assert 0 == bring(dispo, tmp_path, store_id, content, "--in-stock", "leave").code
    assert [] == people(engine)
    assert 0 == bring(dispo, tmp_path, store_id, content, "--in-stock", "wait").code
    with engine.connect() as db:
        assert db.scalar(sa.text("select passes_over is not null from subscription where origin = 'import'"))
