"""The abandonment model under other openings and other targets."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from voice_ai_analytics.abandonment.gates import strongest
from voice_ai_analytics.abandonment.model import AbandonmentModel, fit_abandonment
from voice_ai_analytics.abandonment.sample import eligible
from voice_ai_analytics.abandonment.words import settings_verdict

OPENINGS = (1, 2, 3, 5)
MEASURES = ("opening_asr_confidence", "opening_error_proportion", "opening_intent_confidence")
# Comparing settings needs less exact intervals than naming a predictor.
BOOTSTRAP = 200
HELPER = "has_user_turn"  # the term that tells silent sessions from others
KNOWN_ENDS = ("transferred", "failed", "timed_out")
BROKEN = ("failed", "timed_out")


def compare_settings(
    main: AbandonmentModel, frame: pd.DataFrame, openings: pd.DataFrame | None = None
) -> dict:
    """Return the abandonment model under other openings and other targets.

    Parameters
    ----------
    main : AbandonmentModel
        The model of `frame`, whose options are used.
    frame : pandas.DataFrame
        As for `fit_abandonment`.
    openings : pandas.DataFrame or None
        From `openings_query`, one row per session; None to keep k.

    Returns
    -------
    dict
        `settings`, one dict per setting, the main one first; the others change k, count any other
        known end as completed, failed and timed-out sessions as abandoned, or keep sessions
        without a user turn: `setting`, `k`, `n_sessions`,
        `n_events`, `n_users`, `strongest_predictor` (null: no evidence), for each opening measure
        its odds ratio per standard deviation in that setting's sessions with the interval, the
        out-of-sample AUC with its interval, `declined` (why there is no estimate, or null);
        `verdict`, a sentence.
    """
    options = {name: main.result[name] for name in ("folds", "seed")}
    options["include_after_the_fact"] = main.result["includes_after_the_fact"]
    rows = [_row(f"main, k {main.result['k']}", main.result["k"], main.result)]
    for setting, k, variant in _settings(frame, openings, main.result["k"]):
        model = None
        if variant is not None:
            model = fit_abandonment(variant, k=k, bootstrap=BOOTSTRAP, **options).result
            model = _without_helper(model)
        rows.append(_row(setting, k, model))
    return {"settings": rows, "verdict": settings_verdict(rows)}


def _settings(
    frame: pd.DataFrame, openings: pd.DataFrame | None, k: int
) -> Iterator[tuple[str, int, pd.DataFrame | None]]:
    """Yield each setting with its k and frame; None where it would equal the main one."""
    if openings is not None:
        for other in OPENINGS:
            if other != k:
                yield f"k {other}", other, _with_opening(frame, openings, other)
    ends = frame["outcome"].where(eligible(frame))
    targets = {
        "abandoned against any other": (KNOWN_ENDS, "completed"),
        "failed, timed out as abandoned": (BROKEN, "abandoned"),
    }
    for setting, (others, counted_as) in targets.items():
        rows = ends.isin(others)
        variant = frame.assign(outcome=frame["outcome"].mask(rows, counted_as))
        yield setting, k, variant if rows.any() else None
    if "opening_user_turns" in frame:
        silent = frame["opening_user_turns"].fillna(0) == 0
        in_target = ends.isin(["abandoned", "completed"])
        variant = _with_silent(frame, silent) if (silent & in_target).any() else None
        yield "with silent sessions", k, variant


def _with_opening(frame: pd.DataFrame, openings: pd.DataFrame, k: int) -> pd.DataFrame:
    names = {f"{name}_{k}": name for name in ("opening_user_turns", *MEASURES)}
    chosen = openings.set_index("session_key")[list(names)].rename(columns=names)
    replaced = frame.assign(**chosen.reindex(frame["session_key"]).set_axis(frame.index))
    return replaced.assign(opening_user_turns=replaced["opening_user_turns"].fillna(0))


def _with_silent(frame: pd.DataFrame, silent: pd.Series) -> pd.DataFrame:
    """Return the frame with a term for silent sessions, and their channel's mean for each measure.

    The mean affects no slope. A channel that never has the measure still has none.
    """
    channel = frame["channel"].fillna("") if "channel" in frame else pd.Series("", frame.index)
    filled = {
        name: frame[name].mask(silent, frame.groupby(channel)[name].transform("mean"))
        for name in MEASURES
        if name in frame
    }
    without = frame.drop(columns="opening_user_turns")
    return without.assign(**filled, **{HELPER: ~silent})


def _without_helper(result: dict) -> dict | None:
    """Return a result without the term that marks silent sessions.

    None where that term separates them: they have left, and the model equals the main one.
    """
    if any(item["term"].startswith(HELPER) for item in result["separation"]):
        return None
    kept = [row for row in result["coefficients"] if not row["term"].startswith(HELPER)]
    if len(kept) == len(result["coefficients"]):
        return result
    result = result | {"coefficients": kept}
    return result | {"strongest_predictor": strongest(result)}


def _row(setting: str, k: int, result: dict | None) -> dict:
    """Return what a setting found; without a result, it equals the main one."""
    result = result or {"coefficients": [], "auc": {}, "verdict": "no session makes it differ"}
    terms = {term["term"]: term for term in result["coefficients"]}
    row = {"setting": setting, "k": k, "strongest_predictor": result.get("strongest_predictor")}
    row |= {name: result.get(name, 0) for name in ("n_sessions", "n_events", "n_users")}
    for name in MEASURES:
        short = name.removeprefix("opening_")
        for end in ("", "_ci_low", "_ci_high"):
            row[f"{short}_odds_ratio{end}"] = terms.get(name, {}).get(f"odds_ratio_per_sd{end}")
    row |= {f"auc_{part}": result["auc"].get(part) for part in ("estimate", "ci_low", "ci_high")}
    return row | {"declined": None if result["coefficients"] else result["verdict"]}
