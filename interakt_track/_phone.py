"""What counts as a phone number, and how it is sent: pure rules over what `phonenumbers` knows."""

from __future__ import annotations

import re
import unicodedata

from ._errors import InvalidMessageError
from ._locks import IMPORT_LOCK
from ._values import integer, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    import phonenumbers

_SEPARATORS = frozenset("-.()")
_INVISIBLE_OR_SPACE_OR_DASH = ("Zs", "Cf", "Pd")  # what clipboards and phone books put between digits
_EXPONENT = re.compile(r"[-+]?\d+(?:[.,]\d*)?[eE][-+]?\d+")
_FLOAT_TAIL = re.compile(
    r"(?:\.0|\d{7}\.0+)"
)  # at the end; "06.12.34.56.00" is how a person writes, "9876543210.00" is not
_EXTENSION = re.compile(r"(?:[#;,]|ext(?:n|ension)?\b|x)[\s.:=]*\d+#?", re.IGNORECASE)
_MIN_DIGITS = 7  # before an extension; "98x76543210" is a number with a letter in it
_MAX_DIGITS = 40  # far beyond any number; spares us turning a giant int into text

# How a country code was written -> how it is sent; the default is here, so that it does not cost the import.
_country_codes: dict[str, str] = {"+91": "+91", "91": "+91"}
# Country code as sent -> whether digits are a national number that phonenumbers would send unchanged. India's mobile
# numbers, as most calls bring them, do not wait for its import; a test holds that it takes each of them as it is.
_plain_matchers: dict[str, Callable[[str], object]] = {"+91": re.compile(r"(?!91)[6-9]\d{9}", re.ASCII).fullmatch}

_from_metadata: set[str] = set()


def parse_country_code(value: object) -> str:
    """Return a country calling code the way it is sent, `"+91"`.

    Args:
        value: `"+91"`, `"91"`, or an int (or integer-like) 91.

    Raises:
        InvalidMessageError: It is none of these, or no country has it.
    """
    if type(value) is str and value in _country_codes:
        return _country_codes[value]
    number = integer(value)
    text = str.__str__(value) if isinstance(value, str) else "" if number is None else str(number)[:_MAX_DIGITS]
    digits = text.strip().removeprefix("+")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 3):  # E.164: at most three digits
        raise InvalidMessageError(
            "country_code is not a country calling code: it must be text such as '+91' or '91', or an int such as 91"
            + ("" if isinstance(value, str) or number is not None else f", not {type_name(value)}")
        )
    with IMPORT_LOCK:
        import phonenumbers  # noqa: PLC0415 - 40 ms, wanted with the first number that is not plain

    if digits.startswith("0") or phonenumbers.region_code_for_country_code(int(digits)) == "ZZ":
        raise InvalidMessageError(f"country_code: no country has the calling code +{digits}")
    code = f"+{digits}"
    if text in (code, digits):  # and not each way of putting spaces around it
        _country_codes[text] = code
    return code


def parse_phone(phone_number: object, country_code: object, default_country_code: str) -> tuple[str, str]:
    """Return a phone number the way it is sent: country code and national significant number.

    Args:
        phone_number: Text a person would write, an int (or integer-like), or a `phonenumbers.PhoneNumber`.
        country_code: The caller's explicit country code; None or `""` when there is none.
        default_country_code: `"+91"` form, for a number that does not bring its own.

    Raises:
        InvalidMessageError: It is no possible phone number, or contradicts `country_code`; the text says why, in
            lengths, positions and kinds of characters, never showing the number.
    """
    if country_code is None or country_code == "":
        code, is_explicit = default_country_code, False
    else:
        code, is_explicit = parse_country_code(country_code), True
    if type(phone_number) is str:
        is_plain = _plain_matchers.get(code)
        if is_plain is not None:
            if is_plain(phone_number):
                return code, phone_number
            if phone_number.startswith(code) and is_plain(national := phone_number[len(code) :]):
                return code, national
    return _parse_with_phonenumbers(phone_number, code, is_explicit=is_explicit)


def _parse_with_phonenumbers(phone_number: object, code: str, *, is_explicit: bool) -> tuple[str, str]:
    with IMPORT_LOCK:
        import phonenumbers  # noqa: PLC0415 - 40 ms, wanted with the first number that is not plain

    if isinstance(phone_number, phonenumbers.PhoneNumber):
        parsed = phone_number
        if parsed.extension:
            raise InvalidMessageError("phone_number has an extension; the API takes numbers without one")
        if not parsed.country_code or parsed.national_number is None:
            raise InvalidMessageError("phone_number is a PhoneNumber without a country code or a national number")
    else:
        parsed = _parse_text(_dialled(phone_number), code)
    found = f"+{parsed.country_code}"
    if is_explicit and found != code:
        raise InvalidMessageError(f"phone_number brings the country code {found}, but country_code says {code}")
    national = phonenumbers.national_significant_number(parsed)
    _check_is_possible(parsed, found, len(national))
    if code not in _from_metadata:
        _from_metadata.add(code)
        _plain_matchers[code] = _plain_matcher(int(code))
    return found, national


