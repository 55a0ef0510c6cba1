"""What `voice-ai fit-abandonment` estimates: model, hazard by turn, transfers, other settings."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
from threadpoolctl import threadpool_limits

from voice_ai_analytics.abandonment.frame import feature_query, openings_query
from voice_ai_analytics.abandonment.hazard import fit_hazard
from voice_ai_analytics.abandonment.model import fit_abandonment
from voice_ai_analytics.abandonment.multinomial import fit_multinomial
from voice_ai_analytics.abandonment.results import AbandonmentModel
from voice_ai_analytics.abandonment.sensitivity import compare_settings
from voice_ai_analytics.analysis import Source
from voice_ai_analytics.plain import plain


def estimate(
    source: Source, k: int = 3, include_after_the_fact: bool = False, seed: int = 0
) -> AbandonmentModel:
    """Return the abandonment model of certified sessions and turns.

    Parameters
    ----------
    source : Source
        Of a project built with the var ``voice_ai_fact_turns`` on. Turns are always the current
        ones.
    k, include_after_the_fact, seed
        As for `study_abandonment`.

    Returns
    -------
    AbandonmentModel
    """
    return study_abandonment(
        source.warehouse.query(feature_query(source.sessions, source.turns, k)),
        source.warehouse.query(openings_query(source.turns)),
        k,
        include_after_the_fact,
        seed,
        source.min_cohort_size,
    )


# More threads would change the last digits.
@threadpool_limits.wrap(limits=1)
def study_abandonment(
    frame: pd.DataFrame,
    openings: pd.DataFrame | None = None,
    k: int = 3,
    include_after_the_fact: bool = False,
    seed: int = 0,
    min_cohort_size: int = 0,
) -> AbandonmentModel:
    """Return the abandonment model, with the hazard by turn, transfers and other settings.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per session, from `feature_query`.
    openings : pandas.DataFrame or None
        From `openings_query`; None to leave other k out of the sensitivity table.
    k, include_after_the_fact, seed
        As for `fit_abandonment`.
    min_cohort_size : int
        Bands of turns with fewer users aren't shown.

    Returns
    -------
    AbandonmentModel
        From `fit_abandonment` with `boosting`, and with the keys `hazard` (`fit_hazard`),
        `multinomial` (`fit_multinomial`) and `sensitivity` (`compare_settings`). Its `exit_code`
        is 3 only if the model, the hazard and the multinomial model all couldn't be estimated.

    Raises
    ------
    UserError
        As from `fit_abandonment`.
    """
    options = {"k": k, "include_after_the_fact": include_after_the_fact}
    model = fit_abandonment(frame, **options, seed=seed, boosting=True)
    # Another order of rows would change the last digits.
    frame = frame.sort_values("session_key", ignore_index=True)
    parts = {
        "hazard": fit_hazard(frame, min_cohort_size),
        "multinomial": fit_multinomial(frame, **options),
        "sensitivity": compare_settings(model, frame, openings),
    }
    return replace(model, result=model.result | plain(parts))
