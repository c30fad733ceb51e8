"""A bad night: a file cut short at 03:00, what the merchant sees in the morning, and the way back."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connector.bootstrap import Runtime
from connector.intake import sources, uploads
from connector.intake.runs import run
from tests.web.conftest import Person
from tests.web.shop import Shop

SKUS = 60


def _file(directory: Path, units: dict[int, int], *, rows: int = SKUS) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / "stock.csv"
    lines = [f"N-{n:03d},{units.get(n, 12)},Lampe {n}\n" for n in range(rows)]
    path.write_text("SKU,Stock,Désignation\n" + "".join(lines), encoding="utf-8")
    return path


@dataclass
class Night:
    """`good` is the run of yesterday's file, `cut` that of the one that was cut short."""

    shop: Shop
    rt: Runtime
    directory: Path
    source_id: int
    good: int = 0
    cut: int = 0

    def take(self, units: dict[int, int], *, rows: int = SKUS) -> int:
        feed = uploads.from_disk(_file(self.directory, units, rows=rows))
        return run(self.rt, self.shop.merchant_id, self.source_id, trigger="upload", feed=feed).run_id

    def available(self, sku: str) -> int:
        found = self.scalar(
            "select p.available from position p join variant v on v.id = p.variant_id where v.sku = :s", s=sku
        )
        return int(found)

    def scalar(self, statement: str, **given: Any) -> Any:
        with self.shop.engine.connect() as db:
            return db.execute(sa.text(statement), given).scalar_one()


@pytest.fixture
def night(shop: Shop, rt: Runtime, tmp_path: Path) -> Night:
    for n in range(SKUS):
        variant = shop.variant(f"N-{n:03d}", title=f"Lampe {n}")
        shop.listing(shop.store_id, variant, 12, price_minor=4900)
    rules = {"lead_time_days": None, "handover_hours": 0, "max_age_hours": None, "missing_policy": "zero"}
    source_id = sources.connect_file(
        rt, shop.merchant_id, "Lampes du Nord", sources.BY_HAND, {}, 86_400, rules
    )
    made = Night(shop, rt, tmp_path / "in", source_id)
    made.good = made.take({3: 0, 4: 2})
    made.cut = made.take({3: 0, 4: 2, 5: 11}, rows=24)
    return made


def test_the_cut_file_is_held_looked_at_approved_by_mistake_undone_and_read_again(
    night: Night, owner: Person
) -> None:
    good, cut = night.good, night.cut
    assert "the earlier numbers" in owner.get(f"/runs/{cut}").text
    assert night.available("N-050") == 12

    looked = owner.get(f"/runs/{cut}/replay/effect").text
    assert "It would be held" in looked
    assert re.search(r"<dt>Sold out</dt><dd>36</dd>", looked)
    # 36 lamps of 12 at 49 euros, and one of N-005.
    assert "€21,217.00" in looked
    assert night.available("N-050") == 12

    owner.post(f"/runs/{cut}/approve")
    assert night.available("N-050") == 0
    owner.post(f"/runs/{cut}/undo")
    assert (night.available("N-050"), night.available("N-005")) == (12, 12)

    page = owner.get(f"/runs/{cut}/replay").text
    assert "It is to count after all" in page
    refused = owner.post(f"/runs/{cut}/replay")
    assert (refused.status_code, refused.location) == (303, f"/runs/{cut}/replay")
    assert night.available("N-050") == 12
    again = owner.post(f"/runs/{good}/replay")
    assert (again.status_code, night.available("N-050")) == (303, 12)


def test_a_file_is_handed_out_byte_for_byte_and_noted(night: Night, owner: Person, tmp_path: Path) -> None:
    answer = owner.get(f"/runs/{night.cut}/file")

    assert answer.data == (tmp_path / "in" / "stock.csv").read_bytes()
    assert answer.headers["Content-Disposition"] == "attachment; filename=stock.csv"
    assert night.scalar("select action from audit_event order by id desc limit 1") == "run.file"


def test_a_file_that_is_gone_is_said(night: Night, owner: Person, rt: Runtime) -> None:
    (rt.data_dir / night.scalar("select feed_path from run where id = :r", r=night.cut)).unlink()

    assert owner.get(f"/runs/{night.cut}/file").status_code == 303
    assert "not kept any more" in owner.get(f"/runs/{night.cut}/replay").text


def test_a_product_shows_the_suppliers_line_and_what_was_written(night: Night, owner: Person) -> None:
    variant = night.scalar("select id from variant where sku = 'N-004'")
    listing = night.scalar("select id from listing where variant_id = :v", v=variant)
    night.shop.execute(
        "insert into delivery_attempt (merchant_id, connection_id, topic, operation, request, digest,"
        " idempotency_key, status, created_at, sent_at)"
        " values (:m, :c, 'store.quantity', 'set', cast(:request as jsonb), '', gen_random_uuid(), 'succeeded',"
        " now() + interval '1 s', now() + interval '1 s')",
        c=night.shop.store_id,
        request=json.dumps({"items": [{"listing_id": listing, "quantity": 2, "expected": 12}]}),
    )

    text = owner.get(f"/products/{variant}/trace").text

    cells = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text)
    assert cells == [("SKU", "N-004"), ("Stock", "2"), ("Désignation", "Lampe 4")]
    assert "stock.csv, line 6" in text
    assert "confirmed by the store" in text
    assert f'<a href="/runs/{night.good}">run {night.good}</a>' in text


def test_where_a_code_stopped_is_said(night: Night, owner: Person) -> None:
    night.take({5: 13}, rows=SKUS)
    path = night.directory / "stock.csv"
    text = path.read_text(encoding="utf-8").replace("N-005,13", "N-005,9000")
    path.write_text(text + "X-9,4,Sans fiche\nBAD-1,beaucoup,Illisible\n", encoding="utf-8")
    feed = uploads.from_disk(path)
    run(night.rt, night.shop.merchant_id, night.source_id, trigger="upload", feed=feed)
    night.shop.execute("delete from supplier_item where variant_id = :v", v=night.shop.variants["A-13"])

    for code, said in (
        ("n-005", "Its row waits for your answer: Unusually large change."),
        ("X-9", "no product in your stores has this code"),
        ("A-13", "no supplier lists it"),
        ("bad-1", "Its row in the supplier"),
        ("N-006", "Nothing stops it"),
        ("never-heard-of", "Nobody knows this code"),
    ):
        assert said in html.unescape(owner.get(f"/products/why?q={code}").text), code


def test_a_supplier_whose_files_are_handed_over_is_not_asked_for_the_next(
    night: Night, owner: Person
) -> None:
    connection_id = night.scalar("select connection_id from source where id = :s", s=night.source_id)

    answer = owner.get(f"/connections/{connection_id}/dry-run")

    assert (answer.status_code, "There is nothing to ask for" in answer.text) == (200, True)
