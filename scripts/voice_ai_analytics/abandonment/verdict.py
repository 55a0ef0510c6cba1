"""The abandonment model in words: what may be named, the verdict, and the terminal table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from voice_ai_analytics.abandonment.sections import render_sections

if TYPE_CHECKING:
    from voice_ai_analytics.abandonment.model import AbandonmentModel

LEVEL = 0.05
TARGET = "abandoned against completed, among eligible sessions"


def failed_gates(result: dict) -> list[str]:
    """Say what stands against naming a predictor; all of it must be absent."""
    failed = []
    if not any(row["q_value"] < LEVEL for row in result["coefficients"]):
        failed.append(f"no term has q below {LEVEL}")
    elif not _significant(result):
        failed.append(f"no term keeps q below {LEVEL} when users are left out in turn")
    if not result["auc"]["ci_low"] > 0.5:
        failed.append("the model does not beat chance out of sample")
    # The likelihood ratio takes sessions as independent; the Wald test, from the jackknife, not.
    if not max(result["likelihood_ratio_p_value"], result["cluster_wald_p_value"]) < LEVEL:
        failed.append("the model as a whole is not significant")
    return failed


def strongest(result: dict) -> str | None:
    """Name the term with the largest standardised effect, or none while a gate is shut."""
    if failed_gates(result):
        return None
    by_size = sorted(
        _significant(result), key=lambda r: abs(r["log_odds"] * r["standard_deviation"])
    )
    return by_size[-1]["term"]


def _significant(result: dict) -> list[dict]:
    return [
        row
        for row in result["coefficients"]
        if max(row["q_value"], row["jackknife_q_value"]) < LEVEL
    ]


def verdict(result: dict, declined: str | None) -> str:
    """Say in one sentence what the model allows; `declined` is why nothing was estimated."""
    if declined is not None:
        return f"There is no evidence either way, because nothing could be estimated: {declined}."
    rows, auc = result["coefficients"], _interval(result["auc"], "estimate", "")
    of_users = f" of {result['n_users']:,} users" if result["n_users"] else ""
    sample = f"{result['n_sessions']:,} sessions ({result['n_events']:,} abandoned){of_users}"
    separated = ", ".join(item["term"] for item in result["separation"])
    caveat = f"; no estimate is claimed for {separated} (separation)" if separated else ""
    end = f"the out-of-sample AUC is {auc}{caveat}."
    if result["strongest_predictor"] is None:
        *most, last = failed_gates(result)
        reasons = f"{', '.join(most)} and {last}" if most else last
        nearest = min(rows, key=lambda row: row["p_value"])
        return (
            f"There is no evidence of a predictor of abandonment in {sample}: {reasons}; of "
            f"{len(rows)} terms the nearest is {_name(nearest)}, {_effect(nearest)}; {end}"
        )
    best = next(row for row in rows if row["term"] == result["strongest_predictor"])
    return (
        f"In {sample}, {_name(best)} is the strongest predictor of {len(rows)} terms: it is "
        f"associated with abandonment, {_effect(best)}; {end}"
    )


def _name(row: dict) -> str:
    return f"{row['term']} (measured after the fact)" if row["is_after_the_fact"] else row["term"]


def _effect(row: dict) -> str:
    name, step = "odds_ratio", f"{row['level']} against {row['reference_level']}"
    if row["level"] is None:
        name, step = (
            "odds_ratio_per_sd",
            f"a standard deviation ({_number(row['standard_deviation'])})",
        )
    low, high = (_number(row[f"{name}_ci_{end}"]) for end in ("low", "high"))
    return (
        f"odds ratio {_number(row[name])} (95 % interval {low} to {high}, "
        f"q {_probability(row['q_value'])}) for {step}"
    )


def render(model: AbandonmentModel, console: Console) -> None:
    """Print the model as a table, what stands beside it, what was left out, and last the verdict.

    Parameters
    ----------
    model : AbandonmentModel
        From `fit_abandonment`.
    console : rich.console.Console
        Where to print.
    """
    result = model.result
    if result["coefficients"]:
        # As narrow as it can be: 80 columns must hold it.
        table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
        table.title = f"Association with abandonment\n{TARGET}; 95 % intervals"
        table.caption = "effect: mean change of the probability per unit, or against the reference"
        table.add_column("term", overflow="fold")
        for heading in ("odds ratio\nper SD", "odds ratio\nper 0.1", "p", "q", "effect"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in result["coefficients"]:
            against = f"\n  {row['level']} against {row['reference_level']}" if row["level"] else ""
            mark = "\n  (after the fact)" if row["is_after_the_fact"] else ""
            table.add_row(
                escape(row["feature"] + against + mark),
                *(_cell(row, name) for name in ("odds_ratio_per_sd", "odds_ratio_per_0_1")),
                _probability(row["p_value"]),
                _probability(row["q_value"]),
                f"{row['average_marginal_effect']:+.3f}",
            )
        console.print(table)
        calibration = result["calibration"]
        console.print(
            f"Whole model: likelihood-ratio p {_probability(result['likelihood_ratio_p_value'])}, "
            f"clustered Wald p {_probability(result['cluster_wald_p_value'])}. Out of sample: AUC "
            f"{_interval(result['auc'], 'estimate', '')}, calibration slope "
            f"{_number(calibration['slope'])}, intercept {_number(calibration['intercept'])}, "
            f"Brier {_number(calibration['brier'])}."
        )
    render_sections(result, console)
    for reason, count in result["excluded"].items():
        if count:
            console.print(escape(f"Left out: {count:,} sessions, {reason}."))
    for item in result["dropped"]:
        console.print(escape(f"Dropped: {item['term']}, {item['reason']}."))
    for note in result["notes"]:
        console.print(escape(f"Note: {note}"))
    console.print(escape(result["verdict"]), style="bold")


def _number(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:.2f}" if 0.1 <= abs(value) < 1000 or value == 0 else f"{value:.2g}"


def _probability(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _interval(row: dict, name: str, prefix: str) -> str:
    low, high = row[f"{prefix}ci_low"], row[f"{prefix}ci_high"]
    return f"{_number(row[name])} ({_number(low)} to {_number(high)})"


def _cell(row: dict, name: str) -> str:
    if row[name] is None:
        return ""
    return _interval(row, name, f"{name}_").replace(" (", "\n(")
