"""The script of the blocks is made from the shopper script, and says the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from adapters.kit.scripts import built, minified
from adapters.stores.shopify.theme import build


def test_the_blocks_script_is_made_from_the_script() -> None:
    assert build.TARGET.read_bytes() == build.built(), "run: make assets"
    assert build.SIMILAR.read_bytes() == built("similar"), "run: make assets"


def test_the_script_is_small_enough_for_the_platforms_check() -> None:
    assert len(build.built()) <= build.MOST_BYTES


def test_nothing_but_words_styles_and_form_is_left_out() -> None:
    made = build.built().decode()
    source = build.SCRIPT.read_text(encoding="utf-8")
    kept = build.script(source)
    assert made.startswith(build.HEADER + minified(kept))
    gone = {line for line in source.splitlines() if line not in kept.splitlines()}
    for needed in ("isWorse", "sessionStorage", "RETRY_S", "addEventListener", "fetch("):
        assert [line for line in gone if needed in line] == []


def test_a_script_of_another_shape_is_an_error_and_not_a_broken_asset() -> None:
    source = build.SCRIPT.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="0 places"):
        build.script(source.replace("const WORDS", "const words"))
    with pytest.raises(ValueError, match="would change"):
        minified("const a = `<p>${b ? `<i  c>` : d}  </p>`;\n")


def test_the_script_is_a_script(node: str) -> None:
    done = subprocess.run([node, "--check", str(build.TARGET)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_make_assets_makes_it() -> None:
    makefile = (Path(build.ROOT) / "Makefile").read_text(encoding="utf-8")
    recipe = makefile.partition("\nassets:")[2].partition("\n\n")[0]
    assert "adapters.stores.shopify.theme.build" in recipe
