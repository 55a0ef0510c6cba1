"""The structure of the package: where data flows, what is tested before it is read, and size.

Reads the manifest of the demo, which has every optional part enabled.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import cache

import pytest
from consumer import REPOSITORY

PACKAGE = "voice_ai_analytics"
LAYERS = (
    "models/platforms",
    "models/input",
    "models/optional_input",
    "models/staging",
    "models/batch",
    "models/intermediate",
    "models/marts",
    "models/quarantine",
    "models/monitoring",
    "models/history",
)
# The time spine stands alone; the snapshot stands between the marts and what reads it.
TIME_SPINE, SNAPSHOTS = "models/time_spine", "snapshots"
ORDER = {layer: position for position, layer in enumerate(LAYERS)}
ORDER |= {SNAPSHOTS: ORDER["models/marts"]}

MODELS, MODEL_LINES, MACRO_LINES, VARS = 43, 120, 60, 14


def folder(node: dict) -> str:
    """Return the layer of a node."""
    parts = node["original_file_path"].split("/")
    return parts[0] if parts[0] == SNAPSHOTS else "/".join(parts[:2])


def name(unique_id: str) -> str:
    """Return a node's name."""
    return unique_id.split(".")[2]


@pytest.fixture(scope="module")
def nodes(manifest) -> dict[str, dict]:
    """Return the package's models and its snapshot by unique id."""
    return {
        unique_id: node
        for unique_id, node in manifest["nodes"].items()
        if node["package_name"] == PACKAGE and node["resource_type"] in ("model", "snapshot")
    }


def against_the_current(nodes: dict[str, dict]) -> list[str]:
    """Return the references that point against the flow of data."""
    return [
        f"{name(unique_id)} refers to {name(parent)}"
        for unique_id, node in nodes.items()
        for parent in node["depends_on"]["nodes"]
        if parent in nodes
        and (
            TIME_SPINE in (folder(node), folder(nodes[parent]))
            or ORDER[folder(node)] < ORDER[folder(nodes[parent])]
        )
    ]


def test_every_model_is_in_a_layer(nodes) -> None:
    assert {folder(node) for node in nodes.values()} <= {*ORDER, TIME_SPINE}


def test_data_flows_one_way(nodes) -> None:
    assert against_the_current(nodes) == []


def test_a_reference_against_the_current_is_found() -> None:
    def node(path, *parents):
        return {"original_file_path": f"{path}/x.sql", "depends_on": {"nodes": [*parents]}}

    nodes = {
        "model.p.late": node("models/marts"),
        "model.p.days": node("models/time_spine"),
        "model.p.early": node("models/staging", "model.p.late", "model.p.days", "source.p.raw"),
        "snapshot.p.kept": node("snapshots", "model.p.late", "model.p.told"),
        "model.p.told": node("models/history", "snapshot.p.kept"),
    }
    assert against_the_current(nodes) == [
        "early refers to late",
        "early refers to days",
        "kept refers to told",
    ]


# --- rows that fail a test can't be read ---


def stopping_tests(manifest: dict) -> dict[str, list[str]]:
    """Return the data tests that can stop a build, by the node they test."""
    found = defaultdict(list)
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and node["config"]["severity"].lower() == "error":
            # A generic test belongs to one node. A singular test covers everything it reads.
            owner = node.get("attached_node")
            for tested in [owner] if owner else node["depends_on"]["nodes"]:
                found[tested].append(node["name"])
    return found


def is_certified(node: dict) -> bool:
    """Return whether dashboards may read a node."""
    return bool(node["config"].get("meta", {}).get("voice_ai_certified"))


def refused_too_late(manifest: dict) -> list[str]:
    """Return the certified nodes that tests can reject only after they were replaced.

    A certified node may have tests if all of its rows come from nodes that were tested or certified
    before it: then the tests only prove that the last step lost nothing.
    """
    tests, nodes = stopping_tests(manifest), manifest["nodes"]

    def is_tested_before(parent: str) -> bool:
        if parent not in nodes:  # a source
            return False
        # The build's description decides which rows are read, and isn't one of them.
        is_about_the_build = folder(nodes[parent]) == "models/batch"
        return is_certified(nodes[parent]) or parent in tests or is_about_the_build

    return [
        name(unique_id)
        for unique_id, node in nodes.items()
        if is_certified(node)
        and unique_id in tests
        and node["depends_on"]["nodes"]
        and not all(map(is_tested_before, node["depends_on"]["nodes"]))
    ]


