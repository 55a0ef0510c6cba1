"""Rates as they are shown, with the columns that hold what each divides.

Only names stand here. The semantic manifest says what a rate divides; frames hold it in columns
named after the rate, so that nothing after the frame needs to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.definitions import Component, ratio

# What one row adds to a sum or a count.
PER_ROW = {"sum": "({})", "count": "case when ({}) is not null then 1 else 0 end"}


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


def rate_columns(semantics: dict, rates: Sequence[Rate]) -> str:
    """Return what each row adds to some rates, as a SQL select list.

    Parameters
    ----------
    semantics : dict
        The semantic manifest: ``DbtProject.semantics``.
    rates : sequence of Rate
        All over one model.

    Returns
    -------
    str
        Two columns per rate, named `Rate.numerator` and `Rate.denominator`.

    Raises
    ------
    UserError
        As from `ratio`; where rows can't tell what a rate counts, such as distinct users.
    """
    columns = []
    for rate in rates:
        defined = ratio(semantics, rate.metric)
        columns += [
            f"cast({_per_row(defined.numerator)} as double precision) as {rate.numerator}",
            f"cast({_per_row(defined.denominator)} as double precision) as {rate.denominator}",
        ]
    return ",\n    ".join(columns)


def _per_row(component: Component) -> str:
    if component.aggregation not in PER_ROW:
        raise UserError(f"{component.metric}: a {component.aggregation} isn't a sum over rows")
    return PER_ROW[component.aggregation].format(component.expression)
