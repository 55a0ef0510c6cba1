"""What `voice-ai compare-asr` estimates: what an ASR release changed, one verdict per metric."""

from __future__ import annotations

import pandas as pd
from statsmodels.stats.multitest import multipletests

from voice_ai_analytics.analysis import Source
from voice_ai_analytics.asr.calibration import warning
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.plain import plain
from voice_ai_analytics.releases.comparison import (
    TREND,
    common_checks,
    compare,
    compare_word_errors,
)
from voice_ai_analytics.releases.effects import FEWEST_WEEKS
from voice_ai_analytics.releases.frame import METRICS, MIX, metric_rows, mondays, read_releases
from voice_ai_analytics.releases.results import ReleaseComparison
from voice_ai_analytics.releases.series import phases
from voice_ai_analytics.releases.words import q_of

LEVEL = 0.05


def estimate(source: Source, before: str, after: str) -> ReleaseComparison:
    """Return what changed from one ASR release to another, on certified sessions.

    Parameters
    ----------
    source : Source
        Word errors are always the current ones.
    before, after : str
        Values of ``asr_model``.

    Returns
    -------
    ReleaseComparison
    """
    frames = read_releases(source, before, after)
    return compare_releases(*frames, before, after, source.min_cohort_size)


def compare_releases(
    sessions: pd.DataFrame,
    evaluations: pd.DataFrame,
    before: str,
    after: str,
    min_cohort_size: int,
) -> ReleaseComparison:
    """Return what changed in completion, abandonment, transfer, error turns and word errors.

    Parameters
    ----------
    sessions, evaluations : pandas.DataFrame
        From `read_releases`; an empty frame of evaluations where there are none.
    before, after : str
        The releases.
    min_cohort_size : int
        A release with fewer users is suppressed.

    Returns
    -------
    ReleaseComparison
        Also where nothing could be estimated; its `exit_code` is 3 then.

    Raises
    ------
    UserError
        Where `before` took over from `after`.

    Notes
    -----
    A verdict rests on one estimate per metric, chosen before any outcome is looked at: for word
    errors turn by turn, where 30 users have turns that both releases transcribed; else the
    difference in differences, where some groups kept the earlier release and there are enough
    users and weeks; else the adjusted difference. It is improved or worsened where q is below 0.05
    (Benjamini and Hochberg 1995), both over all estimates and over the primary ones alone. So
    many estimates don't make one of them significant by chance, and raw estimates that the mix
    has made significant don't lower the bar for others.
    """
    _check_order(sessions, before, after)
    effects, checks = [], common_checks(sessions, before, after, min_cohort_size)
    for metric in METRICS:
        rows = metric_rows(sessions, metric)
        found, checked = compare(rows, metric, before, after, min_cohort_size)
        effects += found
        checks += checked
    found, checked = compare_word_errors(evaluations, before, after, min_cohort_size)
    checks += checked
    effects = _judged(effects + found, checks)
    size = sessions.groupby("is_after").size()
    totals = {name: int(size.get(arm, 0)) for arm, name in enumerate((before, after))}
    notes = [_mix_note(sessions), _weeks_note(sessions), warning([before, after])]
    notes = [note for note in notes if note]
    return ReleaseComparison(before, after, totals, plain(effects), plain(checks), notes)


def _check_order(sessions: pd.DataFrame, before: str, after: str) -> None:
    """Refuse releases in the wrong order, which would reverse the verdicts."""
    weeks, is_after = mondays(sessions["started_on"]), sessions["is_after"] == 1
    if is_after.nunique() < 2 or phases(weeks, is_after).is_clean:
        return
    if phases(weeks, ~is_after).is_clean:
        raise UserError(
            f"{before} took over from {after}, not the other way round;"
            f" use --before {after} --after {before}"
        )


def _mix_note(sessions: pd.DataFrame) -> str:
    alone = [name for name in MIX if sessions[name].nunique(dropna=False) < 2]
    if not alone:
        return ""
    return f"All sessions have the same {', '.join(alone)}, so there is nothing to adjust for."


def _weeks_note(sessions: pd.DataFrame) -> str:
    weeks = mondays(sessions["started_on"]).groupby(sessions["is_after"]).nunique()
    if weeks.min() >= FEWEST_WEEKS:
        return ""
    return (
        f"A release has sessions in fewer than {FEWEST_WEEKS} weeks, so no interval covers events"
        " that affect a whole week."
    )


def _judged(effects: list[dict], checks: list[dict]) -> list[dict]:
    """Add q values and verdicts."""
    # A p value of 0 is valid: it was only too small to represent.
    told = [e for e in effects if not e["declined"] and pd.notna(e["p_value"])]
    primary = [effect for effect in told if effect["is_primary"]]
    for name, family in (("q_value", told), ("primary_q_value", primary)):
        q_values = multipletests([e["p_value"] for e in family], method="fdr_bh")[1:2]
        for effect, q_value in zip(family, *q_values, strict=True):
            effect[name] = float(q_value)
    drifting = {c["metric"] for c in checks if c["check"] == TREND and c["result"] == "failed"}
    for effect in effects:
        if effect["is_primary"]:
            _judge(effect, effect["estimate"] == "adjusted" and effect["metric"] in drifting)
    return effects


def _judge(effect: dict, is_drifting: bool) -> None:
    if effect["primary_q_value"] is None:
        effect["verdict"] = "cannot be told"
    elif q_of(effect) >= LEVEL:
        effect["verdict"] = "no evidence"
    elif is_drifting:
        effect["verdict"] = "cannot be told"
        effect["declined"] = (
            "it differs, but it was changing week by week, which may explain all of it"
        )
    else:
        is_more = effect["difference"] > 0
        effect["verdict"] = "improved" if is_more == effect["more_is_better"] else "worsened"
