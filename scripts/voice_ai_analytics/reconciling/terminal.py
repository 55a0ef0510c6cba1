"""The comparison in a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from voice_ai_analytics.reconciling.compare import CAUSES, ROUNDING, Reconciliation


def render(result: Reconciliation, console: Console) -> None:
    """Print one row per day, the reasons in quarantine, notes, and the verdict.

    Parameters
    ----------
    result : Reconciliation
        From `compare`.
    console : rich.console.Console
        Where to print.
    """
    for measure in result.measures:
        console.print(_table(result, measure))
    if result.reasons:
        told = ", ".join(f"{reason} {count:,}" for reason, count in sorted(result.reasons.items()))
        console.print(escape(f"In quarantine: {told}."), highlight=False)
    for note in result.notes:
        console.print(escape(f"Note: {note}."), highlight=False)
    if result.other_zone:
        console.print(
            f"Note: compare the vendor's days with --time-zone; {result.other_zone} fits better"
            f" than {result.time_zone}.",
            highlight=False,
        )
    console.print(escape(result.verdict), style="bold", highlight=False)


def _table(result: Reconciliation, measure: str) -> Table:
    grid = Table(
        title=f"{measure.capitalize()} by day, {result.time_zone}",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
    )
    grid.add_column("day", no_wrap=True)
    for heading in ("vendor", "ours", "difference"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("of which", overflow="fold")
    digits = 0 if measure == "sessions" else 2
    for day in result.days:
        difference = day["difference"][measure]
        same = abs(difference) <= ROUNDING[measure]
        grid.add_row(
            day["day"].isoformat(),
            f"{day['theirs'][measure]:,.{digits}f}",
            f"{day['ours'][measure]:,.{digits}f}",
            "0" if same else f"{difference:+,.{digits}f}",
            ""
            if same
            else ", ".join(f"{count:,} {CAUSES[one]}" for one, count in day["causes"].items()),
        )
    return grid
