"""What `voice-ai evaluate-asr` estimates: word error rates and calibration, by group."""

from __future__ import annotations

from pathlib import Path

from voice_ai_analytics.analysis import Source
from voice_ai_analytics.asr.calibration import calibrations
from voice_ai_analytics.asr.frame import References, load_ids, read_turns
from voice_ai_analytics.asr.rates import error_rates, group_rates
from voice_ai_analytics.asr.references import read_file
from voice_ai_analytics.asr.results import AsrEvaluation
from voice_ai_analytics.asr.spool import Spool, spooled
from voice_ai_analytics.asr.store import write_word_errors
from voice_ai_analytics.asr.words import notes
from voice_ai_analytics.warehouse import Transaction

MEMORY = "set memory_limit = '800MB'"


def estimate(
    source: Source, references: Path | None = None, normalizer: str = "none", seed: int = 0
) -> AsrEvaluation:
    """Return word error rates and calibration, and write word errors into the warehouse.

    Parameters
    ----------
    source : Source
        Where word errors go, and where the references are unless they are in a file.
    references : Path or None
        A file for `read_file`; None for the warehouse's references.
    normalizer : str
        As for `count_errors`.
    seed : int
        Random seed for the bootstraps.

    Returns
    -------
    AsrEvaluation
        Its ``exit_code`` is 3 where nothing could be estimated; the warehouse then stays as it
        was.

    Raises
    ------
    UserError
        If the references can't be read, or one names no session and its turn id belongs to
        several.
    """
    with spooled() as spool:
        if references is None:
            transaction = _begin(source)
            given = References(source.project, transaction)
            name = given.relation
            given.name_ids()
            spool.append("turns", read_turns(source.project, transaction, name))
            spool.compare(given.read(), normalizer)
        else:
            name = str(references)
            spool.compare(read_file(references), normalizer)
            if source.project and spool.has_comparisons:
                transaction = _begin(source)
                load_ids(transaction, spool.ids(_ending(source)))
                spool.append("turns", read_turns(source.project, transaction, name))
        excluded = spool.settle(normalizer, name)
        min_cohort_size = None
        if source.project and spool.has_word_errors:
            min_cohort_size = source.min_cohort_size
            write_word_errors(source.project, source.transaction, spool, _ending(source))
        return summarize(spool, normalizer, excluded, min_cohort_size, seed)


def summarize(
    spool: Spool,
    normalizer: str,
    excluded: dict[str, int],
    min_cohort_size: int | None = None,
    seed: int = 0,
) -> AsrEvaluation:
    """Return error rates and calibration of what a spool holds.

    Parameters
    ----------
    spool : Spool
        Settled.
    normalizer : str
        As for `count_errors`.
    excluded : dict of str to int
        From `Spool.settle`.
    min_cohort_size : int or None
        Groups of fewer users are suppressed. None without a warehouse, which alone knows users.
    seed : int
        Random seed for the bootstraps.

    Returns
    -------
    AsrEvaluation
    """
    spool.score()
    overall = error_rates(spool, (), normalizer, seed)[0]
    groups, undivided = [], {}
    if overall["reference_words"]:
        groups, undivided = group_rates(spool, normalizer, seed, min_cohort_size)
    calibration = calibrations(spool, groups, seed)
    (empty,) = spool.rows(
        "select count(*) as turns, cast(coalesce(sum(insertions), 0) as bigint) as insertions"
        " from compared where reference_words = 0"
    )
    told = notes(spool, overall, groups, undivided, calibration, empty, min_cohort_size is not None)
    return AsrEvaluation(normalizer, overall, groups, calibration, excluded, empty, told)


def _begin(source: Source) -> Transaction:
    transaction = source.begin()
    if source.warehouse.engine == "duckdb":
        transaction.run(MEMORY)
    return transaction


def _ending(source: Source) -> str:
    return "parquet" if source.warehouse.engine == "duckdb" else "csv"
