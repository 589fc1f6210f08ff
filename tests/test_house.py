"""The house rules: who may import whom, where heavy libraries live, and that everything says what it is."""

import ast
import fnmatch
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

import embed.errors
import index.errors

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("api", "index", "embed")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MAY_IMPORT = {"api": {"api", "index", "embed"}, "index": {"index", "embed"}, "embed": {"embed"}}
ONLY_IN = {
    "torch": {"embed/sentence.py", "embed/gpu.py", "embed/export.py"},
    "openvino": {"embed/compiled.py", "embed/export.py"},
    "nncf": {"embed/export.py"},
    "sentence_transformers": {"embed/sentence.py"},
    "transformers": {"embed/sentence.py"},
    "faiss": {"index/vectors.py", "index/quantised.py"},
    "tantivy": {"index/lexical.py"},
    "trafilatura": {"index/readers/article.py"},
    "feedparser": {"index/readers/feed.py"},
    "warcio": {"index/readers/warc.py"},
    "markdown_it": {"index/readers/markdown.py"},
    "charset_normalizer": {"index/readers/encoding.py"},
    "ftfy": {"index/readers/encoding.py"},
    "httpx": {"index/fetch.py"},
    "protego": {"index/fetch.py"},
    "mcp": {"api/mcp.py"},
    "prometheus_client": {"api/metrics.py"},
    "ray": {"index/backfill.py"},
    "pandas": {"index/frames.py", "index/notebook.py"},
    "pymilvus": {"index/milvus.py"},
    "langchain_core": {"api/langchain.py"},
    "llama_index": {"api/llamaindex.py"},
}
HEAVY = (
    "openvino", "nncf", "torch", "sentence_transformers", "transformers", "trafilatura", "feedparser", "warcio", "pandas",
    "pymilvus",
)  # fmt: skip
TOP_LEVEL = {
    "pyproject.toml", "index", "embed", "api", "tests", "seeds", "README.md",
    "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "Makefile", ".ci", ".gitignore", ".git",
}  # fmt: skip
# Packages that come with one of ours and are spoken to directly.
COMES_WITH = {"starlette": "fastapi", "pydantic_core": "pydantic", "huggingface_hub": "transformers", "anyio": "mcp"}

