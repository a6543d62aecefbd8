"""What answers say, however odd they are."""

from __future__ import annotations

import gzip
import json
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interakt_track._answers import (
    MAX_ANSWER_BYTES,
    MAX_MESSAGE_LENGTH,
    MAX_TEXT_LENGTH,
    decode_body,
    parse_answer,
    refusal,
)
from interakt_track._errors import (
    APIError,
    AuthenticationError,
    RateLimitError,
    RejectedError,
    ServerError,
)

UTF8_BOM = b"\xef\xbb\xbf"


def read(status_code: int, body: bytes, *, reason: str = "", retry_after: float | None = None) -> APIError | None:
    return refusal(status_code, body, parse_answer(body), reason=reason, retry_after=retry_after)


def message_of(body: bytes, *, reason: str = "") -> str:
    error = read(400, body, reason=reason)
    assert error is not None
    return error.message


@pytest.mark.parametrize("status_code", [200, 201, 202, 204, 226, 299])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"result": true, "message": "Event created successfully"}',
        b'{"result": "false"}',
        b'{"result": null}',
        b"{}",
        b"[]",
        b"[false]",
        b"false",
        b"<html>OK</html>",
        b'{"result": fal',
        b"\xff\xfe\x00",
        b"[" * 60_000,
    ],
)
def test_every_2xx_is_delivered(status_code: int, body: bytes) -> None:
    assert read(status_code, body) is None


@pytest.mark.parametrize(
    "body", [b'{"result": false, "message": "no"}', UTF8_BOM + b'{"message": "no", "result": false}']
)
def test_a_2xx_that_says_false_is_a_rejection(body: bytes) -> None:
    error = read(202, body)

    assert type(error) is RejectedError
    assert (error.status_code, error.message, error.status) == (202, "no", False)


@pytest.mark.parametrize(
    ("status_code", "kind"),
    [
        (101, RejectedError),
        (302, RejectedError),
        (400, RejectedError),
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, RejectedError),
        (408, RejectedError),
        (429, RateLimitError),
        (500, ServerError),
        (520, ServerError),
        (599, ServerError),
    ],
)
def test_every_other_status_is_its_error(status_code: int, kind: type[APIError]) -> None:
    error = read(status_code, b'{"result": true, "message": "hm"}', retry_after=7.0)

    assert type(error) is kind
    assert (error.status_code, error.message, error.retry_after) == (status_code, "hm", 7.0)


def test_a_gateways_page_is_not_taken_for_the_api() -> None:
    envelope, gateway = read(401, b'{"result": false, "message": "x"}'), read(401, b'{"message": "Access denied"}')

    assert envelope is not None
    assert gateway is not None
    assert envelope.is_from_api
    assert not gateway.is_from_api
    assert gateway.message == "Access denied"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message": ["a", {"b": 1}]}', '["a", {"b": 1}]'),
        (b'{"message": 5}', "5"),
        (b'{"message": false}', "false"),
        (b'{"message": "two\\nlines\\u0007"}', "two lines"),
        (b'{"message": "half \\ud83d smile"}', "half smile"),
        (b'{"message": "", "detail": "Not found."}', '{"message": "", "detail": "Not found."}'),
        (b'{"detail": "Not found."}', '{"detail": "Not found."}'),
        (b'["no"]', '["no"]'),
        (b'{"message": "cut o', '{"message": "cut o'),
        (b"plain  words\r\n", "plain words"),
        (b"<html><head><title>502 Bad&nbsp;Gateway</title></head><hr>nginx</html>", "502 Bad Gateway nginx"),
        (b"<style>p {color: red}</style><SCRIPT>a > b</SCRIPT ><!-- <p> --><p>seen</p>", "seen"),
        (b"seen <style>p {color: red}", "seen"),
        (b"seen <p class=", "seen"),
        ("caf\u00e9".encode("latin-1"), "caf\ufffd"),
    ],
)
def test_a_message_is_found_in_any_body(body: bytes, message: str) -> None:
    assert message_of(body, reason="Bad Request") == message


@pytest.mark.parametrize("body", [b"", b" \n", b"<html></html>", b"\x00\x01", b"<!-- nothing"])
def test_a_body_without_words_leaves_the_reason_phrase(body: bytes) -> None:
    assert message_of(body, reason="Bad Gateway") == "Bad Gateway"
    assert message_of(body) == ""


def test_a_message_is_cut_to_a_length_a_log_can_take() -> None:
    assert len(message_of(json.dumps({"message": "a" * 60_000}).encode())) == MAX_MESSAGE_LENGTH
    assert len(message_of(b"a" * 60_000)) == MAX_TEXT_LENGTH


def test_a_message_too_deep_to_write_is_left_out() -> None:
    deep = 30_000
    message = message_of(b'{"message": ' + b"[" * deep + b"]" * deep + b"}", reason="Bad Request")

    assert len(message) <= MAX_MESSAGE_LENGTH
    assert message


@pytest.mark.parametrize(
    "part", [b"<", b"<script", b"<style>", b"<!--", b"<p", b"&", b"&#", b"\x00", b"</script", b"\xff"]
)
def test_a_hostile_page_is_read_in_no_time(part: bytes) -> None:
    body = (part * MAX_ANSWER_BYTES)[:MAX_ANSWER_BYTES]

    started = time.perf_counter()
    message_of(body)

    assert time.perf_counter() - started < 1.0


@given(
    st.integers(100, 599), st.binary(max_size=300) | st.text().map(str.encode) | st.from_regex(rb"\A[{\[\"<a-z:,]+\Z")
)
def test_no_body_raises_or_leaves_what_a_log_cannot_show(status_code: int, body: bytes) -> None:
    error = read(status_code, body, reason="Reason")

    assert (error is None) == (200 <= status_code < 300)
    assert error is None or error.message.isprintable()


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", " GZIP"])
def test_a_gzipped_body_is_unpacked(encoding: str) -> None:
    assert decode_body(gzip.compress(b"words"), encoding) == (b"words", True)


def test_a_deflated_body_is_unpacked_with_and_without_its_header() -> None:
    bare = zlib.compressobj(wbits=-zlib.MAX_WBITS)

    assert decode_body(zlib.compress(b"words"), "deflate") == (b"words", True)
    assert decode_body(bare.compress(b"words") + bare.flush(), "deflate") == (b"words", True)


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_a_plain_body_is_left_alone(encoding: str) -> None:
    assert decode_body(b"\x1f\x8b", encoding) == (b"\x1f\x8b", True)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "nonsense"])
def test_a_body_that_cannot_be_unpacked_is_empty(encoding: str) -> None:
    assert decode_body(b"not compressed at all", encoding) == (b"", False)


def test_a_compressed_body_that_is_cut_off_gives_its_beginning() -> None:
    whole = gzip.compress(bytes(range(256)) * 20, mtime=0)

    body, is_whole = decode_body(whole[:-20], "gzip")

    assert (bytes(range(256)) * 20).startswith(body)
    assert body
    assert not is_whole


def test_a_compressed_bomb_is_unpacked_no_further_than_the_cap() -> None:
    bomb = gzip.compress(bytes(50_000_000))

    body, is_whole = decode_body(bomb, "gzip")

    assert len(bomb) < MAX_ANSWER_BYTES
    assert (len(body), is_whole) == (MAX_ANSWER_BYTES, False)
