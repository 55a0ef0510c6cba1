"""One self-contained HTML report of certified metrics.

`gather` asks the semantic layer for counts and rates and suppresses small cohorts at once, so
that nothing later can show them; `render` draws what was gathered. The report defines no metric.
"""

import io
import json
import os
import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.intervals import newcombe, wilson


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
TURNS, ERROR_TURNS = "voice_ai_turns", "voice_ai_error_turns"
ACTIVE_USERS = "voice_ai_weekly_active_users"
LATENCY = ("voice_ai_response_latency_p50_ms", "voice_ai_response_latency_p95_ms")
HANDLE_TIME, TURNS_PER_SESSION = "voice_ai_handle_time_seconds", "voice_ai_turns_per_session"
COST, ASR_CONFIDENCE = "voice_ai_cost_per_completed_session", "voice_ai_asr_confidence"

SESSION, WEEK = "voice_ai_session__", "metric_time__week"
SMALL = "suppressed: fewer than {} users"
PROTECTING = "suppressed: protects a smaller cohort"
NOT_KNOWN = "not known"
REBUILD = "write it again with dbt build"
COEFFICIENT = [
    *("term", "log_odds", "std_error", "odds_ratio_per_sd", "ci_low", "ci_high"),
    *("p_value", "q_value", "average_marginal_effect"),
]
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


# --- gather


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


# --- draw

WIDTH, ROW, MAX_ROWS = 4.0, 0.44, 12
INK, MUTED, GRID = "#1b2430", "#566070", "#dde2e8"
# Told apart by marker and dash too, for print and for eyes that see these colours alike.
LOOKS = (
    ("#0b5c9e", "o", "-"),
    ("#b4500b", "s", "--"),
    ("#0b7a5b", "^", "-."),
    ("#7b4b9c", "D", ":"),
)
BLUE = LOOKS[0][0]
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "voice-ai",
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    # A dollar in a label is a dollar.
    "text.parse_math": False,
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.5,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "grid.color": GRID,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "xtick.color": MUTED,
    "xtick.labelsize": 9.5,
    "xtick.major.pad": 5,
    "xtick.major.size": 0,
    "ytick.color": MUTED,
    "ytick.labelsize": 9.5,
    "ytick.major.size": 0,
}


@dataclass(frozen=True)
class _Mark:
    """One line of a row plot: texts at both ends, below them an estimate and its interval."""

    label: str
    text: str
    estimate: float = np.nan
    low: float = np.nan
    high: float = np.nan
    hollow: bool = False


def _row_plot(
    marks: Sequence[_Mark],
    ticks: dict[float, str],
    xlabel: str,
    reference: float | None = None,
    bars: bool = False,
) -> Figure:
    tall = ROW * len(marks)
    height = tall + 0.5
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0.05, 0.48 / height, 0.9, tall / height))
    first, last = min(ticks), max(ticks)
    axes.set(xlim=(first, last), ylim=(len(marks) - 0.42, -0.58), xlabel=xlabel)
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.yaxis.set_visible(False)
    for y, mark in enumerate(marks):
        place, middle = {"transform": axes.get_yaxis_transform(), "va": "center"}, y + 0.17
        known = np.isfinite(mark.estimate)
        axes.text(-0.055, y - 0.2, mark.label, **place)
        colour = INK if known else MUTED
        axes.text(1.055, y - 0.2, mark.text, ha="right", color=colour, **place)
        axes.vlines(list(ticks), y + 0.02, y + 0.32, color=GRID, linewidth=0.8, zorder=0)
        if reference is not None:
            axes.vlines(reference, y - 0.02, y + 0.36, color=INK, linewidth=1.2, zorder=0)
        if not known:
            continue
        if bars:
            axes.barh(middle, mark.estimate, 0.24, color=BLUE, edgecolor=INK, linewidth=0.6)
            continue
        # On the edge a mark is whole; beyond it there is none.
        look = {"color": BLUE, "clip_on": not first <= mark.estimate <= last}
        ends = np.clip([mark.low, mark.high], first, last)
        axes.plot(ends, [middle] * 2, "|-", linewidth=2, markersize=7, markeredgewidth=1.6, **look)
        face = "white" if mark.hollow else BLUE
        axes.plot(mark.estimate, middle, "o", markerfacecolor=face, markersize=6.5, **look)
        arrows = {"<": (first, mark.low < first), ">": (last, mark.high > last)}
        for arrow, (edge, is_beyond) in arrows.items():
            if is_beyond:
                axes.plot(edge, middle, arrow, color=BLUE, markersize=7, clip_on=False)
    return figure


