"""Simulated voice-assistant logs whose truth is known: five CSV files, references, truth.json."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.simulate.conversations import converse, release_of
from voice_ai_analytics.simulate.csv_files import HEADERS, CsvFile
from voice_ai_analytics.simulate.plan import plan_sessions
from voice_ai_analytics.simulate.references import FILE, TOO_SURE, ReferenceFile
from voice_ai_analytics.simulate.tables import (
    applications_frame,
    metrics_frame,
    sessions_frame,
    turns_frame,
    users_frame,
)
from voice_ai_analytics.simulate.truth import Tally
from voice_ai_analytics.simulate.world import (
    ASR_RELEASES,
    LANGUAGES,
    LOG_ODDS,
    LOG_ODDS_UNITS,
    START,
    TRANSFER,
    WEEKS,
)

CHUNK = 50_000  # sessions held at once; the files depend on it, so it isn't an option


def simulate(
    output_dir: Path,
    sessions: int,
    seed: int,
    *,
    null_effects: bool = False,
    repeats_turn_ids: bool = False,
    progress: Callable[[int], None] | None = None,
) -> dict:
    """Write simulated conversation logs with the dirt of real ones, and return the truth of them.

    Parameters
    ----------
    output_dir : Path
        Created if absent. Files with the same names are replaced once all of them are complete.
    sessions : int
        Number of valid distinct sessions, at least 1. Memory grows by about 100 bytes per session.
    seed : int
        At least 0. The files depend only on `sessions`, `seed`, `null_effects` and
        `repeats_turn_ids`.
    null_effects : bool
        Whether outcomes depend on nothing: every log-odds but the intercept is 0.
    repeats_turn_ids : bool
        Whether turns are numbered anew in each session (`0`, `1`, ...), as most platforms do. Only
        session and turn id together then identify a turn; references name the session too.
    progress : callable, optional
        Called with the number of sessions done so far.

    Returns
    -------
    dict
        The content of truth.json: `parameters`, `dates`, `asr_releases`, `confidence_too_sure` (how
        much less likely a word is right than its confidence says, in log-odds), `log_odds` with
        `log_odds_units`, `transfer_probability`, `rates` (completion, abandonment and transfer
        shares over sessions, mean ASR confidence over user turns, all in [0, 1]), `counts` and
        `dirt` (by name: rows, share, what it is a share of, whether it breaks the input contract,
        and up to 20 ids; a row without an id has the id of the row that it copies). Rates, counts
        other than `rows`, and dirt that keeps the contract are over valid distinct rows: those
        that quarantine would leave.

    Raises
    ------
    UserError
        If an argument is out of range or the directory can't be written.

    Notes
    -----
    A session's outcome is drawn from the recorded values of its first three user turns, before
    any later turn exists. Abandoned sessions then have fewer later turns.
    """
    if sessions < 1:
        raise UserError(f"sessions: {sessions} is too few; use a whole number of at least 1")
    if seed < 0:
        raise UserError(f"seed: {seed} is negative; use a whole number of at least 0")
    output_dir = Path(output_dir)
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        work_dir = Path(tempfile.mkdtemp(prefix=".simulate-", dir=output_dir))
    except OSError as error:
        raise UserError(
            f"{output_dir}: can't be written as a directory ({error.strerror}); use another"
        ) from error
    try:
        truth = _write(work_dir, sessions, seed, null_effects, repeats_turn_ids, progress)
        for name in (*(f"{table}.csv" for table in HEADERS), FILE, "truth.json"):
            (work_dir / name).replace(output_dir / name)
    except (OSError, duckdb.IOException) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{output_dir}: writing failed ({reason}); use another directory"
        ) from error
    finally:
        shutil.rmtree(work_dir, ignore_errors=True)
    return truth


def _write(
    work_dir: Path,
    sessions: int,
    seed: int,
    null_effects: bool,
    repeats_turn_ids: bool,
    progress: Callable[[int], None] | None,
) -> dict:
    log_odds = {
        term: 0.0 if null_effects and term != "intercept" else effect
        for term, effect in LOG_ODDS.items()
    }
    transfer = TRANSFER | ({"per_opening_error_proportion": 0.0} if null_effects else {})
    plan = plan_sessions(np.random.default_rng([seed, 0]), sessions)
    tally = Tally(repeats_turn_ids)
    with duckdb.connect() as connection:
        files = {
            table: CsvFile(work_dir / f"{table}.csv", table, connection, repeats_turn_ids)
            for table in HEADERS
        }
        references = ReferenceFile(work_dir, sessions, repeats_turn_ids)
        files["users"].append(users_frame(plan))
        for number, first in enumerate(range(0, sessions, CHUNK)):
            rng = np.random.default_rng([seed, 1, number])
            chunk = converse(rng, plan, slice(first, first + CHUNK), log_odds, transfer)
            files["voice_sessions"].append(sessions_frame(rng, plan, chunk, tally))
            files["voice_turns"].append(turns_frame(rng, plan, chunk, tally))
            files["voice_ai_metrics"].append(metrics_frame(rng, chunk, tally))
            files["applications"].append(applications_frame(rng, plan, chunk, tally))
            # Drawn independently: the five files are the same with and without references.
            references.append(
                np.random.default_rng([seed, 2, number]),
                chunk.sessions + 1,
                [LANGUAGES[code] for code in chunk.language],
                [ASR_RELEASES[code][0] for code in release_of(chunk.start)],
                np.where(chunk.user_turn_written, chunk.asr, -1),
            )
            if progress:
                progress(min(first + CHUNK, sessions))
    parameters = {"sessions": sessions, "seed": seed, "null_effects": null_effects}
    truth = {
        "parameters": parameters | ({"repeats_turn_ids": True} if repeats_turn_ids else {}),
        "dates": {
            "first": str(START.astype("M8[D]")),
            "last": str(START.astype("M8[D]") + 7 * WEEKS - 1),
            "weeks": WEEKS,
        },
        "asr_releases": [{"asr_model": name, "released_at": day} for name, day in ASR_RELEASES],
        "confidence_too_sure": TOO_SURE,
        "log_odds": log_odds,
        "log_odds_units": LOG_ODDS_UNITS,
        "transfer_probability": transfer,
        "rates": tally.rates(),
        "counts": {"rows": {table: file.rows for table, file in files.items()}} | tally.counts,
        "dirt": tally.dirt({table: file.rows for table, file in files.items()}),
    }
    (work_dir / "truth.json").write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")
    return truth
