"""People brought along from another tool: read, looked at, taken in once, taken back."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import xlsxwriter

from connector.shoppers import addresses, import_sealed, importing
from connector.shoppers.import_columns import EXPORT_HEAD, Choices, ColumnsRefused, columns_said
from connector.shoppers.import_compare import SUPPRESSED, UNKNOWN_PRODUCT
from connector.shoppers.import_file import (
    Fault,
    FileRefused,
    people_of,
    read_table,
    read_waiting,
    when,
)
from connector.shoppers.import_sealed import ImportRefused
from connector.shoppers.importing import InStockUndecided
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
        pytest.param(
            "ID,Product ID,Product title,Product name,User ID,User e-mail,User firstname,User lastname,Sign-up date,"
            "Activation date,Notified date,Status",
            "4,77,Mug,Mug – Blue,0,a@b.test,,,2026-02-01 10:00:00,2026-02-01 10:02:00,0,on",
            "woocommerce",
            ("", "77", ""),
            id="WooCommerce's own extension",
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


@pytest.mark.parametrize(
    ("head", "is_known"),
    [
        pytest.param("email,sku,created_at,confirmed_at,language", True, id="the names we ask for"),
        pytest.param("address,sku,asked_at,consent_version,ended_by", True, id="our own export"),
        pytest.param(
            "Product ID,User e-mail,Sign-up date,Activation date,Notified date", True, id="documented"
        ),
        pytest.param("Email,VariantId,Event Time", True, id="another tool, each column by one name"),
        pytest.param("email,customer_email,sku", False, id="two columns of addresses"),
        pytest.param("email,sku,favourite colour", False, id="a column nobody knows"),
        pytest.param("email,name", False, id="no product"),
        pytest.param("Adresse,Réf.,Inscrit le", False, id="another language: proposed only"),
    ],
)
def test_a_file_is_taken_by_its_names_only_where_they_leave_no_doubt(head: str, is_known: bool) -> None:
    assert is_known is read_table(f"{head}\nx\n".encode()).proposal.is_known


def test_french_names_are_proposed() -> None:
    proposed = read_table("Adresse,Réf.,Inscrit le\nx\n".encode()).proposal.choices.columns

    assert {"address": 0, "sku": 1, "asked_at": 2} == proposed


def test_columns_mean_what_somebody_says() -> None:
    content = (
        "qui;quoi;quand;où en est-on\na@b.test;A;04/05/2025;Attend\nb@b.test;A;13/05/2025;Fini\n".encode()
    )
    table = read_table(content)
    said = {"address": 0, "sku": 1, "asked_at": 2, "status": 3}

    sheet = people_of(table, Choices(said, dates="dmy", waiting=("attend",)), NOW)
    assert (1, [("a@b.test", "A", datetime(2025, 5, 4, tzinfo=UTC))]) == (
        sheet.ended, [(one.address, one.sku, one.asked_at) for one in sheet.lines]
    )  # fmt: skip
    assert {"address": "qui", "sku": "quoi", "asked_at": "quand", "status": "où en est-on"} == sheet.mapping
    american = people_of(table, Choices(said, dates="mdy", waiting=("attend", "fini")), NOW)
    assert [Fault(3, "quand", "There is no such day.")] == american.faults


def test_a_status_nobody_knows_is_asked_for_and_not_guessed() -> None:
    sheet = read_waiting(
        b"email,sku,status\na@b.test,1,Limbo\nb@b.test,1,\nc@b.test,1,on\nd@b.test,1,off\n", NOW
    )

    assert [
        Fault(2, "status", "It is not known whether “Limbo” means that somebody still waits.")
    ] == sheet.faults
    assert (1, ["b@b.test", "c@b.test"]) == (sheet.ended, [one.address for one in sheet.lines])


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        pytest.param(Choices({"sku": 1}), "Say which column holds the addresses", id="no address"),
        pytest.param(Choices({"address": 0}), "Say which column names the product", id="no product"),
        pytest.param(Choices({"address": 0, "sku": 0}), "cannot mean two things", id="one column twice"),
        pytest.param(Choices({"address": 0, "sku": 9}), "There is no such column", id="beyond the last"),
        pytest.param(
            Choices({"address": 0, "sku": 1}, sku="A"), "leave the SKU of the whole", id="two products"
        ),
        pytest.param(
            Choices({"address": 0, "sku": 1}, waiting=("yes",)),
            "holds the status",
            id="words without a status",
        ),
    ],
)
def test_columns_that_cannot_be_meant_so_are_refused(choices: Choices, reason: str) -> None:
    with pytest.raises(ColumnsRefused, match=reason):
        people_of(read_table(b"email,sku,status\na@b.test,1,x\n"), choices, NOW)


def test_one_field_has_one_column() -> None:
    with pytest.raises(ColumnsRefused, match="Two columns cannot both be the same"):
        columns_said([("address", 0), ("address", 1)])


def test_a_list_of_one_product_and_several_addresses_in_one_cell_are_read() -> None:
    yith = read_waiting(b"eMail,Is Customer\na@b.test,yes\n", NOW, Choices({"address": 0}, sku="501"))
    assert [("a@b.test", "501")] == [(one.address, one.sku) for one in yith.lines]

    waitlist = read_waiting(b'77,"Mug","a@b.test,b@b.test",\n', NOW, Choices({"product": 0, "address": 2}))
    assert ("#1", "#2", "#3", "#4") == waitlist.table.head
    assert [(1, "a@b.test", "77"), (1, "b@b.test", "77")] == [
        (one.line, one.address, one.product) for one in waitlist.lines
    ]


def test_a_workbook_is_read_with_its_numbers_and_days() -> None:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True, "remove_timezone": True}) as book:
        sheet = book.add_worksheet("Export")
        shown = book.add_format({"num_format": "dd/mm/yyyy hh:mm"})
        sheet.write_row(0, 0, ["Email", "SKU", "created_at"])
        for line in (1, 2):
            sheet.write(line, 0, f"p{line}@b.test")
            sheet.write_number(line, 1, 501)
            sheet.write_datetime(line, 2, datetime(2026, 1, line, 14, 30, tzinfo=UTC), shown)
    found = read_waiting(buffer.getvalue(), NOW)

    assert found.table.proposal.is_known
    assert [(2, "p1@b.test", "501", datetime(2026, 1, 1, 14, 30, tzinfo=UTC)),
            (3, "p2@b.test", "501", datetime(2026, 1, 2, 14, 30, tzinfo=UTC))] == [
        (one.line, one.address, one.sku, one.asked_at) for one in found.lines
    ]  # fmt: skip


def test_a_wrong_line_is_named_without_an_address() -> None:
    sheet = read_waiting(b"email,sku,units,date\na@b.test,,0,04/05/2026\n,1,1,2027-01-01\n", NOW)

    assert [
        Fault(2, "", "It names no product."),
        Fault(2, "units", "The units are a whole number from 1 to 99."),
        Fault(
            2,
            "date",
            "The date is not written as 2026-11-22. If day or month comes first, say so with the columns.",
        ),
        Fault(3, "email", "It has no address."),
        Fault(3, "date", "The date is in the future."),
    ] == sheet.faults


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "The file is empty.", id="empty"),
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
    counts = {"new": 3, "confirmed": 2, "known": 0, "suppressed": 1, "unknown": 1, "invalid": 1, "ended": 0,
              "in_stock": 0}  # fmt: skip
    assert counts == row_of(world, number).counts
    assert "@" not in str(row_of(world, number).faults) and b"example.com" not in row_of(world, number).sealed
    head, lines = import_sealed.failed(world, row_of(world, number))
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
    assert ([], []) == import_sealed.failed(world, row_of(world, number))


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


THREE = b"email,sku,created_at,confirmed_at\n" + b"".join(
    b"p%d@example.com,501,2025-11-0%d,2025-11-0%d\n" % (n, n, n) for n in (1, 2, 3)
)


def test_whose_product_is_in_stock_is_told_only_when_the_merchant_says_so(world: World) -> None:
    world.set_stock(5)
    world.run()
    number = propose(world, THREE)
    assert 3 == row_of(world, number).counts["in_stock"]

    with pytest.raises(InStockUndecided, match="The products of 3 people are in stock right now"):
        importing.apply(world, world.merchant_id, number, actor="me")
    assert ("preview", []) == (row_of(world, number).status, queue(world))
    assert 3 == importing.apply(world, world.merchant_id, number, actor="me", in_stock="tell")
    world.run()
    assert ["p1@example.com", "p2@example.com", "p3@example.com"] == world.told()


def test_they_may_be_left_out(world: World) -> None:
    world.set_stock(5)
    world.run()
    number = propose(world, THREE)

    assert 0 == importing.apply(world, world.merchant_id, number, actor="me", in_stock="leave")
    assert (0, 3) == (row_of(world, number).counts["new"], row_of(world, number).counts["left_out"])
    assert [] == queue(world)


def test_they_may_wait_for_the_next_restock(world: World) -> None:
    world.set_stock(5)
    world.run()
    importing.apply(world, world.merchant_id, propose(world, THREE), actor="me", in_stock="wait")
    world.sign_up("new@example.com")
    world.run()
    world.set_stock(9)
    world.run()
    assert ["waiting"] * 3 == [status for _, status, _, origin in queue(world) if origin == "import"]

    world.clock.advance(minutes=1)
    world.set_stock(0)
    world.run()
    world.set_stock(5)
    world.run()
    world.make_due()
    world.run()
    assert [f"p{n}@example.com" for n in (1, 2, 3)] == [to for to in world.told() if to.startswith("p")]


def test_sold_out_and_back_between_two_looks_counts_as_a_restock(world: World) -> None:
    world.set_stock(5)
    world.run()
    importing.apply(world, world.merchant_id, propose(world, THREE), actor="me", in_stock="wait")
    with world.engine.begin() as db:
        for before, after in ((5, 0), (0, 5)):
            db.execute(
                sa.text("""
                    insert into movement (merchant_id, variant_id, at, cause, available_before, available_after,
                                          state_before, state_after)
                    values (:m, :v, :at, 'run', :before, :after, 'in_stock', 'in_stock')
                """),
                {"m": world.merchant_id, "v": world.variant_id, "at": world.now() + timedelta(seconds=1),
                 "before": before, "after": after},
            )  # fmt: skip
    world.set_stock(5)
    world.run()

    assert 3 == len(world.told())
