"""All estimates of one metric for two ASR releases, their checks, and the primary one."""

from __future__ import annotations

import pandas as pd

from voice_ai_analytics.metrics.suppression import cohort_size, is_small
from voice_ai_analytics.releases.checks import mix_distance, mix_shift, trend, users_in_both
from voice_ai_analytics.releases.effects import (
    ADJUSTED,
    FEWEST_CLUSTERS,
    LEAST_SHARED,
    PAIRED,
    RAW,
    SIDE_BY_SIDE,
    Strata,
    adjusted,
    choose_strata,
    counts,
    paired,
    raw,
    says_little,
    too_few,
    too_uneven,
)
from voice_ai_analytics.releases.frame import (
    MIX,
    WORD_ERRORS,
    Metric,
    metric_rows,
    session_rows,
)
from voice_ai_analytics.releases.groups import (
    DIFFERENCES,
    difference_in_differences,
    find_design,
)
from voice_ai_analytics.releases.results import CHECK_NUMBERS, NUMBERS
from voice_ai_analytics.releases.series import SERIES, interrupted, phases

TREND = "trend"
UNCLAIMED = ("std_error", "ci_low", "ci_high", "p_value")
ASSUMES = {
    "raw": RAW,
    "adjusted": ADJUSTED,
    "paired": PAIRED,
    "series, at the release": SERIES,
    "series, in the last week": SERIES,
    "difference in differences": DIFFERENCES,
}


def compare(
    rows: pd.DataFrame, metric: Metric, before: str, after: str, min_cohort_size: int
) -> tuple[list[dict], list[dict]]:
    """Return all estimates of a metric from sessions, and their checks.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `metric_rows`.
    metric : Metric
        What is compared.
    before, after : str
        The releases.
    min_cohort_size : int
        A release with fewer users is suppressed.

    Returns
    -------
    effects : list of dict
        As in `ReleaseComparison`, without q values; one of them is the primary one.
    checks : list of dict
        As in `ReleaseComparison`.
    """
    counted = counts(rows)
    for arm, model in (("before", before), ("after", after)):
        declined = ""
        if not counted[f"sessions_{arm}"]:
            declined = f"no eligible {metric.unit} with {model}"
        elif _is_small(counted, arm, min_cohort_size):
            declined = f"{model} has fewer than {min_cohort_size} users; suppressed"
        if declined:
            return [_row(metric, "adjusted", {"is_primary": True}, declined)], []
    few, strata = too_few(counted, before, after), choose_strata(rows)
    plain = raw(rows, metric)
    if few:
        plain |= dict.fromkeys(UNCLAIMED)
        effects = [_row(metric, "raw", counted | plain, few)]
        return [*effects, _row(metric, "adjusted", {"is_primary": True}, few)], []
    effects, checks = [_row(metric, "raw", counted | plain)], []
    level, checked = _at_equal_mix(rows, metric, strata, before, after)
    checks += checked
    found, declined = interrupted(rows, phases(rows["week"], rows["is_after"]))
    names = ("series, at the release", "series, in the last week")
    series = [_row(metric, name, one) for name, one in zip(names, found, strict=False)]
    series = series or [_row(metric, names[0], None, declined)]
    switched, checked = _by_groups(rows, metric)
    checks += checked
    primary = switched if switched["difference"] is not None else level
    primary["is_primary"] = True
    return [*effects, level, *series, switched], checks


def _at_equal_mix(
    rows: pd.DataFrame, metric: Metric, strata: Strata, before: str, after: str
) -> tuple[dict, list[dict]]:
    name, by, shared = "adjusted", ", ".join(strata.columns), strata.shared
    told = f"smaller share of a release's sessions in a {by} that both releases served"
    compared = float(strata.inside.sum())
    checks = [
        _check("shared strata", metric, told, shared >= LEAST_SHARED, value=shared, n=compared)
    ]
    if shared < LEAST_SHARED:
        declined = (
            f"only {shared:.0%} of a release's sessions are in a {by} that both releases served"
        )
        return _row(metric, name, None, declined), checks
    effect, influence = adjusted(rows, strata)
    declined = too_few(effect, before, after) or says_little(rows[strata.inside], ["is_after"])
    if declined:
        return _row(metric, name, None, declined), checks
    shift = mix_shift(rows, strata, influence, effect["difference"])
    told = f"raw minus adjusted for {by}"
    checks.append(_check("mix in the raw difference", metric, told, n=len(rows), **shift))
    if phases(rows["week"], rows["is_after"]).is_side_by_side:
        effect["assumes"] = SIDE_BY_SIDE
    line = trend(rows, strata, effect["difference"], influence)
    if line is not None:
        told = "change in the rate that a trend line alone would explain"
        numbers = {"value": line.change, "p_value": line.p_value, "n": line.n}
        checks.append(_check(TREND, metric, told, not line.is_in_the_way, **numbers))
    return _row(metric, name, effect), checks


def _by_groups(rows: pd.DataFrame, metric: Metric) -> tuple[dict, list[dict]]:
    name, design = "difference in differences", find_design(rows)
    if design is None:
        told = "no language or channel kept the earlier release while others switched"
        return _row(metric, name, None, told), []
    effect, declined = difference_in_differences(design)
    if not effect:
        return _row(metric, name, None, declined), []
    told = (
        f"groups by {', '.join(design.by)} that switched ({len(design.treated)}) minus groups that"
        f" kept ({len(design.controls)}), per week; no interval covers events in a single group"
    )
    numbers = {"value": effect["trend"], "p_value": effect["trend_p_value"], "n": len(design.rows)}
    check = _check("trends of groups", metric, told, not declined, **numbers)
    return _row(metric, name, effect, declined), [check]


