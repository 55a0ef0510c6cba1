"""The verdict on a comparison of two ASR releases."""

from __future__ import annotations

from voice_ai_analytics.releases.effects import ADJUSTED, SIDE_BY_SIDE
from voice_ai_analytics.wording import points, probability, span

CAUTION = {
    ADJUSTED: "the sessions are from different times, so this is what changed with the release, not"
    " what it caused",
    SIDE_BY_SIDE: "both were served in the same weeks, assuming that chance assigned them",
}


def verdict_sentence(before: str, after: str, primary: list[dict]) -> str:
    """Return one sentence on what is known about each metric.

    Parameters
    ----------
    before, after : str
        The releases.
    primary : list of dict
        The primary effect of each metric, with its verdict.

    Returns
    -------
    str
    """
    by_verdict: dict[str, list[dict]] = {}
    for effect in primary:
        by_verdict.setdefault(effect["verdict"], []).append(effect)
    parts = []
    for verdict in ("improved", "worsened"):
        parts += [f"{e['metric']} {verdict}, {difference(e)}" for e in by_verdict.get(verdict, [])]
    if none := by_verdict.get("no evidence"):
        listed = ", ".join(f"{e['metric']} ({difference(e)})" for e in none)
        parts.append(f"there is no evidence of a change in {listed}")
    for effect in by_verdict.get("cannot be told", []):
        parts.append(
            f"{effect['metric']} can't be judged: {effect['declined'] or 'it never varies'}"
        )
    adjusted = {e["assumes"] for e in told(primary) if e["estimate"] == "adjusted"}
    parts += [sentence for assumed, sentence in CAUTION.items() if assumed in adjusted]
    return f"From {before} to {after}, {'; '.join(parts)}."


def difference(effect: dict) -> str:
    """Return a difference in percentage points as text, with its interval, q and n."""
    n = " and ".join(f"{effect[f'n_{arm}']:,.0f}" for arm in ("before", "after"))
    return (
        f"{points(effect['difference'])} points, 95% interval"
        f" {span(effect['ci_low'], effect['ci_high'], points)}, q"
        f" {probability(q_of(effect))}, n {n} {effect['unit']}"
    )


def q_of(effect: dict) -> float | None:
    """Return the q value that verdicts rest on: the larger of all and of primary estimates."""
    known = [effect[name] for name in ("q_value", "primary_q_value") if effect[name] is not None]
    return max(known, default=None)


def told(effects: list[dict]) -> list[dict]:
    """Return the effects whose verdict says something."""
    return [effect for effect in effects if effect["verdict"] != "cannot be told"]
