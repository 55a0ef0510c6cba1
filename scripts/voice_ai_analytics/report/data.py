"""What the HTML report shows: counts and rates of the semantic layer, dbt's tests, the model.

`gather` reads it and suppresses small cohorts at once, so that nothing later can show them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from voice_ai_analytics.errors import UserError


@dataclass(frozen=True)
class Rate:
    """A rate of the semantic layer, with the two counts that its interval comes from."""

    metric: str
    numerator: str
    denominator: str
    label: str
    of: str


def _rate(name: str, numerator: str, denominator: str, label: str, of: str) -> Rate:
    return Rate(*(f"voice_ai_{metric}" for metric in (name, numerator, denominator)), label, of)


COMPLETION = _rate(
    "completion_rate", "completed_sessions", "eligible_sessions", "Completed", "eligible sessions"
)
ABANDONMENT = _rate(
    "abandonment_rate", "abandoned_sessions", "eligible_sessions", "Abandoned", "eligible sessions"
)
TRANSFER = _rate(
    "transfer_rate", "transferred_sessions", "eligible_sessions", "Transferred", "eligible sessions"
)
CONTAINMENT = _rate(
    "containment_rate", "contained_sessions", "eligible_sessions", "Contained", "eligible sessions"
)
ERROR_TURN = _rate("error_turn_rate", "error_turns", "turns", "Turns with an error", "turns")
LOW_CONFIDENCE = _rate(
    "low_asr_confidence_rate",
    "low_asr_confidence_turns",
    "asr_confidence_count",
    "Low ASR confidence",
    "user turns with a confidence",
)
SESSION_ERROR = _rate(
    "session_error_rate", "sessions_with_error", "sessions", "Sessions with an error", "sessions"
)
RECOVERY = _rate(
    "error_recovery_rate",
    "recovered_sessions",
    "sessions_with_error",
    "Completed despite an error",
    "sessions with an error",
)
VOICE_SHARE = _rate("voice_session_share", "voice_sessions", "sessions", "Voice share", "sessions")
REPEAT_USERS = _rate("repeat_user_rate", "repeat_users", "users", "Users who came back", "users")
CALLBACK = _rate(
    "callback_rate_24h",
    "called_back_sessions",
    "callback_known_sessions",
    "Called back within 24 hours",
    "sessions old enough to tell",
)
RETURN = _rate(
    "return_after_abandonment_rate_7d",
    "returns_after_abandonment_7d",
    "known_user_abandonments",
    "Back within 7 days of abandoning",
    "abandoned sessions of known users",
)
TOP_BOX = _rate(
    "csat_top_box_rate", "csat_top_box_sessions", "rated_sessions", "Rated 5 of 5", "rated sessions"
)
MISUNDERSTANDING = _rate(
    "misunderstanding_rate", "misunderstanding_turns", "turns", "Misunderstanding", "turns"
)
NO_INPUT = _rate("no_input_rate", "no_input_turns", "turns", "No input", "turns")
NOISE = _rate("noise_rate", "noise_turns", "turns", "Noise", "turns")

HEADLINE = (COMPLETION, ABANDONMENT, TRANSFER, CONTAINMENT, ERROR_TURN, LOW_CONFIDENCE)
EFFICIENCY = (SESSION_ERROR, RECOVERY)
ADOPTION = (VOICE_SHARE, REPEAT_USERS, CALLBACK, RETURN, TOP_BOX)
ERROR_TYPES = (MISUNDERSTANDING, NO_INPUT, NOISE)
RATES = (*HEADLINE, *EFFICIENCY, *ADOPTION, *ERROR_TYPES)

SESSIONS, ELIGIBLE, USERS = "voice_ai_sessions", "voice_ai_eligible_sessions", "voice_ai_users"
TURNS = "voice_ai_turns"
ACTIVE_USERS = "voice_ai_weekly_active_users"
LATENCY = ("voice_ai_response_latency_p50_ms", "voice_ai_response_latency_p95_ms")
HANDLE_TIME, TURNS_PER_SESSION = "voice_ai_handle_time_seconds", "voice_ai_turns_per_session"
COST, ASR_CONFIDENCE = "voice_ai_cost_per_completed_session", "voice_ai_asr_confidence"

SESSION, WEEK = "voice_ai_session__", "metric_time__week"
SMALL = "suppressed: fewer than {} users"
PROTECTING = "suppressed: protects a smaller cohort"
NOT_KNOWN = "not known"
REBUILD = "write it again with dbt build"
OUTCOMES = (
    *("completed", "abandoned", "transferred"),
    *("failed", "timed_out", "unknown", "in_progress", "not_connected", "voicemail"),
)


@dataclass(frozen=True)
class Gap:
    """Completion of one cohort less that of another; None stands for every other known one."""

    label: str
    dimension: str
    group: str
    reference: str | None


GAPS = (
    Gap("Rural − urban", "region", "rural", "urban"),
    Gap("First-time − other users", "is_first_time_digital_user", "true", "false"),
    Gap("With − without disability", "has_disability", "true", "false"),
    Gap("Voice − other channels", "channel", "voice", None),
)


@dataclass(frozen=True)
class TestResults:
    """What the last dbt run says about its tests.

    Parameters
    ----------
    finished_at : datetime or None
        When dbt wrote its results.
    n_tests : int
        Tests that were to run.
    issues : list of dict
        `status`, `model`, `test`, `failures` and `description` of each that did not pass.
    """

    finished_at: datetime | None
    n_tests: int
    issues: list[dict]


@dataclass(frozen=True)
class ReportData:
    """All that the report shows; suppressed numbers are not in it.

    Parameters
    ----------
    notice : str
        Why there is nothing to show, or empty.
    totals : pandas.Series
        Each metric over all sessions, by metric name; null where not known.
    days : tuple of pandas.Timestamp or None
        First and last day with a session.
    weeks, active, outcomes, channels, languages, bands, releases : pandas.DataFrame
        One row a cohort: `cohort` (for releases also `language`), `suppressed` (the reason, or
        empty), then metrics.
    gaps : pandas.DataFrame
        `label`, `suppressed`, and completed and eligible sessions of both sides.
    accounting, quarantine : pandas.DataFrame
        Rows by table; rows by table and reason.
    model : dict or None
        Content of `abandonment_model.json`.
    tests : TestResults or None
        None where dbt left no results.
    min_cohort_size : int
        Fewest users of a cohort that is shown.
    analyses : dict of str to dict of str to pandas.DataFrame
        What `read_analyses` gives.
    """

    notice: str
    totals: pd.Series
    days: tuple[pd.Timestamp, pd.Timestamp] | None
    weeks: pd.DataFrame
    active: pd.DataFrame
    outcomes: pd.DataFrame
    channels: pd.DataFrame
    languages: pd.DataFrame
    bands: pd.DataFrame
    releases: pd.DataFrame
    gaps: pd.DataFrame
    accounting: pd.DataFrame
    quarantine: pd.DataFrame
    model: dict | None
    tests: TestResults | None
    min_cohort_size: int
    analyses: dict[str, dict[str, pd.DataFrame]] = field(default_factory=dict)


def gather(
    client, warehouse, *, target_dir: Path, model_json: Path | None, min_cohort_size: int
) -> ReportData:
    """Read all that the report shows.

    Parameters
    ----------
    client : MetricClient
        Answers metric queries.
    warehouse : Warehouse
        Read for the row accounting only.
    target_dir : pathlib.Path
        dbt's target directory, for `run_results.json` and `manifest.json`; either may be absent.
    model_json : pathlib.Path or None
        `abandonment_model.json`; may be absent.
    min_cohort_size : int
        Cohorts of fewer distinct users are suppressed.

    Returns
    -------
    ReportData

    Raises
    ------
    UserError
        If a JSON file is not what it should be.
    """
    means = (TURNS_PER_SESSION, HANDLE_TIME, COST)
    manifest = _json(target_dir / "manifest.json", REBUILD, "nodes", "metrics")
    totals = _totals(client, _metrics(SESSIONS, USERS, *means, *RATES))
    if manifest and {metric["name"] for metric in manifest["metrics"].values()}.issuperset(LATENCY):
        totals = pd.concat([totals, _totals(client, LATENCY)])
    notice = _notice(totals, min_cohort_size)

    def ask(metrics: Sequence[str], *dimensions: str) -> pd.DataFrame:
        frame = pd.DataFrame(columns=[*dimensions, *metrics])
        if not notice:
            frame = client.query(list(metrics), list(dimensions))
        frame = _plain(frame.rename(columns={dimensions[0]: "cohort"}), metrics)
        order = [column for column in frame if column not in metrics]
        return frame.sort_values(order, key=lambda values: values.astype(str), ignore_index=True)

    def cohorts(*dimensions: str, of: Sequence = (), results: Sequence[str] = ()) -> pd.DataFrame:
        frame = ask(_metrics(SESSIONS, USERS, *of), *dimensions)
        return suppress(frame, min_cohort_size, results)

    weekly = (COMPLETION, ABANDONMENT, ERROR_TURN, *ERROR_TYPES)
    compared = {gap.dimension: cohorts(SESSION + gap.dimension, of=[COMPLETION]) for gap in GAPS}
    channels = cohorts(SESSION + "channel", of=(COMPLETION, SESSION_ERROR, *means))
    languages = cohorts(SESSION + "language", of=(COMPLETION, LOW_CONFIDENCE, ASR_CONFIDENCE))
    releases = cohorts(SESSION + "asr_model", SESSION + "language", of=[ERROR_TURN])
    active = ask([ACTIVE_USERS], WEEK)
    few = active[ACTIVE_USERS] < min_cohort_size
    active["suppressed"] = few.map({True: SMALL.format(min_cohort_size), False: ""})
    days = ask([SESSIONS], "metric_time__day")["cohort"]
    return ReportData(
        notice=notice,
        totals=totals if not notice else totals * np.nan,
        days=None if days.empty else (days.min(), days.max()),
        weeks=_blanked(cohorts(WEEK, of=weekly)),
        active=_blanked(active),
        outcomes=_blanked(cohorts(SESSION + "outcome", results=OUTCOMES[:3])),
        channels=_blanked(channels),
        languages=_blanked(languages),
        bands=_blanked(cohorts(SESSION + "asr_confidence_band", of=[ABANDONMENT])),
        releases=_blanked(releases.rename(columns={SESSION + "language": "language"})),
        gaps=pd.DataFrame([_gap(gap, compared[gap.dimension]) for gap in GAPS]),
        accounting=_rows(warehouse, "voice_ai_row_accounting", "table_name"),
        quarantine=_rows(warehouse, "voice_ai_quarantine_reasons", "table_name, reason"),
        model=_model(model_json),
        tests=_tests(target_dir, manifest or {}),
        min_cohort_size=min_cohort_size,
    )


def suppress(
    cohorts: pd.DataFrame, min_cohort_size: int, results: Sequence[str] = ()
) -> pd.DataFrame:
    """Say which cohorts of one dimension must not be shown, and why.

    A cohort is small if it has fewer known users than `min_cohort_size` or, where it names none,
    fewer sessions; and if its eligible sessions are fewer, for so are their users. As the total
    is shown elsewhere, the smallest other cohort goes too: what subtraction then leaves is of
    enough users.

    Parameters
    ----------
    cohorts : pandas.DataFrame
        One row a cohort: `cohort`, `voice_ai_sessions`, `voice_ai_users`, other metrics.
    min_cohort_size : int
        Fewest users of a cohort that is shown.
    results : sequence of str
        Values that are a result of everyone, shown in the headline, and not a group of people.

    Returns
    -------
    pandas.DataFrame
        The same with the reason in `suppressed`, empty for those to show.
    """
    size = _size(cohorts)
    small = size < min_cohort_size
    if ELIGIBLE in cohorts:
        small |= cohorts[ELIGIBLE].between(1, min_cohort_size - 1)
    is_group = ~cohorts["cohort"].isin(results)
    small &= is_group
    reason = small.map({True: SMALL.format(min_cohort_size), False: ""}).astype(object)
    others = size[is_group & ~small]
    if small.any() and len(others):
        reason[others.idxmin()] = PROTECTING
    return cohorts.assign(suppressed=reason)


def _size(cohorts: pd.DataFrame) -> pd.Series:
    return cohorts[USERS].where(cohorts[USERS] > 0, cohorts[SESSIONS])


def _blanked(cohorts: pd.DataFrame) -> pd.DataFrame:
    metrics = [column for column in cohorts if column.startswith("voice_ai_")]
    shown = cohorts["suppressed"] == ""
    return cohorts.assign(**{metric: cohorts[metric].where(shown) for metric in metrics})


def _metrics(*asked: str | Rate) -> list[str]:
    names = [
        name
        for one in asked
        for name in (
            [one] if isinstance(one, str) else [one.metric, one.numerator, one.denominator]
        )
    ]
    return list(dict.fromkeys(names))


def _plain(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Make metrics floats, instants naive and dimension values texts or None, on any engine."""
    columns = {}
    for name in frame:
        if name in metrics:
            columns[name] = pd.to_numeric(frame[name]).astype(float)
        elif pd.api.types.is_datetime64_any_dtype(frame[name]):
            columns[name] = frame[name].dt.tz_localize(None)
        else:
            columns[name] = pd.Series([_text(v) for v in frame[name]], frame.index, dtype=object)
    return pd.DataFrame(columns)


