"""What `voice-ai evaluate-asr` estimates: word errors against references, and calibration."""

from __future__ import annotations

from pathlib import Path

from voice_ai_analytics.analysis import Source
from voice_ai_analytics.asr.references import read_file
from voice_ai_analytics.asr.results import AsrEvaluation, compare, spooled, summarise
from voice_ai_analytics.asr.warehouse import read_warehouse, write_back


def estimate(
    source: Source, references: Path | None = None, normalizer: str = "none", seed: int = 0
) -> AsrEvaluation:
    """Return word errors and calibration; write word errors into the warehouse.

    Parameters
    ----------
    source : Source
        Where the references are, unless in a file, and where word errors go, if anywhere.
    references : Path or None
        A file for `read_file`; None for the references in the warehouse.
    normalizer : str
        As for `count_errors`.
    seed : int
        Random seed for the bootstraps.

    Returns
    -------
    AsrEvaluation
        Its tables are empty where nothing could be estimated: the warehouse stays as it was.
    """
    project, warehouse = source.project, source.warehouse
    batches = read_file(references) if references else read_warehouse(project, warehouse)
    with spooled() as spool:
        excluded = compare(spool, batches, normalizer)
        if project and spool.has_word_errors:
            return write_back(source, spool, normalizer, excluded, seed)
        return summarise(spool, normalizer, excluded, seed=seed)
