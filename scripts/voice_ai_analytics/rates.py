"""Rates as they are shown, and as the semantic manifest defines them.

Only their names stand here. What a rate divides is read from dbt's manifest: frames carry it in
columns named after the rate, so that no code after the frame needs to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voice_ai_analytics.errors import UserError

# How a measure's aggregation counts one row.
PER_ROW = {"sum": "{}", "count": "case when {} is not null then 1 else 0 end"}


@dataclass(frozen=True)
class Rate:
    """A rate of the semantic layer.

    Parameters
    ----------
    metric : str
        Its name there.
    label : str
        Its name in tables and figures.
    of : str
        What its denominator counts.
    """

    metric: str
    label: str
    of: str

    @property
    def numerator(self) -> str:
        """Return the column of a frame that holds the numerator."""
        return f"{self.metric}_numerator"

    @property
    def denominator(self) -> str:
        """Return the column of a frame that holds the denominator."""
        return f"{self.metric}_denominator"


COMPLETION = Rate("voice_ai_completion_rate", "Completed", "eligible sessions")
ABANDONMENT = Rate("voice_ai_abandonment_rate", "Abandoned", "eligible sessions")
TRANSFER = Rate("voice_ai_transfer_rate", "Transferred", "eligible sessions")
CONTAINMENT = Rate("voice_ai_containment_rate", "Contained", "eligible sessions")
ERROR_TURN = Rate("voice_ai_error_turn_rate", "Turns with an error", "turns")
WORD_ERROR = Rate("voice_ai_word_error_rate", "Word errors", "words")


def rate_counts(manifest: dict, metric: str) -> tuple[str, str]:
    """Return the metrics that a rate divides.

    Parameters
    ----------
    manifest : dict
        dbt's manifest of a built project.
    metric : str
        Such as ``voice_ai_completion_rate``.

    Returns
    -------
    numerator, denominator : str
        Such as ``voice_ai_completed_sessions`` and ``voice_ai_eligible_sessions``.

    Raises
    ------
    UserError
        Where the project has no such metric, or it isn't a ratio.
    """
    parameters = _metric(manifest, metric)["type_params"]
    sides = parameters.get("numerator"), parameters.get("denominator")
    if None in sides:
        raise UserError(f"{metric}: isn't a ratio of two metrics; run dbt build again")
    return sides[0]["name"], sides[1]["name"]


def rate_columns(manifest: dict, rates: Sequence[Rate]) -> str:
    """Return what each row adds to some rates, as a SQL select list.

    Parameters
    ----------
    manifest : dict
        dbt's manifest of a built project.
    rates : sequence of Rate
        All over one model.

    Returns
    -------
    str
        Two columns per rate, named `Rate.numerator` and `Rate.denominator`.

    Raises
    ------
    UserError
        Where the project lacks one of these metrics, or rows can't tell what it counts.
    """
    columns = []
    for rate in rates:
        names = rate.numerator, rate.denominator
        for name, count in zip(names, rate_counts(manifest, rate.metric), strict=True):
            columns.append(f"cast({_per_row(manifest, count)} as double precision) as {name}")
    return ",\n    ".join(columns)


def _metric(manifest: dict, name: str) -> dict:
    for metric in manifest["metrics"].values():
        if metric["name"] == name:
            return metric
    raise UserError(
        f"{name}: not in this project; leave the var voice_ai_semantic_models true and run dbt"
        " build"
    )


def _per_row(manifest: dict, count: str) -> str:
    measure = (_metric(manifest, count)["type_params"].get("measure") or {}).get("name")
    for model in manifest["semantic_models"].values():
        for one in model["measures"]:
            if one["name"] == measure and one["agg"] in PER_ROW:
                return PER_ROW[one["agg"]].format(f"({one['expr'] or one['name']})")
    raise UserError(f"{count}: isn't counted row by row; run dbt build again")