def _week_plot(
    weeks: pd.Series,
    partial: np.ndarray,
    lines: dict[str, tuple],
    ylabel: str,
    text: Callable[[float], str],
) -> Figure:
    """Draw each line's estimate, low and high by week; a week without data is a hole."""
    every = pd.date_range(weeks.min(), weeks.max(), freq="7D")

    def placed(values) -> np.ndarray:
        return pd.Series(np.asarray(values, float), weeks).reindex(every).to_numpy()

    keys = -(-(len(lines) + partial.any()) // 2)
    height = 2.6 + 0.2 * keys
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0.16, 0.6 / height, 0.81, 1.9 / height))
    hollow, few, top = placed(partial) == 1, len(every) <= 30, 0.0
    for number, (label, values) in enumerate(lines.items()):
        (estimate, low, high), (colour, marker, dash) = map(placed, values), LOOKS[number]
        # Side by side, intervals that overlap can be told apart.
        x = np.arange(len(every)) + (0.12 * (number - (len(lines) - 1) / 2) if few else 0)
        if few:
            axes.vlines(x, low, high, color=colour, linewidth=1.2)
        else:
            axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(x, estimate, dash, color=colour, linewidth=1.6)
        axes.plot([], [], dash + marker, color=colour, markersize=5.5, label=label)
        for some, face in ((~hollow, colour), (hollow, "white")):
            look = {"color": colour, "markerfacecolor": face, "markersize": 5.5 if few else 3}
            axes.plot(x[some], estimate[some], marker, clip_on=False, **look)
        top = np.nanmax([top, *estimate, *high])
    if hollow.any():
        axes.plot([], [], "o", color=MUTED, markerfacecolor="white", label="hollow: partial week")
    ticks = _ticks(0, top or 1, text)
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.set(ylim=(0, max(ticks)), xlim=(-0.6, len(every) - 0.4))
    axes.set(xlabel="week starting", ylabel=ylabel)
    shown = np.unique(np.linspace(0, len(every) - 1, 4).round().astype(int))
    is_new_year = np.r_[True, np.diff(every.year[shown]) > 0]
    labels = [f"{day.day} {day:%b}" for day in every[shown]]
    labels = [
        f"{label}\n{day.year}" if is_new else label
        for label, day, is_new in zip(labels, every[shown], is_new_year, strict=True)
    ]
    axes.set_xticks(shown, labels)
    axes.grid(axis="y", linewidth=0.8)
    place = {"loc": "upper left", "bbox_to_anchor": (0, 1), "borderaxespad": 0, "borderpad": 0}
    figure.legend(ncols=2, handlelength=2.4, columnspacing=1.2, labelspacing=0.35, **place)
    return figure


def _ticks(low: float, high: float, text: Callable[[float], str]) -> dict[float, str]:
    locator = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10], min_n_ticks=2)
    return {tick: text(tick) for tick in locator.tick_values(low, high).round(10)}


