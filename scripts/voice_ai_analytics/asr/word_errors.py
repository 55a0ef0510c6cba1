"""Word errors of recognized texts against reference texts.

Texts come in, and only counts go out.
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

from voice_ai_analytics.errors import UserError

# Written without spaces: Chinese and the languages it spans, Japanese, Thai, Lao, Khmer, Burmese.
UNSPACED_LANGUAGES = frozenset(
    ("zh", "cmn", "yue", "wuu", "nan", "hak", "gan", "ja", "th", "lo", "km", "my")
)
UNSPACED_SCRIPTS = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
)
TEXTS = ("reference_text", "hypothesis_text")
COUNTS = ("substitutions", "deletions", "insertions", "hits")


@lru_cache(maxsize=1000)
def _primary(language: str | None) -> str:
    """Return the first subtag of a language tag, or an empty text."""
    return (language or "").replace("_", "-").split("-")[0].lower()


@cache
def _normalizer(name: str, is_english: bool) -> Callable[[str], str]:
    if name == "none":
        return str
    if name == "whisper" and is_english:
        from whisper_normalizer.english import EnglishTextNormalizer

        return lru_cache(maxsize=50_000)(EnglishTextNormalizer())
    from whisper_normalizer.basic import BasicTextNormalizer

    # Marks are the vowels of Hindi, Tamil and many other languages: without them words fall apart.
    return lru_cache(maxsize=50_000)(BasicTextNormalizer(preserve_marks=True))


def unit_of(language: str | None, reference: str) -> str:
    """Return the unit in which a text's errors are counted.

    Parameters
    ----------
    language : str or None
        BCP 47 tag. Without one, the script of the reference decides.
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
    """Return the errors of each hypothesis against its reference.

    Parameters
    ----------
    references : pyarrow.RecordBatch
        With `reference_text`, `hypothesis_text`, `language`, and any other columns.
    normalizer : {"none", "basic", "whisper"}
        How both texts are normalized first.

    Returns
    -------
    pyarrow.RecordBatch
        The other columns and `language`; `unit` (word or character); `substitutions`,
        `deletions`, `insertions` and `hits` in that unit; `reference_words`, the length of the
        reference in that unit; `reference_characters`, without spaces. A missing hypothesis
        counts as an empty one: all deletions. `reference_words` is 0 where the reference is
        empty, or is empty once normalized.
    """
    units, pairs = [], []
    for reference, hypothesis, language in zip(
        *(references.column(name).to_pylist() for name in (*TEXTS, "language")), strict=True
    ):
        unit = unit_of(language, reference or "")
        normalize = _normalizer(normalizer, _primary(language) == "en")
        tokens = [normalize(text or "").split() for text in (reference, hypothesis)]
        units.append(unit)
        pairs.append(["".join(part) for part in tokens] if unit == "character" else tokens)
    counts = np.zeros((len(pairs), 4), dtype=np.int32)
    words = np.array([len(reference) for reference, _ in pairs], dtype=np.int32)
    is_same = np.array([reference == hypothesis for reference, hypothesis in pairs], dtype=bool)
    counts[is_same, COUNTS.index("hits")] = words[is_same]
    differing = np.flatnonzero(~is_same)
    if len(differing):
        # To jiwer, a character is a word of one letter: one call serves all languages.
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
    """Count errors batch by batch on all cores, reading only a few batches ahead.

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
        If a worker process dies or can't be started, as on a machine without free memory.
    """
    batches = iter(batches)
    first = list(islice(batches, 2))
    if len(first) < 2:
        yield from (count_errors(batch, normalizer) for batch in first)
        return
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # A forked worker would inherit threads of the database and of Arrow that no longer run.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = deque()
        try:
            for batch in chain(first, batches):
                waiting.append(pool.submit(count_errors, batch, normalizer))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except (BrokenProcessPool, MemoryError, OSError) as error:
            raise UserError(
                "a process that compares transcripts died or could not start, most likely because"
                " memory ran out; nothing was written: free some memory and run it again"
            ) from error
        except BaseException:
            # Told to stop: what is waiting need not be done first.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
