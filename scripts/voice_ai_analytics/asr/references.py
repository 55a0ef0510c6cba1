"""Reference transcripts: their columns, and how a file of them is read, batch by batch."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voice_ai_analytics.errors import UserError

TEXTS = ("reference_text", "hypothesis_text")
REQUIRED = ("turn_id", "platform", *TEXTS)
CONTRACT = (*REQUIRED, "session_id", "asr_model", "language")
# A file may also say what a warehouse would know.
COLUMNS = (*CONTRACT, "asr_confidence")
BATCH = 20_000
FEW = 5  # ids that a message names
SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)
CAPITAL = str.maketrans(ascii_lowercase, ascii_uppercase)
SCHEMA = pa.schema([(name, pa.string()) for name in COLUMNS])


def read_file(path: Path) -> Iterator[pa.RecordBatch]:
    """Return the references of a file, batch by batch.

    Parameters
    ----------
    path : Path
        CSV, JSON Lines or Parquet, told apart by the ending of its name. The columns `REQUIRED`
        must be there, the other `COLUMNS` may be, and further columns are ignored.

    Yields
    ------
    pyarrow.RecordBatch
        `COLUMNS` as text. Blank values are null, except in the texts.

    Raises
    ------
    UserError
        If the file can't be read; the message names the line.
    """
    readers = {".csv": _read_csv, ".jsonl": _read_json_lines, ".ndjson": _read_json_lines}
    readers[".parquet"] = _read_parquet
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path}: unknown file type; use a file that ends in {', '.join(readers)}")
    if not path.is_file():
        raise UserError(f"{path}: no such file; name a file of reference transcripts")
    return reader(path)


def _missing(path: Path, names) -> None:
    if missing := [name for name in REQUIRED if name not in names]:
        raise UserError(
            f"{path}: no column {', '.join(missing)}; expected {', '.join(REQUIRED)}, and"
            f" optionally {', '.join(COLUMNS[len(REQUIRED) :])}"
        )


def _batches(rows: Iterator[tuple]) -> Iterator[pa.RecordBatch]:
    batch: list[tuple] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield _batch(batch)
            batch = []
    if batch:
        yield _batch(batch)


def _batch(rows: list[tuple]) -> pa.RecordBatch:
    return tidy(dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)))


def tidy(columns: dict[str, Iterable]) -> pa.RecordBatch:
    """Return a batch of `COLUMNS`, with languages written alike and blanks as null.

    Parameters
    ----------
    columns : dict of str to iterable of str
        By name; an absent one is null. Blank texts stay as they are.

    Returns
    -------
    pyarrow.RecordBatch
    """
    length = len(columns["turn_id"])
    absent = pa.nulls(length, pa.string())
    given = {name: pa.array(columns.get(name, absent)).cast(pa.string()) for name in COLUMNS}
    for name in set(COLUMNS) - set(TEXTS):
        trimmed = pc.utf8_trim_whitespace(given[name])
        given[name] = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
    languages = given["language"].dictionary_encode()
    tags = pa.array([_language_tag(tag) for tag in languages.dictionary.to_pylist()], pa.string())
    given["language"] = pa.DictionaryArray.from_arrays(languages.indices, tags).cast(pa.string())
    return pa.RecordBatch.from_pydict(given, SCHEMA)


def _language_tag(tag: str) -> str:
    """Return a tag in the letter case that BCP 47 recommends, like the dbt macro of this name."""
    first, *rest = tag.replace("_", "-").translate(SMALL).split("-")
    # A region in capitals, a script with one.
    capitals = {2: 2, 4: 1}
    parts = [(part, capitals.get(len(part), 0)) for part in rest]
    return "-".join([first, *(part[:n].translate(CAPITAL) + part[n:] for part, n in parts)])


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                try:
                    yield line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise UserError(
                        f"{path}: line {number} isn't UTF-8; save the file as UTF-8"
                    ) from error
    except OSError as error:
        raise UserError(f"{path}: can't be read ({error.strerror})") from error


def _read_csv(path: Path) -> Iterator[pa.RecordBatch]:
    reader = csv.reader(_lines(path), strict=True)

    def rows() -> Iterator[tuple]:
        header: list[str] | None = None
        while True:
            begin = reader.line_num + 1
            try:
                record = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                raise UserError(
                    f"{path}: the record that starts on line {begin} isn't valid CSV ({error});"
                    " fix or remove it"
                ) from error
            if not record:
                continue
            if header is None:
                header = [name.strip().lower() for name in record]
                _missing(path, header)
                if twice := [name for name in COLUMNS if header.count(name) > 1]:
                    raise UserError(
                        f"{path}: column {', '.join(twice)} is in the header twice; rename one"
                    )
                places = [header.index(name) if name in header else None for name in COLUMNS]
                continue
            if len(record) != len(header):
                raise UserError(
                    f"{path}: line {begin} has {len(record)} fields, but the header has"
                    f" {len(header)}; fix or remove it"
                )
            yield tuple(None if place is None else record[place] for place in places)
        if header is None:
            _missing(path, ())

    return _batches(rows())


def _refuse(constant: str):
    raise ValueError(f"{constant} isn't valid JSON; write null")


def _read_json_lines(path: Path) -> Iterator[pa.RecordBatch]:
    def rows() -> Iterator[tuple]:
        for number, line in enumerate(_lines(path), start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line, parse_constant=_refuse)
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{path}: line {number} isn't valid JSON ({error}); fix or remove it"
                ) from error
            if not isinstance(record, dict):
                raise UserError(
                    f"{path}: line {number} isn't a JSON object; write one object per line with"
                    f" {', '.join(REQUIRED)}"
                )
            # An absent hypothesis would count as all deletions, so it must be explicit.
            if missing := [name for name in REQUIRED if name not in record]:
                raise UserError(
                    f"{path}: line {number} has no {', '.join(missing)}; write null for an empty"
                    " text"
                )
            values = tuple(record.get(name) for name in COLUMNS)
            if any(isinstance(value, dict | list) for value in values):
                raise UserError(
                    f"{path}: line {number} has an object or a list where a text is expected;"
                    " fix or remove it"
                )
            for name in TEXTS:
                if not isinstance(record[name], str | None):
                    raise UserError(
                        f"{path}: line {number} has a {name} that isn't a text; write it in"
                        " quotes, or null if it is empty"
                    )
            texts = (value if value is None else str(value) for value in values)
            if "\\u" in line:
                # Half of a surrogate pair isn't a character, and can't be written.
                texts = (text and text.encode("utf-8", "replace").decode() for text in texts)
            yield tuple(texts)

    return _batches(rows())


def _read_parquet(path: Path) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path) as file:
            given = {name.lower(): name for name in file.schema_arrow.names}
            names = {name: given[name] for name in COLUMNS if name in given}
            _missing(path, names)
            for name in TEXTS:
                form = file.schema_arrow.field(names[name]).type
                if pa.types.is_dictionary(form):
                    form = form.value_type
                if form not in (pa.string(), pa.large_string(), pa.string_view(), pa.null()):
                    raise UserError(f"{path}: column {name} is {form}; store it as text")
            for batch in file.iter_batches(BATCH, columns=list(names.values())):
                yield tidy({name: batch.column(column) for name, column in names.items()})
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: can't be read as Parquet ({reason}); write it again") from error


def refuse_repeated(ids: list[tuple[str, str]], source: str) -> None:
    """Refuse references that name no session where their turn id belongs to several.

    Parameters
    ----------
    ids : list of (platform, turn_id)
        Ordered by platform; more than `FEW` needn't be given.
    source : str
        The file or table of the references.

    Raises
    ------
    UserError
        If there are any.
    """
    if not ids:
        return
    platform = ids[0][0]
    turns = [turn for other, turn in ids if other == platform]
    named = ", ".join(turns[:FEW]) + (" and more" if len(turns) > FEW else "")
    raise UserError(
        f"{source}: on platform {platform}, turn ids belong to several sessions ({named});"
        " add a session_id to their references"
    )
