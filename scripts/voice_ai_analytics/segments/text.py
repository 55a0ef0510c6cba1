"""Gaps and segments in words: the verdict, and the terminal's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from voice_ai_analytics.report.data import ABANDONMENT, COMPLETION, ERROR_TURN, NOT_KNOWN
from voice_ai_analytics.report.text import clean, count, percent, points, probability, span
from voice_ai_analytics.segments.gaps import LEVEL, OTHERS

if TYPE_CHECKING:
    from voice_ai_analytics.segments.results import Segmentation

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
    """Say what is compared with what, in few characters."""
    dimension = row["dimension"].replace("_", " ")
    if row["level"] is None:
        return f"{dimension} {NOT_KNOWN}"
    level, reference = (
        FLAGS.get((row["dimension"], row[side]), clean(row[side]))
        for side in ("level", "reference")
    )
    return f"{level} − {f'other {dimension}s' if row['reference'] == OTHERS else reference}"


def numbers(row: dict) -> str:
    """Say a difference with its interval, its q and the n of both sides."""
    sides = f"n {count(row['n'])} and {count(row['reference_n'])} {RATES[row['measure']].of}"
    return (
        f"{points(row['gap'])} points (95% interval {span(row['ci_low'], row['ci_high'], points)},"
        f" q {probability(row['q_value'])}; {sides})"
    )


def gap_verdict(gaps: list[dict], sessions: int, users: int) -> str:
    """Say in half a sentence whether cohorts differ."""
    sample = f"{count(sessions)} sessions" + (f" of {count(users)} users" if users else "")
    judged = [row for row in gaps if row["q_value"] is not None]
    if not judged:
        return f"There is no evidence of gaps either way, because {sample} allow no comparison"
    named = [row for row in judged if row["q_value"] < LEVEL]
    # Completion first: it is what the gap metrics are of.
    order = list(NAMES)
    clearest = min(named or judged, key=lambda row: (order.index(row["measure"]), row["p_value"]))
    told = f"in {NAMES[clearest['measure']]} {label(clearest)}, {numbers(clearest)}"
    if not named:
        return (
            f"There is no evidence of a gap between cohorts in {sample}: of {len(judged)}"
            f" comparisons none has q below {LEVEL}, the nearest {told}"
        )
    return f"In {sample}, {len(named)} of {len(judged)} comparisons show a gap, clearest {told}"


def segment_verdict(found: dict) -> str:
    """Say in half a sentence whether any segment holds."""
    if found["declined"]:
        return f"no segment was looked for: {found['declined']}"
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
        f"{of}, {n} segment{'s' * (n > 1)} hold{'s' * (n == 1)} {held_out}, most of all"
        f" “{strongest['rule']}”: completion {numbers(strongest)}"
    )


def render(result: Segmentation, console: Console) -> None:
    """Print gaps, segments, what a reader has to know, and last the verdict.

    Parameters
    ----------
    result : Segmentation
        From `segment`.
    console : rich.console.Console
        Where to print.
    """
    if result.gaps:
        console.print(_gaps(result.gaps))
    if result.found["segments"]:
        console.print(_segments(result.found["segments"]))
    for note in result.notes:
        console.print(escape(f"Note: {note}"), highlight=False)
    console.print(escape(result.verdict), style="bold", highlight=False)


def _grid(title: str, caption: str, *headings: str) -> Table:
    # As narrow as it can be: 80 columns must hold it.
    grid = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    grid.add_column(headings[0], overflow="fold")
    for heading in headings[1:]:
        grid.add_column(heading, justify="right", no_wrap=True)
    return grid


def _gaps(gaps: list[dict]) -> Table:
    grid = _grid(
        "Gaps between cohorts, percentage points",
        "n: eligible sessions, or turns, of both sides; adjusted: given the other dimensions",
        *("", "gap", "95% interval", "q", "adjusted", "n"),
    )
    for measure, name in NAMES.items():
        grid.add_row(f"[bold]{name}[/bold]")
        for row in gaps:
            if row["measure"] == measure:
                grid.add_row(escape(f" {label(row)}"), *_cells(row))
    return grid


def _cells(row: dict) -> tuple[str, ...]:
    if row["suppressed"]:
        return ("suppressed",)
    sides = [count(row[name]) for name in ("n", "reference_n") if row[name] is not None]
    if row["gap"] is None:
        return ("–", "", "", "", "/".join(sides))
    return (*_estimate(row), points(_number(row["adjusted_gap"])), "/".join(sides))


def _estimate(row: dict) -> tuple[str, ...]:
    interval = span(_number(row["ci_low"]), _number(row["ci_high"]), points)
    return points(row["gap"]), interval, probability(row["q_value"])


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _segments(segments: list[dict]) -> Table:
    grid = _grid(
        "Segments that hold on users the search did not see",
        "gap: completion less that of all other sessions, percentage points; n: sessions",
        *("", "gap", "95% interval", "q", "completed", "n"),
    )
    for row in segments:
        sides = f"{count(row['n'])}/{count(row['reference_n'])}"
        text = escape(f"{row['segment']}. {row['rule']}")
        grid.add_row(text, *_estimate(row), percent(row["rate"]), sides)
    return grid
