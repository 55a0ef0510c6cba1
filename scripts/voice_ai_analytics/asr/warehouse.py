"""ASR evaluation in a warehouse: references out, word errors and results back."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from string import Template

import pyarrow as pa

from voice_ai_analytics.analysis import Source
from voice_ai_analytics.asr.references import BATCH, COLUMNS, tidy
from voice_ai_analytics.asr.results import (
    WORD_ERRORS,
    AsrEvaluation,
    Spool,
    summarise,
)
from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.warehouse import Transaction, Warehouse, lock_writers, quoted

MEMORY = "set memory_limit = '800MB'"


def read_warehouse(project: DbtProject, warehouse: Warehouse) -> Iterator[pa.RecordBatch]:
    """Read the references of a built project; a language that they lack is the session's.

    Parameters
    ----------
    project : DbtProject
        Built.
    warehouse : Warehouse
        Of that project.

    Yields
    ------
    pyarrow.RecordBatch
        As `asr_references.read_file` does.

    Raises
    ------
    UserError
        With exit code 3, where the references have no hypotheses beside them.
    """
    references = project.input_relation("input_voice_ai__asr_references")
    with warehouse.transaction() as transaction:
        if warehouse.engine == "duckdb":
            transaction.run(MEMORY)
        given = {name.lower() for name in transaction.columns(f"select * from {references}")}
        ((is_empty,),) = transaction.run(f"select not exists (select 1 from {references})")
        if "hypothesis_text" not in given and not is_empty:
            raise UserError(
                f"{references}: no column hypothesis_text, so there is nothing to compare the"
                " references with; nothing was estimated",
                exit_code=3,
            )
        texts = {
            name: f"cast(given.{name} as text)" if name in given else "cast(null as text)"
            for name in COLUMNS[:6]
        }
        # The other two come with the turns, when the errors are back in the warehouse.
        texts["language"] = f"coalesce({texts['language']}, turns.language)"
        batches = transaction.stream(
            f"""
            select {", ".join(f"{text} as {name}" for name, text in texts.items())}
            from {references} as given
            left join ({_turns_query(project, references)}) as turns
                on given.platform = turns.platform and given.turn_id = turns.turn_id
            """,
            BATCH,
        )
        yield from (
            tidy(dict(zip(batch.schema.names, batch.columns, strict=True))) for batch in batches
        )


def write_back(
    source: Source,
    spool: Spool,
    normalizer: str,
    excluded: dict[str, int],
    seed: int,
) -> AsrEvaluation:
    """Write word errors into the warehouse, in the transaction that will also write the result.

    Parameters
    ----------
    source : Source
        Of a built project.
    spool : Spool
        After `compare`.
    normalizer, excluded, seed
        As for `summarise`.

    Returns
    -------
    AsrEvaluation

    Raises
    ------
    UserError
        Where the table of word errors is somebody else's.
    """
    project, warehouse = source.project, source.warehouse
    schema, relation = project.source("asr_word_errors")
    form = "parquet" if warehouse.engine == "duckdb" else "csv"
    file = spool.export(spool.directory / f"word_errors.{form}")
    transaction = source.begin()
    if warehouse.engine == "duckdb":
        transaction.run(MEMORY)
    lock_writers(transaction.cursor, schema, relation)
    _own_table(transaction, schema, relation)
    transaction.run(f"delete from {relation}")
    transaction.load(relation, file)
    # Until somebody counts them, PostgreSQL plans for a handful of rows.
    transaction.run(f"analyze {relation}")
    spool.append("turns", transaction.stream(_turns_query(project, relation), BATCH))
    return summarise(spool, normalizer, excluded, project.min_cohort_size, seed)


def _own_table(transaction: Transaction, schema: str, relation: str) -> None:
    """Make the table of word errors, unless there is one of our own making."""
    name = relation.rsplit(".", 1)[-1].strip('"')
    if name in transaction.tables(schema):
        if tuple(transaction.columns(f"select * from {relation}")) != tuple(WORD_ERRORS):
            raise UserError(
                f"{relation}: this table was not made by voice-ai evaluate-asr, which would replace"
                " its rows; rename it, or name another for asr_word_errors in the var"
                " voice_ai_source_tables"
            )
        return
    declared = ", ".join(f"{column} {form}" for column, form in WORD_ERRORS.items())
    transaction.run(f"create schema if not exists {quoted(schema)}")
    transaction.run(f"create table {relation} ({declared})")


def _turns_query(project: DbtProject, ids: str) -> str:
    template = files("voice_ai_analytics.asr").joinpath("turns.sql")
    return Template(template.read_text(encoding="utf-8")).substitute(
        turns=project.relation("stg_voice_ai__turns_checked"),
        sessions=project.relation("fact_voice_ai_sessions"),
        ids=ids,
    )