def test_nothing_certified_is_tested_only_after_it_is_replaced(manifest) -> None:
    assert any(is_certified(node) for node in manifest["nodes"].values())
    assert refused_too_late(manifest) == []


@pytest.mark.parametrize(
    ("is_candidate_tested", "severity", "expected"),
    [(True, "error", []), (False, "error", ["fact"]), (False, "WARN", [])],
)
def test_a_certified_model_that_is_tested_too_late_is_found(
    is_candidate_tested, severity, expected
) -> None:
    def node(path, kind="model", parents=(), **more):
        return {
            "name": path,
            "original_file_path": f"models/{path}/x.sql",
            "resource_type": kind,
            "config": {"severity": severity, "meta": more.pop("meta", {})},
            "depends_on": {"nodes": [*parents]},
            **more,
        }

    fact, candidate = "model.p.fact", "model.p.candidate"
    nodes = {
        candidate: node("intermediate"),
        fact: node("marts", parents=[candidate], meta={"voice_ai_certified": True}),
        "test.p.unique": node("marts", "test", [fact], attached_node=fact),
    }
    if is_candidate_tested:
        nodes["test.p.positive"] = node("x", "test", [candidate], attached_node=candidate)
    assert refused_too_late({"nodes": nodes}) == expected


# --- size ---


@cache
def texts(*folders: str) -> dict[str, str]:
    """Return the SQL files in some folders of the package."""
    return {
        str(path.relative_to(REPOSITORY)): path.read_text(encoding="utf-8")
        for folder in folders
        for path in sorted((REPOSITORY / folder).rglob("*.sql"))
    }


def macros() -> list[tuple[str, str, int]]:
    """Return the file, name and number of lines of each macro and generic test."""
    block = re.compile(r"\{%-?\s*(macro|test)\s+(\w+).*?\{%-?\s*end\1\s*-?%\}", re.DOTALL)
    return [
        (path, found[2], found[0].count("\n") + 1)
        for path, text in texts("macros", "tests/generic").items()
        for found in block.finditer(text)
    ]


def test_models_are_few_and_short() -> None:
    # A platform's models are built only where the platform is on.
    platforms = texts("models/platforms")
    assert len(texts("models").keys() - platforms.keys()) <= MODELS
    assert len(texts("snapshots")) <= 1
    lines = {path: text.count("\n") for path, text in texts("models", "snapshots").items()}
    assert {path: count for path, count in lines.items() if count > MODEL_LINES} == {}


def test_macros_are_short_and_each_stands_in_the_file_of_its_name() -> None:
    found = macros()
    assert {name: lines for _, name, lines in found if lines > MACRO_LINES} == {}
    by_file = defaultdict(list)
    for path, name, _ in found:
        by_file[path].append(name)
    misplaced = {}
    for path, names in by_file.items():
        stem = path.rpartition("/")[2].removesuffix(".sql")
        implementation = re.compile(rf"[a-z]+__(voice_ai_)?{re.escape(stem)}")
        others = [name for name in names if name != stem and not implementation.fullmatch(name)]
        if others or Counter(names)[stem] != 1:
            misplaced[path] = others or names
    assert misplaced == {}


def test_vars_are_few() -> None:
    read = texts("models", "macros", "snapshots", "tests", "analyses")
    settings = {
        str(path): path.read_text(encoding="utf-8")
        for pattern in ("dbt_project.yml", "models/**/*.yml", "semantic_models/**/*.yml", "*/*.yml")
        for path in REPOSITORY.glob(pattern)
        if "dbt_packages" not in str(path) and "integration_tests" not in str(path)
    }
    found = {
        name
        for text in [*read.values(), *settings.values()]
        for name in re.findall(r"\bvar\(\s*['\"](voice_ai_\w+)", text)
    }
    assert found
    assert len(found) <= VARS, sorted(found)