def _svg(figure: Figure, name: str, title: str, description: str) -> Markup:
    """Turn a figure into SVG for a page that holds others: ids of its own, text kept as text."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())  # noqa: S314, matplotlib wrote it
    for part in root.findall("./*"):
        # matplotlib's style sheet would apply to the whole page.
        if part.find("./*") is not None and part[0].tag.endswith(("}style", "}RDF")):
            root.remove(part)
    used = set()
    for element in root.iter():
        element.tag = element.tag.split("}")[-1]
        attributes = {key.split("}")[-1]: value for key, value in element.attrib.items()}
        for key in {"href", "clip-path"} & set(attributes):
            used |= set(re.findall(r"#([\w-]+)", attributes[key]))
            attributes[key] = attributes[key].replace("#", f"#{name}-")
        for key in {"d", "x", "y", "transform"} & set(attributes):
            shorter = re.sub(r"\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}", attributes[key])
            attributes[key] = " ".join(shorter.split())
        element.attrib = attributes
    for element in root.iter():
        if "id" in element.attrib:
            own = element.attrib.pop("id")
            if own in used:
                element.set("id", f"{name}-{own}")
    texts = {"title": title, "desc": description}
    for at, (tag, text) in enumerate(texts.items()):
        root.insert(at, ElementTree.Element(tag, {"id": f"{name}-{tag}"}))
        root[at].text = text
    root.attrib = {"class": "plot", "role": "img", "viewBox": root.get("viewBox")}
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704, serialised


# --- render


@dataclass(frozen=True)
class Plot:
    """A figure with its question, its caption and its numbers as a table.

    `svg` is None where there is nothing to draw; `note` then says why.
    """

    name: str
    question: str
    svg: Markup | None
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def render(data: ReportData) -> str:
    """Draw the report.

    Parameters
    ----------
    data : ReportData
        From `gather`.

    Returns
    -------
    str
        One HTML document that loads nothing; the same data give the same text.
    """
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # The browser has glyphs and scripts that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", "(Glyph|Matplotlib currently does not support)")
        plots = _plots(data)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": _count, "day": _day, "clean": _clean, "number": _number}
    environment.filters["probability"] = _probability
    tiles = {rate.metric: _tile(data.totals, rate) for rate in RATES}
    return environment.get_template("report_template.html").render(
        data=data,
        plots={plot.name: plot for plot in plots},
        completed=tiles[COMPLETION.metric],
        abandoned=tiles[ABANDONMENT.metric],
        contained=CONTAINMENT.label,
        headline=[tiles[rate.metric] for rate in HEADLINE],
        efficiency=[tiles[rate.metric] for rate in EFFICIENCY] + _means(data.totals),
        adoption=[tiles[rate.metric] for rate in ADOPTION],
        sessions=data.totals[SESSIONS],
        eligible=data.totals[ELIGIBLE],
        users=data.totals[USERS],
        turns=data.totals[TURNS],
    )


def write_report(path: Path, html: str) -> None:
    """Write the report so that a reader sees the old one or the new one, whole.

    Parameters
    ----------
    path : pathlib.Path
        The file; its directory is made.
    html : str
        From `render`.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(html, encoding="utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path}: cannot be written ({reason}): name another file") from error


OF_TURNS = "Turns of one session are alike, so the true intervals are wider than these."


def _plots(data: ReportData) -> list[Plot]:
    return [
        _trend(
            "trend",
            "Are more sessions completed and fewer abandoned, week by week?",
            data,
            (COMPLETION, ABANDONMENT),
        ),
        _outcomes(data),
        _gaps(data.gaps),
        _by_cohort(
            "languages",
            "Is a session as likely to be completed in every language?",
            data.languages,
            COMPLETION,
            "language",
        ),
        _by_cohort(
            "recognition",
            "Is speech recognised with confidence in every language?",
            data.languages,
            LOW_CONFIDENCE,
            "language",
            extra={"Mean ASR confidence": (ASR_CONFIDENCE, _decimal)},
            note=f"Less is better. Confidences of different recognisers do not compare. {OF_TURNS}",
        ),
        _durations(data.channels),
        _by_cohort(
            "session_errors",
            "In which channel do sessions meet errors?",
            data.channels,
            SESSION_ERROR,
            "channel",
        ),
        _active(data),
        _by_cohort(
            "channels",
            "Is voice completed as often as the other channels?",
            data.channels,
            COMPLETION,
            "channel",
        ),
        _trend(
            "errors",
            "Are errors getting rarer, week by week?",
            data,
            (ERROR_TURN, *ERROR_TYPES),
            OF_TURNS,
        ),
        _error_types(data.totals),
        _releases(data.releases),
        _by_cohort(
            "bands",
            "Are sessions abandoned more often where recognition was less confident?",
            data.bands,
            ABANDONMENT,
            "mean ASR confidence",
            by_size=False,
            note="Not adjusted for anything else: what it is evidence of, only the verdict says.",
        ),
        _forest(data.model),
    ]


