"""Simulated reference transcripts: what some callers said, and what the recognizer heard."""

import csv
from pathlib import Path

import numpy as np

from voice_ai_analytics.simulate.ids import session_id, turn_id

FILE = "asr_references.csv"
HEADER = ("turn_id", "platform", "reference_text", "hypothesis_text", "asr_model", "language")
# Transcribing is expensive: two sessions in five, and at most about ten thousand.
SHARE, MOST = 0.4, 10_000

PHRASES = {
    "en": (
        "when will my pension be paid",
        "i want to change my address",
        "my card was lost last week",
        "how do i apply for the scholarship",
        "yes that is right",
        "please tell me where the office is",
    ),
    "hi": (
        "मेरी पेंशन कब आएगी",
        "मुझे अपना पता बदलना है",
        "मेरा कार्ड खो गया है",
        "छात्रवृत्ति के लिए आवेदन कैसे करें",
        "हाँ यह सही है",
        "कार्यालय कहाँ है",
    ),
    "es": (
        "cuándo me pagan la pensión",
        "quiero cambiar mi dirección",
        "perdí mi tarjeta la semana pasada",
        "cómo solicito la beca",
        "sí eso es correcto",
        "dígame dónde está la oficina",
    ),
    "ta": (
        "என் ஓய்வூதியம் எப்போது வரும்",
        "என் முகவரியை மாற்ற வேண்டும்",
        "என் அட்டை தொலைந்து விட்டது",
        "உதவித்தொகைக்கு எப்படி விண்ணப்பிப்பது",
        "ஆம் அது சரி",
        "அலுவலகம் எங்கே இருக்கிறது",
    ),
    "sw": (
        "pensheni yangu italipwa lini",
        "nataka kubadilisha anwani yangu",
        "nilipoteza kadi yangu wiki iliyopita",
        "ninaombaje ufadhili wa masomo",
        "ndiyo ni sawa",
        "naomba unieleze ofisi iko wapi",
    ),
}
VOCABULARY = {
    language: sorted({word for phrase in phrases for word in phrase.split()})
    for language, phrases in PHRASES.items()
}
# How much less likely a word is right than its confidence says, in log-odds.
TOO_SURE = {
    "language": {"en": 0.0, "hi": 0.3, "es": 0.0, "ta": 0.5, "sw": 0.6},
    "asr_model": {"asr-1.0": 0.0, "asr-1.1": 0.1, "asr-2.0": 0.4},
}
# What becomes of wrong words: some are missing, some are two others, the rest are one other.
DELETED, INSERTED = 0.25, 0.15


class ReferenceFile:
    """The file of references, which is written chunk by chunk.

    Parameters
    ----------
    directory : Path
        Where to write it.
    sessions : int
        Number of sessions in the whole simulation.
    repeats_turn_ids : bool
        Whether turn ids come again in each session; the file then has a session_id too.
    """

    def __init__(self, directory: Path, sessions: int, repeats_turn_ids: bool) -> None:
        self.repeats_turn_ids = repeats_turn_ids
        self.path = directory / FILE
        self.share = min(SHARE, MOST / sessions)
        with self.path.open("w", encoding="utf-8", newline="") as stream:
            named = ("session_id",) if repeats_turn_ids else ()
            csv.writer(stream, lineterminator="\n").writerow(HEADER + named)

    def append(
        self,
        rng: np.random.Generator,
        session_numbers: np.ndarray,
        languages: list[str],
        models: list[str],
        thousandths: np.ndarray,
    ) -> None:
        """Transcribe some of these sessions.

        Parameters
        ----------
        rng : numpy.random.Generator
            Decides which sessions, what was said and what was heard.
        session_numbers : numpy.ndarray, shape (n,)
            The numbers in their ids.
        languages, models : list of str
            Language and ASR model of each session.
        thousandths : numpy.ndarray, shape (n, turns)
            ASR confidence of each user turn; negative where there was no speech to recognize, and
            above 1000 where it is impossible, which isn't transcribed.
        """
        chosen = rng.random(len(session_numbers)) < self.share
        rows = []
        spoken = (thousandths >= 0) & (thousandths <= 1000)
        for place, turn in zip(*np.nonzero(chosen[:, None] & spoken), strict=True):
            language, model = languages[place], models[place]
            phrase = str(rng.choice(PHRASES[language]))
            confidence = np.clip(thousandths[place, turn] / 1000, 0.001, 0.999)
            too_sure = TOO_SURE["language"][language] + TOO_SURE["asr_model"][model]
            right = 1 / (1 + np.exp(too_sure - np.log(confidence / (1 - confidence))))
            heard = _heard(rng, phrase.split(), VOCABULARY[language], right)
            number = session_numbers[place]
            # The system speaks first, so the user's turns have even places.
            turn = turn_id(number, 2 * turn + 2, self.repeats_turn_ids)
            named = (session_id(number),) if self.repeats_turn_ids else ()
            rows.append((turn, "demo", phrase, heard, model, language, *named))
        with self.path.open("a", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(rows)


def _heard(rng: np.random.Generator, words: list[str], others: list[str], right: float) -> str:
    heard = []
    for word in words:
        if rng.random() < right:
            heard.append(word)
            continue
        wrong, luck = [str(one) for one in rng.choice(others, 2) if one != word], rng.random()
        if luck >= DELETED:
            heard += wrong if luck > 1 - INSERTED else wrong[:1]
    return " ".join(heard)
