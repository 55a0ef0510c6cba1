"""Results as plain values: no numpy types, and None for what isn't known."""

from __future__ import annotations

import numpy as np
import pandas as pd


def plain(value):
    """Return a value that JSON can hold: numpy numbers as Python's, what isn't finite as None.

    Parameters
    ----------
    value : dict, list or scalar

    Returns
    -------
    dict, list or scalar
    """
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


def records(table: pd.DataFrame) -> list[dict]:
    """Return a table's rows as dicts, with None for null on any engine.

    Parameters
    ----------
    table : pandas.DataFrame

    Returns
    -------
    list of dict
    """
    table = table.astype(object)
    return table.where(table.notna(), None).to_dict("records")
