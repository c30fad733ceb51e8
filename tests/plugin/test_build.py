"""What is made for the companion plugin: the script, the translations, the archive."""

from __future__ import annotations

import gettext
import io
import re
import zipfile

import pytest

from adapters.kit import scripts
from adapters.stores.woocommerce.plugin import build
from adapters.stores.woocommerce.shapes import META_KEYS
from connector.shoppers.words import script_words
from connector.web.storefront import CONSENT_VERSION
from simulator.woocommerce import companion

FRENCH = build.PLUGIN / "languages" / "dispo-fr_FR.mo"
KEYS = re.compile(r"^\t\t\t'(\w+)'\s*=> __\( '((?:[^'\\]|\\.)*)', 'dispo' \),$", re.MULTILINE)


def source(name: str) -> str:
    return (build.PLUGIN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", scripts.NAMES)
def test_the_plugins_script_is_the_script(name: str) -> None:
    script = scripts.STOREFRONT / f"{name}.min.js"
    assert (build.PLUGIN / "assets" / f"{name}.js").read_bytes() == script.read_bytes(), "run: make assets"
    assert scripts.built(name) == script.read_bytes(), "run: make assets"


def test_everything_made_is_up_to_date() -> None:
    stale = [path.name for path, content in build.assets().items() if path.read_bytes() != content]
    assert stale == [], "run: make assets"


def test_the_words_are_those_of_the_script_in_english_and_french() -> None:
    said = dict(KEYS.findall(source("includes/class-words.php")))
    assert said == script_words("en")
    with FRENCH.open("rb") as file:
        french = gettext.GNUTranslations(file)
    assert {name: french.gettext(text) for name, text in said.items()} == script_words("fr")


def test_every_text_is_translated_into_french() -> None:
    missing = [message.id for message in build.translated("fr_FR") if message.id and not message.string]
    assert missing == []


def test_a_translation_keeps_the_places_of_its_values() -> None:
    holes = re.compile(r"%(?:\d\$)?[sd]|\{\w+\}")
    for message in build.translated("fr_FR"):
        english, french = str(message.id), str(message.string)
        if english:
            assert sorted(holes.findall(french)) == sorted(holes.findall(english)), english
            assert french.strip() == french


def test_the_consent_is_the_version_dispo_accepts() -> None:
    form = source("includes/class-storefront.php")
    assert re.findall(r'name="consent" value="([^"]*)"', form) == [CONSENT_VERSION]


def test_the_plugin_reads_the_keys_the_adapter_writes() -> None:
    (listed,) = re.findall(r"const KEYS\s*= array\((.*)\);", source("includes/class-facts.php"))
    assert tuple(re.findall(r"'(\w+)'", listed)) == META_KEYS


def test_the_simulated_plugin_offers_what_the_real_one_does() -> None:
    rest = source("includes/class-rest.php")
    (features,) = re.findall(r"'features'\s*=> array\((.*)\),", rest)
    assert tuple(re.findall(r"'(\w+)'", features)) == companion.FEATURES
    assert f"const SPACE      = '{companion.SPACE}';" in rest
    assert f"const MOST_ITEMS = {companion.MOST_ITEMS};" in rest


def test_versions_agree() -> None:
    assert re.findall(r"^const VERSION = '([^']*)';$", source("dispo.php"), re.MULTILINE) == [build.version()]
    assert re.findall(r"^Stable tag: (\S+)$", source("readme.txt"), re.MULTILINE) == [build.version()]
    for header in ("Requires at least", "Requires PHP"):
        found = [
            re.search(rf"^[ *]*{header}: (\S+)$", source(name), re.MULTILINE)
            for name in ("dispo.php", "readme.txt")
        ]
        assert len({one.group(1) for one in found if one}) == 1


def test_deleting_the_plugin_removes_every_option_and_key() -> None:
    gone = source("uninstall.php")
    options = re.findall(r"'(dispo_\w+)'\s*=>", source("includes/class-settings.php"))
    assert len(options) > 10
    (listed,) = re.findall(r"\$options = array\((.*)\);", gone)
    assert {f"dispo_{name}" for name in re.findall(r"'(\w+)'", listed)} == set(options)
    assert all(f"'{key}'" in gone for key in META_KEYS)


def test_the_readme_fits_the_directorys_limits() -> None:
    readme = source("readme.txt")
    _, short = readme.split("\n\n", 2)[:2]
    assert len(short) <= 150
    assert len(re.findall(r"^Tags: (.*)$", readme, re.MULTILINE)[0].split(",")) <= 5
    assert "== External services ==" in readme


def test_the_archive_holds_the_plugin_and_nothing_else() -> None:
    with zipfile.ZipFile(io.BytesIO(build.zip_bytes())) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert archive.read("dispo/dispo.php") == (build.PLUGIN / "dispo.php").read_bytes()
        assert {entry.date_time for entry in archive.infolist()} == {(2026, 1, 1, 0, 0, 0)}
    assert names == sorted(names)
    assert {name.split("/")[0] for name in names} == {"dispo"}
    assert {
        "dispo/dispo.php",
        "dispo/readme.txt",
        "dispo/uninstall.php",
        "dispo/assets/notify-me.js",
        "dispo/assets/similar.js",
        "dispo/assets/dispo.js",
        "dispo/assets/dispo.css",
        "dispo/languages/dispo.pot",
        "dispo/languages/dispo-fr_FR.po",
        "dispo/languages/dispo-fr_FR.mo",
    } <= set(names)
    assert {name.rpartition(".")[2] for name in names} == {"php", "txt", "js", "css", "pot", "po", "mo"}


def test_the_archive_is_the_same_every_time() -> None:
    assert build.zip_bytes() == build.zip_bytes()


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["publish"]) == 2
    assert "zip" in capsys.readouterr().err
