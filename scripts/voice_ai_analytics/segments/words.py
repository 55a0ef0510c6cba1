"""The verdict on gaps between cohorts and on segments."""

from __future__ import annotations

from voice_ai_analytics.rates import ABANDONMENT, COMPLETION, ERROR_TURN
from voice_ai_analytics.segments.gaps import LEVEL, OTHERS
from voice_ai_analytics.wording import NOT_KNOWN, clean, count, points, probability, span

RATES = {rate.metric: rate for rate in (COMPLETION, ABANDONMENT, ERROR_TURN)}
NAMES = {
    COMPLETION.metric: "completion",
    ABANDONMENT.metric: "abandonment",
    ERROR_TURN.metric: "turns with an error",
}
FLAGS = {
    ("has_disability", "true"): "with disability",
    ("has_disability", "false"): "without",
    ("is_first_time_digital_user", "true"): "first-time",
    ("is_first_time_digital_user", "false"): "other users",
}


def label(row: dict) -> str:
    """Return what is compared with what, in few characters."""
    dimension = row["dimension"].replace("_", " ")
    if row["level"] is None:
        return f"{dimension} {NOT_KNOWN}"
    level, reference = (
        FLAGS.get((row["dimension"], row[side]), clean(row[side]))
        for side in ("level", "reference")
    )
    return f"{level} − {f'other {dimension}s' if row['reference'] == OTHERS else reference}"


def numbers(row: dict) -> str:
    """Return a difference as text, with its interval, its q and the n of both sides."""
    sides = f"n {count(row['n'])} and {count(row['reference_n'])} {RATES[row['measure']].of}"
    return (
        f"{points(row['gap'])} points (95% interval {span(row['ci_low'], row['ci_high'], points)},"
        f" q {probability(row['q_value'])}; {sides})"
    )


def gap_verdict(gaps: list[dict], sessions: int, users: int) -> str:
    """Return half a sentence on whether cohorts differ."""
    sample = f"{count(sessions)} sessions" + (f" of {count(users)} users" if users else "")
    judged = [row for row in gaps if row["q_value"] is not None]
    if not judged:
        return f"There is no evidence of gaps either way, because {sample} allow no comparison"
    named = [row for row in judged if row["q_value"] < LEVEL]
    # Completion first, as in the gap metrics.
    order = list(NAMES)
    clearest = min(named or judged, key=lambda row: (order.index(row["measure"]), row["p_value"]))
    told = f"in {NAMES[clearest['measure']]} {label(clearest)}, {numbers(clearest)}"
    if not named:
        return (
            f"There is no evidence of a gap between cohorts in {sample}: none of {len(judged)}"
            f" comparisons has q below {LEVEL}, the closest {told}"
        )
    return f"In {sample}, {len(named)} of {len(judged)} comparisons show a gap, most clearly {told}"


def segment_verdict(found: dict) -> str:
    """Return half a sentence on whether any segment holds."""
    if found["declined"]:
        return f"no segment was searched: {found['declined']}"
    n = len(found["segments"])
    held_out = f"on {count(found['held_out_users'])} others"
    of = f"of {found['tested']} found on {count(found['search_users'])} users"
    if not found["tested"]:
        users = count(found["search_users"])
        return f"there is no evidence of segments: none found on {users} users can be tested"
    if not n:
        return f"there is no evidence of segments: {of}, none holds {held_out}"
    strongest = max(found["segments"], key=lambda row: abs(row["gap"]))
    return (
        f"{of}, {n} segment{'s' * (n > 1)} hold{'s' * (n == 1)} {held_out}, most strongly"
        f" “{strongest['rule']}”: completion {numbers(strongest)}"
    )
