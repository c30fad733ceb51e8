"""What the merchant reads and does: numbers, reasons, decisions, switches, files."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
import sqlalchemy as sa

from connector.bootstrap import Runtime
from connector.intake import held, undo
from connector.intake.runtime import NotPossible, SourceBusy
from connector.web.pages import runs as run_pages
from tests.web.conftest import Person
from tests.web.shop import Shop

PATHS = (
    "/", "/products", "/movements", "/runs", "/shoppers", "/messages", "/ads", "/ads/ledger", "/connections",
    "/settings", "/log",
)  # fmt: skip


def _text(html: str) -> str:
    """What a reader sees of the page's main part, in one line."""
    main = html[html.index("<main") :]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def _value(shop: Shop, statement: str, **given: Any) -> Any:
    with shop.engine.connect() as db:
        return db.execute(sa.text(statement), {"m": shop.merchant_id, **given}).scalar()


def _rows(shop: Shop, statement: str, **given: Any) -> list[Any]:
    with shop.engine.connect() as db:
        return list(db.execute(sa.text(statement), given))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_page_opens_in_both_languages(owner: Person, path: str, language: str) -> None:
    owner.post("/language", {"locale": language})
    answer = owner.get(path)
    assert answer.status_code == 200
    assert f'<html lang="{language}">' in answer.text
    assert answer.headers["Content-Language"] == language


@pytest.mark.parametrize("path", PATHS)
def test_every_page_of_a_merchant_without_anything_opens(stranger: Person, path: str) -> None:
    assert stranger.get(path).status_code == 200