def _text(value) -> str | None:
    if pd.isna(value):
        return None
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def _totals(client, metrics: Sequence[str]) -> pd.Series:
    frame = _plain(client.query(list(metrics)), metrics)
    return frame.iloc[0] if len(frame) else pd.Series(np.nan, index=metrics)


def _notice(totals: pd.Series, min_cohort_size: int) -> str:
    if not totals[SESSIONS] > 0:
        return "There is no certified session yet."
    if _size(totals.to_frame().T).iloc[0] < min_cohort_size:
        return f"All sessions together are {SMALL.format(min_cohort_size)}."
    return ""


def _gap(gap: Gap, cohorts: pd.DataFrame) -> dict:
    """Sum both sides, unless that lets a suppressed cohort be computed."""
    is_group = cohorts["cohort"] == gap.group
    is_reference = cohorts["cohort"] == gap.reference
    if gap.reference is None:
        is_reference = cohorts["cohort"].notna() & ~is_group
    hidden = cohorts["suppressed"] != ""
    row, reasons = {"label": gap.label}, set()
    for side, members in (("group", is_group), ("reference", is_reference)):
        inside = hidden & members
        # A side that holds every hidden cohort is the total less what is shown: nothing new.
        if inside.any() and (gap.reference is not None or (hidden & ~members).any()):
            reasons |= set(cohorts["suppressed"][inside])
        sums = cohorts.loc[members, [COMPLETION.numerator, COMPLETION.denominator]]
        row[f"{side}_completed"], row[f"{side}_eligible"] = sums.sum(min_count=1)
    if reasons:
        row = {name: np.nan for name in row} | {"label": gap.label}
    # Of the two reasons, that a cohort is small says more; it sorts first.
    return row | {"suppressed": min(reasons, default="")}


