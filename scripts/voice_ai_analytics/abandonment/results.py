"""The abandonment model as it is kept: JSON and warehouse tables."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pandas as pd

FLAT = ("auc", "boosting", "calibration", "intercept", "hazard", "multinomial", "sensitivity")
INTERVAL = ("", "_ci_low", "_ci_high")


def _types(texts: str = "", counts: str = "", floats: str = "", flags: str = "") -> dict[str, str]:
    kinds = {"string": texts, "int64": counts, "float64": floats, "bool": flags}
    return {name: kind for kind, names in kinds.items() for name in names.split()}


COEFFICIENTS = {
    **_types("term feature level reference_level", "n_sessions", flags="is_after_the_fact"),
    **_types(
        floats="standard_deviation log_odds std_error ci_low ci_high p_value q_value"
        " jackknife_std_error jackknife_q_value"
    ),
    **{
        f"{name}{end}": "float64"
        for name in ("odds_ratio", "odds_ratio_per_sd", "odds_ratio_per_0_1")
        for end in INTERVAL
    },
    **{f"average_marginal_effect{end}": "float64" for end in INTERVAL},
}
FIRTH = {
    **_types("term level reference_level interval", "n_sessions"),
    **_types(floats="log_odds ci_low ci_high p_value"),
}
HAZARD = {
    **_types(counts="first_turn n_sessions n_users n_turns n_events"),
    # Null in the last band, which integers can't be.
    **_types(floats="last_turn hazard ci_low ci_high"),
}
MULTINOMIAL = {
    **_types("outcome term level reference_level", "n_sessions"),
    **_types(floats="log_odds std_error ci_low ci_high p_value q_value step"),
    **{f"odds_ratio{end}": "float64" for end in INTERVAL},
}
SENSITIVITY = {
    **_types("setting strongest_predictor declined", "k n_sessions n_events n_users"),
    **{
        f"{name}_odds_ratio{end}": "float64"
        for name in ("asr_confidence", "error_proportion", "intent_confidence")
        for end in INTERVAL
    },
    **_types(floats="auc_estimate auc_ci_low auc_ci_high"),
}
# The key and the columns of each part's rows.
PARTS = {
    "hazard": ("bands", HAZARD),
    "multinomial": ("coefficients", MULTINOMIAL),
    "sensitivity": ("settings", SENSITIVITY),
}


@dataclass(frozen=True)
class AbandonmentModel:
    """The abandonment model and what it allows one to say.

    Parameters
    ----------
    result : dict
        The content of `abandonment_model.json`, with plain values.
    """

    result: dict

    @property
    def exit_code(self) -> int:
        """Return 0, or 3 where nothing could be estimated."""
        hazard, multinomial = (self.result.get(part, {}) for part in ("hazard", "multinomial"))
        found = self.result["coefficients"], hazard.get("bands"), multinomial.get("coefficients")
        return 0 if any(found) else 3

    @property
    def verdict(self) -> str:
        """Return the finding in one sentence."""
        return self.result["verdict"]

    def to_json(self) -> dict:
        """Return the model as plain JSON values; what couldn't be estimated is None."""
        return self.result

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the model as warehouse tables, see `tables_of`."""
        return tables_of(self.result)


def tables_of(result: dict) -> dict[str, pd.DataFrame]:
    """Return the content of `abandonment_model.json` as warehouse tables.

    Parameters
    ----------
    result : dict
        From `fit_abandonment` or `study_abandonment`.

    Returns
    -------
    dict of str to pandas.DataFrame
        `voice_ai_abandonment_model`, one row, with lists and counts by reason as JSON text;
        `voice_ai_abandonment_coefficients` and `_firth`, one row per term. With
        `study_abandonment` also `voice_ai_abandonment_hazard`, one row per band of user turns,
        `_multinomial`, one row per outcome and term, and `_sensitivity`, one row per setting.
    """
    tables = {
        "voice_ai_abandonment_coefficients": _table(result["coefficients"], COEFFICIENTS),
        "voice_ai_abandonment_model": _one_row(result),
        "voice_ai_abandonment_firth": _table(result["firth"], FIRTH),
    }
    for part, (rows, types) in PARTS.items():
        if part in result:
            tables[f"voice_ai_abandonment_{part}"] = _table(result[part][rows], types)
    return tables


def _table(rows: list[dict], types: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(types)).astype(types)


def _one_row(result: dict) -> pd.DataFrame:
    own = {("coefficients", None), ("firth", None)}
    own |= {(part, rows) for part, (rows, _) in PARTS.items()}
    flat = {}
    for name, value in result.items():
        parts = value.items() if name in FLAT else [(None, value)]
        for part, item in parts:
            if (name, part) not in own:
                key = f"{name}_{part}" if part else name
                is_nested = isinstance(item, dict | list)
                flat[key] = json.dumps(item, ensure_ascii=False) if is_nested else item
    types = {name: "float64" for name, value in flat.items() if value is None}
    types |= {"strongest_predictor": "string"}
    types |= {name: "string" for name in flat if name.endswith(("verdict", "finding"))}
    types |= {name: "float64" for name in flat if name.endswith("p_value")}
    return pd.DataFrame([flat]).astype(types)