def _share_plot(
    name: str,
    question: str,
    rows: pd.DataFrame,
    columns: Sequence[str],
    axis: str,
    note: str,
    extra: dict[str, tuple[str, Callable]] | None = None,
    bars: bool = False,
) -> Plot:
    """Draw shares, each with its `label`, `n`, `estimate`, `low`, `high` and `suppressed`."""
    extra = extra or {}
    marks, table = [], []
    for _, row in rows.iterrows():
        text = row["suppressed"] or _percent(row["estimate"], NOT_KNOWN)
        values = [text, _range(row["low"], row["high"], _percent)]
        values += [form(row[metric]) for metric, form in extra.values()]
        table.append((row["label"], _count(row["n"]), *values))
        if np.isfinite(row["low"]) and not bars:
            text += f" ({100 * row['low']:.1f} to {100 * row['high']:.1f})"
        label = _shorten(row["label"])
        label += f" · n {_count(row['n'])}" if np.isfinite(row["n"]) else ""
        marks.append(_Mark(label, text, row["estimate"], row["low"], row["high"]))
    columns = (*columns, "95% interval", *extra)
    drawn = marks[:MAX_ROWS]
    ends = [end for m in drawn for end in (m.estimate, m.low, m.high) if np.isfinite(end)]
    if not ends:
        every_hidden = len(rows) and (rows["suppressed"] != "").all()
        reason = "Every cohort is suppressed." if every_hidden else "No share is known."
        return Plot(name, question, None, reason, columns, table)
    if len(marks) > MAX_ROWS:
        note = f"{note} Drawn: {MAX_ROWS} of {len(marks)}; all are in the table."
    figure = _row_plot(drawn, _ticks(0 if bars else min(ends), max(ends), _tick), axis, bars=bars)
    return Plot(name, question, _svg(figure, name, question, _told(drawn)), note, columns, table)


def _estimated(rows: pd.DataFrame, rate: Rate) -> pd.DataFrame:
    low, high = wilson(rows[rate.numerator], rows[rate.denominator])
    return rows.assign(n=rows[rate.denominator], estimate=rows[rate.metric], low=low, high=high)


def _by_cohort(
    name: str,
    question: str,
    cohorts: pd.DataFrame,
    rate: Rate,
    dimension: str,
    by_size: bool = True,
    extra: dict[str, tuple[str, Callable]] | None = None,
    note: str = "",
) -> Plot:
    """Show a rate by cohort, the largest first or in the order of the cohorts."""
    if cohorts["cohort"].isna().all():
        reason = f"No session has a known {dimension}."
        return Plot(name, question, None, reason, (), [])
    rows = _estimated(cohorts, rate)
    rows["unknown"] = rows["cohort"].isna()
    # Suppressed cohorts come last by name: their place must not tell their size.
    rows["size"] = rows["n"].fillna(-1) if by_size else 0
    rows["label"] = rows["cohort"].map(_clean, na_action="ignore").fillna(NOT_KNOWN)
    order = {"unknown": True, "size": False, "label": True} | ({} if by_size else {"size": True})
    rows = rows.sort_values(list(order), ascending=list(order.values()))
    note = f"n: {_count(rows['n'].sum())} {rate.of}. {note}"
    columns = (_capital(dimension), _capital(rate.of), rate.label)
    axis = f"{rate.label}, share of {rate.of}"
    return _share_plot(name, question, rows, columns, axis, note, extra)