def _rows(warehouse, model: str, order: str) -> pd.DataFrame:
    # The name comes quoted from dbt's manifest.
    return warehouse.query(f"select * from {warehouse.relation(model)} order by {order}")  # noqa: S608


def _json(path: Path, remedy: str, *keys: str) -> dict | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}): {remedy}") from error
    for key in keys:
        if not isinstance(content, dict) or key not in content:
            raise UserError(f"{path}: has no {key}: {remedy}")
    return content


def _model(path: Path | None) -> dict | None:
    remedy = "write it again with voice-ai fit-abandonment"
    keys = ("verdict", "n_sessions", "n_events", "n_users", "excluded", "coefficients")
    return path and _json(path, remedy, *keys, "likelihood_ratio_p_value", "auc", "calibration")


def _tests(target_dir: Path, manifest: dict) -> TestResults | None:
    run = _json(target_dir / "run_results.json", REBUILD, "results")
    if run is None:
        return None
    nodes = manifest.get("nodes", {}) | manifest.get("unit_tests", {})
    results = [r for r in run["results"] if r["unique_id"].startswith(("test.", "unit_test."))]
    issues = []
    for result in results:
        if result["status"] in ("pass", "success"):
            continue
        node = nodes.get(result["unique_id"], {})
        tested = node.get("attached_node") or node.get("model")
        tested = tested or next(iter(node.get("depends_on", {}).get("nodes", [])), "")
        issues.append(
            {
                "status": result["status"],
                "model": tested.split(".")[-1],
                "test": node.get("name") or result["unique_id"].split(".")[2],
                "failures": result.get("failures"),
                "description": node.get("description") or "",
            }
        )
    issues.sort(key=lambda issue: (issue["status"] == "warn", issue["model"], issue["test"]))
    written = run.get("metadata", {}).get("generated_at")
    return TestResults(datetime.fromisoformat(written) if written else None, len(results), issues)
