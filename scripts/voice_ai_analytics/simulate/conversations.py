"""Conversations, chunk by chunk: what was said, how it was heard, and how it ended."""

from dataclasses import dataclass

import numpy as np

from voice_ai_analytics.simulate.draws import dirty, draw, expit
from voice_ai_analytics.simulate.plan import Plan
from voice_ai_analytics.simulate.world import (
    ABANDONED,
    ASR_REFERENCE,
    ASR_RELEASES,
    ASR_SHIFTS,
    CHAT,
    COMPLETED,
    IMPOSSIBLE_CONFIDENCES,
    INTENTS,
    LATER_TURNS,
    MAX_USER_TURNS,
    MISUNDERSTANDING,
    NOISE,
    NONE,
    OPENING,
    OPENING_LENGTHS,
    RURAL,
    SILENCE,
    START,
    SYSTEM_ENDS,
    TOPICS,
    TRANSFERRED,
)


@dataclass(frozen=True)
class Chunk:
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
    asr: np.ndarray  # thousandths, -1 for none, above 1000 for an impossible value
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
        """Return which user turns are in the file."""
        return (np.arange(MAX_USER_TURNS) < self.user_turns[:, None]) & ~self.without_turns[:, None]

    @property
    def turn_written(self) -> np.ndarray:
        """Return which turns are in the file."""
        columns = np.arange(2 * MAX_USER_TURNS + 1)
        return (columns < self.turns[:, None]) & ~self.without_turns[:, None]


def converse(
    rng: np.random.Generator, plan: Plan, chunk: slice, log_odds: dict, transfer: dict
) -> Chunk:
    """Return the conversations of a chunk of the planned sessions."""
    user, start = plan.user[chunk], plan.start[chunk]
    n = len(user)
    sessions = np.arange(chunk.start, chunk.start + n)
    language, first_time = plan.language[user], plan.first_time[user]
    channel = draw(rng, np.where(first_time[:, None], [0.66, 0.24, 0.10], [0.50, 0.24, 0.26]), n)
    topic = draw(rng, [0.34, 0.22, 0.16, 0.18, 0.10], n)
    chat = channel == CHAT
    release = release_of(start)
    clarity = rng.normal(0, 0.5, n) + np.where(chat, 0.3, ASR_SHIFTS[language, release])

    opening_turns = 1 + draw(rng, OPENING_LENGTHS, n)
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
    abandoned = rng.random(n) < expit(logit)
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
    impossible = (asr >= 0) & dirty(rng, "asr_confidence_impossible", asr.shape)
    asr = np.where(impossible, rng.choice([*IMPOSSIBLE_CONFIDENCES], asr.shape), asr)
    return Chunk(
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


def release_of(start: np.ndarray) -> np.ndarray:
    """Return the ASR release in service at each start."""
    starts = [(np.datetime64(day, "s") - START).astype(int) for _, day in ASR_RELEASES]
    return np.searchsorted(starts, start, side="right") - 1


def _user_turns(
    rng: np.random.Generator, width: int, clarity: np.ndarray, chat: np.ndarray, topic: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return error, ASR confidence, intent and its confidence of `width` user turns per session."""
    shape = (len(clarity), width)
    clarity = clarity[:, None] + rng.normal(0, 0.6, shape)
    chat = chat[:, None]
    silence = np.where(chat, 0.01, 0.035)
    noise = silence + np.where(chat, 0, 0.03)
    misunderstood = noise + expit(-2.5 - 0.9 * clarity)
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
    """Return start and duration of each turn in tenths of a second, with pauses in between."""
    shape = (len(chat), 2 * MAX_USER_TURNS + 1)
    seconds = rng.lognormal(np.log(5.0), 0.4, shape)
    seconds[:, 1::2] = rng.lognormal(np.log(3.6), 0.55, error.shape)
    seconds[:, 1::2][error == SILENCE] = 8.0  # the system's time-out
    seconds[chat] *= 1.8
    duration = np.maximum(np.rint(10 * seconds), 3).astype(np.int64)
    pause = np.rint(rng.exponential(8, shape)).astype(np.int64)
    return np.cumsum(duration + pause, axis=1) - duration, duration


def _thousandths(logit: np.ndarray) -> np.ndarray:
    return np.rint(1000 * expit(logit)).astype(np.int64)
