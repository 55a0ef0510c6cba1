"""Simulated voice-assistant logs whose truth is known: five CSV files, references, truth.json."""

import json
import math
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.simulate_references import FILE, TOO_SURE, ReferenceFile

CHUNK = 50_000  # sessions held at once; the files depend on it, so it is no option
START = np.datetime64("2026-01-05T00:00:00", "s")  # a Monday
WEEKS = 26

HEADERS = {
    "users": "user_id,region,disability_flag,first_time_digital_user",
    "voice_sessions": (
        "session_id,user_id,channel,language,total_duration_sec,total_turns,final_outcome,"
        "transfer_reason,created_at"
    ),
    "voice_turns": (
        "turn_id,session_id,turn_number,speaker,detected_intent,intent_confidence,asr_confidence,"
        "error_type,turn_duration_sec,created_at"
    ),
    "voice_ai_metrics": (
        "session_id,avg_asr_confidence,avg_intent_confidence,misunderstanding_rate,silence_rate,"
        "recovery_success,escalation_flag"
    ),
    "applications": (
        "application_id,session_id,user_id,service_code,channel,status,time_to_submit_sec,"
        "submitted_at"
    ),
}

OUTCOMES = ["completed", "abandoned", "transferred"]
COMPLETED, ABANDONED, TRANSFERRED = range(3)
ERRORS = ["misunderstanding", "silence", "noise"]
NONE, MISUNDERSTANDING, SILENCE, NOISE = -1, 0, 1, 2
CHANNELS = ["voice", "ivr", "chat"]
CHAT = 2
REGIONS = ["rural", "urban", "peri_urban"]
RURAL = 0
LANGUAGES = ["en", "hi", "es", "ta", "sw"]
TRANSFER_REASONS = ["agent_requested", "repeated_misunderstanding", "out_of_scope", "identity"]
TOPICS = ["check_status", "new_application", "update_details", "payment_query", "find_office"]
INTENTS = [*TOPICS, "provide_details", "confirm", "repeat_request"]
SERVICES = ["PENSION", "HEALTH-CARD", "LAND-RECORD", "SCHOLARSHIP", "WATER-BILL"]
STATUSES = ["submitted", "approved", "rejected", "draft"]
DRAFT = 3

ASR_RELEASES = [("asr-1.0", "2026-01-05"), ("asr-1.1", "2026-03-02"), ("asr-2.0", "2026-05-04")]
# What a language gets from a release, in log-odds of ASR confidence around that of English on
# asr-1.0; a misunderstanding becomes less likely with it.
ASR_SHIFTS = np.array(
    [
        [0.00, 0.10, 0.20],  # en
        [-0.30, -0.15, 0.00],  # hi
        [-0.10, 0.00, 0.15],  # es
        [-0.65, -0.35, -0.45],  # ta: the last release is a small step back
        [-0.85, -0.75, -0.40],  # sw
    ]
)

OPENING = 3  # user turns that decide the outcome
OPENING_LENGTHS = [0.06, 0.14, 0.80]  # shares of sessions with 1, 2 and 3 or more user turns
MAX_USER_TURNS = 8
LATER_TURNS = np.array([1.7, 0.5, 1.1])  # Poisson mean of user turns after the opening, by outcome
SYSTEM_ENDS = np.array([0.85, 0.5, 0.9])  # share of sessions where it has the last word, likewise

ASR_REFERENCE = 0.8
LOG_ODDS = {
    "intercept": -1.3,
    "opening_asr_confidence": -1.2,
    "opening_error_proportion": 0.9,
    "first_time_digital_user": 0.25,
    "rural": 0.15,
}
LOG_ODDS_UNITS = {
    "outcome": "abandoned against completed, among sessions that were not transferred",
    "intercept": f"opening ASR confidence {ASR_REFERENCE} or none, no error, neither flag",
    "opening_asr_confidence": (
        f"per unit (0 to 1) above {ASR_REFERENCE}: mean over those of the session's first "
        f"{OPENING} user turns that have it; 0 where none has"
    ),
    "opening_error_proportion": (
        f"per unit (0 to 1): share of the session's first {OPENING} user turns with an error"
    ),
    "first_time_digital_user": "yes against no",
    "rural": "rural against urban and peri_urban",
    "everything else": "no effect, language and channel included",
}
TRANSFER = {"base": 0.06, "per_opening_error_proportion": 0.10}

