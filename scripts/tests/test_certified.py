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


def roles_of(others: dict[str, dict], sources: dict[str, dict]) -> None:
    manifest = {"nodes": {"fact": node("fact"), **others}, "sources": sources}
    create_roles(
        SimpleNamespace(node=lambda name: node(name), manifest=manifest),
        SimpleNamespace(engine="postgres"),
    )


@pytest.mark.parametrize(
    ("others", "sources", "named"),
    [
        ({"other": node("candidate", certified=None)}, {}, "candidate"),
        ({}, {"turns": {"name": "turns", "schema": "voice_ai"}}, "the source table turns"),
        # As a source without quotes is read.
        ({}, {"turns": {"name": "turns", "schema": "VOICE_AI"}}, "the source table turns"),
    ],
)
def test_a_schema_that_also_holds_raw_or_staging_tables_gets_no_roles(others, sources, named):
    with pytest.raises(UserError, match=f"schema voice_ai: it holds {named} beside"):
        roles_of(others, sources)


def test_a_host_s_own_model_beside_them_is_no_reason_to_refuse():
    # It goes on to the database, which isn't there.
    with pytest.raises(AttributeError):
        roles_of({"theirs": node("theirs", "consumer")}, {"users": {"name": "u", "schema": "raw"}})
