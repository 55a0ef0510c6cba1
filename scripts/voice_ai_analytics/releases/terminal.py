"""A comparison of two ASR releases in a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from voice_ai_analytics.releases.results import ReleaseComparison
from voice_ai_analytics.releases.words import q_of, told
from voice_ai_analytics.wording import points, probability, span

SHORT = {
    "series, at the release": "series, release",
    "series, in the last week": "series, last week",
    "difference in differences": "diff-in-diffs",
}


def render(result: ReleaseComparison, console: Console) -> None:
    """Print effects, checks, notes, and the verdict.

    Parameters
    ----------
    result : ReleaseComparison
        From `compare_releases`.
    console : rich.console.Console
        Where to print.
    """

    def say(text: str, **style) -> None:
        console.print(text, highlight=False, markup=False, **style)

    console.print(_effects(result))
    effects, checks = [e for e in result.effects if e["declined"]], result.checks
    declined = [(f"{e['estimate']}: {e['declined']}", e["metric"]) for e in effects]
    passed = [(check["check"], check["metric"]) for check in checks if check["result"] == "passed"]
    assumed = [(f"{e['estimate']}: {e['assumes']}", e["metric"]) for e in told(result.primary)]
    for line in _by_metric("Declined, ", declined):
        say(line)
    for check in checks:
        if check["metric"] is None or check["result"] == "failed":
            say(_check(check))
    for line in (*_by_metric("Passed: ", passed), *_by_metric("Assumed, ", assumed)):
        say(line)
    for note in result.notes:
        say(note)
    say(result.verdict, style="bold")


def _by_metric(start: str, pairs: list[tuple[str, str]]) -> list[str]:
    """Return each statement once, with the metrics that it applies to."""
    metrics: dict[str, list[str]] = {}
    for what, metric in pairs:
        metrics.setdefault(what, []).append(metric)
    return [f"{start}{what} ({', '.join(of)})." for what, of in metrics.items()]


def _effects(result: ReleaseComparison) -> Table:
    # As narrow as possible: it must fit into 80 columns.
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title_justify="left")
    table.title = escape(f"{result.after} minus {result.before}, in percentage points")
    table.caption = "* what the verdict rests on; n: sessions, turns or words of both"
    table.add_column("metric, estimate", overflow="fold")
    for name in ("before", "after", "difference (95%)", "q", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    last = None
    for effect in result.effects:
        if effect["metric"] != last:
            verdict = next(e["verdict"] for e in result.primary if e["metric"] == effect["metric"])
            table.add_row(effect["metric"], "", "", verdict, style="bold")
            last = effect["metric"]
        if effect["difference"] is not None:
            name = SHORT.get(effect["estimate"], effect["estimate"])
            table.add_row(f" {name}{' *' if effect['is_primary'] else ''}", *_cells(effect))
    return table


def _cells(effect: dict) -> list[str]:
    rates = [effect["rate_before"], effect["rate_after"]]
    cells = ["–" if rate is None else f"{rate:.1%}" for rate in rates]
    text = points(effect["difference"])
    if effect["ci_low"] is not None:
        text += f" ({span(effect['ci_low'], effect['ci_high'], points)})"
    cells += [text, probability(q_of(effect))]
    return [*cells, "/".join(f"{effect[f'n_{arm}']:,.0f}" for arm in ("before", "after"))]


def _check(check: dict) -> str:
    of = f" ({check['metric']})" if check["metric"] else ""
    value = f"{check['value']:.3f}" if abs(check["value"]) < 1 else f"{check['value']:,.0f}"
    p_value = "" if check["p_value"] is None else f", p {probability(check['p_value'])}"
    failed = "Failed: " if check["result"] == "failed" else ""
    return f"{failed}{check['check']}{of}: {value}{p_value} ({check['told']})."