def _outcomes(data: ReportData) -> Plot:
    rows = data.outcomes.sort_values("cohort", key=lambda s: s.map(OUTCOMES.index))
    n, total = rows[SESSIONS], data.totals[SESSIONS]
    low, high = wilson(n, np.full(len(n), total))
    label = rows["cohort"].str.replace("_", " ")
    rows = rows.assign(label=label, n=n, estimate=n / total, low=low, high=high)
    columns = ("Outcome", "Sessions", "Share")
    note = f"n: {_count(total)} sessions, those not eligible included."
    axis, question = "share of all sessions", "How do sessions end?"
    return _share_plot("outcomes", question, rows, columns, axis, note, bars=True)


def _error_types(totals: pd.Series) -> Plot:
    rows = [
        _estimated(totals.to_frame().T, rate).assign(label=rate.label, n=totals[rate.numerator])
        for rate in ERROR_TYPES
    ]
    rest = totals[ERROR_TURN.numerator] - sum(totals[rate.numerator] for rate in ERROR_TYPES)
    note = f"n: {_count(totals[TURNS])} turns; beside each error, the turns with it. "
    note += f"{_count(rest)} turns have another error: no match, repeat or other. {OF_TURNS}"
    columns = ("Error", "Turns with it", "Share of turns")
    rows = pd.concat(rows).assign(suppressed="")
    return _share_plot("error_types", "What goes wrong?", rows, columns, "share of turns", note)


def _releases(releases: pd.DataFrame) -> Plot:
    """Compare releases inside one language, so that a change of mix does not look like a gain."""
    rows = _estimated(releases, ERROR_TURN)
    rows = rows[(rows["suppressed"] == "") & rows[["cohort", "language"]].notna().all(axis=1)]
    rows = rows.assign(size=-rows.groupby("language")["n"].transform("sum"))
    rows = rows[rows.groupby("language")["cohort"].transform("size") > 1]
    rows = rows.sort_values(["size", "language", "cohort"])
    rows["label"] = [f"{_clean(a)} · {_clean(b)}" for a, b in rows[["language", "cohort"]].values]
    name, question = "releases", "Within one language, does the recogniser's release matter?"
    if rows.empty:
        reason = "No language was served by two ASR releases that can be shown."
        return Plot(name, question, None, reason, (), [])
    hidden = (releases["suppressed"] != "").sum()
    note = f"n: {_count(rows['n'].sum())} turns. "
    note += f"{hidden} small or protecting pairs are suppressed. " if hidden else ""
    columns = ("Language · ASR release", "Turns", ERROR_TURN.label)
    axis = f"{ERROR_TURN.label}, share of turns"
    return _share_plot(name, question, rows, columns, axis, note + OF_TURNS)


def _durations(channels: pd.DataFrame) -> Plot:
    name, question = "durations", "How long does a session take in each channel?"
    columns = ("Channel", "Sessions", "Mean duration", "Turns a session", "Cost a completed one")
    marks, rows = [], []
    for _, row in channels.sort_values(SESSIONS, ascending=False).iterrows():
        label = NOT_KNOWN if row["cohort"] is None else _clean(row["cohort"])
        text = row["suppressed"] or _seconds(row[HANDLE_TIME], NOT_KNOWN)
        values = (text, _decimal(row[TURNS_PER_SESSION]), _money(row[COST]))
        rows.append((label, _count(row[SESSIONS]), *values))
        n = "" if row["suppressed"] else f" · n {_count(row[SESSIONS])}"
        marks.append(_Mark(_shorten(label) + n, text, row[HANDLE_TIME] / 60))
    known = [mark.estimate for mark in marks if np.isfinite(mark.estimate)]
    if not known:
        return Plot(name, question, None, "No duration can be shown.", columns, rows)
    figure = _row_plot(marks, _ticks(0, max(known), "{:g}".format), "minutes, mean", bars=True)
    note = "n: sessions; the mean is over those of known duration, and has no interval here."
    return Plot(name, question, _svg(figure, name, question, _told(marks)), note, columns, rows)


