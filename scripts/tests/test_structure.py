"""Imports go one way: from the command down to statistics, never back."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

import voice_ai_analytics
from voice_ai_analytics.pipeline import ANALYSES

PACKAGE = "voice_ai_analytics"
ROOT = Path(voice_ai_analytics.__file__).parent
# From the bottom up. Modules of one layer don't import each other.
FLOORS = [
    {"ending", "errors", "plain", "wording", "postgres", "statistics"},
    {"duckdb_copy", "files", "locks", "manifests", "profile", "simulate"},
    {"dbt_project"},
    {"packages", "platforms", "reader", "warehouse"},
    {"metrics", "analysis", "explain", "forgetting", "load", "payloads", "reconciling", "starting"},
    {"rates", "serving", "roles", "history"},
    {"asr"},
    {"abandonment", "releases", "segments"},
    {"report"},
    {"pipeline"},
    {"demo"},
    {"commands"},
    {"cli"},
]
HEAVY = {"duckdb", "matplotlib", "numpy", "pandas", "psycopg2", "sklearn", "statsmodels"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in ROOT.rglob("*.py")}


def imports(name: str) -> set[str]:
    """Return the modules of the package that a module imports, at its top or later."""
    found = set()
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), name)
            # An import may name a module, or something in it.
            inside = {f"{source}.{alias.name}" for alias in node.names} & set(MODULES)
            found |= inside or {source}
    return found & set(MODULES)


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


EDGES = {name: imports(name) for name in MODULES}
CROSSINGS = sorted(
    (name, other)
    for name, others in EDGES.items()
    for other in others
    if room(name) != room(other) and room(name) and room(other)
)


def test_every_room_has_a_floor():
    assert {room(name) for name in MODULES} - {""} <= set().union(*FLOORS)


def test_no_room_imports_one_that_is_not_below_it():
    floors = {name: number for number, floor in enumerate(FLOORS) for name in floor}
    upwards = [pair for pair in CROSSINGS if floors[room(pair[1])] >= floors[room(pair[0])]]
    assert upwards == []


def test_no_modules_import_each_other_in_a_circle():
    try:
        TopologicalSorter(EDGES).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("folder", ANALYSES.values())
def test_an_analysis_knows_nothing_of_the_report(folder):
    inside = [name for name in MODULES if name.startswith(folder)]
    assert not {other for name in inside for other in EDGES[name] if room(other) == "report"}


@pytest.mark.parametrize("folder", ANALYSES.values())
def test_every_analysis_has_the_same_doors(folder):
    defined = {}
    for door in ("frame", "estimate", "results", "words", "terminal"):
        tree = ast.parse(MODULES[f"{folder}.{door}"].read_text(encoding="utf-8"))
        defined[door] = {node.name: node for node in tree.body if hasattr(node, "name")}
    assert defined["estimate"]["estimate"].args.args[0].arg == "source"
    assert [one.arg for one in defined["terminal"]["render"].args.args] == ["result", "console"]
    members = [
        {member.name for member in node.body if hasattr(member, "name")}
        for node in defined["results"].values()
    ]
    assert any({"exit_code", "verdict", "to_json", "tables"} <= names for names in members)


def test_the_registry_of_analyses_loads_no_statistics():
    code = f"import sys, {PACKAGE}.pipeline, {PACKAGE}.history.as_of; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert HEAVY & set(loaded) == set()
