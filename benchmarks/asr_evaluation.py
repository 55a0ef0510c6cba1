"""Measures whether evaluate-asr's intervals cover the truth, and what ten million turns cost.

    python benchmarks/asr_evaluation.py [--turns 10000000] [--json benchmarks/asr_evaluation.json]

Coverage: sessions come from a population with a known error rate. Turns of one session err alike,
and long sessions err more. Calibration: some confidences are right, and some are wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from voice_ai_analytics.asr.calibration import BINS, BinSums, calibrate
from voice_ai_analytics.asr.rates import rate_interval

VOICE_AI = Path(sys.executable).parent / "voice-ai"


def sessions(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw errors and words of n sessions; they differ, and hard ones take more turns."""
    rate = rng.beta(1.2, 10.8, n)
    turns = 1 + rng.poisson(2 + 12 * rate)
    words = rng.poisson(6 * turns) + 1
    return rng.binomial(words, rate).astype(float), words.astype(float)


def coverage(repeats: int) -> list[dict]:
    """Count how often the interval covers the truth, by number of sessions."""
    rng = np.random.default_rng(1)
    errors, words = sessions(rng, 4_000_000)
    truth = errors.sum() / words.sum()
    results = []
    for n in (5, 10, 20, 30, 50, 100, 300, 1000):
        covered = below = none = 0
        for _ in range(repeats):
            low, high, _method = rate_interval(*sessions(rng, n), np.ones(n, dtype=int))
            none += low is None
            covered += low is not None and low <= truth <= high
            below += low is not None and high < truth
        given = repeats - none
        results.append(
            {
                "sessions": n,
                "samples": repeats,
                "without_interval": none,
                "covered": covered / given,
                "too_low": below / given,
            }
        )
    return results


def talk(rng: np.random.Generator, n: int, gap: float, spread: float) -> tuple[np.ndarray, float]:
    """Draw n sessions whose confidence is their words' correctness plus a gap, by bin.

    Words of one session are alike: the session shifts the correctness of all its turns.
    """
    turns = 1 + rng.poisson(3, n)
    session = np.repeat(np.arange(n), turns)
    right = rng.beta(6, 2, len(session))
    shown = np.clip(right + gap, 0, 1)
    really = np.clip(right + spread * rng.standard_normal(n)[session], 0, 1)
    words = rng.integers(1, 10, len(session))
    hits = rng.binomial(words, really)
    place = np.minimum((shown * BINS).astype(int), BINS - 1)
    sums = np.zeros((3, BINS, n))
    for number, values in enumerate((words, hits, shown * words)):
        np.add.at(sums[number], (place, session), values)
    expected = np.bincount(place, (shown - really) * words, BINS) / words.sum()
    return sums.reshape(3 * BINS, n).T, float(np.abs(expected).sum())


def calibration(repeats: int) -> list[dict]:
    """Count false alarms if confidence is right, and coverage if it is wrong."""
    rng = np.random.default_rng(2)
    results = []
    for n in (50, 300):
        for gap in (0.0, 0.08):
            _, truth = talk(rng, 1_000_000, gap, 0.02)
            alarms = covered = 0
            for _ in range(repeats):
                bins = BinSums(rng)
                bins.add(talk(rng, n, gap, 0.02)[0])
                result = calibrate(bins)
                alarms += result["p_value"] < 0.05
                covered += result["ci_low"] <= truth <= result["ci_high"]
            results.append(
                {
                    "sessions": n,
                    "gap": gap,
                    "true_error": truth,
                    "samples": repeats,
                    "miscalibration_found": alarms / repeats,
                    "covered": covered / repeats,
                }
            )
    return results


def write_turns(path: Path, turns: int) -> None:
    """Write a Parquet file of turns, five per session, with one word in ten misheard."""
    names = ("turn_id", "platform", "reference_text", "hypothesis_text", "asr_model", "language")
    schema = pa.schema([(name, pa.string()) for name in (*names, "session_id")])
    rng = np.random.default_rng(3)
    words = np.array([f"word{number}" for number in range(3000)], dtype=object)
    models, languages = (np.array(given) for given in (["1.0", "1.1", "2.0"], ["en", "hi", "es"]))
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, turns, 100_000):
            n = min(100_000, turns - start)
            lengths = rng.integers(1, 13, n)
            said = rng.integers(0, len(words), (n, 12))
            heard = np.where(rng.random((n, 12)) < 0.1, rng.integers(0, len(words), (n, 12)), said)
            texts = [
                [" ".join(words[row[:length]]) for row, length in zip(rows, lengths, strict=True)]
                for rows in (said, heard)
            ]
            session = (start + np.arange(n)) // 5
            columns = [
                [f"T{number:09d}" for number in range(start, start + n)],
                ["demo"] * n,
                *texts,
                models[session % 3],
                languages[session // 3 % 3],
                [f"S{number:08d}" for number in session],
            ]
            writer.write_table(pa.table(columns, schema=schema))


def scale(turns: int) -> dict:
    """Run the command on a file, and watch its memory and that of its workers."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "turns.parquet"
        write_turns(path, turns)
        command = [str(VOICE_AI), "evaluate-asr", "--input", str(path), "--normalizer", "basic"]
        command += ["--json", str(Path(directory) / "result.json")]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begun, peak = time.perf_counter(), 0
        run = psutil.Popen(command, cwd=directory, stdout=subprocess.DEVNULL)
        while run.poll() is None:
            peak = max(peak, _memory(run))
            time.sleep(0.2)
        seconds = time.perf_counter() - begun
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        overall = json.loads((Path(directory) / "result.json").read_text())["overall"]
        return {
            "turns": turns,
            "file_mb": round(path.stat().st_size / 2**20),
            "seconds": round(seconds, 1),
            "cpu_seconds": round(
                after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1
            ),
            "peak_memory_mb": peak >> 20,
            "load_average": os.getloadavg()[0],
            "overall": overall,
        }


def _memory(run: psutil.Popen) -> int:
    """Return the memory of a process and its children, with shared pages in proportion."""
    try:
        every = [run, *run.children(recursive=True)]
        return sum(process.memory_full_info().pss for process in every)
    except psutil.Error:
        return 0


def main() -> None:
    """Run everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    results = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "coverage": coverage(options.repeats),
        "calibration": calibration(options.repeats // 2),
    }
    if options.turns:
        results["scale"] = scale(options.turns)
    options.json.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