def _gaps(gaps: pd.DataFrame) -> Plot:
    name, question = "gaps", "Is completion the same for those who may find it harder?"
    columns = ("Completion gap", "Points", "95% interval", "Group", "Compared with")
    marks, rows, sizes = [], [], []
    for gap in gaps.itertuples():
        group = gap.group_completed, gap.group_eligible
        reference = gap.reference_completed, gap.reference_eligible
        low, high = newcombe(*group, *reference)
        if not np.isfinite(low):
            reason = gap.suppressed or NOT_KNOWN
            marks.append(_Mark(gap.label, reason))
            rows.append((gap.label, reason, "", "", ""))
            continue
        estimate = group[0] / group[1] - reference[0] / reference[1]
        interval = _range(low, high, _points)
        text = f"{_points(estimate)} ({interval})"
        marks.append(_Mark(gap.label, text, estimate, low, high, hollow=low <= 0 <= high))
        sides = [f"{_percent(k / n)} of {_count(n)}" for k, n in (group, reference)]
        rows.append((gap.label, _points(estimate), interval, *sides))
        sizes.append(f"{gap.label} {_count(group[1])} and {_count(reference[1])}")
    ends = [end for mark in marks for end in (mark.low, mark.high) if np.isfinite(end)]
    if not ends:
        return Plot(name, question, None, "No gap can be shown.", columns, rows)
    ticks = _ticks(min(0, *ends), max(0, *ends), _tick_points)
    figure = _row_plot(marks, ticks, "difference in completion, percentage points", reference=0)
    note = "Left of 0: completed less often than those compared with. Hollow: the 95% interval "
    note += f"(Newcombe) includes 0, so there may be no gap. n, eligible: {'; '.join(sizes)}."
    return Plot(name, question, _svg(figure, name, question, _told(marks)), note, columns, rows)


def _trend(
    name: str, question: str, data: ReportData, rates: Sequence[Rate], note: str = ""
) -> Plot:
    weeks = data.weeks
    columns, table = ["Week starting", _capital(rates[0].of)], [weeks[rates[0].denominator]]
    lines = {}
    for rate in rates:
        one = _estimated(weeks, rate)
        lines[rate.label] = one["estimate"], one["low"], one["high"]
        columns += [rate.label, "95% interval"]
        table += [one["estimate"].map(_percent)]
        table += [[_range(*ends, _percent) for ends in one[["low", "high"]].to_numpy()]]
    table[0] = table[0].map(_count)
    note = f"Vertical bars: 95% intervals (Wilson). {note}"
    unit = (f"share of {rates[0].of}", _tick)
    n = weeks[rates[0].denominator].dropna()
    counted = f"n: {_count(n.min())} to {_count(n.max())} {rates[0].of} a week. "
    return _weekly(name, question, weeks, data.days, lines, unit, counted + note, columns, table)


def _active(data: ReportData) -> Plot:
    active = data.active
    none = np.full(len(active), np.nan)
    # The last week is whole: it counts the seven days up to the last day with data.
    days = data.days and (data.days[0], pd.Timestamp.max)
    return _weekly(
        "active",
        "How many people use it each week?",
        active,
        days,
        {"active users": (active[ACTIVE_USERS], none, none)},
        ("distinct users, 7 days", "{:,.0f}".format),
        "n: known users with a session in the seven days up to the week's last day with data.",
        ("Week starting", "Active users"),
        [active[ACTIVE_USERS].map(_count)],
    )


