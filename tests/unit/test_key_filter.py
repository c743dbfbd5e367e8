"""The key of the user in every spelling that an endpoint, a framework or a task can give it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from random import Random
from urllib.parse import quote

import pytest

from pytest_execgo.adapter.key_filter import KeyFilter
from pytest_execgo.adapter.key_spellings import KeySpellings
from tests.ids import readable

KEY = 'sk-a/real+secret"of\\2026'
ESCAPED = "".join(f"\\u{ord(char):04X}" for char in KEY)
PERCENT = "".join(f"%{ord(char):02x}" for char in KEY)


def in_lines(text: str, end: str = "\n") -> str:
    return end.join(text[at : at + 9] for at in range(0, len(text), 9))


SPELLINGS = {
    "plain": KEY,
    "JSON": json.dumps(KEY),
    "JSON in JSON": json.dumps(json.dumps(KEY)),
    "slash": json.dumps(KEY).replace("/", "\\/"),
    "escapes": ESCAPED,
    "escapes in JSON in JSON": json.dumps(json.dumps([ESCAPED])),
    "some escapes": KEY.replace("r", "\\u0072"),
    "percent": quote(KEY, safe=""),
    "all percent": PERCENT,
    "percent twice": quote(quote(KEY, safe="")),
    "percent in escapes": PERCENT.replace("%", "\\u0025"),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 of user and key": base64.b64encode(f"me:{KEY}".encode()).decode(),
    "base64 of name and key": base64.b64encode(f"bearer {KEY} x".encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(f"x{KEY}".encode()).decode(),
    "percent four times": quote(quote(quote(quote(KEY, safe="")))),
    "percent of escapes": quote(ESCAPED),
    "hexadecimal escapes": "".join(f"\\x{ord(char):02x}" for char in KEY),
    "hexadecimal": KEY.encode().hex(),
    "HEXADECIMAL": KEY.encode().hex().upper(),
    "hexadecimal in lines": in_lines(KEY.encode().hex()),
    "base64 in lines": in_lines(base64.b64encode(f"me:{KEY}".encode()).decode()),
    "base64 in lines with CR": in_lines(base64.b64encode(KEY.encode()).decode(), "\r\n"),
    "base64 in lines, JSON in JSON": json.dumps(
        json.dumps(in_lines(base64.b64encode(KEY.encode()).decode()))
    ),
    "base64 in lines, percent": quote(in_lines(base64.b64encode(KEY.encode()).decode())),
    "base64, percent": quote(base64.b64encode(f"{KEY}??>".encode()).decode(), safe=""),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_key_is_found_and_removed_in_every_spelling(name: str) -> None:
    spelled = SPELLINGS[name]
    hide = KeyFilter(KEY)
    for text in (f"before {spelled} after", spelled, f'{{"a": ["{spelled}"]}}'):
        assert hide.is_in(text)
        for clean in (hide.text(text), hide.record(text), hide.value([text])[0]):
            assert "[key]" in clean
            assert not hide.is_in(clean)
            assert "secret" not in clean


def test_json_stays_json() -> None:
    document = {"a": KEY, KEY: [1, f"x{KEY}y"], "nested": json.dumps({"k": KEY}), "back": "\\"}
    for text in (json.dumps(document), json.dumps(document).replace("sk-", "\\u0073k-")):
        clean = json.loads(KeyFilter(KEY).record(text))
        assert clean["a"] == "[key]"
        assert clean["[key]"] == [1, "x[key]y"]
        assert json.loads(clean["nested"]) == {"k": "[key]"}
        assert clean["back"] == "\\"


OTHERS = ["nothing", 'sk-a/real+secret"of', "c2stYS9yZWFs", "50 % of \\u0073", "%", "\\", "%zz", ""]


@pytest.mark.parametrize("text", OTHERS, ids=readable)
def test_other_text_stays_the_same(text: str) -> None:
    hide = KeyFilter(KEY)
    assert not hide.is_in(text)
    assert hide.text(text) == hide.record(text) == hide.value(text) == text


def event(*path: str, text: str) -> str:
    body: object = text
    for name in reversed(path):
        body = [body] if name == "0" else {name: body}
    return f"data: {json.dumps(body)}\n\n"


CHAT = ("choices", "0", "delta", "content")
TOOL = ("choices", "0", "delta", "tool_calls", "0", "function", "arguments")


@pytest.mark.parametrize("path", [CHAT, TOOL, ("delta",)], ids=readable)
@pytest.mark.parametrize("size", [1, 2, 7, 15])
def test_key_in_pieces_of_a_stream_is_removed(path: tuple[str, ...], size: int) -> None:
    whole = f'{{"a": "{KEY}", "b": "{PERCENT}"}} and {KEY}.'
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    stream = "".join(event("id", text="x") + event(*path, text=part) for part in parts)
    clean = KeyFilter(KEY).text(stream + ": comment\n\ndata: [DONE]\n\n")
    joined = ""
    for line in clean.splitlines():
        if line.startswith("data: {"):
            body = json.loads(line.removeprefix("data: "))
            if "id" not in body:
                for name in path:
                    body = body[0] if name == "0" else body[name]
                joined += body
    assert joined == '{"a": "[key]", "b": "[key]"} and [key].'
    assert clean.endswith(": comment\n\ndata: [DONE]\n\n")


def separated(body: dict[str, str], char: str) -> str:
    """An event with a character that ends a line in Python, but not in a stream of events."""
    return f"data: {json.dumps(body).replace('?', char)}\n\n"


ONE_CHARACTER: list[Callable[[str], str]] = [
    lambda char: char,
    lambda char: f"\\u{ord(char):04x}",
    lambda char: f"\\\\\\u{ord(char):04X}",
    lambda char: f"\\x{ord(char):02x}",
    lambda char: f"%{ord(char):02X}",
    lambda char: f"%252525{ord(char):02x}",
    lambda char: f"\\u0025{ord(char):02x}",
    lambda char: quote(f"\\u{ord(char):04x}"),
]
FRAMES: dict[str, Callable[[dict[str, str]], str]] = {
    "CR": lambda body: f"data: {json.dumps(body)}\r\r",
    "CR LF": lambda body: f"data: {json.dumps(body)}\r\n\r\n",
    "no space": lambda body: f"data:{json.dumps(body)}\n\n",
    "other fields": lambda body: f"event: x\ndata: {json.dumps(body)}\nid: 7\n\n",
    "no empty line": lambda body: f"data: {json.dumps(body)}\n",
    "several lines": lambda body: f"data: {{\ndata: {json.dumps(body)[1:]}\n\n",
    "field between lines": lambda body: f"data: {{\nid: 7\ndata: {json.dumps(body)[1:]}\n\n",
    "indented": lambda body: (
        "data: " + json.dumps(body, indent=1).replace("\n", "\ndata: ") + "\n\n"
    ),
    "line separator 85": lambda body: separated(body, "\x85"),
    "line separator 2028": lambda body: separated(body, "\u2028"),
    "line separator 2029": lambda body: separated(body, "\u2029"),
}


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no mark", "byte order mark"])
@pytest.mark.parametrize("name", FRAMES)
def test_key_in_pieces_is_removed_however_events_are_written(name: str, mark: str) -> None:
    bodies = [
        {"other": "?", "part": part} for part in ("x sk-a", "/real+sec", 'ret"of\\2026', " y")
    ]
    stream = mark + "".join(map(FRAMES[name], bodies))
    clean = KeyFilter(KEY).text(stream)
    assert "".join(re.findall(r'"part": "([^"]*)"', clean)) == "x [key] y"
    assert clean.startswith(mark)
    assert clean.endswith(stream[-1])
    untouched = mark + FRAMES[name]({"other": "?", "part": "sk-a"})
    assert KeyFilter(KEY).text(untouched) == untouched


def test_every_mixture_of_spellings_is_replaced_exactly() -> None:
    """Each character of the key in another spelling, between texts that look like spellings."""
    rng = Random(13)
    hide = KeyFilter("sk-real/secret+2026")
    around = ["", " ", "%", "%4", "\\u00", "sk-", "\n", "a", "%25", "\\u0041", "%41", "73", "é"]
    for _ in range(2000):
        text = "".join(rng.choice(ONE_CHARACTER)(char) for char in "sk-real/secret+2026")
        before, after = rng.choice(around) + "|", "|" + rng.choice(around)
        assert hide.record(before + text + after) == f"{before}[key]{after}", text


@pytest.mark.parametrize(
    "part", ["\\", "\\u", "%", "%25", "25", "s", "s\\", "\n", "\\n", "c2", "\\x41", KEY + "\\"],
    ids=readable,
)  # fmt: skip
def test_the_search_takes_time_in_proportion_to_the_text(part: str) -> None:
    """With a search that is quadratic, this test takes minutes."""
    text = KEY + part * (400_000 // len(part))
    assert not KeyFilter(KEY).is_in(KeyFilter(KEY).text(text))


def test_a_stream_with_many_pieces_takes_time_in_proportion_to_its_length() -> None:
    names = [f"n{number}" for number in range(3000)]
    wide = "".join(
        f"data: {json.dumps(dict.fromkeys(names, part))}\n\n" for part in (KEY[:9], KEY[9:])
    )
    long = "".join(event("part", text=char) for char in KEY * 1000)
    for stream, removed in ((wide, 3000), (long, 1000)):
        assert KeyFilter(KEY).text(stream).count("[key]") == removed


def test_a_stream_without_the_key_stays_the_same() -> None:
    stream = 'data:{"a":  "b"}\r\n\r\ndata: no JSON\n\ndata: 3\n'
    assert KeyFilter(KEY).text(stream) == stream


def test_a_word_is_no_secret() -> None:
    hide = KeyFilter("ollama")
    assert not hide.is_in("ollama")
    assert hide.record("ollama") == hide.text("ollama", quoted=True) == hide.value("ollama")
    assert hide.text("the key ollama is wrong") == "the key [key] is wrong"


def test_the_search_in_large_text_is_fast_enough_to_finish() -> None:
    spellings = KeySpellings("s" * 30 + "k")
    assert spellings.replaced("\\" * 100_000 + "%25" * 100_000 + "s" * 30_000, "-").endswith("s")
