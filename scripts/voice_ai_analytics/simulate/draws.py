"""Small helpers for arrays of random draws and codes."""

import numpy as np
import pandas as pd

from voice_ai_analytics.simulate.world import DIRT, START


def draw(rng: np.random.Generator, shares: list | np.ndarray, n: int) -> np.ndarray:
    """Return n random codes, drawn from shares (k,), or from shares (n, k) row by row."""
    bounds = np.cumsum(shares, axis=-1)[..., :-1]
    return (rng.random(n)[:, None] > bounds).sum(1)


def dirty(rng: np.random.Generator, name: str, n: int | tuple[int, ...]) -> np.ndarray:
    """Return which of n rows, or of the places of an array, get a kind of dirt."""
    return rng.random(n) < DIRT[name][1]


def expit(x: np.ndarray) -> np.ndarray:
    """Return the probability of log-odds."""
    return 1 / (1 + np.exp(-x))


def labels(codes: np.ndarray, names: list[str]) -> pd.Categorical:
    """Return codes as texts; a code of -1 is null."""
    return pd.Categorical.from_codes(codes.astype(np.int8), names)


def instants(seconds: np.ndarray) -> np.ndarray:
    """Return instants from seconds since `START`."""
    return START + seconds.astype("m8[s]")
