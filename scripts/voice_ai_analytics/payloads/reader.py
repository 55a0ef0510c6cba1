"""JSON of any layout as single payloads: lines, an array, pages of a list, or one object.

A file is never held whole. What can't be read is kept as text, and reading goes on behind it.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from voice_ai_analytics.payloads.files import Blocks
from voice_ai_analytics.platforms import PAGES, Platform

BLOCK = 1024 * 1024
# A longer payload is no call: it is kept as text, unread.
LONGEST = 16 * 1024 * 1024
# What PostgreSQL takes as one string with room to spare; more of an unreadable piece isn't kept.
KEPT = 64 * 1024 * 1024
TOO_LONG = "longer than 16 MB"
NOT_JSON = "no valid JSON"
NOT_UTF_8 = "no valid UTF-8"

# Escapes that no text on either engine can hold.
_ESCAPES = re.compile(
    r"\\(?:(u[dD][89abAB]..\\u[dD][c-fC-F]..)|(u0000)|(u[dD][89a-fA-F]..)|.)", re.DOTALL
)
_UNSTORABLE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_SPACE = re.compile(r"[ \t\r\n]*")
_SPACE_AND_COMMAS = re.compile(r"[ \t\r\n,]*")
_BETWEEN_KEYS = re.compile(r"[ \t\r\n,:]*")
# CloudWatch writes the instant before each event that it exports.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (?=\{)")


@dataclass(frozen=True, slots=True)
class Payload:
    """One object of a file.

    Parameters
    ----------
    text : str
        JSON. A JSON string with what the file has where that can't be read.
    content_hash : str
        SHA-256 of its bytes in the file, in UTF-8.
    value : object
        As Python reads it; None where it can't be read.
    problem : str or None
        Why it can't be read.
    is_placed : bool
        Whether the same content at another position is another payload.
    """

    text: str
    content_hash: str
    value: object
    problem: str | None = None
    is_placed: bool = False


def unreadable(kept: str, digest, problem: str) -> Payload:
    """Return a piece of a file as a JSON string, which staging quarantines.

    Parameters
    ----------
    kept : str
        The piece; bytes that are no UTF-8 as surrogates.
    digest
        Its hash so far, from hashlib.
    problem : str
        Why it can't be read.
    """
    text = kept.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "")
    return Payload(json.dumps(text, ensure_ascii=False), digest.hexdigest(), None, problem)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


class JsonReader:
    """The payloads of a file.

    Parameters
    ----------
    blocks : Blocks
        The file.
    platform : Platform
        Whose payloads they should be: an object with its marks is no page.

    Attributes
    ----------
    is_cut : bool
        Whether the file ended inside a list, so that payloads may be missing.
    """

    def __init__(self, blocks: Blocks, platform: Platform) -> None:
        self.is_cut = False
        self._blocks = blocks
        self._platform = platform
        first = blocks.read(BLOCK)
        is_wide = first[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        make = codecs.getincrementaldecoder("utf-16" if is_wide else "utf-8-sig")
        self._bytes = make("replace" if is_wide else "surrogateescape")
        self._text = self._bytes.decode(first, not first)
        self._at = 0
        self._is_over = not first

    def __iter__(self) -> Iterator[Payload]:
        """Yield every payload in the order of the file."""
        return self._values(None)

    def _values(self, end: str | None) -> Iterator[Payload]:
        """Yield payloads up to the end of a list, or of the file."""
        while (sign := self._next(_SPACE_AND_COMMAS if end else _SPACE)) != end:
            if not sign:
                self.is_cut = True
                return
            if sign == "[" and not end:
                self._at += 1
                yield from self._values("]")
                continue
            if instant := _INSTANT.match(self._text, self._at):
                self._at = instant.end()
            found, stop, problem = self._decode()
            if isinstance(found, dict) and not self._is_page(found):
                yield self._payload(found, stop)
            elif sign == "{" and (found or problem) and self._enter_page():
                yield from self._values("]")
                self._leave_page()
            elif problem is None:
                yield self._payload(found, stop)
            else:
                yield self._skip(problem)
        if end:
            self._at += 1

    def _next(self, space: re.Pattern) -> str | None:
        """Go to the next character that is no space; return it, or None at the end of the file."""
        while True:
            self._at = space.match(self._text, self._at).end()
            # Room enough for what is matched from here on without reading.
            if self._at < len(self._text) - 64 or (self._is_over and self._at < len(self._text)):
                return self._text[self._at]
            if not self._more():
                return None

    def _more(self) -> bool:
        """Read on, dropping what was passed; return whether there was anything."""
        if self._is_over:
            return False
        rest = self._text[self._at :]
        # Twice as much each time, so that a long value is not begun again too often.
        block = self._blocks.read(max(BLOCK, len(rest)))
        self._is_over = not block
        self._text = rest + self._bytes.decode(block, not block)
        self._at = 0
        return True

    def _decode(self) -> tuple[object, int, str | None]:
        """Return the value that begins here, where it stops, and why it can't be read."""
        while True:
            size = len(self._text)
            try:
                value, stop = _DECODER.raw_decode(self._text, self._at)
                if stop < size or self._is_over:
                    if stop - self._at > LONGEST:
                        return None, 0, TOO_LONG
                    return value, stop, None
            except json.JSONDecodeError as error:
                is_begun = error.pos > size - 16 or error.msg.startswith("Unterminated")
                if self._is_over or not is_begun:
                    return None, 0, NOT_JSON
            except (ValueError, RecursionError):
                return None, 0, NOT_JSON
            if size - self._at > LONGEST:
                return None, 0, TOO_LONG
            self._more()

    def _is_page(self, found: dict) -> bool:
        return not self._platform.owns(found) and any(
            isinstance(found.get(key), list) for key in PAGES
        )

    def _enter_page(self) -> bool:
        """Go behind the bracket of the list that an object wraps, if it wraps one."""
        at, before = self._at + 1, {}
        try:
            while self._text[(at := _SPACE_AND_COMMAS.match(self._text, at).end())] == '"':
                key, at = _DECODER.raw_decode(self._text, at)
                at = _SPACE.match(self._text, at).end() + 1  # the colon
                at = _SPACE.match(self._text, at).end()
                if self._text[at] == "[" and key in PAGES:
                    if self._platform.owns(before):
                        return False
                    self._at = at + 1
                    return True
                before[key], at = _DECODER.raw_decode(self._text, at)
        except (ValueError, IndexError, RecursionError):
            pass
        return False

    def _leave_page(self) -> None:
        """Go behind the object that wrapped the list, over the keys that follow it."""
        while (sign := self._next(_BETWEEN_KEYS)) and sign != "}":
            _, stop, problem = self._decode()
            if problem:
                return
            self._at = stop
        self._at += sign == "}"

    def _payload(self, value: object, stop: int) -> Payload:
        text = self._text[self._at : stop]
        self._at = stop
        try:
            content = text.encode("utf-8")
        except UnicodeEncodeError:
            content = text.encode("utf-8", "surrogateescape")
            return unreadable(text, sha256(content), NOT_UTF_8)
        if _UNSTORABLE.search(text):
            text = _ESCAPES.sub(_storable_escape, text)
        return Payload(text, sha256(content).hexdigest(), value)

    def _skip(self, problem: str) -> Payload:
        """Go to the next line that begins a value as this one does; return what is before it."""
        line = self._text.rfind("\n", 0, self._at) + 1
        indent = self._text[line : self._at]
        indent = indent if not indent.strip() else ""
        following = re.compile(rf"\n(?:{indent}(?=[\[{{])|(?=\]))")
        digest, kept, room = sha256(), [], KEPT
        while True:
            found = following.search(self._text, self._at)
            # The line that follows may begin in this block and go on in the next.
            stop = found.start() if found else len(self._text) - (not self._is_over) * BLOCK
            stop = max(stop, self._at)
            piece = self._text[self._at : stop]
            self._at = stop
            if found or self._is_over:
                piece = piece.rstrip(" \t\r\n,")
            digest.update(piece.encode("utf-8", "surrogateescape"))
            kept.append(piece[:room])
            room -= len(kept[-1])
            if found or not self._more():
                return unreadable("".join(kept), digest, problem)


def _storable_escape(found: re.Match) -> str:
    pair, nul, half = found.groups()
    if nul:
        return ""
    return "\\ufffd" if half and not pair else found[0]