def test_every_answer_is_locked_down(owner: Person) -> None:
    first, second = owner.get("/"), owner.get("/")
    policy = first.headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-([^']+)'", policy)
    assert nonce is not None
    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert first.text.count(f'<script nonce="{nonce[1]}"') == first.text.count("<script") == 2
    assert nonce[1] not in second.headers["Content-Security-Policy"]
    assert " style=" not in first.text
    assert " onclick" not in first.text
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert first.headers["Referrer-Policy"] == "same-origin"
    assert first.headers["Cache-Control"] == "no-store"


def test_too_large_a_form_is_refused(owner: Person) -> None:
    answer = owner.post("/settings", {"sender_name": "x" * 1_100_000})
    assert answer.status_code == 413
    assert "This is too large" in answer.text


def test_an_order_that_is_looked_after_waits_no_more(owner: Person, shop: Shop) -> None:
    assert 303 == owner.post(f"/order-doubts/{shop.doubt_id}/done").status_code
    assert "Order 1042" not in owner.get("/").text
    assert 404 == owner.post(f"/order-doubts/{shop.doubt_id}/done").status_code


def test_the_overview_says_what_happens_now(owner: Person) -> None:
    text = _text(owner.get("/").text)
    assert "4 things wait for you." in text
    assert "Order 1042: Céramiques du Midi does not have enough" in text
    assert "The supplier said that it has 1 for all your open orders. 1 is missing." in text
    assert "Ask the supplier when it comes." in text
    for number, label in ((5, "On sale"), (1, "Low stock"), (1, "Out of stock"), (1, "Back soon"),
                          (1, "Shoppers waiting"), (1, "Messages today"), (1, "Ads paused")):  # fmt: skip
        assert f"{number} {label}" in text
    assert "A-12 Vase Lumière, blue 4 → becomes 0 Out of stock run 1" in text
    assert (
        "Vase &amp; Co outlet: nothing is written yet 4 sell but are out 0 show too many 4 are in but hidden"
        in text
    )
    assert "Céramiques du Midi: a run is held" in text
    assert "412 of 810 items would go to zero." in text


def test_the_live_part_is_silent_while_nothing_changed(owner: Person, shop: Shop) -> None:
    page = owner.get("/").text
    address = re.search(r'hx-get="(/live/overview\?seen=\w+)"', page)
    assert address is not None
    assert owner.get(address[1], headers={"HX-Request": "true"}).status_code == 204
    shop.execute("update position set state = 'out_of_stock', available = 0 where merchant_id = :m")
    owner.client.application.extensions["kept"].forget(shop.merchant_id)
    changed = owner.get(address[1], headers={"HX-Request": "true"})
    assert changed.status_code == 200
    assert "8 Out of stock" in _text("<main" + changed.text)
    assert "<html" not in changed.text


def test_a_refused_connection_says_what_to_mend(owner: Person, shop: Shop) -> None:
    shop.execute(
        "update connection set status = 'paused', status_reason = 'The key was refused. Make a new one.'"
        " where id = :c",
        c=shop.store_id,
    )
    text = _text(owner.get("/").text)
    assert "Atelier Vase: needs a look It is paused: nothing is read from it or written to it." in text
    assert "The key was refused. Make a new one." in text


def test_products_are_found_by_sku_title_and_state(owner: Person) -> None:
    def skus(query: str) -> list[str]:
        return re.findall(r"<strong>([A-Z]-\d+)</strong>", owner.get(f"/products?{query}").text)

    assert skus("") == ["A-12", "A-13", "B-01", "B-02", "C-70", "D-09", "E-44", "F-02"]
    assert skus("q=a-1") == ["A-12", "A-13"]
    assert skus("q=cedar") == ["C-70"]
    assert skus("q=%25") == []
    assert skus("state=low_stock") == ["B-01"]
    assert skus("state=sellable") == ["A-13", "B-01", "C-70", "D-09", "E-44"]
    assert skus("state=nonsense") == []
    assert skus("q=vase&state=out_of_stock") == ["A-12"]


def test_products_come_page_by_page_without_a_gap(owner: Person, shop: Shop) -> None:
    with shop.engine.begin() as db:
        db.execute(
            sa.text("""
                insert into variant (merchant_id, sku, sku_key, title)
                select :m, 'Z-' || lpad(n::text, 3, '0'), 'z-' || lpad(n::text, 3, '0'), 'Twin'
                  from generate_series(1, 120) n
            """),
            {"m": shop.merchant_id},
        )
    seen, address = [], "/products"
    while address:
        text = owner.get(address).text
        seen += re.findall(r"<strong>([A-Z]-\d+)</strong>", text)
        following = re.search(r'href="(/products\?after=\d+)" rel="next"', text)
        address = following[1] if following else ""
    assert len(seen) == len(set(seen)) == 128
    assert seen == sorted(seen)


def test_a_product_explains_its_number(owner: Person, shop: Shop) -> None:
    text = _text(owner.get(f"/products/{shop.variants['A-13']}").text)
    assert "24 to sell now In stock" in text
    assert "Céramiques du Midi 24 seen, 1 sold since run 1 , line 3" in text
    assert "Not written: the first difference of this store is not approved yet." in text
    assert "“Low stock” is said at 3 or fewer." in text


def test_what_shops_wrote_is_shown_as_text(owner: Person, shop: Shop) -> None:
    page = owner.get(f"/products/{shop.variants['C-70']}").text
    assert "Candle &lt;Cedar&gt; &amp; Fig" in page
    assert "<Cedar>" not in page


def test_a_run_shows_what_changed_and_what_was_rejected(owner: Person, shop: Shop) -> None:
    text = _text(owner.get(f"/runs/{shop.run_id}").text)
    assert "812" in text
    assert "17 qty “n/a” is not a number." in text
    assert "A-12 Vase Lumière, blue 4 → becomes 0 Out of stock" in text


def test_a_failed_run_says_the_cause_and_what_stays(owner: Person, shop: Shop) -> None:
    text = _text(owner.get(f"/runs/{shop.failed_run_id}").text)
    assert "A web page came instead of a file" in text
    assert "The address answered with a web page, not a file. Log in again." in text
    assert "The earlier stock stays; nothing was changed in your stores." in text


def test_a_running_run_tells_how_far_it_is_and_reloads_at_its_end(owner: Person, shop: Shop) -> None:
    shop.execute(
        "update run set status = 'running', stage = 'read', rows_read = 500 where id = :r", r=shop.held_run_id
    )
    page = owner.get(f"/runs/{shop.held_run_id}").text
    assert "At work: reading 500 rows read" in _text(page)
    live = f"/runs/{shop.held_run_id}/live"
    assert owner.get(live).status_code == 200
    shop.execute("update run set status = 'applied' where id = :r", r=shop.held_run_id)
    assert owner.get(live).headers["HX-Refresh"] == "true"


@pytest.mark.parametrize(("what", "status"), [("approve", "held"), ("reject", "held"), ("undo", "applied")])
def test_a_decision_is_asked_about_first_and_then_done(
    owner: Person, shop: Shop, monkeypatch: pytest.MonkeyPatch, what: str, status: str
) -> None:
    done: list[tuple[int, int]] = []
    monkeypatch.setitem(
        run_pages.DECISIONS,
        what,
        run_pages.Decision(
            run_pages.DECISIONS[what].statuses, lambda rt, merchant_id, run_id: done.append((merchant_id, run_id))
        ),
    )  # fmt: skip
    run_id = shop.held_run_id if status == "held" else shop.run_id
    question = owner.get(f"/runs/{run_id}/{what}")
    assert (question.status_code, done) == (200, [])
    assert f'action="/runs/{run_id}/{what}"' in question.text
    assert owner.post(f"/runs/{run_id}/{what}").location == f"/runs/{run_id}"
    assert done == [(shop.merchant_id, run_id)]
    assert (
        _value(shop, "select action from audit_event where merchant_id = :m order by id desc limit 1")
        == f"run.{what}"
    )


def test_the_buttons_are_the_rooms_own_verbs() -> None:
    assert {name: decision.work for name, decision in run_pages.DECISIONS.items()} == {
        "approve": held.approve,
        "reject": held.reject,
        "undo": undo.undo,
    }


def test_rejecting_a_held_file_keeps_what_was_known(owner: Person, shop: Shop) -> None:
    shop.execute("update run set sha256 = 'abc' where id = :r", r=shop.held_run_id)
    shown = owner.post(f"/runs/{shop.held_run_id}/reject", follow_redirects=True)
    assert "Rejected. The earlier numbers stay." in shown.text
    assert _value(shop, "select status from run where id = :r", r=shop.held_run_id) == "rejected"
    assert (
        _value(shop, "select count(*) from held_change where merchant_id = :m and status = 'rejected'") == 3
    )
    again = owner.post(f"/runs/{shop.held_run_id}/approve", follow_redirects=True)
    assert "Nothing is left to decide about this run." in again.text


def test_ticked_rows_of_a_held_run_are_rejected_and_the_rest_waits(owner: Person, shop: Shop) -> None:
    here = f"/runs/{shop.held_run_id}"
    statement = "select id, status from held_change where run_id = :r order by id"
    rows = _rows(shop, statement, r=shop.held_run_id)
    page = owner.get(f"{here}?danger=to_zero&q=C-70").text
    assert [str(rows[1][0])] == re.findall(r'name="row" value="(\d+)"', page)
    none = owner.post(f"{here}/rows", {"what": "reject"}, follow_redirects=True)
    assert "Nothing was ticked, so nothing was changed." in none.text
    assert owner.post(f"{here}/rows", {"what": "undo", "row": str(rows[0][0])}).status_code == 400

    shown = owner.post(f"{here}/rows", {"what": "reject", "row": str(rows[0][0])}, follow_redirects=True)
    assert "The ticked rows are rejected" in shown.text
    again = owner.post(f"{here}/rows", {"what": "approve", "row": str(rows[0][0])}, follow_redirects=True)
    assert "These rows do not wait any more." in again.text
    all_that_fit = {"what": "reject", "all": "1", "q": "C-70"}
    assert owner.post(f"{here}/rows", all_that_fit).location == f"{here}?q=C-70#held"

    assert ["rejected", "rejected", "held"] == [row[1] for row in _rows(shop, statement, r=shop.held_run_id)]
    assert _value(shop, "select status from run where id = :r", r=shop.held_run_id) == "held"
    assert "run.reject_rows" == _value(
        shop, "select action from audit_event where merchant_id = :m order by id desc limit 1"
    )


def test_undoing_a_run_decides_again(owner: Person, shop: Shop) -> None:
    shown = owner.post(f"/runs/{shop.run_id}/undo", follow_redirects=True)
    assert "Undone. What was known before counts again" in shown.text
    assert _value(shop, "select status from run where id = :r", r=shop.run_id) == "undone"


@pytest.mark.parametrize("error", [NotPossible("no"), SourceBusy(1, 2)], ids=["nothing waits", "busy"])
def test_a_decision_that_cannot_be_taken_says_why(
    owner: Person, shop: Shop, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setitem(run_pages.DECISIONS, "approve", run_pages.Decision(frozenset({"held"}), refuse))
    shown = owner.post(f"/runs/{shop.held_run_id}/approve", follow_redirects=True)
    assert shown.status_code == 200
    assert 'class="notice note"' in shown.text
    assert (
        _value(shop, "select count(*) from audit_event where merchant_id = :m and action = 'run.approve'")
        == 0
    )


def test_approving_a_store_writes_only_after_the_question(owner: Person, shop: Shop) -> None:
    question = _text(owner.get(f"/connections/{shop.second_store_id}/approve").text)
    assert "8 numbers in your store change now" in question
    assert "4 go to zero: they sell but are out." in question
    approved = "select writing_approved_at is not null from connection where id = :c"
    assert _value(shop, approved, c=shop.second_store_id) is False
    shown = owner.post(f"/connections/{shop.second_store_id}/approve", follow_redirects=True)
    assert "Approved: 8 changes are on their way." in shown.text
    assert _value(shop, approved, c=shop.second_store_id) is True
    assert (
        _value(shop, "select count(*) from outbox_message where connection_id = :c", c=shop.second_store_id)
        == 8
    )


def test_only_stores_are_approved(owner: Person, shop: Shop) -> None:
    assert owner.post(f"/connections/{shop.supplier_id}/approve").status_code == 404
    assert (
        _value(shop, "select writing_approved_at from connection where id = :c", c=shop.supplier_id) is None
    )


@pytest.mark.parametrize("kind", ["store_id", "ads_id"])
def test_writing_is_stopped_and_goes_on(owner: Person, shop: Shop, kind: str) -> None:
    connection_id = getattr(shop, kind)
    stopped = "select is_writing_stopped from connection where id = :c"
    assert owner.get(f"/connections/{connection_id}/stop").status_code == 200
    owner.post(f"/connections/{connection_id}/stop")
    assert _value(shop, stopped, c=connection_id) is True
    assert "Stopped" in _text(owner.get(f"/connections/{connection_id}").text)
    owner.post(f"/connections/{connection_id}/go-on")
    assert _value(shop, stopped, c=connection_id) is False


def test_a_connection_is_paused_and_resumed(owner: Person, shop: Shop) -> None:
    owner.post(f"/connections/{shop.supplier_id}/pause")
    assert _value(shop, "select status from connection where id = :c", c=shop.supplier_id) == "paused"
    assert "Paused by you." in owner.get(f"/connections/{shop.supplier_id}").text
    owner.post(f"/connections/{shop.supplier_id}/resume")
    assert _value(shop, "select status from connection where id = :c", c=shop.supplier_id) == "active"


def test_a_supplier_is_read_when_asked(owner: Person, shop: Shop) -> None:
    shown = owner.post(f"/connections/{shop.supplier_id}/read", follow_redirects=True)
    assert "Céramiques du Midi is read in a moment." in shown.text
    asked = "select rerun_at is not null from schedule where merchant_id = :m and kind = 'supplier.sync'"
    assert _value(shop, asked) is True


def test_everything_is_frozen_and_goes_on(owner: Person, shop: Shop) -> None:
    assert "Freeze everything?" in owner.get("/connections/freeze").text
    assert owner.post("/connections/freeze").location == "/"
    page = owner.get("/products").text
    assert "Everything is frozen." in page
    assert _value(shop, "select is_frozen from merchant where id = :m") is True
    owner.post("/connections/unfreeze")
    assert "Everything is frozen." not in owner.get("/products").text
    ads = "select count(*) from outbox_message where topic = 'ads.position' and connection_id = :c"
    assert _value(shop, ads, c=shop.ads_id) == 1


def test_a_lost_message_is_sent_again_only_after_the_question(owner: Person, shop: Shop) -> None:
    lost = shop.messages["unknown"]
    question = owner.get(f"/messages/{lost}/resend").text
    assert "It may have arrived already: then this person gets it twice." in question
    status = "select status from message where id = :i"
    assert _value(shop, status, i=lost) == "unknown"
    owner.post(f"/messages/{lost}/resend")
    assert _value(shop, status, i=lost) == "waiting"
    shown = owner.post(f"/messages/{shop.messages['sent']}/resend", follow_redirects=True)
    assert "This message cannot be sent again" in shown.text
    assert _value(shop, status, i=shop.messages["sent"]) == "sent"


def test_messages_are_filtered_by_what_became_of_them(owner: Person) -> None:
    text = _text(owner.get("/messages?status=failed").text)
    assert "max@example.test" in text
    assert "The mailbox does not exist." in text
    assert "tom@example.test" not in text


def test_ads_show_what_is_paused_and_what_it_saved(owner: Person) -> None:
    text = _text(owner.get("/ads").text)
    assert "€32.50 Saved in 30 days" in text
    assert "Blue vase Vases /product/A-12/ Paused by Dispo, 5 hours ago €18.00" in text
    assert "White vase" not in _text(owner.get("/ads?show=ours").text).split("Ledger")[0]


def test_the_dry_run_is_switched(owner: Person, shop: Shop) -> None:
    dry = "select is_ads_dry_run from merchant where id = :m"
    owner.post("/ads/dry-run", {"dry_run": "1"})
    assert _value(shop, dry) is True
    assert "Dry run: nothing is changed" in owner.get("/ads").text
    owner.post("/ads/dry-run", {"dry_run": "0"})
    assert _value(shop, dry) is False


def test_many_pauses_wait_for_approval(owner: Person, shop: Shop, rt: Runtime) -> None:
    from connector.advertising.tables import AdAction

    shop.add(AdAction, ad_link_id=shop.ad_id, at=rt.now(), action="hold", outcome="held",
             reason="80 ads would be paused at once, more than the limit of 50.")  # fmt: skip
    assert "Google Ads 123: many ads would be paused at once" in _text(owner.get("/").text)
    assert "Pause many ads at once?" in owner.get(f"/ads/{shop.ads_id}/approve").text
    owner.post(f"/ads/{shop.ads_id}/approve")
    assert (
        _value(shop, "select cursors ? 'blast_approved_at' from connection where id = :c", c=shop.ads_id)
        is True
    )
    assert "many ads would be paused" not in owner.get("/").text


FILES = {
    "/products.csv": ("sku", 8),
    "/movements.csv": ("at", 8),
    "/runs.csv": ("run", 4),
    "/shoppers.csv": ("address", 5),
    "/messages.csv": ("kind", 4),
    "/ads.csv": ("account", 2),
    "/ads/ledger.csv": ("at", 2),
    "/connections.csv": ("id", 5),
    "/search.csv": ("page", 1),
    "/log.csv": ("at", 1),
    "/runs/1/changes.csv": ("sku", 8),
    "/runs/1/faults.csv": ("line", 2),
    "/runs/4/held.csv": ("item", 3),
}


@pytest.mark.parametrize("path", FILES)
def test_every_table_is_a_file_too(owner: Person, path: str) -> None:
    answer = owner.get(path)
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    rows = list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    first, count = FILES[path]
    assert (rows[0][0], len(rows) - 1) == (first, count)


def test_a_cell_that_a_spreadsheet_would_run_is_defused(owner: Person, shop: Shop) -> None:
    text = owner.get(f"/runs/{shop.run_id}/faults.csv").get_data().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[1] == ["17", "qty", "bad_cell", "“n/a” is not a number.", "X-1", "'=1+1"]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_an_unexpected_error_gets_a_page_and_no_details(
    owner: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], language: str
) -> None:
    owner.post("/language", {"locale": language})

    def fail(*_: object, **__: object) -> None:
        address = "lea" + "@" + "private.test"
        raise RuntimeError("the secret reason" if address else "")

    monkeypatch.setattr("connector.web.pages.products.products.listed", fail)
    answer = owner.get("/products")
    assert answer.status_code == 500
    assert {"en": "Something went wrong", "fr": "Quelque chose n’a pas marché"}[language] in answer.text
    assert "the secret reason" not in answer.text
    said = "".join(capsys.readouterr())
    assert "RuntimeError: the secret reason" in said
    assert "lea@private.test" not in said


def test_an_unknown_address_gets_a_page_in_words(owner: Person) -> None:
    answer = owner.get("/no-such-page")
    assert answer.status_code == 404
    assert "This page does not exist" in answer.text


def test_static_files_are_kept_for_a_year_and_compressed(anybody: Person) -> None:
    page = anybody.get("/sign-in").text
    (address,) = re.findall(r'href="(/static/app\.css\?v=\w+)"', page)
    packed = anybody.get(address, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert packed.headers["Content-Encoding"] == "gzip"
    plain = anybody.get(address)
    assert len(packed.data) < len(plain.data) / 2
    again = anybody.get(address, headers={"If-None-Match": plain.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert anybody.get("/static/app.css?v=old").headers["Cache-Control"] == "no-cache"
    assert anybody.get("/static/../app.py").status_code == 404
    assert anybody.get("/static/vendor/htmx.LICENSE").status_code == 404
