"""What the report asks the semantic layer for, and what it calls it."""

from __future__ import annotations

from dataclasses import dataclass

from voice_ai_analytics.rates import (
    ABANDONMENT,
    COMPLETION,
    CONTAINMENT,
    ERROR_TURN,
    TRANSFER,
    Rate,
)

LOW_CONFIDENCE = Rate(
    "voice_ai_low_asr_confidence_rate", "Low ASR confidence", "user turns with a confidence"
)
SESSION_ERROR = Rate("voice_ai_session_error_rate", "Sessions with an error", "sessions")
RECOVERY = Rate(
    "voice_ai_error_recovery_rate", "Completed despite an error", "sessions with an error"
)
VOICE_SHARE = Rate("voice_ai_voice_session_share", "Voice share", "sessions")
REPEAT_USERS = Rate("voice_ai_repeat_user_rate", "Users who came back", "users")
CALLBACK = Rate(
    "voice_ai_callback_rate_24h", "Called back within 24 hours", "sessions old enough to tell"
)
RETURN = Rate(
    "voice_ai_return_after_abandonment_rate_7d",
    "Back within 7 days of abandoning",
    "abandoned sessions of known users",
)
TOP_BOX = Rate("voice_ai_csat_top_box_rate", "Rated 5 of 5", "rated sessions")
MISUNDERSTANDING = Rate("voice_ai_misunderstanding_rate", "Misunderstanding", "turns")
NO_INPUT = Rate("voice_ai_no_input_rate", "No input", "turns")
NOISE = Rate("voice_ai_noise_rate", "Noise", "turns")

HEADLINE = (COMPLETION, ABANDONMENT, TRANSFER, CONTAINMENT, ERROR_TURN, LOW_CONFIDENCE)
EFFICIENCY = (SESSION_ERROR, RECOVERY)
ADOPTION = (VOICE_SHARE, REPEAT_USERS, CALLBACK, RETURN, TOP_BOX)
ERROR_TYPES = (MISUNDERSTANDING, NO_INPUT, NOISE)
RATES = (*HEADLINE, *EFFICIENCY, *ADOPTION, *ERROR_TYPES)

TURNS = "voice_ai_turns"
ACTIVE_USERS = "voice_ai_weekly_active_users"
LATENCY = ("voice_ai_response_latency_p50_ms", "voice_ai_response_latency_p95_ms")
HANDLE_TIME, TURNS_PER_SESSION = "voice_ai_handle_time_seconds", "voice_ai_turns_per_session"
COST, ASR_CONFIDENCE = "voice_ai_cost_per_completed_session", "voice_ai_asr_confidence"

SESSION, WEEK = "voice_ai_session__", "metric_time__week"
OUTCOMES = (
    *("completed", "abandoned", "transferred"),
    *("failed", "timed_out", "unknown", "in_progress", "not_connected", "voicemail"),
)


@dataclass(frozen=True)
class Gap:
    """Completion of one cohort minus that of another; None stands for every other known one."""

    label: str
    dimension: str
    group: str
    reference: str | None


GAPS = (
    Gap("Rural − urban", "region", "rural", "urban"),
    Gap("First-time − other users", "is_first_time_digital_user", "true", "false"),
    Gap("With − without disability", "has_disability", "true", "false"),
    Gap("Voice − other channels", "channel", "voice", None),
)
