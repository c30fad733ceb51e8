"""What must hold after the storm of `benchmarks.refunds`: once each, to the cent, and nothing out of sight."""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy as sa

from benchmarks.refund_town import MUG, SHIPPING, VASE, Store
from simulator.mailbox.server import Mailbox

DONE_AS = ("refund", "voucher", "substitute", "wait")


def judge(engine: sa.Engine, stores: list[Store], mailbox: Mailbox, broken: list[str]) -> dict[str, Any]:
    """Append to `broken`, in words, whatever does not hold; the figures."""
    with engine.connect() as db:
        risks = db.execute(
            sa.text("""
                select r.*, c.adapter, l.units as ordered from order_risk r
                  join connection c on c.merchant_id = r.merchant_id and c.id = r.connection_id
                  join store_order_line l on l.merchant_id = r.merchant_id and l.connection_id = r.connection_id
                                         and l.order_id = r.order_id and l.line_id = r.line_id
                 order by r.id
            """)
        ).all()
        messages = db.execute(sa.text("select * from order_message")).all()
        variants = {row.id: row.sku for row in db.execute(sa.text("select id, sku from variant"))}
    expected = sum(one.lines_sold for one in stores)
    lines = {(row.adapter, row.order_id, row.line_id) for row in risks}
    if len(lines) < expected:
        broken.append(f"Only {len(lines)} lines were found at risk.")
    ends = Counter(row.closed_by or row.carry for row in risks)
    if strange := set(ends) - {*DONE_AS, "failed", "by_hand"}:
        broken.append(f"Lines ended as {sorted(strange)}: {dict(ends)}.")
    for row in risks:
        if row.status != "closed" and not row.carry_note:
            broken.append(f"Risk {row.id} is left to the merchant without a reason.")
    for store in stores:
        own = [row for row in risks if row.adapter == store.adapter]
        _judge_money(store, own, variants, broken)
        _judge_rest(store, own, broken)
    copies = Counter(message.message_id for message in mailbox.inbox())
    if doubled := [one for one, count in copies.items() if count > 1]:
        broken.append(f"{len(doubled)} messages arrived more than once.")
    kinds = Counter((row.risk_id, row.kind) for row in messages if row.status in ("sent", "unknown"))
    if kinds and max(kinds.values()) > 1:
        broken.append(f"Somebody was told the same twice: {kinds.most_common(2)}.")
    told = {row.risk_id for row in messages if row.kind == "refunded"}
    if untold := {row.id for row in risks if row.closed_by == "refund"} - told:
        broken.append(f"{len(untold)} refunds have no message.")
    return {
        "lines": len(risks),
        "ended": dict(sorted(ends.items())),
        "paid_back_cents": sum(minor for one in stores for _, minor in one.paid_back()),
        "messages": dict(sorted(Counter(row.status for row in messages).items())),
        "chosen_by": dict(sorted(Counter(row.chosen_by for row in risks if row.chosen_by).items())),
    }


def _judge_money(store: Store, risks: list[Any], variants: dict[int, str], broken: list[str]) -> None:
    """Once each, and to the cent: what left, what the risks say, and what the prices say are the same."""
    name = store.adapter
    done = {f"Dispo 1-{row.id}": row for row in risks if row.closed_by == "refund"}
    made = store.refunds()
    if twice := [one for one, count in made.items() if count > 1]:
        broken.append(f"{name}: refunded twice: {twice}.")
    if lost := set(done) - set(made):
        broken.append(f"{name}: said to be refunded and was not: {sorted(lost)}.")
    if unknown := set(made) - set(done):
        broken.append(f"{name}: refunded and nobody knows: {sorted(unknown)}.")
    left: Counter[str] = Counter()
    for order_id, minor in store.paid_back():
        left[order_id] += minor
    noted, right = Counter[str](), Counter[str]()
    whole: dict[str, list[bool]] = {}
    for row in risks:
        is_refunded = row.closed_by == "refund"
        whole.setdefault(row.order_id, []).append(is_refunded and row.units == row.ordered)
        if is_refunded:
            noted[row.order_id] += row.refund_minor
            right[row.order_id] += row.units * (VASE if variants[row.variant_id].endswith("VASE") else MUG)
    by_id = {store.external(order): order for order in store.orders}
    for order_id, parts in whole.items():
        if all(parts) and len(parts) == len(by_id[order_id].lines):
            right[order_id] += SHIPPING
    for order_id in by_id:
        if not left[order_id] == noted[order_id] == right[order_id]:
            said = f"left {left[order_id]}, noted {noted[order_id]}, right {right[order_id]}"
            broken.append(f"{name}, order {order_id}: {said}.")


def _judge_rest(store: Store, risks: list[Any], broken: list[str]) -> None:
    """No code without its line, none twice; substitutes as many as were chosen."""
    name = store.adapter
    wanted = {row.voucher_code for row in risks if row.closed_by == "voucher"}
    codes = store.codes()
    open_codes = {row.voucher_code for row in risks if row.voucher_code} - wanted
    if codes.keys() - wanted - open_codes or wanted - codes.keys() or any(n > 1 for n in codes.values()):
        broken.append(f"{name}: codes {sorted(codes)} instead of {sorted(wanted)}.")
    if store.promotions() > len(wanted | (codes.keys() & open_codes)):
        broken.append(f"{name}: {store.promotions()} promotions for {len(wanted)} vouchers.")
    pieces: Counter[str] = Counter()
    for row in risks:
        if row.closed_by == "substitute":
            pieces[row.order_id] += row.units
    if store.blue_mugs() != pieces:
        broken.append(f"{name}: substitutes {dict(store.blue_mugs())} instead of {dict(pieces)}.")