def _parse_text(dialled: str, code: str) -> phonenumbers.PhoneNumber:
    with IMPORT_LOCK:
        import phonenumbers  # noqa: PLC0415 - 40 ms, wanted with the first number that is not plain

    region = phonenumbers.region_code_for_country_code(int(code))
    if region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY and not dialled.startswith("+"):
        dialled = code + dialled  # +800 and its like have no region to parse in
    try:
        return phonenumbers.parse(dialled, region)
    except phonenumbers.NumberParseException as exc:
        kinds = phonenumbers.NumberParseException
        reason = {
            kinds.INVALID_COUNTRY_CODE: "starts with a country code that does not exist",
            kinds.TOO_SHORT_AFTER_IDD: "is too short: almost nothing follows the international prefix",
            kinds.TOO_SHORT_NSN: "is too short",
            kinds.TOO_LONG: "is too long",
        }.get(exc.error_type, "is too short")
        raise InvalidMessageError(f"phone_number {reason} ({_count(dialled.removeprefix('+'))})") from None


def _check_is_possible(parsed: phonenumbers.PhoneNumber, code: str, length: int) -> None:
    with IMPORT_LOCK:
        import phonenumbers  # noqa: PLC0415 - 40 ms, wanted with the first number that is not plain

    results = phonenumbers.ValidationResult
    result = phonenumbers.is_possible_number_with_reason(parsed)
    if result == results.IS_POSSIBLE:
        return
    reason = {
        results.TOO_SHORT: "is too short",
        results.TOO_LONG: "is too long",
        results.IS_POSSIBLE_LOCAL_ONLY: "is too short: it lacks its area code",
        results.INVALID_LENGTH: "has a length no number there has",
        results.INVALID_COUNTRY_CODE: "has a country code that does not exist",
    }[result]
    raise InvalidMessageError(f"phone_number {reason} for {code} ({length} digits after the country code)")


def _dialled(phone_number: object) -> str:
    """Return ASCII digits, a `+` before them if there was one, or raise saying what else is in there."""
    if not isinstance(phone_number, str):
        number = integer(phone_number)
        if number is None:
            raise InvalidMessageError(
                f"phone_number is of type {type_name(phone_number)}; it must be text, an int or a PhoneNumber"
            )
        if number < 0:
            raise InvalidMessageError("phone_number is negative")
        if number >= 10**_MAX_DIGITS:
            raise InvalidMessageError(f"phone_number is too long (more than {_MAX_DIGITS} digits)")
        return str(number)

    text = str.__str__(phone_number)
    _check_is_not_mangled(text.strip())
    kept = []
    for position, character in enumerate(text, start=1):
        if character.isdecimal():
            kept.append(str(int(character)))  # other scripts' digits too, as phonenumbers reads them
        elif character in "+＋" and not kept:
            kept.append("+")
        elif not (
            character in _SEPARATORS
            or character.isspace()
            or unicodedata.category(character) in _INVISIBLE_OR_SPACE_OR_DASH
        ):
            raise InvalidMessageError(
                f"phone_number has {_kind(character)} at position {position}; it may hold digits, spaces and + - . ( )"
            )
    dialled = "".join(kept)
    if len(dialled.removeprefix("+")) > _MAX_DIGITS:
        raise InvalidMessageError(f"phone_number is too long (more than {_MAX_DIGITS} digits)")
    if not dialled.removeprefix("+"):
        raise InvalidMessageError("phone_number has no digits")
    return dialled


def _check_is_not_mangled(text: str) -> None:
    if _EXPONENT.fullmatch(text):
        raise InvalidMessageError(
            "phone_number is in exponent notation, as a spreadsheet shows long numbers: its digits are lost; "
            "format the column as text"
        )
    if re.search(rf"{_FLOAT_TAIL.pattern}\Z", text):
        raise InvalidMessageError(
            "phone_number ends in .0, as a number that passed through a float does: make it text or an int"
        )
    if re.search(rf"(?:\d\D*){{{_MIN_DIGITS}}}{_EXTENSION.pattern}\Z", text, re.IGNORECASE | re.DOTALL):
        raise InvalidMessageError("phone_number has an extension; the API takes numbers without one")


def _kind(character: str) -> str:
    if character in "+＋":
        return "a '+' that is not at its start"
    if character.isalpha():
        return "a letter"
    return "a control character" if unicodedata.category(character).startswith("C") else "another character"


def _plain_matcher(code: int) -> Callable[[str], object]:
    """Return a predicate: these ASCII digits are a national number that phonenumbers would take as they are.

    That is so when the length is possible, neither an international nor a national prefix could be meant, and a start
    that looks like the country code belongs to the number. phonenumbers' own patterns decide each of these.
    """
    with IMPORT_LOCK:
        import phonenumbers  # noqa: PLC0415 - 40 ms, wanted with the first number that is not plain

    region = phonenumbers.region_code_for_country_code(code)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    rules = None if metadata is None else metadata.general_desc
    if metadata is None or rules is None:  # +800 and its like, of no region
        return lambda digits: None
    prefixes = [prefix for prefix in (metadata.international_prefix, metadata.national_prefix_for_parsing) if prefix]
    lengths = "|".join(rf"\d{{{length}}}" for length in rules.possible_length)
    return re.compile(
        "".join(rf"(?!{prefix})" for prefix in prefixes)
        + rf"(?:(?!{code})|(?=(?:{rules.national_number_pattern})\Z))(?:{lengths})",
        re.ASCII,
    ).fullmatch


def _count(digits: str) -> str:
    return f"{len(digits)} digits"
