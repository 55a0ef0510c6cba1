"""Word errors in the warehouse, where dbt build certifies them."""

from __future__ import annotations

from voice_ai_analytics.asr.spool import WORD_ERRORS, Spool
from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.warehouse import Transaction, quoted


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
        If the table isn't ours.
    """
    schema, relation = project.source("asr_word_errors")
    name = relation.rsplit(".", 1)[-1].strip('"')
    columns = ()
    if name in transaction.tables(schema):
        columns = tuple(transaction.columns(f"select * from {relation}"))
    if columns and columns not in (tuple(WORD_ERRORS), WITHOUT_SESSION):
        raise UserError(
            f"{relation}: this table was not made by voice-ai evaluate-asr, which would replace"
            " its rows; rename it, or name another for asr_word_errors in the var"
            " voice_ai_source_tables"
        )
