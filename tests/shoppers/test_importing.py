"""People brought along from another tool: read, looked at, taken in once, taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.shoppers import addresses, importing
from connector.shoppers.import_compare import SUPPRESSED, UNKNOWN_PRODUCT
from connector.shoppers.import_file import EXPORT_HEAD, Fault, FileRefused, read_waiting, when
from connector.shoppers.importing import ImportRefused
from tests.shoppers.world import World

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FILE = b"""email,sku,created_at,confirmed_at
late@example.com,501,2025-12-03,2025-12-03 10:00
Early@Example.com,501,2025-11-02,2025-11-02 10:00
open@example.com,501,2025-11-01,
never@example.com,501,2026-01-05,2026-01-05
nobody,501,2026-01-05,
who@example.com,999,2026-01-05,
"""


@pytest.mark.parametrize(
    ("head", "row", "origin", "means"),
    [
        pytest.param("Email,VariantId,Event Time", "a@b.test,77,2026-02-01", "klaviyo", ("77", "", ""), id="Klaviyo"),
        pytest.param("mediumvalue;epi;empi;createdAt", "a@b.test;77;7;1770000000", "swym", ("77", "7", ""), id="Swym"),
        pytest.param(
            "Subscriber Email,Product ID,Variation ID,Status,Date",
            "a@b.test,7,0,cwg_subscribed,2026/02/01 10:00",
            "cwg",
            ("", "7", ""),
            id="Back In Stock Notifier",
        ),
        pytest.param("Email Address,SKU", "a@b.test,'=X", "other", ("", "", "=X"), id="any other"),
        pytest.param(
            "email,variant_id,sku", "a@b.test,gid://shopify/ProductVariant/77,S", "other", ("77", "", "S"), id="GraphQL"
        ),
    ],
)  # fmt: skip
def test_each_tools_columns_are_found(head: str, row: str, origin: str, means: tuple[str, str, str]) -> None:
    sheet = read_waiting(f"{head}\n{row}\n".encode(), NOW)

    assert origin == sheet.origin
    [one] = sheet.lines
    assert ("a@b.test", *means) == (one.address, one.item, one.product, one.sku)
    assert one.confirmed_at is None


def test_whoever_waits_no_more_there_is_left_out() -> None:
    head = b"email,sku,status\n"
    sheet = read_waiting(
        head + b"a@b.test,1,Mail Sent\nb@b.test,1,cwg_unsubscribed\nc@b.test,1,waiting\n", NOW
    )

    assert (2, ["c@b.test"]) == (sheet.ended, [one.address for one in sheet.lines])


def test_a_wrong_line_is_named_without_an_address() -> None:
    sheet = read_waiting(b"email,sku,units,date\na@b.test,,0,04/05/2026\n,1,1,2027-01-01\n", NOW)

    assert [
        Fault(2, "", "It names no product."),
        Fault(2, "units", "The units are a whole number from 1 to 99."),
        Fault(2, "date", "The date is written as 2026-11-22 or 2026-11-22 14:30."),
        Fault(3, "email", "It has no address."),
        Fault(3, "date", "The date is in the future."),
    ] == sheet.faults


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "The file is empty.", id="empty"),
        pytest.param(b"name,sku\nx,1\n", "There is no column with addresses: call it email.", id="no address"),
        pytest.param(
            b"email\nx@y.test\n",
            "There is no column that names the product: call it sku, variant_id or product_id.",
            id="no product",
        ),
        pytest.param(b"email,sk\xff\n", "The file is not UTF-8 text. Save it as “CSV UTF-8”.", id="another alphabet"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_the_remedy(content: bytes, reason: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read_waiting(content, NOW)

    assert reason == str(refused.value)


def test_an_ambiguous_date_is_not_guessed() -> None:
    assert when("04/05/2026") is None
    assert (
        datetime(2026, 2, 1, 9, tzinfo=UTC)
        == when("2026-02-01T10:00:00+01:00")
        == when("2026/02/01 09:00 UTC")
    )


def propose(world: World, content: bytes = FILE, *, says_confirmed: bool = False) -> int:
    sheet = read_waiting(content, world.now())
    with world.engine.begin() as db:
        return importing.propose(
            world, db, world.merchant_id, world.connection_id, sheet,
            file_name="list.csv", says_confirmed=says_confirmed, actor="me",
        )  # fmt: skip


def row_of(world: World, number: int) -> Any:
    with world.engine.connect() as db:
        return importing.find(db, world.merchant_id, number)


def queue(world: World) -> list[tuple[Any, ...]]:
    with world.engine.connect() as db:
        rows = db.execute(
            sa.text("select address, status, confirmed_at::date::text, origin from subscription order by id")
        )
        return [tuple(row) for row in rows]


def test_a_file_is_looked_at_taken_in_once_and_taken_back(world: World) -> None:
    with world.engine.begin() as db:
        addresses.suppress(db, world.keyring, world.merchant_id, "never@example.com", "asked", world.now())
    number = propose(world)

    assert [] == queue(world)
    counts = {"new": 3, "confirmed": 2, "known": 0, "suppressed": 1, "unknown": 1, "invalid": 1, "ended": 0}
    assert counts == row_of(world, number).counts
    assert "@" not in str(row_of(world, number).faults) and b"example.com" not in row_of(world, number).sealed
    head, lines = importing.failed(world, row_of(world, number))
    assert ["line", "reason", "email", "sku", "created_at", "confirmed_at"] == head
    assert [("5", SUPPRESSED, "never@example.com"), ("6", "This is not an e-mail address.", "nobody"),
            ("7", UNKNOWN_PRODUCT, "who@example.com")] == [tuple(line[:3]) for line in lines]  # fmt: skip

    assert 3 == importing.apply(world, world.merchant_id, number, actor="me")
    taken = [
        ("open@example.com", "unconfirmed", None, "import"),
        ("Early@example.com", "waiting", "2025-11-02", "import"),
        ("late@example.com", "waiting", "2025-12-03", "import"),
    ]
    assert taken == queue(world)
    with pytest.raises(ImportRefused):
        importing.apply(world, world.merchant_id, number, actor="me")
    again = propose(world)
    assert (0, 3) == (row_of(world, again).counts["new"], row_of(world, again).counts["known"])
    assert 0 == importing.apply(world, world.merchant_id, again, actor="me")
    assert taken == queue(world)

    assert (3, 0) == importing.undo(world, world.merchant_id, number, actor="me")
    assert [] == queue(world)
    with world.engine.begin() as db:
        assert 2 == importing.forget_lines(db, world.merchant_id, world.now() + importing.LINES_KEPT)
    assert ([], []) == importing.failed(world, row_of(world, number))


def test_the_unconfirmed_get_nothing_until_the_merchant_asks_and_then_each_one_mail(world: World) -> None:
    lines = "".join(f"p{place}@example.com,501\n" for place in range(3))
    number = propose(world, f"email,sku\n{lines}".encode())
    importing.apply(world, world.merchant_id, number, actor="me")
    waits = sa.text(
        "select count(*), max(due_at) - min(due_at) from outbox_message where topic = 'message.email'"
    )
    with world.engine.connect() as db:
        assert 0 == db.execute(waits).one()[0]

    with pytest.raises(ImportRefused, match="from 1 to 1000 an hour"):
        importing.ask(world, world.merchant_id, number, 0, actor="me")
    assert 3 == importing.ask(world, world.merchant_id, number, 2, actor="me")
    assert 0 == importing.ask(world, world.merchant_id, number, 2, actor="me")
    with world.engine.connect() as db:
        assert (3, timedelta(hours=1)) == tuple(db.execute(waits).one())


def test_the_merchants_word_makes_the_sign_up_the_confirmation(world: World) -> None:
    number = propose(world, b"email,sku,date\na@example.com,501,2025-11-02\n", says_confirmed=True)
    importing.apply(world, world.merchant_id, number, actor="me")

    assert [("a@example.com", "waiting", "2025-11-02", "import")] == queue(world)
    with world.engine.connect() as db:
        said = db.execute(sa.text("select consent_text, consent_version from subscription")).one()
    assert ("imported from another tool, list.csv, signed up 2025-11-02.", f"import-{number}") == tuple(said)


def test_our_own_export_comes_back_and_changes_nothing(world: World) -> None:
    number = propose(world)
    importing.apply(world, world.merchant_id, number, actor="me")
    with world.engine.connect() as db:
        rows = db.execute(sa.text("select address, status, created_at, confirmed_at from subscription")).all()
    said = [",".join(EXPORT_HEAD)]
    for row in rows:
        told = {"address": row.address, "channel": "email", "sku": "501", "units": "1", "status": row.status,
                "asked_at": row.created_at.isoformat(),
                "confirmed_at": row.confirmed_at.isoformat() if row.confirmed_at else ""}  # fmt: skip
        said.append(",".join(told.get(name, "") for name in EXPORT_HEAD))
    before = queue(world)

    again = propose(world, "\n".join(said).encode())
    assert ("dispo", 0, 4) == (
        row_of(world, again).origin, row_of(world, again).counts["new"], row_of(world, again).counts["known"]
    )  # fmt: skip
    importing.apply(world, world.merchant_id, again, actor="me")
    assert before == queue(world)
