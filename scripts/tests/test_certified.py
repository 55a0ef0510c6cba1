"""Whether a node is certified is a property in dbt's manifest, wherever its file is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from voice_ai_analytics.dbt_project import is_certified
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.roles import create_roles


def node(name: str, package: str = "voice_ai_analytics", certified: bool | None = True) -> dict:
    return {
        "name": name,
        "package_name": package,
        "schema": "voice_ai",
        "relation_name": f'"w"."voice_ai"."{name}"',
        "original_file_path": "models/marts/any.sql",
        "config": {"meta": {"voice_ai_certified": certified} if certified is not None else {}},
    }


@pytest.mark.parametrize(
    ("given", "certified"),
    [
        (node("fact"), True),
        (node("candidate", certified=False), False),
        (node("candidate", certified=None), False),
        (node("candidate", certified="yes"), False),
        # A consumer's model can't certify itself.
        (node("theirs", package="consumer"), False),
    ],
)
def test_the_property_decides(given, certified) -> None:
    assert is_certified(given) is certified


@pytest.mark.parametrize("other", [node("candidate", certified=None), node("theirs", "consumer")])
def test_a_schema_that_also_holds_other_models_gets_no_roles(other) -> None:
    project = SimpleNamespace(
        node=lambda name: node(name), manifest={"nodes": {"fact": node("fact"), "other": other}}
    )
    with pytest.raises(UserError, match=f"schema voice_ai: it holds {other['name']} beside"):
        create_roles(project, SimpleNamespace(engine="postgres"))
