"""Word errors in the warehouse, where dbt build certifies them."""

from __future__ import annotations

from voice_ai_analytics.asr.spool import WORD_ERRORS, Spool
from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.warehouse import Transaction, lock_writers, quoted


def write_word_errors(
    project: DbtProject, transaction: Transaction, spool: Spool, ending: str
) -> None:
    """Replace the rows of the source table ``asr_word_errors``.

    Parameters
    ----------
    project : DbtProject
        Built.
    transaction : Transaction
        In that project's warehouse.
    spool : Spool
        Settled.
    ending : str
        As for `Spool.word_errors`.

    Raises
    ------
    UserError
        If the table was made by someone else.
    """
    schema, relation = project.source("asr_word_errors")
    lock_writers(transaction.cursor, relation)
    _own_table(transaction, schema, relation)
    transaction.run(f"delete from {relation}")
    transaction.load(relation, spool.word_errors(ending))
    # Without statistics, PostgreSQL plans for a handful of rows.
    transaction.run(f"analyze {relation}")


def _own_table(transaction: Transaction, schema: str, relation: str) -> None:
    """Create the table of word errors, unless we made it before."""
    if relation.rsplit(".", 1)[-1].strip('"') not in transaction.tables(schema):
        declared = ", ".join(f"{column} {form}" for column, form in WORD_ERRORS.items())
        transaction.run(f"create schema if not exists {quoted(schema)}")
        transaction.run(f"create table {relation} ({declared})")
        return
    columns = list(transaction.columns(f"select * from {relation}"))
    if columns == list(WORD_ERRORS)[:-1]:
        # Made before turns were identified by their session.
        transaction.run(f"alter table {relation} add column session_id text")
    elif columns != list(WORD_ERRORS):
        raise UserError(
            f"{relation}: this table was not made by voice-ai evaluate-asr, which would replace"
            " its rows; rename it, or name another for asr_word_errors in the var"
            " voice_ai_source_tables"
        )
