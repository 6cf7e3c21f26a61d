"""Checks that every public name has a docstring, which names each of three or more arguments.

A public name is a function, class or method without a leading underscore. If it has three or more arguments, its
docstring gives each a line that begins with its name and a colon. A field may have its own text instead. A method that
implements one of an abstract class or protocol may leave its text to that one.
`make lint` runs this. It reads the source and imports nothing.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
MANY = 3
"""From this number of arguments on, each must be named."""
FILES = (
    "*.py", "container/*.py", "datasets/batches.py", "datasets/reading.py", "models/*.py", "pictures/*.py",
    "ratecontrol/*.py", "search/*.py", "tokenizers/*.py",
)  # fmt: skip
"""The modules of the reference, and the packages below them that plug-ins and readers of the code use."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def arguments(function: Function) -> list[str]:
    """Names of a function's arguments, without `self` and `cls`."""
    given = function.args
    extra = [argument for argument in (given.vararg, given.kwarg) if argument is not None]
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs, *extra)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def fields(node: ast.ClassDef) -> dict[str, bool]:
    """Public fields of a dataclass or named tuple, and whether a text follows each; empty for another class."""
    bases = [ast.unparse(base) for base in (*node.decorator_list, *node.bases)]
    if not any(base.startswith(("dataclass", "dataclasses.dataclass", "NamedTuple")) for base in bases):
        return {}
    return {
        item.target.id: isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        for item, after in zip(node.body, [*node.body[1:], None], strict=True)
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.target.id[0] != "_"
    }


def unnamed(names: list[str], text: str) -> list[str]:
    """Those of many names to which a docstring gives no line."""
    if len(names) < MANY:
        return []
    return [name for name in names if not re.search(rf"^\s*\*{{0,2}}{name}: ", text, re.MULTILINE)]


def is_abstract(node: ast.ClassDef) -> bool:
    """Whether a class is abstract or a protocol."""
    return bool({"ABC", "Protocol"} & {ast.unparse(base) for base in node.bases})


def abstract_methods(tree: ast.Module) -> set[str]:
    """Names of the methods of a module's abstract classes and protocols."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and is_abstract(node)]
    return {item.name for node in classes for item in node.body if isinstance(item, ast.FunctionDef)}


def faults(tree: ast.Module | ast.ClassDef, inherited: set[str], prefix: str = "") -> Iterator[tuple[int, str]]:
    """Yield line and fault of every public name.

    Args:
        tree: a module or class.
        inherited: names of methods that need no text.
        prefix: name of the class and a dot, or nothing.
    """
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        if prefix and node.name in inherited:
            continue
        name, text = prefix + node.name, ast.get_docstring(node) or ""
        if isinstance(node, ast.ClassDef):
            made = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
            own = fields(node)
            text += "\n" + (ast.get_docstring(made) or "" if made else "")
            missing = unnamed(arguments(made) if made else list(own), text)
            missing = [argument for argument in missing if not own.get(argument)]
            yield from faults(node, set() if is_abstract(node) else inherited, f"{name}.")
        else:
            missing = unnamed(arguments(node), text)
        if not text.strip() and not any("overload" in ast.unparse(item) for item in node.decorator_list):
            yield node.lineno, f"{name} has no docstring"
        elif missing:
            yield node.lineno, f"the docstring of {name} has no line for {', '.join(missing)}"


def main() -> int:
    """Print every fault. The exit status is 1 if there is one."""
    paths = [path for pattern in FILES for path in sorted((ROOT / "tokcodec").glob(pattern))]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    inherited = set[str]().union(*map(abstract_methods, trees.values()))
    found = [
        f"{path.relative_to(ROOT)}:{line}: {fault}"
        for path, tree in trees.items()
        for line, fault in faults(tree, inherited)
    ]
    print("\n".join(found) or "every public name is documented")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
