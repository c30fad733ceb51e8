"""Shopify's theme check over the extension, and what it does not look at: targets, settings, translations."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import adapters.stores.shopify as shopify
from adapters.stores.shopify.theme.build import EXTENSION
from connector.shoppers.words import script_words
from connector.web.storefront import CONSENT_VERSION
from tests.theme.engine import schema_of

BLOCKS = sorted(path.stem for path in (EXTENSION / "blocks").iterdir())
# https://shopify.dev/docs/storefronts/themes/architecture/settings/input-settings, of which the blocks use these.
SETTINGS = {
    "checkbox": {"default"}, "color": {"default"}, "header": set(), "paragraph": set(), "product": {"autofill"},
    "range": {"min", "max", "step", "unit", "default"}, "select": {"options", "default"}, "text": {"default"},
    "url": set(),
}  # fmt: skip


def check(node: str, modules: Path, root: Path) -> list[dict[str, Any]]:
    program = Path(__file__).with_name("check.mjs")
    done = subprocess.run(
        [node, str(program), str(modules), str(root)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_shopifys_theme_check_finds_nothing(node: str, modules: Path) -> None:
    assert check(node, modules, EXTENSION) == []


def test_the_check_would_find_a_script_that_is_too_large_a_lost_file_and_a_lost_text(
    node: str, modules: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(EXTENSION, broken)
    with (broken / "assets" / "dispo.js").open("a") as file:
        file.write("//" + "x" * 10_000)
    (broken / "snippets" / "dispo-words.liquid").unlink()
    locale = broken / "locales" / "en.default.json"
    locale.write_text(locale.read_text(encoding="utf-8").replace('"send"', '"sent"'), encoding="utf-8")
    found = {one["check"] for one in check(node, modules, broken)}
    assert {"AssetSizeAppBlockJavaScript", "MissingTemplate", "TranslationKeyExists"} <= found


@pytest.mark.parametrize("block", BLOCKS)
def test_a_schema_names_a_known_target_and_settings_that_exist(block: str) -> None:
    schema = schema_of(block)
    assert schema["target"] in {"section", "head", "body"}
    assert set(schema) <= {"name", "target", "stylesheet", "javascript", "enabled_on", "settings"}
    for setting in schema["settings"]:
        own = (
            {"type", "content"}
            if setting["type"] in {"header", "paragraph"}
            else {"type", "id", "label", "info"}
        )
        assert set(setting) <= own | SETTINGS[setting["type"]], setting
        if setting["type"] == "range":
            steps = (setting["max"] - setting["min"]) / setting["step"]
            assert steps == int(steps) <= 100
            assert (setting["default"] - setting["min"]) % setting["step"] == 0
        if setting["type"] == "select":
            assert setting["default"] in [option["value"] for option in setting["options"]]
    ids = [setting["id"] for setting in schema["settings"] if "id" in setting]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("block", BLOCKS)
def test_every_setting_is_read_by_its_block_and_no_other(block: str) -> None:
    named = {setting["id"] for setting in schema_of(block)["settings"] if "id" in setting}
    text = (EXTENSION / "blocks" / f"{block}.liquid").read_text(encoding="utf-8")
    read = set(re.findall(r"block\.settings\.(\w+)", text))
    if "'dispo-data'" in text:
        passed_on = (EXTENSION / "snippets" / "dispo-data.liquid").read_text(encoding="utf-8")
        read |= set(re.findall(r"options\.(\w+)", passed_on))
    assert read == named


def keys(level: dict[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in level.items():
        found |= keys(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def texts(name: str) -> dict[str, str]:
    return keys(json.loads((EXTENSION / "locales" / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("default", "other"), [("en.default.json", "fr.json"), ("en.default.schema.json", "fr.schema.json")]
)
def test_every_text_is_there_in_french_with_its_values(default: str, other: str) -> None:
    english, french = texts(default), texts(other)
    assert list(french) == list(english)
    holes = re.compile(r"\{\{ \w+ \}\}")
    for key, text in english.items():
        assert sorted(holes.findall(french[key])) == sorted(holes.findall(text)), key
        assert french[key].strip(), key
    assert (EXTENSION / "locales" / other).stat().st_size < 15_000


@pytest.mark.parametrize("block", BLOCKS)
def test_every_label_of_the_editor_has_a_text_and_no_text_is_left_over(block: str) -> None:
    known = texts("en.default.schema.json")
    text = (EXTENSION / "blocks" / f"{block}.liquid").read_text(encoding="utf-8")
    assert set(re.findall(r'"t:([\w.]+)"', text)) <= set(known)
    everything = "".join(path.read_text(encoding="utf-8") for path in (EXTENSION / "blocks").iterdir())
    assert set(known) == set(re.findall(r'"t:([\w.]+)"', everything))


@pytest.mark.parametrize(("language", "name"), [("en", "en.default.json"), ("fr", "fr.json")])
def test_the_words_are_those_of_the_script(language: str, name: str) -> None:
    said = {
        key.partition(".")[2]: re.sub(r"\{\{ (\w+) \}\}", r"{\1}", text)
        for key, text in texts(name).items()
        if key.startswith(("badge.", "form."))
    }
    assert said == script_words(language)


def test_the_consent_is_the_version_dispo_accepts() -> None:
    form = (EXTENSION / "blocks" / "notify-me.liquid").read_text(encoding="utf-8")
    assert re.findall(r'name="consent" value="([^"]*)"', form) == [CONSENT_VERSION]


def test_the_path_is_the_one_the_app_is_configured_for() -> None:
    config = tomllib.loads(Path(shopify.__file__).with_name("shopify.app.toml").read_text(encoding="utf-8"))
    proxy = config["app_proxy"]
    for block in ("availability", "notify-me"):
        (setting,) = [one for one in schema_of(block)["settings"] if one.get("id") == "proxy"]
        assert setting["default"] == f"/{proxy['prefix']}/{proxy['subpath']}"


def test_the_extension_is_a_theme_extension() -> None:
    config = tomllib.loads((EXTENSION / "shopify.extension.toml").read_text(encoding="utf-8"))
    assert (config["type"], config["handle"]) == ("theme", "availability")
    assert {path.name for path in EXTENSION.iterdir()} == {
        "assets", "blocks", "locales", "shopify.extension.toml", "snippets"
    }  # fmt: skip
    assert len(BLOCKS) <= 30


def test_nothing_is_locked_to_a_registry() -> None:
    lock = json.loads(Path(__file__).with_name("package-lock.json").read_text(encoding="utf-8"))
    entries = [entry for name, entry in lock["packages"].items() if name]
    assert [entry for entry in entries if "resolved" in entry] == []
    assert [entry for entry in entries if not entry.get("integrity", "").startswith("sha512-")] == []
