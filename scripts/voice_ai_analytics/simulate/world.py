"""What the simulated deployment is like: vocabularies, effects, and the share of dirt."""

import numpy as np

START = np.datetime64("2026-01-05T00:00:00", "s")  # a Monday
WEEKS = 26

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
# ASR confidence of each language and release, in log-odds relative to English on asr-1.0. Higher
# confidence also makes a misunderstanding less likely.
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
SYSTEM_ENDS = np.array([0.85, 0.5, 0.9])  # share of sessions where it speaks last, by outcome

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

# Impossible confidences, in thousandths like the others, and how they are written.
IMPOSSIBLE_CONFIDENCES = {1700: "1.7", 2000: "high"}

# Dirt that leaves every row valid: name -> (what its share is of, expected share).
DIRT = {
    "sessions_without_turns": ("sessions", 0.02),
    "declared_turns_differ": ("sessions", 0.70),
    "session_created_at_without_time": ("sessions", 0.04),
    "metrics_differ_from_turns": ("sessions", 0.08),
    "completed_with_transfer_reason": ("completed_sessions", 0.03),
    "repeated_turn_number": ("turns", 0.005),
    "asr_confidence_on_system_turn": ("system_turns", 0.05),
    "asr_confidence_impossible": ("user_turns", 0.004),
    "turn_created_at_without_time": ("turns", 0.03),
    "application_of_another_user": ("applications", 0.30),
}
# Extra rows that break the contract: name -> rows per session, rounded up.
BROKEN_SESSIONS = {
    "duplicate_session_row": 0.0005,
    "session_id_missing": 0.0005,
    "session_created_at_unparsable": 0.0005,
}
BROKEN_TURNS = {
    "turn_of_unknown_session": 0.002,
    "turn_duration_negative": 0.002,
    "turn_created_at_unparsable": 0.002,
    "speaker_unknown": 0.002,
}
