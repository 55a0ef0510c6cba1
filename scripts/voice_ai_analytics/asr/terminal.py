"""An ASR evaluation in a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from voice_ai_analytics.asr.results import AsrEvaluation


def render(result: AsrEvaluation, console: Console) -> None:
    """Print the verdict, the groups, the calibration, and what a reader has to know.

    Parameters
    ----------
    result : AsrEvaluation
        From `estimate`.
    console : rich.console.Console
        Where to print.
    """

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    say(result.verdict)
    if result.groups:
        console.print(_rates(result.groups))
    if result.calibration:
        console.print(_calibration(result.calibration))
        for one in result.calibration:
            if one["declined"]:
                say(f"Not calibrated: {one['language']}, {one['asr_model']}: {one['declined']}.")
    for reason, count in result.excluded.items():
        say(f"Left out: {count:,}, {reason}.")
    for note in result.notes:
        say(note)


def _grid(title: str, texts: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    grid = Table(title=title, box=box.SIMPLE_HEAD, padding=0, pad_edge=False, title_justify="left")
    for name in texts:
        grid.add_column(name)
    for name in numbers:
        grid.add_column(name, justify="right")
    return grid


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _span(low: float | None, high: float | None) -> str:
    return "–" if low is None else f"{low:.1%} to {high:.1%}"


def _rates(groups: list[dict]) -> Table:
    numbers = ("error rate", "95% interval", "errors", "of", "turns")
    grid = _grid("Word errors by group", ("group", "unit"), numbers)
    for group in groups:
        names = " · ".join(f"{name} {group[name] or 'not known'}" for name in group["by"])
        cells = ["suppressed", *["–"] * 4]
        if not group["suppressed"]:
            interval = _span(group["ci_low"], group["ci_high"])
            cells = [_share(group["word_error_rate"]), interval]
            cells += [f"{group[name]:,}" for name in ("errors", "reference_words", "turns")]
        grid.add_row(names, group["unit"], *cells)
    return grid


def _calibration(calibration: list[dict]) -> Table:
    numbers = ("confidence", "correct", "gap", "95% interval", "ECE", "words")
    grid = _grid("Confidence against correct words", ("language", "ASR model"), numbers)
    for one in calibration:
        cells = [_share(one[name]) for name in ("confidence", "correctness", "gap")]
        cells += [_span(one["gap_ci_low"], one["gap_ci_high"])]
        cells += [_share(one["expected_calibration_error"])]
        cells += ["–" if one["words"] is None else f"{one['words']:,}"]
        grid.add_row(one["language"], one["asr_model"], *cells)
    return grid
