"""Payloads out of files of any layout: nothing is lost, nothing is changed."""

from __future__ import annotations

import gzip
import json
import os
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.payloads.files import find_files, opened
from voice_ai_analytics.payloads.lines import csv_payloads, vtt_payloads
from voice_ai_analytics.payloads.reader import BLOCK, NOT_JSON, NOT_UTF_8, TOO_LONG, JsonReader
from voice_ai_analytics.platforms import PLATFORMS, other_platform, platform_named

RETELL = PLATFORMS["retell"]
CALL = {"call_id": "c1", "agent_id": "a", "call_status": "ended"}


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a file and reads its payloads."""

    def write_and_read(content: bytes | str, platform=RETELL):
        file = tmp_path / "file.json"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        with opened(file) as blocks:
            reader = JsonReader(blocks, platform)
            found = list(reader)
        return found, reader.is_cut

    return write_and_read


def texts(payloads):
    return [payload.text for payload in payloads]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param(" \n\n", [], id="blank"),
        pytest.param('{"a": 1}', ['{"a": 1}'], id="one object"),
        pytest.param('{"a":1}\n\n{"a":2}\r\n', ['{"a":1}', '{"a":2}'], id="lines"),
        pytest.param('{"a":1}{"a":2}', ['{"a":1}', '{"a":2}'], id="without line ends"),
        pytest.param('{\n "a": 1\n}\n{\n "a": 2\n}', ['{\n "a": 1\n}', '{\n "a": 2\n}'], id="wide"),
        pytest.param('[{"a":1},\n {"a": 2}]', ['{"a":1}', '{"a": 2}'], id="array"),
        pytest.param('[{"a":1}]\n[{"a":2}]\n', ['{"a":1}', '{"a":2}'], id="a page per line"),
        pytest.param("[]", [], id="empty array"),
        pytest.param(
            '{"total": 2, "calls": [{"a":1}, {"a":2}], "next": {"at": [1]}}{"calls": []}',
            ['{"a":1}', '{"a":2}'],
            id="pages of a list",
        ),
        pytest.param(
            '[{"calls": [{"a":1}]}, {"calls": [{"a":2}]}]', ['{"a":1}', '{"a":2}'], id="nested"
        ),
        pytest.param('{"data": {"a": 1}}', ['{"data": {"a": 1}}'], id="no list"),
        pytest.param("[1, [2], null]", ["1", "[2]", "null"], id="no objects"),
        pytest.param("12", ["12"], id="a number at the end"),
        pytest.param('\ufeff{"a":"é"}', ['{"a":"é"}'], id="byte-order mark"),
        pytest.param('{"a":"é"}'.encode("utf-16"), ['{"a":"é"}'], id="as PowerShell writes it"),
        pytest.param(
            '2026-01-05T10:00:00.000Z {"a":1}\n2026-01-05T10:00:01.000Z {"a":2}\n',
            ['{"a":1}', '{"a":2}'],
            id="as CloudWatch exports it",
        ),
        pytest.param('{"a":1,"a":2}', ['{"a":1,"a":2}'], id="a key twice"),
    ],
)
def test_every_layout_is_read_as_single_payloads(read, content, expected):
    found, is_cut = read(content)
    assert texts(found) == expected
    assert [payload.content_hash for payload in found] == [
        sha256(text.encode()).hexdigest() for text in expected
    ]
    assert not is_cut
    assert not any(payload.problem for payload in found)


def test_an_object_with_its_platforms_marks_is_no_page(read):
    call = json.dumps(CALL | {"data": [{"a": 1}]})
    assert texts(read(call)[0]) == [call]
    assert texts(read(call, PLATFORMS["vapi"])[0]) == ['{"a": 1}']


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            b'{"a":1}\n{"a":\n{"a":3}\n',
            [('{"a":1}', None), ('{"a":', NOT_JSON), ('{"a":3}', None)],
            id="a line cut off",
        ),
        pytest.param(b'{"a":\n{"a":3}', [('{"a":', NOT_JSON), ('{"a":3}', None)], id="the first"),
        pytest.param(b'{"a":1}\n{"a":"x', [('{"a":1}', None), ('{"a":"x', NOT_JSON)], id="last"),
        pytest.param(
            b'{"calls": [\n  {"a":1},\n  {"a":,\n  {"a":3}\n]}',
            [('{"a":1}', None), ('{"a":', NOT_JSON), ('{"a":3}', None)],
            id="an element of a page",
        ),
        pytest.param(
            b'{"a":"\xff"}\n{"a":2}',
            [('{"a":"\ufffd"}', NOT_UTF_8), ('{"a":2}', None)],
            id="bytes that are no UTF-8",
        ),
        pytest.param(b"who, what\n1, 2\n", [("who, what\n1, 2", NOT_JSON)], id="no JSON at all"),
        pytest.param(b'{"a":NaN}', [('{"a":NaN}', NOT_JSON)], id="not a number"),
        pytest.param(b"[" * 100_000, [("[" * 99_999, NOT_JSON)], id="too deep"),
    ],
)
def test_what_cannot_be_read_is_kept_and_reading_goes_on(read, content, expected):
    found, _ = read(content)
    assert [
        (json.loads(one.text) if one.problem else one.text, one.problem) for one in found
    ] == expected


def test_a_list_that_is_cut_off_is_told(read):
    for content in ('[{"a":1},', '{"calls":[{"a":1}'):
        found, is_cut = read(content)
        assert (texts(found), is_cut) == (['{"a":1}'], True)


def test_a_line_of_50_mb_is_kept_and_reading_goes_on(read):
    long = '{"a":"' + "x" * (50 * BLOCK) + '"}'
    found, _ = read(f'{{"a":1}}\n{long}\n{{"a":3}}\n')
    assert [one.problem for one in found] == [None, TOO_LONG, None]
    assert json.loads(found[1].text) == long
    assert found[1].content_hash == sha256(long.encode()).hexdigest()


def test_a_long_page_is_read_element_by_element(read):
    calls = [json.dumps({"a": number, "b": "x" * 5000}) for number in range(4000)]
    found, is_cut = read('{"more": false, "calls": [' + ",".join(calls) + '], "at": 1}\n{"a":0}')
    assert texts(found) == [*calls, '{"a":0}']
    assert not is_cut


def test_text_that_no_engine_can_hold_is_left_out_of_valid_payloads(read):
    found, _ = read(r'{"a":"\u0000x\ud800y\ud83d\ude00 \\u0000 \\\u0000"}')
    assert json.loads(found[0].text) == {"a": "x\ufffdy\U0001f600 \\u0000 \\"}
    assert found[0].problem is None


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3)), st.integers(0, 3))
def test_any_objects_in_any_layout_come_back(tmp_path_factory, objects, layout):
    objects = [{"a": 1} | one for one in objects]
    texts = [json.dumps(one, indent=layout % 2 or None) for one in objects]
    content = [
        "\n".join(texts),
        "[" + ",".join(texts) + "]",
        "[\n" + ",\n".join(texts) + "\n]\n",
        '{"calls": [' + ", ".join(texts) + "]}",
    ][layout]
    file = tmp_path_factory.mktemp("layout") / "f"
    file.write_text(content, encoding="utf-8")
    with opened(file) as blocks:
        found = list(JsonReader(blocks, RETELL))
    assert [one.value for one in found] == objects
    assert [one.problem for one in found] == [None] * len(objects)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error_and_without_loss(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("bytes") / "f"
    file.write_bytes(content)
    if content[:2] == b"\x1f\x8b":
        return
    with opened(file) as blocks:
        found = list(JsonReader(blocks, RETELL))
    assert all(json.loads(one.text) is not None or one.text == "null" for one in found)


# --- files ---


def test_gzip_is_known_by_its_bytes(tmp_path):
    (tmp_path / "calls.json").write_bytes(gzip.compress(b'{"a":1}\n{"a":2}\n'))
    with opened(tmp_path / "calls.json") as blocks:
        assert texts(JsonReader(blocks, RETELL)) == ['{"a":1}', '{"a":2}']


def test_a_gzip_file_that_is_cut_off_is_refused(tmp_path):
    content = gzip.compress(os.urandom(100_000))
    (tmp_path / "calls.gz").write_bytes(content[:-100])
    with (
        pytest.raises(UserError, match=r"calls\.gz: the gzip file is cut off"),
        opened(tmp_path / "calls.gz") as blocks,
    ):
        list(JsonReader(blocks, RETELL))


def test_folders_globs_and_files_are_found_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.json", "in/deep/b.jsonl.gz", "in/c", "in/.hidden", "in/d.pdf", "e.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found, left = find_files(["in", "in/*.json", "./in/a.json", "e.txt"], RETELL)
    assert sorted(str(file) for file in found) == [
        "e.txt",
        "in/a.json",
        "in/c",
        "in/deep/b.jsonl.gz",
    ]
    assert [str(file) for file in left] == ["in/d.pdf"]
    with pytest.raises(UserError, match=r"no\*: no file matches"):
        find_files(["no*"], RETELL)
    with pytest.raises(UserError, match="nowhere: no such file or folder"):
        find_files(["nowhere"], RETELL)


# --- conversations as lines ---


def test_csv_rows_become_payloads(tmp_path):
    file = tmp_path / "talk.csv"
    file.write_bytes(
        b"\xef\xbb\xbf\nConversation; Speaker ;text;time\r\n"
        b'c1;user;"a ""b""\n; c";2026-01-05T10:00:00Z\r\nc1;assistant;yes;\r\nc1;user\r\nc1;\ra;b\n'
    )
    with opened(file) as blocks:
        found = list(csv_payloads(blocks))
    assert [one.value for one in found] == [
        {
            "conversation": "c1",
            "speaker": "user",
            "text": 'a "b"\n; c',
            "time": "2026-01-05T10:00:00Z",
        },
        {"conversation": "c1", "speaker": "assistant", "text": "yes", "time": ""},
        *(None, None, None),
    ]
    assert [one.is_placed for one in found[:2]] == [False, True]
    assert [json.loads(one.text) for one in found[2:]] == ["c1;user", "c1;", "a;b"]
    file.write_text("conversation,who,text\n")
    with pytest.raises(UserError, match="no column speaker"), opened(file) as blocks:
        list(csv_payloads(blocks))


def test_webvtt_cues_become_payloads(tmp_path):
    file = tmp_path / "call-7.vtt"
    file.write_text(
        "WEBVTT - a call\n\nNOTE nothing\n\n1\n00:00:01.000 --> 00:00:02.500 align:left\n"
        "<v Ann>Hello,\n<i>you</i></v>\n\n00:03.000 --> 00:04.000\nBot: Hi\n\nlost\n"
    )
    with opened(file) as blocks:
        found = list(vtt_payloads(blocks))
    assert [one.value for one in found] == [
        {
            "conversation": "call-7",
            "speaker": "Ann",
            "text": "Hello, you",
            "time": "00:00:01.000",
            "end": "00:00:02.500",
        },
        {
            "conversation": "call-7",
            "speaker": "Bot",
            "text": "Hi",
            "time": "00:03.000",
            "end": "00:04.000",
        },
        None,
    ]
    assert json.loads(found[2].text) == "lost"


# --- platforms ---


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("retel", "did you mean retell"),
        ("Dialogflow CX", "did you mean dialogflow_cx"),
        ("genesys", "did you mean genesys_cloud"),
        ("lex", "did you mean lex_v2"),
        ("zzz", "known are vapi, retell"),
    ],
)
def test_an_unknown_platform_is_refused_with_the_nearest(name, told):
    with pytest.raises(UserError, match=f"{name}: no such platform; {told}"):
        platform_named(name)


@pytest.mark.parametrize("name", PLATFORMS)
def test_no_two_platforms_claim_a_payload(name):
    mine = PLATFORMS[name]
    for mark in mine.marks:
        payload: dict = {}
        for key in mark.split():
            *way, last = key.split(".")
            inside = payload
            for step in way:
                inside = inside.setdefault(step, {})
            inside[last] = "x"
        assert [one.name for one in PLATFORMS.values() if one.owns(payload)] == [name], mark
        assert other_platform(payload, mine) is None
