"""Models that bring a user's own tables into the input contract, as far as names tell."""

from __future__ import annotations

import re
from collections.abc import Mapping

from voice_ai_analytics.starting.matching import Match, contract, likeliest_table, match_columns
from voice_ai_analytics.warehouse import Warehouse

# Schemas of the engine, and those that builds of the package write.
NOT_SOURCES = re.compile(
    r"information_schema|pg_.*|(.*_)?voice_ai(_staging|_private|_metrics|_exports)?"
)
# The columns by which a raw table of voice-ai load is known.
PAYLOADS = {"payload", "content_hash", "position"}
SURE = 0.9


def source_tables(warehouse: Warehouse) -> dict[str, dict[str, str]]:
    """Return the tables of a warehouse that builds of the package don't write.

    Returns
    -------
    dict
        Columns with their types, by ``schema.table``.
    """
    found: dict[str, dict[str, str]] = {}
    with warehouse.transaction() as transaction:
        rows = transaction.run(
            "select table_schema, table_name, column_name, data_type"
            " from information_schema.columns where table_catalog = current_database()"
            " order by table_schema, table_name, ordinal_position"
        )
    for schema, table, column, kind in rows:
        if not NOT_SOURCES.fullmatch(schema):
            found.setdefault(f"{schema}.{table}", {})[column] = kind
    return found


def own_tables(sources: Mapping[str, Mapping[str, str]], schema: str) -> dict[str, str]:
    """Return which source is likeliest each table of the contract that needs a model.

    Parameters
    ----------
    sources : mapping
        From `source_tables`.
    schema : str
        The raw schema: a table that has the contract's name there, and its columns, needs none.

    Returns
    -------
    dict of str to str
        ``schema.table`` by the contract's table; none without sessions.
    """
    plain = {name: columns for name, columns in sources.items() if not PAYLOADS.issubset(columns)}
    found = {}
    for table, described in contract().items():
        ready = plain.get(f"{schema}.{table}", {})
        if ready and set(described["required"]) <= set(ready):
            continue
        if likeliest := likeliest_table(table, plain):
            found[table] = likeliest
            # One table is one thing.
            plain = {name: columns for name, columns in plain.items() if name != likeliest}
    return found if "sessions" in found else {}


def stub(table: str, source: str, columns: Mapping[str, str], platform: str) -> str:
    """Return the SQL of an input model.

    Parameters
    ----------
    table : str
        Of the contract.
    source : str
        ``schema.table``.
    columns : mapping of str to str
        The source's columns with their types.
    platform : str
        What to write where no column tells the platform.
    """
    found = match_columns(table, columns)
    wanted, required = contract()[table]["columns"], contract()[table]["required"]
    lines, missing = [], []
    for name in wanted:
        if name in found:
            lines.append(_selected(name, found[name], columns))
        elif name == "platform":
            lines.append((f"'{platform}' as platform", "TODO: the name of your platform"))
        elif name in required:
            lines.append((f"cast(null as {_sql_type(wanted[name])}) as {name}", "TODO: required"))
        else:
            missing.append(name)
    last = len(lines) - 1
    body = "\n".join(
        f"    {expression}{',' * (number < last)}{f'  -- {note}' if note else ''}"
        for number, (expression, note) in enumerate(lines)
    )
    if missing:
        body += f"\n    -- TODO: no column looks like {', '.join(missing)}; absent reads as null"
    schema, name = source.split(".", 1)
    return (
        "{{ config(materialized='view', schema='voice_ai_staging') }}\n\n"
        f"select\n{body}\nfrom {{{{ source('{source_name(schema)}', '{name}') }}}}\n"
    )


def source_name(schema: str) -> str:
    """Return the name of the dbt source for a schema."""
    return f"voice_ai_input_{schema}"


def sources_yaml(tables: Mapping[str, str]) -> str:
    """Return the YAML of the sources that the stubs read.

    Parameters
    ----------
    tables : mapping of str to str
        From `own_tables`.
    """
    text = "sources:\n"
    for schema in sorted({name.split(".", 1)[0] for name in tables.values()}):
        text += f"  - name: {source_name(schema)}\n    schema: '{schema}'\n    tables:\n"
        named = (name.split(".", 1) for name in sorted(set(tables.values())))
        text += "".join(f"      - name: '{table}'\n" for one, table in named if one == schema)
    return text


def _selected(name: str, match: Match, columns: Mapping[str, str]) -> tuple[str, str]:
    expression = match.column
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", expression):
        expression = '"' + expression.replace('"', '""') + '"'
    if match.factor != 1:
        factor = f" * {match.factor:g}" if match.factor > 1 else f" / {1 / match.factor:g}.0"
        expression += factor
    note = "" if match.score >= SURE else f"TODO: check; {columns[match.column].lower()}"
    return (expression if expression == name else f"{expression} as {name}"), note


def _sql_type(kind: str) -> str:
    return {"number": "numeric", "code": "text"}.get(kind, kind)
