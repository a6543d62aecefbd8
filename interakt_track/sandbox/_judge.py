"""What the API makes of one request: accepted or refused, with which answer and why."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, NoReturn

import attrs

from . import _answers
from ._contract import Problem, message
from ._keys import Credentials, read_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._answers import Answer
    from ._contract import Contract
    from ._records import Kind

MAX_BYTES = 1 << 20  # of a body; the SDK refuses more at the call, the real API's limit is not published
UNKNOWN_PATH = "the API has none of this name; the slash at the end belongs to it"
IDENTIFIERS = ("userId", "fullPhoneNumber", "phoneNumber")


@attrs.frozen(kw_only=True)
class Verdict:
    """What the API makes of one request.

    Attributes:
        answer: As the API would give it.
        credentials: What the request's key is worth.
        body: The decoded object; None when it was none.
        problems: Why it was refused; empty when it was accepted.
    """

    answer: Answer
    credentials: Credentials
    body: dict[str, Any] | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether the API takes the message."""
        return not self.problems

    @property
    def reason(self) -> str | None:
        """The problems in one line, each beginning with its field; None when there are none."""
        return "; ".join(map(str, self.problems)) or None


class Judge:
    """Judges requests by the contract. Pure but for the ids it invents.

    Args:
        contract: The rules of the bodies.
        write_key: The only key that is right; None lets any pass.
    """

    def __init__(self, contract: Contract, write_key: str | None) -> None:
        self._contract = contract
        self._write_key = write_key
        self._namespace = uuid.uuid4()

    def judge(self, kind: Kind | None, method: str, headers: Mapping[str, str], raw: bytes, size: int) -> Verdict:
        """Judge one request.

        Args:
            kind: None for a path the API does not have.
            method: As sent.
            headers: Names in lower case, Authorization unmasked.
            raw: The body, or the part of it that was kept.
            size: Bytes of the whole body.
        """
        credentials = read_credentials(headers.get("authorization"), self._write_key)

        def refuse(answer: Answer, *problems: Problem, body: dict[str, Any] | None = None) -> Verdict:
            return Verdict(answer=answer, credentials=credentials, body=body, problems=problems)

        if kind is None:
            return refuse(_answers.page(404), Problem("path", UNKNOWN_PATH, "/path"))
        if method != "POST":
            answer = attrs.evolve(
                _answers.envelope(405, f'Method "{method}" not allowed.'), headers=(("Allow", "POST"),)
            )
            return refuse(answer, Problem("method", f"must be POST, not {method}", "/method"))
        if size > MAX_BYTES:
            answer = _answers.envelope(413, f"The body is larger than {MAX_BYTES} bytes.")
            return refuse(answer, Problem("body", f"{size} bytes are more than {MAX_BYTES}", "/body"))
        body, problem = _decode(raw)
        if credentials.problem is not None:
            wrong = Problem("Authorization", credentials.problem, "/headers/authorization")
            return refuse(_answers.usual(401), wrong, body=body)
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != _answers.JSON:
            answer = _answers.envelope(415, f'Unsupported media type "{media_type}" in request.')
            wrong = Problem("Content-Type", f"must be {_answers.JSON}", "/headers/content-type")
            return refuse(answer, wrong, body=body)
        if body is None:
            wrong = Problem("body", problem or "", "/body")
            return refuse(_answers.usual(400, _answers.correct(str(wrong))), wrong)
        problems = self._contract.problems(kind, body)
        if problems:
            return refuse(_answers.usual(400, message(problems[0])), *problems, body=body)
        return Verdict(answer=self._accept(kind, body), credentials=credentials, body=body)

    def _accept(self, kind: Kind, body: dict[str, Any]) -> Answer:
        if kind == "event":
            return _answers.event_accepted(str(uuid.uuid4()))
        identifier = next(f"{name}={body[name]}" for name in IDENTIFIERS if name in body)
        return _answers.user_accepted(str(uuid.uuid5(self._namespace, identifier)))  # one customer, one id


def _decode(raw: bytes) -> tuple[dict[str, Any] | None, str | None]:
    """Return the JSON object, or None and what is wrong. Stricter than `json.loads`, as other people's parsers are."""
    try:
        text = raw.decode()
        body = json.loads(text, parse_constant=_refuse_constant)
        if "\\ud" in text.lower():
            json.dumps(body, ensure_ascii=False).encode()  # raises on half a surrogate pair
    except UnicodeEncodeError:
        return None, "must not hold half of a surrogate pair"
    except UnicodeDecodeError:
        return None, "must be UTF-8"
    except json.JSONDecodeError as error:
        return None, f"must be JSON: {error.msg} at character {error.pos}"
    except (ValueError, RecursionError):
        return None, "must be JSON without NaN or infinity, endless numbers and endless depth"
    if not isinstance(body, dict):
        return None, "must be a JSON object"
    return body, None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