# Dirt: name -> (the rows its share is of, expected share). It leaves every row valid.
DIRT = {
    "sessions_without_turns": ("sessions", 0.02),
    "declared_turns_differ": ("sessions", 0.70),
    "session_created_at_without_time": ("sessions", 0.04),
    "metrics_differ_from_turns": ("sessions", 0.08),
    "completed_with_transfer_reason": ("completed_sessions", 0.03),
    "repeated_turn_number": ("turns", 0.005),
    "asr_confidence_on_system_turn": ("system_turns", 0.05),
    "turn_created_at_without_time": ("turns", 0.03),
    "application_of_another_user": ("applications", 0.30),
}
# Rows that break the contract, all of them extra: name -> rows per session, rounded up.
BROKEN_SESSIONS = {
    "duplicate_session_row": 0.0005,
    "session_id_missing": 0.0005,
    "session_created_at_unparsable": 0.0005,
}
BROKEN_TURNS = {
    "asr_confidence_out_of_range": 0.002,
    "asr_confidence_text": 0.002,
    "turn_of_unknown_session": 0.002,
    "turn_duration_negative": 0.002,
    "turn_created_at_unparsable": 0.002,
    "speaker_unknown": 0.002,
}
SAMPLE = 20  # ids kept of each kind of dirt


def simulate(
    output_dir: Path,
    sessions: int,
    seed: int,
    *,
    null_effects: bool = False,
    progress: Callable[[int], None] | None = None,
) -> dict:
    """Write simulated conversation logs, with the dirt real ones have, and the truth about them.

    Parameters
    ----------
    output_dir : Path
        Made if absent. Files of the same names are replaced, once all are complete.
    sessions : int
        Valid distinct sessions, at least 1. Memory grows by some 100 bytes a session.
    seed : int
        At least 0. The files depend on `sessions`, `seed` and `null_effects` only.
    null_effects : bool
        When true, outcomes depend on nothing: every log-odds but the intercept is 0.
    progress : callable, optional
        Called with the number of sessions done so far.

    Returns
    -------
    dict
        What truth.json holds: `parameters`, `dates`, `asr_releases`, `confidence_too_sure` (how
        much less likely than its confidence says a word is right, in log-odds), `log_odds` with
        `log_odds_units`, `transfer_probability`, `rates` (completion, abandonment and transfer
        shares over sessions, mean ASR confidence over user turns, all in [0, 1]), `counts` and
        `dirt` (name to rows, share, what it is a share of, whether it breaks the input contract,
        and up to 20 ids; a row without an id is found by that of the row it copies). Rates,
        counts other than `rows`, and dirt that keeps the contract are over the valid distinct
        rows as written: those that quarantine would leave.

    Raises
    ------
    UserError
        Where an argument is out of range or the directory cannot be written.

    Notes
    -----
    A session's outcome is drawn from the recorded values of its first three user turns, before
    any later turn exists; abandoned sessions then have fewer later turns.
    """
    if sessions < 1:
        raise UserError(f"sessions: {sessions} is too few; give a whole number of at least 1")
    if seed < 0:
        raise UserError(f"seed: {seed} is negative; give a whole number of at least 0")
    output_dir = Path(output_dir)
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        work_dir = Path(tempfile.mkdtemp(prefix=".simulate-", dir=output_dir))
    except OSError as error:
        raise UserError(
            f"{output_dir}: not a directory that can be written ({error.strerror}); name another"
        ) from error
    try:
        truth = _write(work_dir, sessions, seed, null_effects, progress)
        for name in (*(f"{table}.csv" for table in HEADERS), FILE, "truth.json"):
            (work_dir / name).replace(output_dir / name)
    except (OSError, duckdb.IOException) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{output_dir}: writing failed ({reason}); name another directory"
        ) from error
    finally:
        shutil.rmtree(work_dir, ignore_errors=True)
    return truth


