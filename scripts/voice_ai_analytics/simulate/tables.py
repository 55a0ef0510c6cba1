"""The rows of the five files, one chunk at a time, with the dirt that real logs have."""

import numpy as np
import pandas as pd

from voice_ai_analytics.simulate.conversations import Chunk
from voice_ai_analytics.simulate.draws import dirty, draw, instants, labels
from voice_ai_analytics.simulate.plan import Plan
from voice_ai_analytics.simulate.truth import Tally
from voice_ai_analytics.simulate.world import (
    BROKEN_SESSIONS,
    BROKEN_TURNS,
    CHANNELS,
    CHAT,
    COMPLETED,
    DRAFT,
    ERRORS,
    INTENTS,
    LANGUAGES,
    MISUNDERSTANDING,
    NONE,
    OUTCOMES,
    REGIONS,
    SERVICES,
    SILENCE,
    STATUSES,
    TRANSFER_REASONS,
    TRANSFERRED,
)


def users_frame(plan: Plan) -> pd.DataFrame:
    """Return the rows of users.csv."""
    return pd.DataFrame(
        {
            "user_number": np.arange(len(plan.region)) + 1,
            "region": labels(plan.region, REGIONS),
            "disability_flag": labels(plan.disability, ["no", "yes"]),
            "first_time_digital_user": labels(plan.first_time, ["no", "yes"]),
        }
    )


def sessions_frame(
    rng: np.random.Generator, plan: Plan, chunk: Chunk, tally: Tally
) -> pd.DataFrame:
    """Return the chunk's rows of voice_sessions.csv."""
    n = len(chunk)
    completed = chunk.outcome == COMPLETED
    stray_reason = completed & dirty(rng, "completed_with_transfer_reason", n)
    has_reason = stray_reason | (chunk.outcome == TRANSFERRED)
    misunderstandings = (chunk.user_turn_written & (chunk.error == MISUNDERSTANDING)).sum(1)
    reasons = np.where(misunderstandings[:, None] > 1, [0.3, 0.5, 0.15, 0.05], [0.55, 0, 0.3, 0.15])
    reason = np.where(has_reason, draw(rng, reasons, n), NONE)
    slip = np.array([-1, 1, 2, 3, 4])[draw(rng, [0.2, 0.3, 0.25, 0.15, 0.1], n)]
    declared = chunk.turns + np.where(dirty(rng, "declared_turns_differ", n), slip, 0)
    dateless = dirty(rng, "session_created_at_without_time", n)

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
            "channel": labels(chunk.channel, CHANNELS),
            "language": labels(chunk.language, LANGUAGES),
            "total_duration_sec": chunk.duration,
            "total_turns": declared,
            "final_outcome": labels(chunk.outcome, OUTCOMES),
            "transfer_reason": labels(reason, TRANSFER_REASONS),
            "instant": instants(chunk.start),
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


def turns_frame(rng: np.random.Generator, plan: Plan, chunk: Chunk, tally: Tally) -> pd.DataFrame:
    """Return the chunk's rows of voice_turns.csv."""
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
    leaked = ~user_spoke & speech & dirty(rng, "asr_confidence_on_system_turn", n)
    asr = np.where(leaked, rng.integers(900, 1000, n), asr)
    # A turn takes its predecessor's number. Speakers alternate, so the user's turns stay in order.
    repeated = (column > 0) & dirty(rng, "repeated_turn_number", n)
    repeated[1:] &= ~repeated[:-1]
    dateless = dirty(rng, "turn_created_at_without_time", n)

    tally.note("asr_confidence_on_system_turn", leaked, session, column + 1)
    tally.note("asr_confidence_impossible", asr > 1000, session, column + 1)
    tally.note("repeated_turn_number", repeated, session, column + 1)
    tally.note("turn_created_at_without_time", dateless, session, column + 1)
    heard = user_spoke & (asr >= 0) & (asr <= 1000)
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
            "speaker": labels(user_spoke, ["system", "user"]),
            "detected_intent": labels(intent, INTENTS),
            "intent_confidence": intent_confidence,
            "asr_confidence": asr,
            "error_type": labels(error, ERRORS),
            "duration": chunk.turn_duration[row, column],
            "instant": instants(chunk.start[row] + chunk.turn_start[row, column] // 10),
            "dateless": dateless,
        }
    )
    last = np.cumsum(written.sum(1)) - 1
    frame = _with_broken_rows(frame, BROKEN_TURNS, plan, chunk, last)
    unknown = frame["broken"] == "turn_of_unknown_session"
    frame["turn_session_number"] = frame["session_number"] + 2 * len(plan.user) * unknown
    broken = frame["broken"].notna()
    frame.loc[broken, "turn_number"] = frame.loc[broken, "ordinal"] + 1
    # The kind's number keeps turn ids unique where one session hosts several kinds.
    frame.loc[broken, "ordinal"] += 1 + frame.loc[broken, "broken"].cat.codes
    for kind in BROKEN_TURNS:
        this = (frame["broken"] == kind).to_numpy()
        host, named = (frame[f"{name}session_number"].to_numpy() for name in ("", "turn_"))
        tally.note(kind, this, host - 1, frame["ordinal"].to_numpy(), named - 1)
    return frame


