"""The abandonment model in a terminal: coefficients, turns, transfers, other settings."""

from __future__ import annotations

import math

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from voice_ai_analytics.abandonment.results import AbandonmentModel
from voice_ai_analytics.abandonment.words import interval, number, probability


def render(result: AbandonmentModel, console: Console) -> None:
    """Print the model, the other parts, what was left out, and the verdict.

    Parameters
    ----------
    result : AbandonmentModel
        From `study_abandonment` or `fit_abandonment`.
    console : rich.console.Console
        Where to print.
    """
    result = result.result
    if result["coefficients"]:
        # As narrow as possible: it must fit into 80 columns.
        table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
        table.title = f"Association with abandonment\n{result['target']}; 95% intervals"
        table.caption = "effect: mean change in the probability per unit, or against the reference"
        table.add_column("term", overflow="fold")
        for heading in ("odds ratio\nper SD", "odds ratio\nper 0.1", "p", "q", "effect"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in result["coefficients"]:
            against = f"\n  {row['level']} against {row['reference_level']}" if row["level"] else ""
            mark = "\n  (after the fact)" if row["is_after_the_fact"] else ""
            table.add_row(
                escape(row["feature"] + against + mark),
                *(_cell(row, name) for name in ("odds_ratio_per_sd", "odds_ratio_per_0_1")),
                probability(row["p_value"]),
                probability(row["q_value"]),
                f"{row['average_marginal_effect']:+.3f}",
            )
        console.print(table)
        calibration = result["calibration"]
        console.print(
            f"Whole model: likelihood-ratio p {probability(result['likelihood_ratio_p_value'])}, "
            f"clustered Wald p {probability(result['cluster_wald_p_value'])}. Out of sample: AUC "
            f"{interval(result['auc'], 'estimate', '')}, calibration slope "
            f"{number(calibration['slope'])}, intercept {number(calibration['intercept'])}, "
            f"Brier {number(calibration['brier'])}."
        )
    _print_sections(result, console)
    for reason, count in result["excluded"].items():
        if count:
            console.print(escape(f"Left out: {count:,} sessions, {reason}."))
    for item in result["dropped"]:
        console.print(escape(f"Dropped: {item['term']}, {item['reason']}."))
    for note in result["notes"]:
        console.print(escape(f"Note: {note}"))
    console.print(escape(result["verdict"]), style="bold")


def _cell(row: dict, name: str) -> str:
    if row[name] is None:
        return ""
    return interval(row, name, f"{name}_").replace(" (", "\n(")


def _print_sections(result: dict, console: Console) -> None:
    """Print the parts beside the model, each with its verdict.

    Parameters
    ----------
    result : dict
        From `fit_abandonment` or `study_abandonment`.
    console : rich.console.Console
        Where to print.
    """
    for row in result["firth"]:
        console.print(escape(f"Separated: {_penalised(row)}."))
    if "hazard" not in result:
        return
    if result["hazard"]["bands"]:
        console.print(_hazard(result["hazard"]))
    console.print(escape(result["hazard"]["verdict"]), "\n")
    console.print(escape(result["multinomial"]["verdict"]), "\n")
    console.print(escape(result["boosting"]["verdict"]))
    console.print(_settings(result["sensitivity"]["settings"]))
    for row in result["sensitivity"]["settings"]:
        if row["declined"]:
            console.print(escape(f"“{row['setting']}” was not estimated: {row['declined']}."), "\n")
    console.print(escape(result["sensitivity"]["verdict"]), "\n")


def _table(title: str, *headings: str) -> Table:
    # As narrow as possible: it must fit into 80 columns.
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title=title)
    first, *others = headings
    table.add_column(first, overflow="fold")
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _penalised(row: dict) -> str:
    against = f" for {row['level']} against {row['reference_level']}" if row["level"] else ""
    ratio, *ends = (
        "unknown" if row[name] is None else f"{math.exp(min(row[name], 700.0)):.3g}"
        for name in ("log_odds", "ci_low", "ci_high")
    )
    return (
        f"{row['term']}, no finite odds ratio; with Firth's penalty {ratio} ({' to '.join(ends)})"
        f"{against}, in {row['n_sessions']:,} sessions taken as independent"
    )


def _hazard(hazard: dict) -> Table:
    headings = ("user turn", "sessions\nreaching it", "abandoned", "of turns\nat risk", "95%")
    table = _table("Abandonment by user turn", *headings)
    for band in hazard["bands"]:
        first, last = band["first_turn"], band["last_turn"]
        turns = f"{first}+" if last is None else f"{first}" if last == first else f"{first}–{last}"
        counts = (f"{band[name]:,}" for name in ("n_sessions", "n_events"))
        table.add_row(turns, *counts, _percent(band["hazard"]), _span(band, _percent))
    return table


def _settings(settings: list[dict]) -> Table:
    headings = ("setting", "sessions", "abandoned", "errors\nper SD", "AUC")
    table = _table("The model under other settings", *headings)
    for row in settings:
        if row["declined"]:
            table.add_row(escape(f"{row['setting']}:\n not estimated"), "", "", "", "")
            continue
        named = row["strongest_predictor"] or "no evidence"
        numbers = (f"{row[name]:,}" for name in ("n_sessions", "n_events"))
        cells = [
            f"{_ratio(row[estimate])}\n{_span(row, _ratio, prefix)}"
            for estimate, prefix in (
                ("error_proportion_odds_ratio", "error_proportion_odds_ratio_"),
                ("auc_estimate", "auc_"),
            )
        ]
        table.add_row(escape(f"{row['setting']}:\n {named}"), *numbers, *cells)
    return table


def _span(row: dict, text, prefix: str = "") -> str:
    low, high = row[f"{prefix}ci_low"], row[f"{prefix}ci_high"]
    return "" if low is None else f"({text(low)} to {text(high)})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
