"""Conversations as CSV or WebVTT: each line or cue becomes one payload."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.payloads.files import Blocks
from voice_ai_analytics.payloads.reader import NOT_UTF_8, Payload, unreadable

REQUIRED = ("conversation", "speaker", "text")
WRONG_COLUMNS = "not the header's number of columns"
NO_CUE = "no WebVTT cue"
LONGEST_FIELD = 16 * 1024 * 1024

_TIMES = re.compile(r"((?:\d+:)?\d\d:\d\d[.,]\d{3})\s+-->\s+((?:\d+:)?\d\d:\d\d[.,]\d{3})")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>")
_NAME = re.compile(r"([^:<>\d][^:<>]{0,60}):\s+")
_TAG = re.compile(r"<[^>]*>")


def csv_payloads(blocks: Blocks) -> Iterator[Payload]:
    """Yield each row of a CSV file as an object with the header's names in lower case.

    Raises
    ------
    UserError
        If a column is missing.
    """
    lines = _lines(blocks)
    if (header := next((line for line in lines if line.strip()), None)) is None:
        return
    delimiter = max(",;\t|", key=header.count)
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter))]
    if missing := [name for name in REQUIRED if name not in names]:
        raise UserError(
            f"{blocks.path}: no column {', '.join(missing)}; name them conversation, speaker, text,"
            " and time if you have it"
        )
    for row in _rows(lines, delimiter):
        if len(row) == len(names):
            yield _line(dict(zip(names, row, strict=True)))
        else:
            piece = delimiter.join(row)
            yield unreadable(piece, sha256(_bytes(piece)), WRONG_COLUMNS)


def vtt_payloads(blocks: Blocks) -> Iterator[Payload]:
    """Yield each cue of a WebVTT file; the conversation is the file's name, the time an offset."""
    conversation = Path(blocks.path.name.removesuffix(".gz")).stem
    for block in _paragraphs(_lines(blocks)):
        if block[0].startswith(("WEBVTT", "NOTE", "STYLE", "REGION", "X-TIMESTAMP-MAP")):
            continue
        at = next((n for n, line in enumerate(block[:2]) if "-->" in line), None)
        times = _TIMES.match(block[at].strip()) if at is not None else None
        if times is None:
            piece = "\n".join(block)
            yield unreadable(piece, sha256(_bytes(piece)), NO_CUE)
            continue
        text = " ".join(line.strip() for line in block[at + 1 :])
        voice = _VOICE.search(text) or _NAME.match(text)
        speaker = voice[1].strip() if voice else None
        said = text[voice.end() :] if voice and voice.start() == 0 else text
        start, end = (time.replace(",", ".") for time in times.groups())
        yield _line(
            {
                "conversation": conversation,
                "speaker": speaker,
                "text": _TAG.sub("", said).strip(),
                "time": start,
                "end": end,
            }
        )


def _line(value: dict) -> Payload:
    """Return a payload; without a time, its place in the file tells it from its like."""
    text = json.dumps(value, ensure_ascii=False).replace("\\u0000", "")
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError:
        return unreadable(text, sha256(_bytes(text)), NOT_UTF_8)
    return Payload(
        text, sha256(content).hexdigest(), value, is_placed=not (value.get("time") or "").strip()
    )


def _rows(lines: Iterator[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the fields of each row; a line that can't be taken apart is a row of one field."""
    last = [""]

    def remembered() -> Iterator[str]:
        for last[0] in lines:
            yield last[0]

    rows = csv.reader(remembered(), delimiter=delimiter)
    # The limit is one for all of Python.
    limit = csv.field_size_limit()
    while True:
        csv.field_size_limit(LONGEST_FIELD)
        try:
            row = next(rows, None)
        except csv.Error:
            row = [last[0].rstrip("\r\n")]
        finally:
            csv.field_size_limit(limit)
        if row is None:
            return
        if row:
            yield row


def _lines(blocks: Blocks) -> Iterator[str]:
    stream = io.TextIOWrapper(
        io.BufferedReader(_Raw(blocks)),
        encoding="utf-8-sig",
        errors="surrogateescape",
        newline="",
    )
    return (line.replace("\0", "") for line in stream)


def _paragraphs(lines: Iterator[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in lines:
        if line.strip():
            block.append(line.rstrip("\r\n"))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class _Raw(io.RawIOBase):
    """Blocks as a stream."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        block = self._blocks.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)