each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The top-level package of every import anywhere below, with its place."""
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield alias.name.partition(".")[0], child
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            yield str(child.module).partition(".")[0], child


def imports_in_functions(module: ast.Module) -> set[ast.AST]:
    """The import statements that run only when a function is called."""
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {place for function in functions for _, place in imports(function)}


def imports_for_types(module: ast.Module) -> set[ast.AST]:
    """The import statements that only a type checker runs."""
    guards = [node for node in ast.walk(module) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {place for guard in guards for _, place in imports(guard)}


# Imports


@each_module
def test_imports_go_from_api_to_index_to_embed_and_never_back(path: Path) -> None:
    package = name(path).partition("/")[0]
    ours = {imported for imported, _ in imports(tree(path)) if imported in {*PACKAGES, "tests", "conftest"}}
    assert ours <= MAY_IMPORT[package]


@each_module
def test_a_library_with_one_place_is_imported_there_only(path: Path) -> None:
    for imported, _ in imports(tree(path)):
        assert name(path) in ONLY_IN.get(imported, {name(path)}), imported


def test_libraries_with_one_place_are_imported_in_it() -> None:
    for library, places in ONLY_IN.items():
        for place in places:
            assert library in {imported for imported, _ in imports(tree(ROOT / place))}


@each_module
def test_heavy_libraries_are_imported_when_they_are_needed_and_not_before(path: Path) -> None:
    module = tree(path)
    late = imports_in_functions(module) | imports_for_types(module)
    assert [imported for imported, place in imports(module) if imported in HEAVY and place not in late] == []


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("index", [*HEAVY, "numpy", "pydantic", "embed", "index.corpus"]),
        ("index.corpus", [*HEAVY, "fastapi", "uvicorn", "pydantic", "mcp", "httpx"]),
        ("index.search", [*HEAVY, "fastapi", "uvicorn", "jinja2", "mcp"]),
        ("index.ingest", [*HEAVY, "fastapi", "uvicorn", "jinja2", "mcp", "httpx"]),
        ("api.app", [*HEAVY]),
        ("api.cli", [*HEAVY, "fastapi", "uvicorn", "jinja2", "mcp", "faiss", "tantivy", "httpx"]),
    ],
)
def test_importing_stays_light(module: Any, without: list[str]) -> None:
    code = f"import sys, {module}; print(*sorted(set({without!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "\n"


def test_every_library_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    declared = {plain(re.split(r"[<>=~;\[ ]", line)[0]) for line in lines}
    from_where = packages_distributions()
    for path in MODULES:
        for imported, _ in imports(tree(path)):
            if imported not in sys.stdlib_module_names and imported not in PACKAGES:
                # One that is not installed here goes by its own name.
                sources = {plain(source) for source in from_where.get(COMES_WITH.get(imported, imported), [imported])}
                assert sources & declared, f"{name(path)} imports {imported}"


def plain(distribution: str) -> str:
    """The name of a distribution, however it is written."""
    return distribution.lower().replace("_", "-").replace(".", "-")


# Where things are


@each_module
def test_only_the_settings_read_the_environment(path: Path) -> None:
    # To tell a library something through the environment is not to read it.
    module = tree(path)
    told = {
        target.value
        for node in ast.walk(module)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Subscript)
    }
    read = {
        ast.unparse(node)
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute | ast.Name)
        and node not in told
        and ast.unparse(node) in ("os.environ", "os.getenv", "os.environb", "environ", "getenv")
    }
    assert not read or name(path) == "api/settings.py"


def test_the_top_level_holds_what_the_user_asked_for_and_what_tools_need() -> None:
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines() if line]
    here = {path.name for path in ROOT.iterdir()}
    extra = {one for one in here - TOP_LEVEL if not any(fnmatch.fnmatch(one, pattern) for pattern in ignored)}
    assert extra == set()
    assert here >= TOP_LEVEL - {".git"}


def test_no_module_is_named_for_nothing() -> None:
    nothing = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "tools", "lib"}
    assert [name(path) for path in MODULES if path.stem in nothing or path.parent.name in nothing] == []


def test_tests_are_flat() -> None:
    assert [path.name for path in (ROOT / "tests").rglob("*.py") if path.parent.name not in ("tests", "bench")] == []
    # A package below tests/ would stand before ours when its name is the same.
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_every_package_and_every_file_in_one_is_installed() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packages = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in MODULES}
    assert set(setuptools["packages"]) == packages
    for package in packages:
        folder = ROOT / package.replace(".", "/")
        others = [path.name for path in folder.iterdir() if path.is_file() and path.suffix not in (".py", ".pyc")]
        patterns = setuptools["package-data"].get(package, [])
        assert [other for other in others if not any(fnmatch.fnmatch(other, pattern) for pattern in patterns)] == []


# What everything says of itself


def public(module: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Public classes, functions and methods, with their names."""
    for node in module.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for member in node.body:
                    if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and not member.name.startswith("_"):
                        yield f"{node.name}.{member.name}", member


@each_module
def test_every_module_and_everything_public_in_it_has_a_docstring(path: Path) -> None:
    module = tree(path)
    assert ast.get_docstring(module)
    assert [what for what, node in public(module) if not ast.get_docstring(node)] == []  # type: ignore[arg-type]


@pytest.mark.parametrize("path", sorted((ROOT / "tests").glob("*.py")), ids=lambda path: path.name)
def test_every_test_module_says_what_it_is_about(path: Path) -> None:
    assert ast.get_docstring(tree(path))


@pytest.mark.parametrize("module", [index.errors, embed.errors], ids=lambda module: module.__name__)
def test_the_tree_of_failures_is_the_tree_in_the_docstring(module: Any) -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in str(module.__doc__).splitlines():
        found = re.match(r"((?:[│ ]   )*(?:[├└]── )?)([A-Z]\w+)(?:\s{2,}\S.*)?$", line)
        if found:
            depth = len(found[1]) // 4
            above = [*above[:depth], found[2]]
            drawn[found[2]] = above[depth - 1] if depth else "Exception"
    classes = {
        what: kind for what, kind in vars(module).items() if isinstance(kind, type) and kind.__module__ == module.__name__
    }
    assert drawn == {what: kind.__bases__[0].__name__ for what, kind in classes.items()}
    assert all(len(kind.__bases__) == 1 for kind in classes.values())


def test_the_check_of_imports_can_fail() -> None:
    module = ast.parse("import os\nif TYPE_CHECKING:\n    import torch.nn\ndef f():\n    from faiss import read_index\n")
    assert [imported for imported, _ in imports(module)] == ["os", "torch", "faiss"]
    assert {ast.unparse(place) for place in imports_for_types(module)} == {"import torch.nn"}
    assert {ast.unparse(place) for place in imports_in_functions(module)} == {"from faiss import read_index"}
