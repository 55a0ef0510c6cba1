"""Gaps and segments in a terminal."""

from __future__ import annotations

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from voice_ai_analytics.segments.results import Segmentation
from voice_ai_analytics.segments.words import NAMES, label
from voice_ai_analytics.wording import count, percent, points, probability, span


def render(result: Segmentation, console: Console) -> None:
    """Print gaps, segments, notes, and the verdict.

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
    # As narrow as possible: it must fit into 80 columns.
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
        "Segments that hold on users the search didn't see",
        "gap: completion minus that of all other sessions, percentage points; n: sessions",
        *("", "gap", "95% interval", "q", "completed", "n"),
    )
    for row in segments:
        sides = f"{count(row['n'])}/{count(row['reference_n'])}"
        text = escape(f"{row['segment']}. {row['rule']}")
        grid.add_row(text, *_estimate(row), percent(row["rate"]), sides)
    return grid