def _weekly(
    name: str,
    question: str,
    weeks: pd.DataFrame,
    days: tuple[pd.Timestamp, pd.Timestamp] | None,
    lines: dict[str, tuple],
    unit: tuple[str, Callable],
    note: str,
    columns: Sequence[str],
    table: Sequence,
) -> Plot:
    """Draw lines by week, mark the weeks that data do not cover, and tell them in a table."""
    starts, first_line = weeks["cohort"], next(iter(lines.values()))
    partial = np.zeros(len(weeks), dtype=bool)
    if days and len(weeks):
        partial = ((starts < days[0]) | (starts + pd.Timedelta(days=6) > days[1])).to_numpy()
    rows = []
    for start, is_partial, reason, *cells in zip(
        starts, partial, weeks["suppressed"], *table, strict=True
    ):
        label = _day(start) + (" (partial)" if is_partial else "")
        rows.append((label, *([reason] + [""] * (len(cells) - 1) if reason else cells)))
    if not first_line[0].notna().any():
        reason = "No week can be shown." if len(weeks) else "There is nothing to count."
        return Plot(name, question, None, reason, columns, rows)
    if partial[-1]:
        note = f"{note} The last week is partial: data end on {_day(days[1])}."
    told = f"{len(rows)} weeks. First: {', '.join(rows[0])}. Last: {', '.join(rows[-1])}."
    figure = _week_plot(starts, partial, lines, *unit)
    return Plot(name, question, _svg(figure, name, question, told), note, columns, rows)


def _forest(model: dict | None) -> Plot:
    name, question = "model", "How is each feature associated with abandonment, given the others?"
    columns = ("Term", "Log-odds", "Standard error", "95% interval", "Odds ratio per SD")
    columns += ("p", "q", "Average marginal effect")
    if model is None:
        reason = "No model has been fitted yet: run voice-ai fit-abandonment."
        return Plot(name, question, None, reason, columns, [])
    estimates = pd.DataFrame(model["coefficients"], columns=COEFFICIENT)
    numbers = estimates[COEFFICIENT[1:]].astype(float)
    # Only the ratio is per standard deviation; its logarithm gives the deviation back.
    per_sd = np.log(numbers["odds_ratio_per_sd"].where(numbers["odds_ratio_per_sd"] > 0))
    sd = per_sd / numbers["log_odds"].where(numbers["log_odds"] != 0)
    lows, highs = numbers["ci_low"] * sd, numbers["ci_high"] * sd
    marks, rows = [], []
    for at, one in numbers.iterrows():
        term, ratio = _clean(estimates["term"][at]), one["odds_ratio_per_sd"]
        cells = [_number(one[key]) for key in ("log_odds", "std_error")]
        cells += [_range(one["ci_low"], one["ci_high"], _number), _number(ratio)]
        cells += [_probability(one[key]) for key in ("p_value", "q_value")]
        cells += [_number(one["average_marginal_effect"])]
        rows.append((term, *cells))
        low, high = lows[at], highs[at]
        if not np.isfinite([per_sd[at], low, high]).all():
            marks.append(_Mark(_shorten(term, 32), "see the table"))
            continue
        text = f"{_ratio(ratio)} ({_range(np.exp(low), np.exp(high), _ratio)})"
        hollow = not one["q_value"] < 0.05
        marks.append(_Mark(_shorten(term, 32), text, per_sd[at], low, high, hollow))
    widest = np.nanmax([np.log(1.25), *lows.abs(), *highs.abs()])
    steps = {1.25: [1.25], 1.5: [1.5], 2: [1.5, 2], 4: [2, 4], 8: [2, 8], 16: [4, 16]}
    inside = [ticks for end, ticks in steps.items() if np.log(end) >= widest] or [steps[16]]
    ratios = [1 / tick for tick in reversed(inside[0])] + [1] + inside[0]
    if not any(np.isfinite(mark.estimate) for mark in marks):
        return Plot(name, question, None, "The model gives no estimate.", columns, rows)
    ticks = {np.log(ratio): f"{ratio:.2f}".rstrip("0").rstrip(".") for ratio in ratios}
    figure = _row_plot(marks, ticks, "odds ratio per standard deviation, log scale", reference=0)
    note = (
        f"n: {_count(model['n_sessions'])} sessions of {_count(model['n_users'])} users, "
        f"{_count(model['n_events'])} abandoned. Right of 1: abandoned more often. Hollow: q is "
        "not below 0.05. 95% intervals. An association is not a cause."
    )
    return Plot(name, question, _svg(figure, name, question, _told(marks)), note, columns, rows)


