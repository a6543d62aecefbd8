"""The contract: `openapi/interakt.yaml` itself, asked whether a body keeps to it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import yaml
from jsonschema import Draft202012Validator, ValidationError, validators

from . import _answers
from ._wording import words_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jsonschema.protocols import Validator

    from ._records import Kind

KINDS: dict[str, Kind] = {"create_user": "user", "create_event": "event"}
PHONE_FIELDS = frozenset({"phoneNumber", "countryCode", "fullPhoneNumber"})
SHIPPED = Path(__file__).with_name("interakt.yaml")  # where the wheel has it
CHECKED_OUT = Path(__file__).parents[2] / "openapi" / "interakt.yaml"


@attrs.frozen
class Problem:
    """One thing wrong with a request.

    Attributes:
        field: Such as `traits` or `tags[0]`; `body` for all of it.
        text: What it must be; never the value.
        pointer: Where it is in the request's record, as a JSON Pointer (RFC 6901): `/body/tags/0`,
            `/headers/authorization`, `/path`. What is missing has the place where it belongs.
    """

    field: str
    text: str
    pointer: str

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"


class Contract:
    """The paths of the API, and the rules of their bodies, out of one OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.paths: dict[str, Kind] = {}
        self._validators: dict[Kind, Validator] = {}
        for path, item in document["paths"].items():
            operation = item["post"]
            kind = KINDS[operation["operationId"]]
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            self.paths[path] = kind
            self._validators[kind] = _Validator(_inline(schema, document))

    def problems(self, kind: Kind, body: dict[str, Any]) -> list[Problem]:
        """Return what is wrong with a decoded body, in the order of its fields; empty when nothing is."""
        validator = self._validators[kind]
        if validator.is_valid(body):  # a third of the time that listing the errors takes
            return []
        return sorted((_problem(error) for error in validator.iter_errors(body)), key=str)


def message(problem: Problem) -> str:
    """Return how the API words a problem."""
    if problem.field in PHONE_FIELDS:
        return _answers.INVALID_PHONE
    return _answers.correct(str(problem))


@cache
def load_contract() -> Contract:
    """Return the contract that came with this package, or the checkout's own."""
    path = SHIPPED if SHIPPED.exists() else CHECKED_OUT
    return Contract(yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # noqa: S506 - both are safe; the C one is four times faster


def _inline(schema: Any, document: dict[str, Any]) -> Any:
    """Replace each reference by what it refers to, which halves the time a check takes; none refers to itself."""
    if isinstance(schema, list):
        return [_inline(part, document) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" not in schema:
        return {name: _inline(part, document) for name, part in schema.items()}
    target: Any = document
    for name in schema["$ref"].removeprefix("#/").split("/"):
        target = target[name]
    return _inline(target, document)


def _pattern(_: Validator, pattern: str, value: object, __: object) -> Iterator[ValidationError]:
    """Check a pattern as ECMA-262 means it: Python's `$` would let a newline at the end pass."""
    if isinstance(value, str) and not _compiled(pattern).search(value):
        yield ValidationError(f"must match {pattern}")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\$$", r"\\Z", pattern))


_Validator = validators.extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]  # its stub lacks annotations


def _problem(error: ValidationError) -> Problem:
    """Say what is wrong without repeating the value, which may be personal."""
    rule: Any = error.validator_value
    field, pointer = _field(error.absolute_path), body_pointer(error.absolute_path)
    if error.validator == "required":
        missing = next(name for name in rule if isinstance(error.instance, dict) and name not in error.instance)
        path = [*error.absolute_path, missing]
        return Problem(_field(path), "is required", body_pointer(path))
    if error.validator == "anyOf":
        options = (" with ".join(option["required"]) for option in rule)
        return Problem(" or ".join(options), "is required", pointer)
    return Problem(field, words_for(str(error.validator), rule), pointer)


def _field(path: Iterable[str | int]) -> str:
    name = ""
    for part in path:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name or "body"


def body_pointer(path: Iterable[str | int]) -> str:
    """Return the JSON Pointer of a place in a request's body, as its record has it."""
    return "/body" + "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
