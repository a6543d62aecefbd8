"""What an answer says: whether the message was taken, and the words to tell when it was not."""

from __future__ import annotations

import html
import json
import re
import zlib
from typing import Any

from ._errors import APIError, api_error

MAX_ANSWER_BYTES = 64 * 1024  # the API's answers have about 100 bytes, its gateway's pages a few thousand
MAX_MESSAGE_LENGTH = 2000  # an envelope's message may list the errors of many fields; more is no message
MAX_TEXT_LENGTH = 200  # of a body that is no envelope: enough to recognise a gateway's page

# Both take time in proportion to the page, also where it is cut off or hostile: what is open ends with the text.
_INVISIBLE = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>?")


def decode_body(raw: bytes, content_encoding: str) -> tuple[bytes, bool]:
    """Return the body a compressed one stands for, and whether that is all of it.

    A few compressed kilobytes can stand for gigabytes: unpacking stops at `MAX_ANSWER_BYTES`. Requests ask for no
    compression, so this is for servers and proxies that compress all the same.

    Args:
        raw: As it came over the network, maybe cut off.
        content_encoding: The header; other values than gzip and deflate leave nothing that can be read.
    """
    encoding = content_encoding.strip().lower()
    if encoding in ("", "identity"):
        return raw, True
    if encoding not in ("gzip", "x-gzip", "deflate"):
        return b"", False
    for window_bits in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):  # gzip or zlib by their headers, then bare deflate
        unpacker = zlib.decompressobj(window_bits)
        try:
            return unpacker.decompress(raw, MAX_ANSWER_BYTES), unpacker.eof
        except zlib.error:
            continue
    return b"", False


def parse_answer(body: bytes) -> Any:
    """Return the JSON value of a body, or None when it is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # wrong encodings and 5,000-digit numbers are ValueErrors too
        return None


def refusal(status_code: int, body: bytes, answer: Any, *, reason: str, retry_after: float | None) -> APIError | None:
    """Return the error an answer stands for, or None when it says that the message was taken.

    Every 2xx means taken, unless its JSON says `"result": false`; everything else is an error, redirects included,
    which are not followed.

    Args:
        status_code: HTTP status of the answer.
        body: Decoded, maybe cut off.
        answer: Its JSON value, from `parse_answer`.
        reason: The status line's phrase, told when the body has no words.
        retry_after: Seconds from the `Retry-After` header.
    """
    envelope = answer if isinstance(answer, dict) else {}
    status = envelope.get("result")
    if 200 <= status_code < 300 and status is not False:
        return None
    message = _message(envelope.get("message")) or _text(body) or _clean(reason)
    return api_error(status_code, message, status, retry_after=retry_after)


def _message(value: Any) -> str:
    if value is None or value == "":
        return ""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:  # nested too deeply to be written, not to be read
        return ""
    return _clean(text)[:MAX_MESSAGE_LENGTH]


def _text(body: bytes) -> str:
    page = body.decode("utf-8", "replace")
    return _clean(html.unescape(_TAG.sub(" ", _INVISIBLE.sub(" ", page))))[:MAX_TEXT_LENGTH]


def _clean(text: str) -> str:
    """Leave what a log line and a terminal can show: no line breaks, control characters or lone surrogates."""
    words = "".join(char if char.isprintable() else " " for char in text).split()
    return " ".join(words)
