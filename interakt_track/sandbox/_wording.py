"""What a field must be, in a person's words, where the contract has a rule for machines."""

from __future__ import annotations

from typing import Any

PATTERNS = {
    "^[0-9]+$": "must be digits only, without the country's code, blanks or signs",
    "^\\+[1-9][0-9]{0,2}$": "must be a plus and one to three digits, such as +44",
    "^[1-9][0-9]+$": "must be digits only, the country's code first, without a plus, such as 919876543210",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?(Z|[+-][0-9]{2}:?[0-9]{2})$": (
        "must be a date and time with its zone, such as 2025-03-27T13:26:52.926Z or 2025-03-27T18:56:52+05:30"
    ),
}
"""By the patterns of `openapi/interakt.yaml`."""

TYPES = {
    "string": "must be text, in quotation marks",
    "boolean": "must be true or false",
    "array": "must be a list",
    "object": "must be an object",
}
"""By JSON Schema's types."""


def words_for(rule: str, value: Any) -> str:
    """Return what must be the case, without the value that is wrong.

    Args:
        rule: JSON Schema's keyword: `type`, `pattern`, `minLength` ...
        value: What the schema has there.
    """
    if rule == "type" and value in TYPES:
        return TYPES[value]
    if rule == "pattern":
        return PATTERNS.get(value, f"must match {value}")
    if rule == "minLength":
        return "must not be empty"
    return f"breaks the rule {rule}: {value}"
