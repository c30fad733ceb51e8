"""Collects the sentences that adapters and rooms put together in English, as message ids with gaps.

Every text and f-string of the modules in SPOKEN that reads as a sentence, and in those of PIECES also what is only
a part of one: `f"The row has {len(cells)} cells where the header has {width}."` is the id "The row has {len} cells
where the header has {width}.". In the catalogues they have the context CONTEXT. `connector.sentences` finds them
again in what was stored. Standard library only; needed where catalogues are made, not where the product runs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

CONTEXT = "said"
SPOKEN = (
    "adapters/channels/",
    "adapters/kit/",
    "adapters/stores/",
    "adapters/suppliers/file_feed/",
    "connector/accounts/",
    "connector/cli/why.py",
    "connector/delivery/",
    "connector/intake/",
    "connector/outbox/",
    "connector/positions/why.py",
    "connector/repricing/work.py",
    "connector/notices/digest.py",
    "connector/shoppers/addresses.py",
    "connector/shoppers/at_risk/carrying.py",
    "connector/shoppers/at_risk/writing.py",
    "connector/shoppers/channels.py",
    "connector/shoppers/compensation.py",
    "connector/shoppers/fates.py",
    "connector/shoppers/import_columns.py",
    "connector/shoppers/import_compare.py",
    "connector/shoppers/import_file.py",
    "connector/shoppers/import_sealed.py",
    "connector/shoppers/importing.py",
    "connector/shoppers/meanwhile.py",
    "connector/shoppers/messages.py",
    "connector/shoppers/ready.py",
    "connector/shoppers/sending.py",
)
"""Folders and modules whose sentences may reach a merchant's page."""
PIECES = (
    "connector/cli/why.py",
    "connector/intake/learning.py",
    "connector/intake/rules.py",
    "connector/positions/why.py",
)
"""Modules whose parts of sentences are collected too."""

IN_STATEMENTS = {
    "A newer file was accepted (run {run}).": "connector/intake/apply.py",
    "The run was interrupted before anything was applied. It is run again.": "connector/intake/interrupted.py",
    "It never left.": "connector/outbox/attempts.py",
    "The worker did not come back within its lease.": "connector/outbox/sql.py",
}
"""Sentences that the database puts together, with the module whose statement says so."""

GAP = re.compile(r"\{(\w+)\}")
_INDENT = "  "
"""Of a line below another on the command line."""
_SENTENCE = re.compile(r"[A-Z“{0-9].*[a-z]{2}.* .*[.?]\Z", re.DOTALL)
_PIECE = re.compile(r".* .*\Z", re.DOTALL)
_CODE = re.compile(r"\n|\b(select|insert into|update|delete from)\b .*[:=(]|https?://\S+\Z")
_SAID_ELSEWHERE = frozenset({"_", "gettext", "ngettext", "n_", "text", "execute"})
_NOT_FOR_MERCHANTS = frozenset(
    {"SettingField", "Field", "NotImplementedError", "AssertionError", "TypeError", "option"}
)


@cache
def collect(root: Path) -> tuple[tuple[str, str, int], ...]:
    """(id, place, line) of every sentence in the sources below `root`."""
    found = [(text, place, 0) for text, place in IN_STATEMENTS.items()]
    for path in _modules(root):
        place = path.relative_to(root).as_posix()
        looks = _PIECE if place in PIECES else _SENTENCE
        for node in _texts(ast.parse(path.read_text(encoding="utf-8"))):
            text = with_gaps(node)
            if text.startswith(_INDENT):
                text = text.lstrip()
            if looks.match(text) and _says_something(text) and not _CODE.search(text):
                found.append((text, place, node.lineno))
    return tuple(found)


def _modules(root: Path) -> list[Path]:
    found = {path for one in SPOKEN if one.endswith("/") for path in (root / one).rglob("*.py")}
    return sorted(found | {root / one for one in SPOKEN if not one.endswith("/")})


def _says_something(text: str) -> bool:
    """Whether it has words of its own: one that is all gaps would be found in everything."""
    return len(re.findall(r"[a-z]", GAP.sub("", text))) >= 3


def _texts(tree: ast.AST) -> Iterator[ast.Constant | ast.JoinedStr]:
    """The texts of a module that may be for a merchant: no docstrings, no labels of settings (they have their own
    words), no statements, nothing that gettext is given, and an f-string once, as a whole."""
    left: list[ast.AST] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and " " in node.value:
                yield node
        elif isinstance(node, ast.JoinedStr):
            yield node
            left += [part for part in node.values if not isinstance(part, ast.Constant)]
        elif isinstance(node, ast.Expr):
            left += ast.iter_child_nodes(node.value)
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name not in _NOT_FOR_MERCHANTS and name not in _SAID_ELSEWHERE:
                left += [*node.args, *node.keywords]
            left.append(node.func)
        elif not isinstance(node, ast.Name | ast.expr_context):
            left += ast.iter_child_nodes(node)


def with_gaps(node: ast.Constant | ast.JoinedStr) -> str:
    """The text with a named gap for each expression; a text for `str.format` has its own. "" for what is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    taken: dict[str, int] = {}
    parts = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        elif isinstance(part, ast.FormattedValue):
            name = _name(part.value)
            taken[name] = taken.get(name, 0) + 1
            parts.append(f"{{{name}{taken[name] if taken[name] > 1 else ''}}}")
    return "".join(parts)


def _name(expression: ast.expr) -> str:
    """What a translator calls the gap: the key, the attribute, else the first name, of its expression."""
    key = expression.slice if isinstance(expression, ast.Subscript) else None
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return str(key.value)
    names = [
        name
        for name in re.findall(r"[a-z_]\w*", ast.unparse(expression))
        if name.strip("_") not in ("", "self")
    ]
    if not names:
        return "value"
    return str(names[-1] if isinstance(expression, ast.Attribute) else names[0]).strip("_")