def metrics_frame(rng: np.random.Generator, chunk: Chunk, tally: Tally) -> pd.DataFrame:
    """Return the chunk's rows of voice_ai_metrics.csv."""
    written = chunk.user_turn_written
    turns = written.sum(1)
    averages = {
        "asr": _average(np.where(chunk.asr > 1000, NONE, chunk.asr), written),
        "intent": _average(chunk.intent_confidence, written),
    }
    off = dirty(rng, "metrics_differ_from_turns", len(chunk)) & ~np.isnan(averages["intent"])
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
            "recovery_success": labels(recovered, ["no", "yes"]),
            "escalation_flag": labels(chunk.outcome == TRANSFERRED, ["no", "yes"]),
        }
    )


def applications_frame(
    rng: np.random.Generator, plan: Plan, chunk: Chunk, tally: Tally
) -> pd.DataFrame:
    """Return the chunk's rows of applications.csv."""
    applied = rng.random(len(chunk)) < np.where(chunk.outcome == COMPLETED, 0.45, 0.06)
    session, user = chunk.sessions[applied], chunk.user[applied].astype(np.int64)
    n, users = len(session), len(plan.region)
    # A step of 1 to users - 1 around the ring of users always ends at another user.
    step = rng.integers(1, max(users, 2), n)
    other = (user + np.where(dirty(rng, "application_of_another_user", n), step, 0)) % users
    moved = rng.random(n) < 0.1
    channel = np.where(moved, draw(rng, [0.5, 0.3, 0.2], n), chunk.channel[applied])
    status = draw(rng, [0.5, 0.25, 0.1, 0.15], n)
    seconds = chunk.duration[applied] + np.rint(rng.lognormal(np.log(600), 1.0, n)).astype(np.int64)
    tally.note("application_of_another_user", other != user, session)
    tally.count(applications=n)
    return pd.DataFrame(
        {
            "session_number": session + 1,
            "user_number": other + 1,
            "service_code": labels(draw(rng, [0.3, 0.25, 0.2, 0.15, 0.1], n), SERVICES),
            "channel": labels(channel, CHANNELS),
            "status": labels(status, STATUSES),
            "submitted": status != DRAFT,
            "seconds": seconds,
            "instant": instants(chunk.start[applied] + seconds),
        }
    )


def _with_broken_rows(
    frame: pd.DataFrame, kinds: dict[str, float], plan: Plan, chunk: Chunk, copied: np.ndarray
) -> pd.DataFrame:
    """Return rows with a copy of row `copied` of each host session after it, named in `broken`."""
    rows, broken = [np.arange(len(frame))], [np.full(len(frame), NONE)]
    for code, kind in enumerate(kinds):
        low, high = np.searchsorted(plan.broken[kind], [chunk.sessions[0], chunk.sessions[-1] + 1])
        rows.append(copied[plan.broken[kind][low:high] - chunk.sessions[0]])
        broken.append(np.full(high - low, code))
    rows, broken = np.concatenate(rows), np.concatenate(broken)
    order = np.argsort(rows, kind="stable")
    frame = frame.iloc[rows[order]].reset_index(drop=True)
    frame["broken"] = labels(broken[order], list(kinds))
    return frame


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _average(thousandths: np.ndarray, written: np.ndarray) -> np.ndarray:
    known = written & (thousandths >= 0)
    return _share(np.where(known, thousandths, 0).sum(1), known.sum(1)) / 1000
