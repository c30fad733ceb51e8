"""What plans allow: the operator's file, and what no plan ever stops."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from connector import plans
from connector.bootstrap import TOPICS
from connector.plans import PlansError, caps, parse_catalogue, read_catalogue
from connector.settings import SettingsError, load_settings
from workers.queues import KINDS

ROOT = Path(__file__).resolve().parent.parent
TWO = """
without_plan = "free"

[plans.free]
name = "Free"
suppliers = 1
listings = 0

[plans.Pro]
"""


def test_a_file_of_plans_is_read() -> None:
    found = parse_catalogue(TWO)
    assert plans.Plan("free", "Free", {"suppliers": 1, "listings": 0}) == found.without
    assert plans.Plan("Pro", "Pro", {}) == found.plan(" pro ")
    assert found.plan("gold") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plans = [", "It is not TOML: "),
        ("", "It names no plan."),
        ("without_plan = 'free'\n[plan.free]\n", "There is no 'plan' in the file. Did you mean plans?"),
        ("[plans.free]\n", "without_plan is missing."),
        ("without_plan = 'gold'\n[plans.free]\n", "without_plan is 'gold', which is none of its plans."),
        ("without_plan = 'free'\nplans = {free = 3}\n", "The plan 'free' is no table."),
        ("without_plan = 'free'\n[plans.free]\nsupplier = 1\n", "Did you mean suppliers?"),
        (
            "without_plan = 'free'\n[plans.free]\nsuppliers = '1'\n",
            "suppliers of the plan 'free' is '1', not",
        ),
        ("without_plan = 'free'\n[plans.free]\nsuppliers = true\n", "is True, not a whole number"),
        ("without_plan = 'free'\n[plans.free]\nsuppliers = -1\n", "is -1, not a whole number"),
        ("without_plan = 'free'\n[plans.free]\nname = ' '\n", "The name of the plan 'free' is not a text"),
        ("without_plan = 'a'\n[plans.a]\n[plans.A]\n", "The plan 'A' stands there twice."),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(PlansError) as refused:
        parse_catalogue(text)
    assert said in str(refused.value)


def test_the_example_of_the_guide_is_a_file_that_works() -> None:
    text = (ROOT / "docs/plans.md").read_text(encoding="utf-8")
    example = text.partition("```toml\n")[2].partition("```")[0]
    found = parse_catalogue(example)
    assert {"suppliers": 1, "stores": 1, "listings": 500} == found.without.limits
    assert found.plan("pro") is not None


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(PlansError):
        read_catalogue(tmp_path / "plans.toml")
    with pytest.raises(SettingsError) as refused:
        load_settings({"DISPO_DATA_DIR": str(tmp_path), "DISPO_PLANS": str(tmp_path / "plans.toml")})
    assert "DISPO_PLANS" == refused.value.name


def test_a_file_of_plans_is_part_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "plans.toml").write_text(TWO, encoding="utf-8")
    found = load_settings({"DISPO_DATA_DIR": str(tmp_path), "DISPO_PLANS": str(tmp_path / "plans.toml")})
    assert found.plans == parse_catalogue(TWO)
    assert load_settings({"DISPO_DATA_DIR": str(tmp_path)}).plans is None


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"PARTNER_TOKEN": "t"}, "PARTNER_ORGANIZATION"),
        ({"PARTNER_ORGANIZATION": "123"}, "PARTNER_TOKEN"),
        ({"PARTNER_ORGANIZATION": "acme", "PARTNER_TOKEN": "t"}, "PARTNER_ORGANIZATION"),
        (
            {"PARTNER_ORGANIZATION": "1", "PARTNER_TOKEN": "t", "CLIENT_ID": "", "CLIENT_SECRET": ""},
            "CLIENT_ID",
        ),
    ],
)
def test_half_an_organization_is_refused(tmp_path: Path, given: dict[str, str], name: str) -> None:
    app = {"CLIENT_ID": "a", "CLIENT_SECRET": "b", **given}
    environ = {f"DISPO_SHOPIFY_{key}": value for key, value in app.items()}
    with pytest.raises(SettingsError) as refused:
        load_settings({"DISPO_DATA_DIR": str(tmp_path), **environ})
    assert f"DISPO_SHOPIFY_{name}" == refused.value.name


def test_no_plan_stops_anything_that_the_outbox_or_the_clock_does() -> None:
    # Lowering numbers, badges, pausing and resuming ads, webhooks, leaving, erasing, messages; comparisons,
    # orders, catalogues, rechecks: whatever runs by itself.
    assert {"store.quantity", "ads.position", "store.receipts", "installs.ended", "installs.privacy"} <= set(
        TOPICS
    )
    assert dict.fromkeys((*TOPICS, *KINDS)) == {name: caps(name) for name in (*TOPICS, *KINDS)}


def test_a_plan_stops_only_the_start_of_something_new() -> None:
    starts = {"store.connect": "stores", "supplier.connect": "suppliers", "listing.manage": "listings"}
    assert starts == plans.STARTS
    assert set(plans.FEATURES) == set(starts.values())


def test_only_what_starts_something_new_asks_whether_it_may() -> None:
    """The two questions are asked in the two places where something begins, and nowhere else."""
    asking = set()
    for path in ROOT.glob("connector/**/*.py"):
        names = {
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
        }
        if "entitlements" in path.read_text(encoding="utf-8") and names & {"require", "room"}:
            asking.add(path.relative_to(ROOT).as_posix())
    own = "connector/accounts/entitlements.py"
    pages = {"connector/web/pages/plan.py"}
    assert {"connector/accounts/connections.py", "connector/catalog/management.py"} == asking - {own} - pages
