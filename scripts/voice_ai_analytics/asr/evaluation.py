"""Word errors of recognised against reference texts, and the interval of their rate.

Everything here is counts: texts come in, and no text goes out.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache, lru_cache
from itertools import chain, islice
from multiprocessing import get_context

import jiwer
import numpy as np
import pyarrow as pa
import regex
from scipy import stats

from voice_ai_analytics.errors import UserError

NORMALIZERS = ("none", "basic", "whisper")
# Written without spaces: Chinese and the languages it spans, Japanese, Thai, Lao, Khmer, Burmese.
UNSPACED_LANGUAGES = frozenset(
    ("zh", "cmn", "yue", "wuu", "nan", "hak", "gan", "ja", "th", "lo", "km", "my")
)
UNSPACED_SCRIPTS = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
)
TEXTS = ("reference_text", "hypothesis_text")
COUNTS = ("substitutions", "deletions", "insertions", "hits")

REPLICATES = 2000
FEWEST_CLUSTERS = 30  # with fewer, resampling tells little
ON_THE_LOGARITHM = "t on the logarithm"
WIDEST = 10  # times the rate, or a part of it, beyond which an interval tells nothing


@lru_cache(maxsize=1000)
def _primary(language: str | None) -> str:
    """Give the first subtag of a language tag, or nothing."""
    return (language or "").replace("_", "-").split("-")[0].lower()


@cache
def _normalise(normalizer: str, is_english: bool) -> Callable[[str], str]:
    if normalizer == "none":
        return str
    if normalizer == "whisper" and is_english:
        from whisper_normalizer.english import EnglishTextNormalizer

        return lru_cache(maxsize=50_000)(EnglishTextNormalizer())
    from whisper_normalizer.basic import BasicTextNormalizer

    # Marks are the vowels of Hindi, Tamil and many others: without them words fall apart.
    return lru_cache(maxsize=50_000)(BasicTextNormalizer(preserve_marks=True))


def unit_of(language: str | None, reference: str) -> str:
    """Say what the errors of a text are counted in.

    Parameters
    ----------
    language : str or None
        BCP 47 tag; where there is none, the script of the reference decides.
    reference : str
        The reference text.

    Returns
    -------
    str
        ``character`` for languages written without spaces between words, else ``word``.
    """
    if language:
        is_unspaced = _primary(language) in UNSPACED_LANGUAGES
    else:
        is_unspaced = UNSPACED_SCRIPTS.search(reference) is not None
    return "character" if is_unspaced else "word"


def count_errors(references: pa.RecordBatch, normalizer: str) -> pa.RecordBatch:
    """Compare each hypothesis with its reference.

    Parameters
    ----------
    references : pyarrow.RecordBatch
        With `reference_text`, `hypothesis_text` and `language`, and any other columns.
    normalizer : {"none", "basic", "whisper"}
        What is done to both texts first.

    Returns
    -------
    pyarrow.RecordBatch
        The other columns and `language`; `unit` (word or character); `substitutions`,
        `deletions`, `insertions` and `hits` in it; `reference_words`, their number in the
        reference; `reference_characters`, spaces not counted. A missing hypothesis is an empty
        one: all deletions. A reference that is empty, or that normalising leaves empty, has
        `reference_words` 0.
    """
    units, pairs = [], []
    for reference, hypothesis, language in zip(
        *(references.column(name).to_pylist() for name in (*TEXTS, "language")), strict=True
    ):
        unit = unit_of(language, reference or "")
        normalise = _normalise(normalizer, _primary(language) == "en")
        tokens = [normalise(text or "").split() for text in (reference, hypothesis)]
        units.append(unit)
        pairs.append(["".join(part) for part in tokens] if unit == "character" else tokens)
    counts = np.zeros((len(pairs), 4), dtype=np.int32)
    words = np.array([len(reference) for reference, _ in pairs], dtype=np.int32)
    is_same = np.array([reference == hypothesis for reference, hypothesis in pairs], dtype=bool)
    counts[is_same, COUNTS.index("hits")] = words[is_same]
    differing = np.flatnonzero(~is_same)
    if len(differing):
        # A character is to jiwer a word of one letter, so that one call does for all languages.
        sides = zip(*(pairs[place] for place in differing), strict=True)
        compared = jiwer.process_words(*([" ".join(part) for part in side] for side in sides))
        for place, alignment in zip(differing, compared.alignments, strict=True):
            counts[place] = _counts(alignment)
    characters = [sum(map(len, reference)) for reference, _ in pairs]
    columns = {
        name: references.column(name) for name in references.schema.names if name not in TEXTS
    }
    columns |= {"unit": pa.array(units, pa.string())}
    columns |= {name: pa.array(counts[:, at]) for at, name in enumerate(COUNTS)}
    columns |= {"reference_words": pa.array(words)}
    columns |= {"reference_characters": pa.array(characters, pa.int32())}
    return pa.RecordBatch.from_pydict(columns)


def _counts(alignment: list[jiwer.AlignmentChunk]) -> tuple[int, int, int, int]:
    length = dict.fromkeys(("substitute", "delete", "insert", "equal"), 0)
    for chunk in alignment:
        length[chunk.type] += max(
            chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx
        )
    return tuple(length.values())


def evaluate(batches: Iterable[pa.RecordBatch], normalizer: str) -> Iterator[pa.RecordBatch]:
    """Compare batch by batch on all cores, a few batches ahead and no more.

    Parameters
    ----------
    batches : iterable of pyarrow.RecordBatch
        As for `count_errors`.
    normalizer : str
        As for `count_errors`.

    Yields
    ------
    pyarrow.RecordBatch
        From `count_errors`, in order.

    Raises
    ------
    UserError
        Where a worker is ended from outside, as a machine without memory does.
    """
    batches = iter(batches)
    first = list(islice(batches, 2))
    if len(first) < 2:
        yield from (count_errors(batch, normalizer) for batch in first)
        return
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # A forked worker would inherit the threads of database and Arrow half alive.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = deque()
        try:
            for batch in chain(first, batches):
                waiting.append(pool.submit(count_errors, batch, normalizer))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise UserError(
                "a process that compares transcripts was ended from outside, most likely because"
                " memory ran out; nothing was written: free memory and run it again"
            ) from error


def rate_interval(
    errors: np.ndarray, words: np.ndarray, clusters: np.ndarray, seed: int = 0
) -> tuple[float | None, float | None, str]:
    """Give the 95 % interval of the sum of errors over the sum of words.

    Parameters
    ----------
    errors, words : numpy.ndarray, shape (n,)
        Sums of a cluster, such as a session.
    clusters : numpy.ndarray, shape (n,)
        How many clusters have these sums.
    seed : int
        Of the bootstrap.

    Returns
    -------
    low, high : float or None
        None where the clusters cannot tell.
    method : str
        How the interval was made, or why there is none.

    Notes
    -----
    The bootstrap draws clusters with Poisson weights; m clusters of equal sums together have a
    weight of Poisson(m), so that only different sums cost anything. Each replicate is studentised
    by its linearised standard error (bootstrap-t: Davison and Hinkley, Bootstrap Methods and their
    Application, 1997, section 5.2), because rates of few sessions are skewed. Below 30 clusters: t
    on the logarithm of the rate, with the same standard error, unless it would reach from a tenth
    of the rate to ten times as much.
    """
    n = int(clusters.sum())
    if errors.sum() == 0:
        return None, None, "no error was seen"
    if n < 2:
        return None, None, "one cluster only"
    sums = np.stack([errors, words, errors**2, errors * words, words**2])
    rate, error = _ratio(sums @ clusters)
    if not error > 0:
        return None, None, "the clusters do not differ"
    error *= np.sqrt(n / (n - 1))
    if n < FEWEST_CLUSTERS:
        reach = stats.t.ppf(0.975, n - 1) * error / rate
        if reach > np.log(WIDEST):
            return None, None, f"{n} clusters tell no more than the rate's order of magnitude"
        method = f"{ON_THE_LOGARITHM}: fewer than {FEWEST_CLUSTERS} clusters"
        return float(rate * np.exp(-reach)), float(rate * np.exp(reach)), method
    rng = np.random.default_rng(seed)
    totals = np.zeros((len(sums), REPLICATES))
    for start in range(0, len(errors), 1000):
        part = slice(start, start + 1000)
        weights = rng.poisson(clusters[part, None], (len(errors[part]), REPLICATES))
        totals += sums[:, part] @ weights
    rates, spreads = _ratio(totals[:, totals[1] > 0])
    distances = (rates - rate)[spreads > 0] / spreads[spreads > 0]
    high, low = rate - np.quantile(distances, [0.025, 0.975]) * error
    return max(float(low), 0.0), float(high), "bootstrap"


def _ratio(totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give errors over words, and the linearised standard error over clusters."""
    errors, words, errors_squared, products, words_squared = totals
    rate = errors / words
    variance = errors_squared - 2 * rate * products + rate**2 * words_squared
    # Rounding leaves a little of nothing.
    variance = np.where(variance > 1e-9 * errors_squared, variance, 0)
    return rate, np.sqrt(variance) / words