def _write(
    work_dir: Path,
    sessions: int,
    seed: int,
    null_effects: bool,
    progress: Callable[[int], None] | None,
) -> dict:
    log_odds = {
        term: 0.0 if null_effects and term != "intercept" else effect
        for term, effect in LOG_ODDS.items()
    }
    transfer = TRANSFER | ({"per_opening_error_proportion": 0.0} if null_effects else {})
    plan = _plan(np.random.default_rng([seed, 0]), sessions)
    tally = _Tally()
    with duckdb.connect() as connection:
        files = {table: _CsvFile(work_dir / f"{table}.csv", table, connection) for table in HEADERS}
        references = ReferenceFile(work_dir, sessions)
        files["users"].append(_users_frame(plan))
        for number, first in enumerate(range(0, sessions, CHUNK)):
            rng = np.random.default_rng([seed, 1, number])
            chunk = _converse(rng, plan, first, log_odds, transfer)
            files["voice_sessions"].append(_sessions_frame(rng, plan, chunk, tally))
            files["voice_turns"].append(_turns_frame(rng, plan, chunk, tally))
            files["voice_ai_metrics"].append(_metrics_frame(rng, chunk, tally))
            files["applications"].append(_applications_frame(rng, plan, chunk, tally))
            # Chances of their own: the five files are the same with and without references.
            references.append(
                np.random.default_rng([seed, 2, number]),
                chunk.sessions + 1,
                [LANGUAGES[code] for code in chunk.language],
                [ASR_RELEASES[code][0] for code in _release(chunk.start)],
                np.where(chunk.user_turn_written, chunk.asr, -1),
            )
            if progress:
                progress(min(first + CHUNK, sessions))
    truth = {
        "parameters": {"sessions": sessions, "seed": seed, "null_effects": null_effects},
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


# --- what is fixed for the whole run: users, who comes when, where the broken rows go ---


@dataclass(frozen=True)
class _Plan:
    """Arrays over users, then over sessions in order of time, then rows of dirt by session."""

    region: np.ndarray
    disability: np.ndarray
    first_time: np.ndarray
    language: np.ndarray
    user: np.ndarray
    start: np.ndarray  # seconds since START
    without_turns: np.ndarray
    broken: dict[str, np.ndarray]  # name -> sorted sessions that an extra row is added to


def _plan(rng: np.random.Generator, sessions: int) -> _Plan:
    user = _visits(rng, sessions)
    users = int(user[-1]) + 1
    region = _draw(rng, [0.34, 0.46, 0.20], users)
    first_time = rng.random(users) < np.array([0.42, 0.24, 0.32])[region]
    language_shares = np.array(
        [
            [0.22, 0.32, 0.14, 0.14, 0.18],  # rural
            [0.46, 0.24, 0.17, 0.07, 0.06],  # urban
            [0.36, 0.28, 0.15, 0.10, 0.11],  # peri_urban
        ]
    )
    language = _draw(rng, language_shares[region], users)
    disability = rng.random(users) < 0.11

    start = _start_seconds(rng, user)
    order = np.argsort(start, kind="stable")
    without_turns = np.zeros(sessions, dtype=bool)
    lost = round(DIRT["sessions_without_turns"][1] * sessions)
    without_turns[rng.choice(sessions, lost, replace=False)] = True

    sizes = {
        name: math.ceil(share * sessions)
        for name, share in (BROKEN_SESSIONS | BROKEN_TURNS).items()
    }
    candidates = np.flatnonzero(~without_turns)
    total = sum(sizes.values())
    hosts = rng.choice(candidates, total, replace=total > len(candidates))
    ends = np.cumsum(list(sizes.values()))
    broken = {
        name: np.sort(part) for name, part in zip(sizes, np.split(hosts, ends[:-1]), strict=True)
    }
    return _Plan(
        region, disability, first_time, language, user[order], start[order], without_turns, broken
    )


def _visits(rng: np.random.Generator, sessions: int) -> np.ndarray:
    """User number of every session, grouped by user; sessions a user are Zipf-like up to 30."""
    numbers = np.arange(1, 31)
    weights = numbers**-1.8
    # As many users as sessions are more than enough: each has at least one.
    visits = rng.choice(numbers, sessions, p=weights / weights.sum())
    users = int(np.searchsorted(np.cumsum(visits), sessions)) + 1
    return np.repeat(np.arange(users, dtype=np.int32), visits[:users])[:sessions]


def _start_seconds(rng: np.random.Generator, user: np.ndarray) -> np.ndarray:
    """Start of every session in seconds; one in six returns is a call-back within hours.

    Visits are laid out evenly in operational time, which is then stretched over the calendar by
    the expected traffic of each hour: growth over the weeks, quiet weekends, a daily rhythm.
    """
    n = len(user)
    first = np.r_[True, user[1:] != user[:-1]]
    days = np.where(rng.random(n) < 1 / 6, rng.exponential(0.2, n), rng.exponential(20, n))
    step = days / (7 * WEEKS)
    step[first] = rng.random(np.count_nonzero(first))
    elapsed = np.cumsum(step)
    position = (elapsed - (elapsed - step)[first][user]) % 1

    by_hour = np.array(
        [4, 2, 2, 2, 3, 8, 18, 35, 60, 85, 95, 90, 75, 70, 78, 80, 76, 70, 62, 52, 40, 28, 16, 8]
    )
    by_day = np.array([1.12, 1.06, 1.04, 1.02, 1.00, 0.62, 0.45])
    by_week = np.linspace(0.75, 1.25, WEEKS)
    traffic = (by_week[:, None, None] * by_day[:, None] * by_hour).ravel()
    share = np.r_[0, np.cumsum(traffic)] / traffic.sum()
    return np.interp(position, share, 3600 * np.arange(len(share))).astype(np.int64)


# --- one chunk of conversations ---


@dataclass(frozen=True)
class _Chunk:
    """Arrays over n sessions; those over turns are n x MAX_USER_TURNS or n x (2 of that + 1)."""

    sessions: np.ndarray  # places in the plan
    user: np.ndarray
    start: np.ndarray
    language: np.ndarray
    channel: np.ndarray
    topic: np.ndarray
    outcome: np.ndarray
    user_turns: np.ndarray
    turns: np.ndarray
    error: np.ndarray
    asr: np.ndarray  # thousandths, -1 for none
    intent: np.ndarray
    intent_confidence: np.ndarray  # thousandths, -1 for none
    turn_start: np.ndarray  # tenths of a second after the session's start, system turns too
    turn_duration: np.ndarray  # tenths of a second, system turns too
    duration: np.ndarray  # seconds
    without_turns: np.ndarray

    def __len__(self) -> int:
        return len(self.sessions)

    @property
    def user_turn_written(self) -> np.ndarray:
        return (np.arange(MAX_USER_TURNS) < self.user_turns[:, None]) & ~self.without_turns[:, None]

    @property
    def turn_written(self) -> np.ndarray:
        columns = np.arange(2 * MAX_USER_TURNS + 1)
        return (columns < self.turns[:, None]) & ~self.without_turns[:, None]


def _converse(
    rng: np.random.Generator, plan: _Plan, first: int, log_odds: dict, transfer: dict
) -> _Chunk:
    chunk = slice(first, first + CHUNK)
    user, start = plan.user[chunk], plan.start[chunk]
    n = len(user)
    sessions = np.arange(first, first + n)
    language, first_time = plan.language[user], plan.first_time[user]
    channel = _draw(rng, np.where(first_time[:, None], [0.66, 0.24, 0.10], [0.50, 0.24, 0.26]), n)
    topic = _draw(rng, [0.34, 0.22, 0.16, 0.18, 0.10], n)
    chat = channel == CHAT
    release = _release(start)
    clarity = rng.normal(0, 0.5, n) + np.where(chat, 0.3, ASR_SHIFTS[language, release])

    opening_turns = 1 + _draw(rng, OPENING_LENGTHS, n)
    opening_turns[np.isin(sessions, np.concatenate(list(plan.broken.values())))] = OPENING
    opening = _user_turns(rng, OPENING, clarity, chat, topic)
    error, asr = opening[:2]
    held = np.arange(OPENING) < opening_turns[:, None]
    heard = held & (asr >= 0)
    asr_mean = np.where(heard, asr, 0).sum(1) / np.maximum(heard.sum(1), 1) / 1000
    error_proportion = (held & (error != NONE)).sum(1) / opening_turns
    logit = (
        log_odds["intercept"]
        + log_odds["opening_asr_confidence"] * np.where(heard.any(1), asr_mean - ASR_REFERENCE, 0)
        + log_odds["opening_error_proportion"] * error_proportion
        + log_odds["first_time_digital_user"] * first_time
        + log_odds["rural"] * (plan.region[user] == RURAL)
    )
    transferred = rng.random(n) < (
        transfer["base"] + transfer["per_opening_error_proportion"] * error_proportion
    )
    abandoned = rng.random(n) < _expit(logit)
    outcome = np.where(transferred, TRANSFERRED, np.where(abandoned, ABANDONED, COMPLETED))

    later_turns = np.minimum(rng.poisson(LATER_TURNS[outcome]), MAX_USER_TURNS - OPENING)
    user_turns = opening_turns + np.where(opening_turns == OPENING, later_turns, 0)
    later = _user_turns(rng, MAX_USER_TURNS - OPENING, clarity, chat, topic)
    error, asr, intent, intent_confidence = (
        np.hstack(pair) for pair in zip(opening, later, strict=True)
    )
    # The system greets, and has the last word unless the user leaves before it.
    turns = 2 * user_turns + (rng.random(n) < SYSTEM_ENDS[outcome])
    turn_start, turn_duration = _clock(rng, chat, error)
    end = np.take_along_axis(turn_start + turn_duration, turns[:, None] - 1, 1)[:, 0]
    return _Chunk(
        sessions=sessions,
        user=user,
        start=start,
        language=language,
        channel=channel,
        topic=topic,
        outcome=outcome,
        user_turns=user_turns,
        turns=turns,
        error=error,
        asr=asr,
        intent=intent,
        intent_confidence=intent_confidence,
        turn_start=turn_start,
        turn_duration=turn_duration,
        duration=-(-end // 10),
        without_turns=plan.without_turns[chunk],
    )


def _release(start: np.ndarray) -> np.ndarray:
    starts = [(np.datetime64(day, "s") - START).astype(int) for _, day in ASR_RELEASES]
    return np.searchsorted(starts, start, side="right") - 1


def _user_turns(
    rng: np.random.Generator, width: int, clarity: np.ndarray, chat: np.ndarray, topic: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Error, ASR confidence, intent and intent confidence of `width` user turns a session."""
    shape = (len(clarity), width)
    clarity = clarity[:, None] + rng.normal(0, 0.6, shape)
    chat = chat[:, None]
    silence = np.where(chat, 0.01, 0.035)
    noise = silence + np.where(chat, 0, 0.03)
    misunderstood = noise + _expit(-2.5 - 0.9 * clarity)
    luck = rng.random(shape)
    error = np.select(
        [luck < silence, luck < noise, luck < misunderstood],
        [SILENCE, NOISE, MISUNDERSTANDING],
        NONE,
    )
    asr = _thousandths(2.0 + clarity - 0.8 * (error == NOISE))
    asr[chat | (error == SILENCE)] = -1

    off_topic = rng.integers(len(TOPICS), len(INTENTS), shape)
    intent = np.where(rng.random(shape) < 0.45, topic[:, None], off_topic)
    doubt = 1.2 * (error == MISUNDERSTANDING)
    intent_confidence = _thousandths(1.7 + 0.7 * clarity + rng.normal(0, 0.5, shape) - doubt)
    unheard = (error == SILENCE) | (error == NOISE)
    intent[unheard] = NONE
    intent_confidence[unheard] = -1
    return error, asr, intent, intent_confidence


def _clock(
    rng: np.random.Generator, chat: np.ndarray, error: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Start and duration of every turn, in tenths of a second, pauses between them included."""
    shape = (len(chat), 2 * MAX_USER_TURNS + 1)
    seconds = rng.lognormal(np.log(5.0), 0.4, shape)
    seconds[:, 1::2] = rng.lognormal(np.log(3.6), 0.55, error.shape)
    seconds[:, 1::2][error == SILENCE] = 8.0  # the system's time-out
    seconds[chat] *= 1.8
    duration = np.maximum(np.rint(10 * seconds), 3).astype(np.int64)
    pause = np.rint(rng.exponential(8, shape)).astype(np.int64)
    return np.cumsum(duration + pause, axis=1) - duration, duration


# --- tables ---


def _users_frame(plan: _Plan) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_number": np.arange(len(plan.region)) + 1,
            "region": _labels(plan.region, REGIONS),
            "disability_flag": _labels(plan.disability, ["no", "yes"]),
            "first_time_digital_user": _labels(plan.first_time, ["no", "yes"]),
        }
    )


def _sessions_frame(
    rng: np.random.Generator, plan: _Plan, chunk: _Chunk, tally: "_Tally"
) -> pd.DataFrame:
    n = len(chunk)
    completed = chunk.outcome == COMPLETED
    stray_reason = completed & _dirty(rng, "completed_with_transfer_reason", n)
    has_reason = stray_reason | (chunk.outcome == TRANSFERRED)
    misunderstandings = (chunk.user_turn_written & (chunk.error == MISUNDERSTANDING)).sum(1)
    reasons = np.where(misunderstandings[:, None] > 1, [0.3, 0.5, 0.15, 0.05], [0.55, 0, 0.3, 0.15])
    reason = np.where(has_reason, _draw(rng, reasons, n), NONE)
    slip = np.array([-1, 1, 2, 3, 4])[_draw(rng, [0.2, 0.3, 0.25, 0.15, 0.1], n)]
    declared = chunk.turns + np.where(_dirty(rng, "declared_turns_differ", n), slip, 0)
    dateless = _dirty(rng, "session_created_at_without_time", n)

    written = np.where(chunk.without_turns, 0, chunk.turns)
    tally.note("sessions_without_turns", chunk.without_turns, chunk.sessions)
    tally.note("declared_turns_differ", declared != written, chunk.sessions)
    tally.note("completed_with_transfer_reason", stray_reason, chunk.sessions)
    tally.note("session_created_at_without_time", dateless, chunk.sessions)
    tally.count(sessions=n, sessions_without_turns=chunk.without_turns.sum())
    for code, name in enumerate(OUTCOMES):
        tally.count(**{f"{name}_sessions": (chunk.outcome == code).sum()})

    frame = pd.DataFrame(
        {
            "session_number": chunk.sessions + 1,
            "user_number": chunk.user + 1,
            "channel": _labels(chunk.channel, CHANNELS),
            "language": _labels(chunk.language, LANGUAGES),
            "total_duration_sec": chunk.duration,
            "total_turns": declared,
            "final_outcome": _labels(chunk.outcome, OUTCOMES),
            "transfer_reason": _labels(reason, TRANSFER_REASONS),
            "instant": _instants(chunk.start),
            "dateless": dateless,
        }
    )
    frame = _with_broken_rows(frame, BROKEN_SESSIONS, plan, chunk, np.arange(n))
    unparsable = frame["broken"] == "session_created_at_unparsable"
    frame.loc[unparsable, "session_number"] += len(plan.user)
    for kind in BROKEN_SESSIONS:
        this = (frame["broken"] == kind).to_numpy()
        tally.note(kind, this, frame["session_number"].to_numpy() - 1)
    return frame


def _turns_frame(
    rng: np.random.Generator, plan: _Plan, chunk: _Chunk, tally: "_Tally"
) -> pd.DataFrame:
    written = chunk.turn_written
    row, column = np.nonzero(written)
    user_spoke = column % 2 == 1
    turn = np.where(user_spoke, column // 2, 0)
    error, asr, intent, intent_confidence = (
        np.where(user_spoke, values[row, turn], -1)
        for values in (chunk.error, chunk.asr, chunk.intent, chunk.intent_confidence)
    )
    session, n = chunk.sessions[row], len(row)

    speech = chunk.channel[row] != CHAT
    leaked = ~user_spoke & speech & _dirty(rng, "asr_confidence_on_system_turn", n)
    asr = np.where(leaked, rng.integers(900, 1000, n), asr)
    # A turn takes its predecessor's number. The speakers alternate, so the order of the user's
    # turns stays what it was.
    repeated = (column > 0) & _dirty(rng, "repeated_turn_number", n)
    repeated[1:] &= ~repeated[:-1]
    dateless = _dirty(rng, "turn_created_at_without_time", n)

    tally.note("asr_confidence_on_system_turn", leaked, session, column + 1)
    tally.note("repeated_turn_number", repeated, session, column + 1)
    tally.note("turn_created_at_without_time", dateless, session, column + 1)
    heard = user_spoke & (asr >= 0)
    tally.count(
        turns=n,
        user_turns=user_spoke.sum(),
        system_turns=(~user_spoke).sum(),
        error_turns=(error != NONE).sum(),
        user_turns_with_asr_confidence=heard.sum(),
    )
    tally.asr_thousandths += int(asr[heard].sum())

    frame = pd.DataFrame(
        {
            "session_number": chunk.sessions[row] + 1,
            "ordinal": column + 1,
            "turn_number": column + 1 - repeated,
            "speaker": _labels(user_spoke, ["system", "user"]),
            "detected_intent": _labels(intent, INTENTS),
            "intent_confidence": intent_confidence,
            "asr_confidence": asr,
            "error_type": _labels(error, ERRORS),
            "duration": chunk.turn_duration[row, column],
            "instant": _instants(chunk.start[row] + chunk.turn_start[row, column] // 10),
            "dateless": dateless,
        }
    )
    last = np.cumsum(written.sum(1)) - 1
    frame = _with_broken_rows(frame, BROKEN_TURNS, plan, chunk, last)
    broken = frame["broken"].notna()
    frame.loc[broken, "turn_number"] = frame.loc[broken, "ordinal"] + 1
    # The kind's own number keeps turn ids unique where one session hosts several kinds.
    frame.loc[broken, "ordinal"] += 1 + frame.loc[broken, "broken"].cat.codes
    for kind in BROKEN_TURNS:
        this = (frame["broken"] == kind).to_numpy()
        numbers = frame[["session_number", "ordinal"]].to_numpy()
        tally.note(kind, this, numbers[:, 0] - 1, numbers[:, 1])
    unknown = frame["broken"] == "turn_of_unknown_session"
    frame["turn_session_number"] = frame["session_number"] + 2 * len(plan.user) * unknown
    return frame


def _metrics_frame(rng: np.random.Generator, chunk: _Chunk, tally: "_Tally") -> pd.DataFrame:
    written = chunk.user_turn_written
    turns = written.sum(1)
    averages = {
        "asr": _average(chunk.asr, written),
        "intent": _average(chunk.intent_confidence, written),
    }
    off = _dirty(rng, "metrics_differ_from_turns", len(chunk)) & ~np.isnan(averages["intent"])
    slip = rng.uniform(0.02, 0.15, len(chunk))
    for name, average in averages.items():
        averages[name] = average + np.where(off, np.where(average > 0.5, -slip, slip), 0)
    tally.note("metrics_differ_from_turns", off, chunk.sessions)

    errors = (written & (chunk.error != NONE)).sum(1)
    recovered = np.where(errors > 0, chunk.outcome == COMPLETED, NONE)
    return pd.DataFrame(
        {
            "session_number": chunk.sessions + 1,
            "avg_asr_confidence": np.round(averages["asr"], 4),
            "avg_intent_confidence": np.round(averages["intent"], 4),
            "misunderstanding_rate": np.round(
                _share((written & (chunk.error == MISUNDERSTANDING)).sum(1), turns), 4
            ),
            "silence_rate": np.round(_share((written & (chunk.error == SILENCE)).sum(1), turns), 4),
            "recovery_success": _labels(recovered, ["no", "yes"]),
            "escalation_flag": _labels(chunk.outcome == TRANSFERRED, ["no", "yes"]),
        }
    )


def _applications_frame(
    rng: np.random.Generator, plan: _Plan, chunk: _Chunk, tally: "_Tally"
) -> pd.DataFrame:
    applied = rng.random(len(chunk)) < np.where(chunk.outcome == COMPLETED, 0.45, 0.06)
    session, user = chunk.sessions[applied], chunk.user[applied].astype(np.int64)
    n, users = len(session), len(plan.region)
    # A step of 1 to users - 1 around the ring of users never ends where it began.
    step = rng.integers(1, max(users, 2), n)
    other = (user + np.where(_dirty(rng, "application_of_another_user", n), step, 0)) % users
    moved = rng.random(n) < 0.1
    channel = np.where(moved, _draw(rng, [0.5, 0.3, 0.2], n), chunk.channel[applied])
    status = _draw(rng, [0.5, 0.25, 0.1, 0.15], n)
    seconds = chunk.duration[applied] + np.rint(rng.lognormal(np.log(600), 1.0, n)).astype(np.int64)
    tally.note("application_of_another_user", other != user, session)
    tally.count(applications=n)
    return pd.DataFrame(
        {
            "session_number": session + 1,
            "user_number": other + 1,
            "service_code": _labels(_draw(rng, [0.3, 0.25, 0.2, 0.15, 0.1], n), SERVICES),
            "channel": _labels(channel, CHANNELS),
            "status": _labels(status, STATUSES),
            "submitted": status != DRAFT,
            "seconds": seconds,
            "instant": _instants(chunk.start[applied] + seconds),
        }
    )


def _with_broken_rows(
    frame: pd.DataFrame, kinds: dict[str, float], plan: _Plan, chunk: _Chunk, copied: np.ndarray
) -> pd.DataFrame:
    """Repeat row `copied` of each host session behind itself, marked in the column `broken`."""
    rows, broken = [np.arange(len(frame))], [np.full(len(frame), NONE)]
    for code, kind in enumerate(kinds):
        low, high = np.searchsorted(plan.broken[kind], [chunk.sessions[0], chunk.sessions[-1] + 1])
        rows.append(copied[plan.broken[kind][low:high] - chunk.sessions[0]])
        broken.append(np.full(high - low, code))
    rows, broken = np.concatenate(rows), np.concatenate(broken)
    order = np.argsort(rows, kind="stable")
    frame = frame.iloc[rows[order]].reset_index(drop=True)
    frame["broken"] = _labels(broken[order], list(kinds))
    return frame


# --- truth ---


class _Tally:
    """Counts what was written, chunk by chunk."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.asr_thousandths = 0
        self._dirt = {name: {"rows": 0} for name in (*DIRT, *BROKEN_SESSIONS, *BROKEN_TURNS)}

    def count(self, **numbers: int) -> None:
        for name, number in numbers.items():
            self.counts[name] = self.counts.get(name, 0) + int(number)

    def note(
        self, name: str, dirty: np.ndarray, session: np.ndarray, ordinal: np.ndarray | None = None
    ) -> None:
        entry = self._dirt[name]
        entry["rows"] += int(np.count_nonzero(dirty))
        ids = entry.setdefault("session_ids" if ordinal is None else "turn_ids", [])
        for place in np.flatnonzero(dirty)[: SAMPLE - len(ids)]:
            number = f"{session[place] + 1:08d}"
            ids.append(f"S{number}" if ordinal is None else f"T{number}-{ordinal[place]:02d}")

    def rates(self) -> dict[str, float | None]:
        asked = self.counts["user_turns_with_asr_confidence"]
        return {
            "completion": self.counts["completed_sessions"] / self.counts["sessions"],
            "abandonment": self.counts["abandoned_sessions"] / self.counts["sessions"],
            "transfer": self.counts["transferred_sessions"] / self.counts["sessions"],
            "asr_confidence": self.asr_thousandths / asked / 1000 if asked else None,
        }

    def dirt(self, rows: dict[str, int]) -> dict[str, dict]:
        of = {name: (kind, self.counts[kind]) for name, (kind, _) in DIRT.items()}
        of |= dict.fromkeys(BROKEN_SESSIONS, ("voice_sessions rows", rows["voice_sessions"]))
        of |= dict.fromkeys(BROKEN_TURNS, ("voice_turns rows", rows["voice_turns"]))
        return {
            name: {
                "rows": entry["rows"],
                "share": entry["rows"] / max(of[name][1], 1),
                "share_of": of[name][0],
                "breaks_contract": name not in DIRT,
            }
            | entry
            for name, entry in self._dirt.items()
        }


# --- files ---

_SESSION_ID = "'S' || format('{:08d}', session_number)"
_USER_ID = "'U' || format('{:07d}', user_number)"
_INSTANT = "strftime(instant::timestamp, '%Y-%m-%dT%H:%M:%SZ')"
_CREATED_AT = f"if(dateless, strftime(instant::timestamp, '%Y-%m-%d'), {_INSTANT})"
_UNPARSABLE = "'2026-13-45T25:61:00Z'"

# How codes and numbers read in the file, in DuckDB's SQL; other columns read as they are.
EXPRESSIONS = {
    "users": {"user_id": _USER_ID},
    "voice_sessions": {
        "session_id": f"if(broken = 'session_id_missing', null, {_SESSION_ID})",
        "user_id": _USER_ID,
        "created_at": (
            f"if(broken = 'session_created_at_unparsable', {_UNPARSABLE}, {_CREATED_AT})"
        ),
    },
    "voice_turns": {
        "turn_id": "'T' || format('{:08d}', session_number) || '-' || format('{:02d}', ordinal)",
        "session_id": "'S' || format('{:08d}', turn_session_number)",
        "speaker": (
            "case when broken = 'speaker_unknown' then 'supervisor' "
            "when starts_with(broken::varchar, 'asr_confidence') then 'user' else speaker end"
        ),
        "intent_confidence": "nullif(intent_confidence, -1) / 1000",
        "asr_confidence": (
            "case broken when 'asr_confidence_out_of_range' then '1.7' "
            "when 'asr_confidence_text' then 'high' "
            "else (nullif(asr_confidence, -1) / 1000)::varchar end"
        ),
        "turn_duration_sec": "if(broken = 'turn_duration_negative', -1, 1) * duration / 10",
        "created_at": f"if(broken = 'turn_created_at_unparsable', {_UNPARSABLE}, {_CREATED_AT})",
    },
    "voice_ai_metrics": {"session_id": _SESSION_ID},
    "applications": {
        "application_id": "'A' || format('{:08d}', session_number)",
        "session_id": _SESSION_ID,
        "user_id": _USER_ID,
        "time_to_submit_sec": "if(submitted, seconds, null)",
        "submitted_at": f"if(submitted, {_INSTANT}, null)",
    },
}


class _CsvFile:
    """A CSV file that frames are appended to."""

    def __init__(self, path: Path, table: str, connection: duckdb.DuckDBPyConnection) -> None:
        self.rows = 0
        self._path = path
        self._connection = connection
        names = HEADERS[table].split(",")
        self._columns = ", ".join(EXPRESSIONS[table].get(name, name) for name in names)
        path.write_text(HEADERS[table] + "\n", encoding="utf-8")

    def append(self, frame: pd.DataFrame) -> None:
        part = self._path.with_suffix(".part")
        rows = self._connection.from_df(frame).project(self._columns)
        rows.write_csv(str(part), header=False)
        with part.open("rb") as source, self._path.open("ab") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        self.rows += len(frame)


# --- small helpers ---


def _draw(rng: np.random.Generator, shares: list | np.ndarray, n: int) -> np.ndarray:
    """Draw n codes from shares (k,), or from shares (n, k) row by row."""
    bounds = np.cumsum(shares, axis=-1)[..., :-1]
    return (rng.random(n)[:, None] > bounds).sum(1)


def _dirty(rng: np.random.Generator, name: str, n: int) -> np.ndarray:
    return rng.random(n) < DIRT[name][1]


def _expit(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _thousandths(logit: np.ndarray) -> np.ndarray:
    return np.rint(1000 * _expit(logit)).astype(np.int64)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _average(thousandths: np.ndarray, written: np.ndarray) -> np.ndarray:
    known = written & (thousandths >= 0)
    return _share(np.where(known, thousandths, 0).sum(1), known.sum(1)) / 1000


def _labels(codes: np.ndarray, names: list[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes.astype(np.int8), names)


def _instants(seconds: np.ndarray) -> np.ndarray:
    return START + seconds.astype("m8[s]")