def compare_word_errors(
    evaluations: pd.DataFrame, before: str, after: str, min_cohort_size: int
) -> tuple[list[dict], list[dict]]:
    """Return all estimates of word errors, and their checks.

    Parameters
    ----------
    evaluations : pandas.DataFrame
        From `read_releases`.
    before, after, min_cohort_size
        As for `compare`.

    Returns
    -------
    effects, checks : list of dict
        As from `compare`; turn by turn, where both releases transcribed enough of them.
    """
    metric, declined = WORD_ERRORS, ""
    if evaluations.empty:
        declined = "neither has a turn with a reference; run voice-ai evaluate-asr, then dbt build"
    elif _differ(evaluations, "normalizer"):
        declined = "references were compared with several normalizers, so rates aren't comparable"
    if declined:
        return [_row(metric, "adjusted", {"is_primary": True}, declined)], []
    effects, checks = compare(
        metric_rows(evaluations, metric), metric, before, after, min_cohort_size
    )
    if _differ(evaluations, "unit") or "character" in set(evaluations["first_unit"]):
        for effect in effects:
            effect["unit"] = "words or characters"
    both = paired(evaluations)
    if both is None:
        return [
            *effects,
            _row(metric, "paired", None, "both releases transcribed no turn in common"),
        ], checks
    if _is_small(both, "before", min_cohort_size):
        told = f"fewer than {min_cohort_size} users have turns that both transcribed; suppressed"
        return [*effects, _row(metric, "paired", None, told)], checks
    if both["clusters_before"] < FEWEST_CLUSTERS:
        told = (
            f"{both['clusters_before']} users have turns that both transcribed; an interval needs"
            f" {FEWEST_CLUSTERS}"
        )
        both |= dict.fromkeys(UNCLAIMED)
        return [*effects, _row(metric, "paired", both, told)], checks
    if told := too_uneven(both["worth"]):
        both |= dict.fromkeys(UNCLAIMED)
        return [*effects, _row(metric, "paired", both, told)], checks
    effects = [effect | {"is_primary": False} for effect in effects]
    return [*effects, _row(metric, "paired", both | {"is_primary": True})], checks


def common_checks(
    sessions: pd.DataFrame, before: str, after: str, min_cohort_size: int
) -> list[dict]:
    """Return the checks that don't depend on a metric: weeks, users and mix of both releases.

    Parameters
    ----------
    sessions : pandas.DataFrame
        From `read_releases`.
    before, after, min_cohort_size
        As for `compare`.

    Returns
    -------
    list of dict
        As in `ReleaseComparison`; none where a release is suppressed.
    """
    rows = session_rows(sessions)
    counted = counts(rows)
    if any(_is_small(counted, arm, min_cohort_size) for arm in ("before", "after")):
        return []
    distance, by_chance = mix_distance(rows)
    both, everyone = users_in_both(rows)
    found = phases(rows["week"], rows["is_after"])
    n, mixed = len(rows), found.mixed_weeks
    taken = f"weeks: {after} followed {before} from one week to the next"
    if mixed or not found.is_clean:
        taken = f"weeks; at least {found.shared:.0%} of each release's sessions are in these weeks"
    shared = f"of {everyone:,} users; each is one cluster"
    if not everyone:
        shared = "no session has a known user, so each counts as its own"
    apart = f"share of sessions that differ by {', '.join(MIX)}; {by_chance:.2f} by chance"
    return [
        _check("served side by side", None, taken, value=mixed, n=n),
        _check("users of both", None, shared, value=both, n=everyone),
        _check("distance of mixes", None, apart, value=distance, n=n),
    ]


def _row(metric: Metric, estimate: str, values: dict | None = None, declined: str = "") -> dict:
    row = {"metric": metric.name, "estimate": estimate, "is_primary": False, "verdict": None}
    row |= {"unit": metric.unit, "more_is_better": metric.more_is_better}
    row |= dict.fromkeys((*NUMBERS, "clustered_by"))
    row |= {name: value for name, value in (values or {}).items() if name in row}
    assumes = (values or {}).get("assumes", ASSUMES[estimate])
    return row | {"assumes": assumes, "declined": declined}


def _check(check: str, metric: Metric | None, told: str, is_passed=None, **numbers) -> dict:
    result = {None: "", True: "passed", False: "failed"}[is_passed]
    row = {"check": check, "metric": metric and metric.name, "result": result}
    return row | dict.fromkeys(CHECK_NUMBERS) | numbers | {"told": told}


def _is_small(counted: dict, arm: str, min_cohort_size: int) -> bool:
    """Return whether a release is too small to be shown."""
    size = cohort_size(counted[f"users_{arm}"], counted[f"sessions_{arm}"])
    return is_small(size, min_cohort_size)


def _differ(evaluations: pd.DataFrame, name: str) -> bool:
    values = evaluations[[f"first_{name}", f"last_{name}"]].to_numpy().ravel()
    return len(set(pd.Series(values).dropna())) > 1
