"""From the installation to the page: the plan of a shop is read, followed, and stops nothing that runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from connector.accounts import entitlements
from connector.accounts.connections import add_connection
from connector.accounts.entitlements import OverPlan, PlanRow
from connector.db import transaction
from connector.delivery.plans import read_plan
from connector.plans import parse_catalogue
from connector.ports.errors import Misconfigured
from simulator.shopify.plans import AppSubscription
from tests.installs.scene import Admin, now

FILE = """
without_plan = "free"
[plans.free]
name = "Free"
suppliers = 0
listings = 2
[plans.pro]
name = "Pro"
suppliers = 5
"""


@pytest.fixture
def installed(admin: Admin) -> Admin:
    """The shop has installed the app, without a plan; the operator's file limits those."""
    admin.rt.settings = replace(admin.rt.settings, plans=parse_catalogue(FILE))
    assert admin.open().status_code == 200
    admin.work()
    return admin


def the_plan(admin: Admin) -> PlanRow:
    with admin.rt.engine.connect() as db:
        (row,) = entitlements.current(db, admin.row().merchant_id)
    return row


def sell(admin: Admin, handle: str, **options: object) -> None:
    given = {"name": handle.title(), "created_at": now() - timedelta(days=1), "handle": handle, **options}
    admin.server.subscriptions.all.append(AppSubscription(**given))  # type: ignore[arg-type]


def add_supplier(admin: Admin, name: str = "Supplier") -> int:
    with transaction(admin.rt.engine) as db:
        return add_connection(
            db,
            admin.rt.keyring,
            admin.row().merchant_id,
            kind="supplier",
            adapter="file_feed",
            name=name,
            config={"url": "https://feeds.example/stock.csv"},
            secrets={},
            now=now(),
        )


def test_a_plan_is_read_changed_lost_and_never_switches_anything_off(installed: Admin) -> None:
    admin, merchant_id = installed, installed.row().merchant_id
    connection_id = admin.row().connection_id
    free = the_plan(admin)
    assert ("none", "Free", {"suppliers": 0, "listings": 2}) == (free.state, free.title, free.limits)
    assert "https://admin.shopify.com/store/demo/charges/dispo/pricing_plans" == free.plan_page

    # Nothing may be begun beyond the plan; the reason names limit, plan and where to choose another.
    with pytest.raises(OverPlan) as over:
        add_supplier(admin)
    assert "dispo: suppliers: The plan Free allows 0 suppliers, and 0 are in use. What runs goes on. " in str(
        over.value
    )
    assert over.value.remedy.endswith(free.plan_page)
    assert [] == admin.rows("select 1 from connection where kind = 'supplier'")

    # The platform's notice leads to a reading, and the larger plan holds at once.
    sell(admin, "pro", price=Decimal("49.90"))
    assert admin.hook("APP_SUBSCRIPTIONS_UPDATE", {"app_subscription": {}}).status_code == 200
    admin.work()
    pro = the_plan(admin)
    assert ("active", "Pro", Decimal("49.90"), "USD") == (pro.state, pro.title, pro.price, pro.currency)
    assert [add_supplier(admin, f"S{number}") for number in range(3)]
    with admin.rt.engine.connect() as db:
        changes = entitlements.history(db, merchant_id)
        assert 1 == entitlements.unseen(db, merchant_id)
    assert [("Free", "Pro"), ("", "Free")] == [(one.before["allows"], one.after["allows"]) for one in changes]
    assert {"stores": 1, "suppliers": 0, "listings": 0} == changes[0].used

    # A reading that fails changes nothing but what is said about it.
    admin.server.is_frozen = True
    with pytest.raises(Misconfigured):
        read_plan(admin.rt, merchant_id, connection_id)
    frozen = the_plan(admin)
    assert replace(pro, tried_at=frozen.tried_at, problem=frozen.problem) == frozen
    assert frozen.problem.startswith("The shop is frozen")
    admin.server.is_frozen = False

    # Downgraded: everything that runs goes on, and is said to be too much.
    admin.server.subscriptions.all[-1].status = "CANCELLED"
    assert read_plan(admin.rt, merchant_id, connection_id)
    assert not read_plan(admin.rt, merchant_id, connection_id)
    assert "cancelled" == the_plan(admin).state
    assert [("active",)] * 3 == [
        tuple(row) for row in admin.rows("select status from connection where kind = 'supplier'")
    ]
    text = admin.ask("state").text
    assert "over your plan by 3" in text and "Your plan has changed." in text
    assert 'href="https://admin.shopify.com/store/demo/charges/dispo/pricing_plans" target="_top"' in text
    with pytest.raises(OverPlan):
        add_supplier(admin, "one more")
    (audited,) = admin.rows("select count(*) as n from audit_event where action = 'plan.change'")
    assert 3 == audited.n


def test_another_merchants_button_reads_only_its_own_plan(installed: Admin) -> None:
    sell(installed, "pro")
    answer = installed.ask("plan", "POST")
    assert 200 == answer.status_code and "Pro" in answer.text
    strange = installed.ask("plan", "POST", token=installed.server.tokens.id_token(aud="another app"))
    assert 401 == strange.status_code


def test_a_changed_file_is_a_change_of_plan_and_shops_from_before_are_followed(installed: Admin) -> None:
    merchant_id, rt = installed.row().merchant_id, installed.rt
    wider = parse_catalogue(FILE.replace("suppliers = 0", "suppliers = 1"))
    at = now()
    assert 1 == entitlements.apply(rt.engine, wider, ["shopify"], at)
    assert 0 == entitlements.apply(rt.engine, wider, ["shopify"], at)
    with rt.engine.connect() as db:
        last = entitlements.history(db, merchant_id)[0]
        assert ({"suppliers": 0, "listings": 2}, {"suppliers": 1, "listings": 2}) == (
            last.before["limits"],
            last.after["limits"],
        )
    assert "Choose a plan" in installed.ask("state").text
    # Without a file everything is allowed again, which is a change too, and nobody is sent to choose.
    rt.settings = replace(rt.settings, plans=None)
    assert 1 == entitlements.apply(rt.engine, None, ["shopify"], at)
    assert "Choose a plan" not in installed.ask("state").text
    installed.rows("delete from store_plan")
    installed.rows("delete from schedule where kind = 'store.plan'")
    assert 0 == entitlements.apply(rt.engine, None, ["bigcommerce"], at)
    assert [] == installed.rows("select 1 from store_plan")
    assert 0 == entitlements.apply(rt.engine, None, ["shopify"], at)
    (due,) = installed.rows("select next_run_at, every_s from schedule where kind = 'store.plan'")
    assert 86_400 == due.every_s and at <= due.next_run_at <= at + timedelta(days=1)
    assert "unknown" == the_plan(installed).state
