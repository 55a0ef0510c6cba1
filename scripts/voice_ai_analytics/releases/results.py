"""What `voice-ai compare-asr` finds: effects, checks, and one verdict a metric."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from voice_ai_analytics.asr.calibration import warning
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.releases.checks import mix_distance, mix_shift, trend, users_in_both
from voice_ai_analytics.releases.effects import (
    ADJUSTED,
    FEWEST_CLUSTERS,
    FEWEST_WEEKS,
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
    METRICS,
    MIX,
    WORD_ERRORS,
    Metric,
    metric_rows,
    mondays,
)
from voice_ai_analytics.releases.groups import (
    DIFFERENCES,
    difference_in_differences,
    find_design,
)
from voice_ai_analytics.releases.series import SERIES, interrupted, phases
from voice_ai_analytics.releases.text import q_of, verdict_sentence
from voice_ai_analytics.warehouse import Warehouse

LEVEL = 0.05
TREND = "trend"
UNCLAIMED = ("std_error", "ci_low", "ci_high", "p_value")
EFFECTS, CHECKS = "voice_ai_asr_release_effects", "voice_ai_asr_release_checks"
RESULTS = (EFFECTS, CHECKS)
ASSUMES = {
    "raw": RAW,
    "adjusted": ADJUSTED,
    "paired": PAIRED,
    "series, at the release": SERIES,
    "series, in the last week": SERIES,
    "difference in differences": DIFFERENCES,
}
COUNTS = tuple(f"{n}_{arm}" for n in ("n", "sessions", "users") for arm in ("before", "after"))
NUMBERS = ("rate_before", "rate_after", "difference", "std_error", "ci_low", "ci_high", "p_value")
NUMBERS += ("q_value", "primary_q_value", "clusters", "effective_clusters", "autocorrelation")
NUMBERS += COUNTS
EFFECT_COLUMNS = ("before", "after", "metric", "estimate", "is_primary", "verdict", "unit")
EFFECT_COLUMNS += ("more_is_better", *NUMBERS, "clustered_by", "assumes", "declined", "compared_at")
CHECK_NUMBERS = ("value", "ci_low", "ci_high", "p_value", "n")
CHECK_COLUMNS = ("before", "after", "check", "metric", "result", *CHECK_NUMBERS, "told")
CHECK_COLUMNS += ("compared_at",)


@dataclass(frozen=True)
class ReleaseComparison:
    """The result of comparing two ASR releases.

    Parameters
    ----------
    before, after : str
        The releases.
    sessions : dict of str to int
        Sessions of each.
    effects : list of dict
        One a metric and estimate: `difference` (later less earlier release, a share of `unit`)
        with its interval, p and q, what it is made of, what it assumes. `declined` says why
        there is none, or why it is not to be trusted. The primary one of each metric has the
        `verdict`: improved, worsened, no evidence, cannot be told.
    checks : list of dict
        What could be checked; `result` is passed, failed, or empty where there is nothing to pass.
    notes : list of str
        What a reader has to know.
    """

    before: str
    after: str
    sessions: dict[str, int]
    effects: list[dict]
    checks: list[dict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0, or 3 where nothing could be estimated with an interval."""
        return 0 if any(effect["ci_low"] is not None for effect in self.effects) else 3

    @property
    def primary(self) -> list[dict]:
        """The effect that each metric's verdict rests on."""
        return [effect for effect in self.effects if effect["is_primary"]]

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        return verdict_sentence(self.before, self.after, self.primary)

    def to_json(self) -> dict:
        """Give the result as JSON has it."""
        return {
            "verdict": self.verdict,
            "before": self.before,
            "after": self.after,
            "sessions": self.sessions,
            "effects": self.effects,
            "checks": self.checks,
            "notes": self.notes,
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Give the result as tables, by name."""
        common = {"before": self.before, "after": self.after}
        common["compared_at"] = datetime.now(UTC).isoformat(timespec="seconds")
        frames = []
        for rows, columns in ((self.effects, EFFECT_COLUMNS), (self.checks, CHECK_COLUMNS)):
            frames.append(pd.DataFrame([common | row for row in rows], columns=list(columns)))
        return {name: numbers_as_floats(frame) for name, frame in zip(RESULTS, frames, strict=True)}


def numbers_as_floats(table: pd.DataFrame) -> pd.DataFrame:
    """Give a table of results the types it has when all is known: a column of nulls has none."""
    types = dict.fromkeys((*NUMBERS, *CHECK_NUMBERS), float)
    types |= dict.fromkeys(("is_primary", "more_is_better"), bool)
    return table.astype({name: types.get(name, object) for name in table})


def read_comparison(warehouse: Warehouse) -> dict[str, pd.DataFrame] | None:
    """Read the tables of the last comparison.

    Parameters
    ----------
    warehouse : Warehouse
        Of a built project.

    Returns
    -------
    dict of str to pandas.DataFrame, or None
        By table name, as `ReleaseComparison.tables` gives them; None where nobody has compared.
    """
    tables = warehouse.read_tables(RESULTS)
    return tables and {name: numbers_as_floats(table) for name, table in tables.items()}


def compare_releases(
    sessions: pd.DataFrame,
    evaluations: pd.DataFrame,
    before: str,
    after: str,
    min_cohort_size: int,
) -> ReleaseComparison:
    """Compare two ASR releases by completion, abandonment, transfer, error turns and word errors.

    Parameters
    ----------
    sessions, evaluations : pandas.DataFrame
        From `read_releases`; an empty frame of evaluations where there are none.
    before, after : str
        The releases.
    min_cohort_size : int
        A release of fewer users is suppressed.

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
    A verdict rests on one estimate a metric, chosen before any outcome is looked at: for word
    errors turn by turn, where 30 users have turns that both releases transcribed; else the
    difference in differences, where some groups kept the earlier release and there are users and
    weeks enough; else the adjusted difference. It is improved or worsened where q is below 0.05
    (Benjamini and Hochberg 1995), over all estimates and over the primary ones alone: neither do
    many estimates make one of them significant, nor do raw ones that the mix has made significant
    lower the bar for others.
    """
    _check_order(sessions, before, after)
    effects, checks = [], _common_checks(sessions, before, after, min_cohort_size)
    for metric in METRICS:
        rows = metric_rows(sessions, metric)
        found, checked = _compare(rows, metric, before, after, min_cohort_size)
        effects += found
        checks += checked
    found, checked = _word_errors(evaluations, before, after, min_cohort_size)
    checks += checked
    effects = _judged(effects + found, checks)
    size = sessions.groupby("is_after").size()
    totals = {name: int(size.get(arm, 0)) for arm, name in enumerate((before, after))}
    notes = [_mix_note(sessions), _weeks_note(sessions), warning([before, after])]
    notes = [note for note in notes if note]
    return ReleaseComparison(
        before, after, totals, list(map(_plain, effects)), list(map(_plain, checks)), notes
    )


def _plain(row: dict) -> dict:
    """Give a row as JSON has it; a number that is not known is null."""

    def value(given):
        if isinstance(given, np.generic):
            given = given.item()
        return None if isinstance(given, float) and not np.isfinite(given) else given

    return {name: value(given) for name, given in row.items()}


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
    """Whether a release has too few users to be shown, or sessions where it names no user."""
    return (counted[f"users_{arm}"] or counted[f"sessions_{arm}"]) < min_cohort_size


def _compare(
    rows: pd.DataFrame, metric: Metric, before: str, after: str, min_cohort_size: int
) -> tuple[list[dict], list[dict]]:
    """Make all estimates of a metric from sessions, and their checks; choose the primary one."""
    counted = counts(rows)
    for arm, model in (("before", before), ("after", after)):
        declined = ""
        if not counted[f"sessions_{arm}"]:
            declined = f"no eligible {metric.unit} with {model} to take a rate of"
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
    told = f"share of a release's sessions, at least, in {by} of both"
    compared = float(strata.inside.sum())
    checks = [
        _check("shared strata", metric, told, shared >= LEAST_SHARED, value=shared, n=compared)
    ]
    if shared < LEAST_SHARED:
        declined = f"only {shared:.0%} of a release's sessions are in {by} of both releases"
        return _row(metric, name, None, declined), checks
    effect, influence = adjusted(rows, strata)
    declined = too_few(effect, before, after) or says_little(rows[strata.inside], ["is_after"])
    if declined:
        return _row(metric, name, None, declined), checks
    shift = mix_shift(rows, strata, influence, effect["difference"])
    told = f"raw less adjusted by {by}"
    checks.append(_check("mix in the raw difference", metric, told, n=len(rows), **shift))
    if phases(rows["week"], rows["is_after"]).is_side_by_side:
        effect["assumes"] = SIDE_BY_SIDE
    line = trend(rows, strata, effect["difference"], influence)
    if line is not None:
        told = "what a line through the weeks of both, without the release, makes of the rate"
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
        f"groups by {', '.join(design.by)} that switched ({len(design.treated)}) less ones that"
        f" kept ({len(design.controls)}), a week; what strikes a single group is in no interval"
    )
    numbers = {"value": effect["trend"], "p_value": effect["trend_p_value"], "n": len(design.rows)}
    check = _check("trends of groups", metric, told, not declined, **numbers)
    return _row(metric, name, effect, declined), [check]


def _word_errors(
    evaluations: pd.DataFrame, before: str, after: str, min_cohort_size: int
) -> tuple[list[dict], list[dict]]:
    metric, declined = WORD_ERRORS, ""
    if evaluations.empty:
        declined = "no turn of either has a reference; voice-ai evaluate-asr and dbt build count"
    elif _differ(evaluations, "normalizer"):
        declined = "references were compared with several normalizers, whose rates do not compare"
    if declined:
        return [_row(metric, "adjusted", {"is_primary": True}, declined)], []
    effects, checks = _compare(
        metric_rows(evaluations, metric), metric, before, after, min_cohort_size
    )
    if _differ(evaluations, "unit") or "character" in set(evaluations["first_unit"]):
        for effect in effects:
            effect["unit"] = "words or characters"
    both = paired(evaluations)
    if both is None:
        return [*effects, _row(metric, "paired", None, "no turn was transcribed by both")], checks
    if (both["users_before"] or both["sessions_before"]) < min_cohort_size:
        told = f"fewer than {min_cohort_size} users have turns that both transcribed; suppressed"
        return [*effects, _row(metric, "paired", None, told)], checks
    if both["clusters_before"] < FEWEST_CLUSTERS:
        told = (
            f"{both['clusters_before']} users have turns that both transcribed; an interval takes"
            f" {FEWEST_CLUSTERS}"
        )
        both |= dict.fromkeys(UNCLAIMED)
        return [*effects, _row(metric, "paired", both, told)], checks
    if told := too_uneven(both["worth"]):
        both |= dict.fromkeys(UNCLAIMED)
        return [*effects, _row(metric, "paired", both, told)], checks
    effects = [effect | {"is_primary": False} for effect in effects]
    return [*effects, _row(metric, "paired", both | {"is_primary": True})], checks


def _differ(evaluations: pd.DataFrame, name: str) -> bool:
    values = evaluations[[f"first_{name}", f"last_{name}"]].to_numpy().ravel()
    return len(set(pd.Series(values).dropna())) > 1


def _check_order(sessions: pd.DataFrame, before: str, after: str) -> None:
    """Refuse releases that are named the wrong way round, whose verdicts would be so too."""
    weeks, is_after = mondays(sessions["started_on"]), sessions["is_after"] == 1
    if is_after.nunique() < 2 or phases(weeks, is_after).is_clean:
        return
    if phases(weeks, ~is_after).is_clean:
        raise UserError(
            f"{before} took over from {after}, not the other way round:"
            f" give --before {after} --after {before}"
        )


def _common_checks(
    sessions: pd.DataFrame, before: str, after: str, min_cohort_size: int
) -> list[dict]:
    rows = metric_rows(sessions.assign(all=1), Metric("sessions", "all", "all", "sessions"))
    counted = counts(rows)
    if any(_is_small(counted, arm, min_cohort_size) for arm in ("before", "after")):
        return []
    distance, by_chance = mix_distance(rows)
    both, everyone = users_in_both(rows)
    found = phases(rows["week"], rows["is_after"])
    n, mixed = len(rows), found.mixed_weeks
    taken = f"weeks: {after} followed {before} from one to the next"
    if mixed or not found.is_clean:
        taken = f"weeks; {found.shared:.0%} of a release's sessions, at least, are in weeks of both"
    shared = f"of {everyone:,} users; each is one cluster"
    if not everyone:
        shared = "no session names its user, so each is one of its own"
    apart = f"share of sessions that differ by {', '.join(MIX)}; chance makes {by_chance:.2f}"
    return [
        _check("served side by side", None, taken, value=mixed, n=n),
        _check("users of both", None, shared, value=both, n=everyone),
        _check("distance of mixes", None, apart, value=distance, n=n),
    ]


def _mix_note(sessions: pd.DataFrame) -> str:
    alone = [name for name in MIX if sessions[name].nunique(dropna=False) < 2]
    if not alone:
        return ""
    return f"All sessions have the same {', '.join(alone)}, so nothing is adjusted for by it."


def _weeks_note(sessions: pd.DataFrame) -> str:
    weeks = mondays(sessions["started_on"]).groupby(sessions["is_after"]).nunique()
    if weeks.min() >= FEWEST_WEEKS:
        return ""
    return (
        f"A release has sessions of fewer than {FEWEST_WEEKS} weeks: what strikes a whole week is"
        " in no interval."
    )


def _judged(effects: list[dict], checks: list[dict]) -> list[dict]:
    """Add q values and verdicts."""
    # A p value may be 0: it is only too small for a number.
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
        effect["declined"] = "it differs, but was changing week by week, and that may be all"
    else:
        is_more = effect["difference"] > 0
        effect["verdict"] = "improved" if is_more == effect["more_is_better"] else "worsened"
