"""Suppression of a few tables of cohorts over the same people, such as a report shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from voice_ai_analytics.metrics.disclosure.attack import Sums
from voice_ai_analytics.metrics.disclosure.protect import Secret, protect


@dataclass(frozen=True)
class Cohorts:
    """One table: a row per cohort.

    Parameters
    ----------
    keys : pandas.DataFrame
        The cohorts' dimensions; no column for the table of everyone.
    numbers : pandas.DataFrame
        What adds up: sessions, errors, words. Of the same names in all tables.
    users : numpy.ndarray of float
        The size of each cohort.
    stays : numpy.ndarray of bool
        Rows that are shown anyhow.
    """

    keys: pd.DataFrame
    numbers: pd.DataFrame
    users: np.ndarray
    stays: np.ndarray


def hidden(tables: Sequence[Cohorts], small: Sequence[np.ndarray], least: int) -> list[np.ndarray]:
    """Return which rows of each table to hide, so that no small cohort can be computed.

    Parameters
    ----------
    tables : sequence of Cohorts
        Tables that are shown together, each by other dimensions.
    small : sequence of numpy.ndarray of bool
        The rows of each table that must be hidden.
    least : int
        The fewest users of a cohort that is shown.

    Returns
    -------
    list of numpy.ndarray of bool
    """
    must = np.concatenate(small)
    if not must.any():
        return list(small)
    ends = np.cumsum([len(one) for one in small])
    numbers = pd.concat([one.numbers for one in tables], ignore_index=True).fillna(0.0)
    users = np.concatenate([one.users for one in tables])
    stays = np.concatenate([one.stays for one in tables])
    equations = _equations(tables, ends, numbers)
    no_limit = np.full(len(must), np.inf)
    secrets = [
        Secret(
            name,
            Sums(equations, numbers[name].to_numpy(dtype=float), no_limit, must),
            np.ones(len(must), dtype=bool),
            np.nan_to_num(users),
            least,
        )
        for name in numbers
    ]
    weight = np.where(stays, np.inf, np.maximum(np.nan_to_num(users), 1.0))
    closed = protect(secrets, must, weight, np.zeros(len(must), dtype=bool))
    return np.split(closed, ends[:-1])


def _equations(
    tables: Sequence[Cohorts], ends: np.ndarray, numbers: pd.DataFrame
) -> sparse.csr_array:
    """Return which cohorts add up to which, where they do in every number."""
    names = [frozenset(one.keys.columns) for one in tables]
    starts = [0, *ends[:-1]]
    rows, columns, signs, number = [], [], [], 0
    for part, total in ((p, t) for p in range(len(tables)) for t in range(len(tables))):
        if not names[total] < names[part]:
            continue
        if any(names[total] < between < names[part] for between in names):
            continue
        shared = sorted(names[total])
        of_totals = {key: place for place, key in enumerate(_rows_of(tables[total].keys[shared]))}
        parts: dict[int, list[int]] = {}
        for place, key in enumerate(_rows_of(tables[part].keys[shared])):
            if key in of_totals:
                parts.setdefault(of_totals[key], []).append(starts[part] + place)
        for place, members in parts.items():
            whole = starts[total] + place
            if not np.allclose(numbers.iloc[members].sum(), numbers.iloc[whole]):
                continue
            rows += [number] * (len(members) + 1)
            columns += [*members, whole]
            signs += [1.0] * len(members) + [-1.0]
            number += 1
    shape = (number, len(numbers))
    return sparse.csr_array((signs, (rows, columns)), shape=shape, dtype=float)


def _rows_of(keys: pd.DataFrame) -> list[tuple]:
    if not len(keys.columns):
        return [()] * len(keys)
    text = keys.astype(object).where(keys.notna(), None)
    return list(text.itertuples(index=False, name=None))