def _tile(totals: pd.Series, rate: Rate) -> dict:
    low, high = wilson(totals[[rate.numerator]], totals[[rate.denominator]])
    counts = f"{_count(totals[rate.numerator])} of {_count(totals[rate.denominator])}"
    return {
        "label": rate.label,
        "value": _percent(totals[rate.metric], ""),
        "interval": _range(low[0], high[0], _percent),
        "of": f"{counts} {rate.of}",
        "low": 100 * low[0],
        "high": 100 * high[0],
    }


def _means(totals: pd.Series) -> list[dict]:
    asked = (
        ("Turns a session", TURNS_PER_SESSION, _decimal),
        ("Mean duration", HANDLE_TIME, _seconds),
        ("Cost a completed session", COST, _money),
        ("Median response latency", LATENCY[0], _milliseconds),
        ("95th percentile of latency", LATENCY[1], _milliseconds),
    )
    return [
        {"label": label, "value": text(totals.get(metric, np.nan), ""), "interval": ""}
        for label, metric, text in asked
    ]


# --- texts


def _clean(text) -> str:
    """Make any text one line; no mark in it reorders what follows, or cannot be written."""
    text = re.sub("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", " ".join(str(text).split()))
    return re.sub("[\\x00-\\x1f\\x7f-\\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", text) or "(empty)"


def _shorten(text: str, width: int = 22) -> str:
    """Cut the middle out of a text of more columns; wide characters take two."""
    taken = np.cumsum([2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text])
    if taken[-1] <= width:
        return text
    head = text[: (taken <= width // 2).sum()]
    tail = text[(taken <= taken[-1] - (width - 1) // 2).sum() :]
    return f"{head.rstrip()}…{tail.lstrip()}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _told(marks: Sequence[_Mark]) -> str:
    return "; ".join(f"{mark.label}: {mark.text}" for mark in marks) + "."


def _form(pattern: str, value: float | None, unknown: str) -> str:
    is_known = value is not None and np.isfinite(value)
    return pattern.format(value).replace("-", "−") if is_known else unknown


def _percent(share: float, unknown: str = "–") -> str:
    return _form("{:.1%}", share, unknown)


def _points(difference: float, unknown: str = "–") -> str:
    return _form("{:+.1f}", 100 * difference, unknown)


def _count(n: float | None, unknown: str = "–") -> str:
    return _form("{:,.0f}", n, unknown)


def _decimal(value: float, unknown: str = "–") -> str:
    return _form("{:.2f}", value, unknown)


def _number(value: float | None, unknown: str = "–") -> str:
    return _form("{:.3g}", value, unknown)


def _probability(value: float | None, unknown: str = "–") -> str:
    return "<0.001" if value is not None and value < 0.001 else _form("{:.3f}", value, unknown)


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.0e}"


def _money(value: float, unknown: str = "–") -> str:
    return _form("${:,.2f}", value, unknown)


def _milliseconds(value: float, unknown: str = "–") -> str:
    return _form("{:,.0f} ms", value, unknown)


def _seconds(value: float, unknown: str = "–") -> str:
    if not np.isfinite(value) or value < 60:
        return _form("{:.0f}s", value, unknown)
    return "{}m {:02}s".format(*divmod(round(value), 60))


def _range(low: float, high: float, text: Callable[[float], str]) -> str:
    return f"{text(low)} to {text(high)}" if np.isfinite([low, high]).all() else "–"


def _tick(share: float) -> str:
    return f"{100 * share:.3g}%"


def _tick_points(difference: float) -> str:
    return _form("{:+.3g}", 100 * difference, "") if difference else "0"


def _day(day: datetime) -> str:
    return f"{day.day} {day:%b %Y}"
