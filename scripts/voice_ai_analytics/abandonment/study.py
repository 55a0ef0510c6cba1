"""All that `voice-ai fit-abandonment` finds: model, hazard by turn, transfers, other settings."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
from threadpoolctl import threadpool_limits

from voice_ai_analytics.abandonment.hazard import fit_hazard
from voice_ai_analytics.abandonment.model import AbandonmentModel, fit_abandonment, plain
from voice_ai_analytics.abandonment.multinomial import fit_multinomial
from voice_ai_analytics.abandonment.sensitivity import compare_settings


# As for the model alone: their number would change last digits.
@threadpool_limits.wrap(limits=1)
def study_abandonment(
    frame: pd.DataFrame,
    openings: pd.DataFrame | None = None,
    k: int = 3,
    include_after_the_fact: bool = False,
    seed: int = 0,
    min_cohort_size: int = 0,
) -> AbandonmentModel:
    """Fit the abandonment model and all that stands beside it.

    Parameters
    ----------
    frame : pandas.DataFrame
        As `feature_query` gives it, one row a session.
    openings : pandas.DataFrame or None
        As `openings_query` gives it; None to leave other k out of the sensitivity table.
    k, include_after_the_fact, seed
        As for `fit_abandonment`.
    min_cohort_size : int
        Users without whom a band of turns is not shown.

    Returns
    -------
    AbandonmentModel
        That of `fit_abandonment` with `boosting`, and with the keys `hazard` (`fit_hazard`),
        `multinomial` (`fit_multinomial`) and `sensitivity` (`compare_settings`). Its `exit_code`
        is 3 only if neither the model, nor the hazard, nor the multinomial model was estimated.

    Raises
    ------
    UserError
        As `fit_abandonment`.
    """
    options = {"k": k, "include_after_the_fact": include_after_the_fact}
    model = fit_abandonment(frame, **options, seed=seed, boosting=True)
    # The order of rows changes last digits.
    frame = frame.sort_values("session_key", ignore_index=True)
    parts = {
        "hazard": fit_hazard(frame, min_cohort_size),
        "multinomial": fit_multinomial(frame, **options),
        "sensitivity": compare_settings(model, frame, openings),
    }
    return replace(model, result=model.result | plain(parts))
