"""What counts as a phone number, and how it is sent."""

import inspect
import re
import subprocess
import sys
from itertools import pairwise

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from interakt_track import _phone
from interakt_track._errors import InvalidMessageError
from interakt_track._phone import parse_country_code, parse_phone

CALLING_CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
FAMILIAR_CODES = [1, 7, 33, 39, 44, 49, 52, 54, 55, 61, 62, 65, 86, 91, 225, 590, 800, 971]


class Integer:
    """An int of another library, as numpy has them."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value

    def __repr__(self) -> str:
        return f"Integer({self.value})"


class Text(str):
    """A str of another library."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Text({str(self)!r})"


def parse(phone_number: object, country_code: object = None) -> tuple[str, str]:
    return parse_phone(phone_number, country_code, "+91")


def error_of(phone_number: object, country_code: object = None) -> str:
    with pytest.raises(InvalidMessageError) as caught:
        parse(phone_number, country_code)
    return str(caught.value)


def what_phonenumbers_says(written: str, region: str | None) -> tuple[str, str] | None:
    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return f"+{number.country_code}", phonenumbers.national_significant_number(number)


def what_we_say(written: str, country_code: object, default_country_code: str) -> tuple[str, str] | None:
    try:
        return parse_phone(written, country_code, default_country_code)
    except InvalidMessageError:
        return None


@pytest.mark.parametrize("written", ["+91", "91", 91, Integer(91), " +91 ", Text("91")], ids=repr)
def test_a_country_code_may_be_written_in_several_ways(written: object) -> None:
    assert parse_country_code(written) == "+91"


@pytest.mark.parametrize("written", ["+999", "0", "+091", 0, 999], ids=repr)
def test_a_country_code_that_no_country_has_is_an_error(written: object) -> None:
    with pytest.raises(InvalidMessageError, match="no country has the calling code"):
        parse_country_code(written)


@pytest.mark.parametrize(
    "written", ["IN", "+", "++91", "+91 98765", "\uff19\uff11", "9198765", -91, 91.0, True, b"91", None, [91]], ids=repr
)
def test_what_is_no_country_code_at_all_is_an_error(written: object) -> None:
    with pytest.raises(InvalidMessageError, match="country_code is not a country calling code"):
        parse_country_code(written)


def test_every_calling_code_is_known() -> None:
    assert [f"+{code}" for code in CALLING_CODES] == [parse_country_code(code) for code in CALLING_CODES]


def test_an_equal_value_of_another_type_is_no_country_code_once_the_right_one_was_seen() -> None:
    parse_country_code("+91")
    parse_country_code(1)

    for written in (91.0, True, 1.0):
        with pytest.raises(InvalidMessageError):
            parse_country_code(written)


@pytest.mark.parametrize(
    "written",
    [
        "9876598765",
        "98765 98765",
        " 9876598765\n",
        "+91-98765-98765",
        "+919876598765",
        "(+91) 98765.98765",
        "09876598765",
        "0091 98765 98765",
        "919876598765",
        9876598765,
        919876598765,
        Integer(9876598765),
        Text("9876598765"),
        "\uff19\uff18\uff17\uff16\uff15" * 2,
        "९८७६५ ९८७६५",
        "＋91 98765 98765",
        "98765\u00a098765",
        "98765–98765",
        "\u202a+91 98765 98765\u202c",
        phonenumbers.parse("+919876598765"),
    ],
    ids=repr,
)
def test_a_number_may_be_written_as_people_do(written: object) -> None:
    assert parse(written) == ("+91", "9876598765")


@pytest.mark.parametrize(
    ("written", "country_code", "expected"),
    [
        ("2079460958", "+44", ("+44", "2079460958")),
        ("020 7946 0958", "44", ("+44", "2079460958")),
        ("+44 (0)20 7946 0958", None, ("+44", "2079460958")),
        ("+44 20 7946 0958", 44, ("+44", "2079460958")),
        ("06 1234 5678", "+39", ("+39", "0612345678")),
        ("+39 06 1234 5678", None, ("+39", "0612345678")),
        ("06.12.34.56.00", "+33", ("+33", "612345600")),
        ("(202) 555-0123", "+1", ("+1", "2025550123")),
        ("1-202-555-0123", 1, ("+1", "2025550123")),
        ("8 912 345-67-89", "+7", ("+7", "9123456789")),
        ("12345678", "+800", ("+800", "12345678")),
        (phonenumbers.parse("+39 06 1234 5678"), None, ("+39", "0612345678")),
        ("9198765987", "+91", ("+91", "9198765987")),
        ("9876598765", "", ("+91", "9876598765")),
    ],
    ids=repr,
)
def test_each_country_has_its_own_rules(written: object, country_code: object, expected: tuple[str, str]) -> None:
    assert expected == parse(written, country_code)
    assert expected == parse(written, country_code)  # the second time by the rules kept of the first


@pytest.mark.parametrize(
    "written", ["+919876598765", "0091 98765 98765", phonenumbers.parse("+919876598765")], ids=repr
)
def test_a_number_that_contradicts_the_country_code_is_an_error(written: object) -> None:
    assert error_of(written, "+44") == "phone_number brings the country code +91, but country_code says +44"


def test_a_wrong_country_code_is_an_error_even_if_the_number_brings_its_own() -> None:
    assert "no country has" in error_of("+919876598765", "+999")


@pytest.mark.parametrize(
    ("written", "country_code", "reason"),
    [
        ("12", None, "too short"),
        ("1", None, "too short"),
        ("+9", None, "too short"),
        ("2345678", "+1", "lacks its area code"),
        ("98765987659876", None, "too long"),
        ("9" * 30, None, "too long"),
        ("9" * 100, None, "too long"),
        (10**50, None, "too long"),
        ("912345678", "+65", "a length no number there has"),
        ("12345678", "+44", "lacks its area code"),
        ("+999 1234567", None, "country code that does not exist"),
        (phonenumbers.PhoneNumber(country_code=999, national_number=1234567), None, "country code that does not exist"),
        (phonenumbers.PhoneNumber(national_number=9876598765), None, "without a country code"),
        (phonenumbers.PhoneNumber(country_code=91, national_number=12), None, "too short"),
        ("   ", None, "has no digits"),
        ("+", None, "has no digits"),
        ("98765O8765", None, "has a letter at position 6"),
        ("1800-FLOWERS", "+1", "has a letter at position 6"),
        ("tel:+919876598765", None, "has a letter at position 1"),
        ("++919876598765", None, "a '+' that is not at its start at position 2"),
        ("98765+98765", None, "a '+' that is not at its start at position 6"),
        ("98765/98765", None, "another character at position 6"),
        ("98765*98765", None, "another character at position 6"),
        ("98765²98765", None, "another character at position 6"),
        ("9876598765\x00", None, "a control character at position 11"),
        ("9876598765 x12", None, "has an extension"),
        ("9876598765 ext. 12", None, "has an extension"),
        ("9876598765;ext=12", None, "has an extension"),
        ("9876598765#12", None, "has an extension"),
        ("98x7659876", None, "has a letter at position 3"),
        (phonenumbers.parse("+919876598765 ext. 12"), None, "has an extension"),
        ("9.88E+09", None, "exponent notation"),
        ("9.876598765e9", None, "exponent notation"),
        ("9,88E+09", None, "exponent notation"),
        ("9876598765.0", None, "ends in .0"),
        ("+919876598765.0", None, "ends in .0"),
        (" 9876598765.00 ", None, "ends in .0"),
        (-9876598765, None, "is negative"),
        (9876598765.0, None, "is of type float"),
        (True, None, "is of type bool"),
        (b"9876598765", None, "is of type bytes"),
        (None, None, "is of type NoneType"),
        (["9876598765"], None, "is of type list"),
    ],
    ids=repr,
)
def test_what_is_no_possible_number_is_an_error_that_says_why(
    written: object, country_code: object, reason: str
) -> None:
    assert reason in error_of(written, country_code)


@pytest.mark.parametrize(
    "written", ["98765", "987659876598765", "98765O8765", "9876598765.0", "+99912345678", "98765/98765"], ids=repr
)
def test_an_error_never_shows_the_number(written: str) -> None:
    error = error_of(written)

    assert not [f"{a}{b}" for a, b in pairwise(re.findall(r"\d", written)) if f"{a}{b}" in re.sub(r"\+\d+", "", error)]


@given(st.sampled_from(FAMILIAR_CODES) | st.sampled_from(CALLING_CODES), st.data())
def test_plain_digits_are_read_as_phonenumbers_reads_them(code: int, data: st.DataObject) -> None:
    prefix = data.draw(st.sampled_from(["", "0", "00", "011", "1", "8", str(code), f"00{code}", f"0{code}"]))
    digits = prefix + data.draw(st.text("0123456789", min_size=1, max_size=15))
    region = phonenumbers.region_code_for_country_code(code)
    expected = what_phonenumbers_says(f"+{code}{digits}" if region == "001" else digits, region)
    if expected is not None and expected[0] != f"+{code}":
        expected = None  # dialled as an international number, which contradicts the explicit country code

    for _ in range(2):  # the second time by the rules kept of the first
        assert expected == what_we_say(digits, code, "+91")


@given(st.sampled_from(FAMILIAR_CODES) | st.sampled_from(CALLING_CODES), st.text("0123456789", min_size=1, max_size=14))
@example(91, "9876598765")
def test_international_numbers_are_read_as_phonenumbers_reads_them(code: int, digits: str) -> None:
    written = f"+{code}{digits}"
    expected = what_phonenumbers_says(written, None)

    for country_code in (None, code, None):
        assert expected == what_we_say(written, country_code, f"+{code}")


@given(st.text(max_size=20))
def test_any_text_is_a_number_of_ascii_digits_or_our_error(text: str) -> None:
    try:
        country_code, national = parse(text)
    except InvalidMessageError:
        return

    assert re.fullmatch(r"\+[1-9][0-9]{0,2}", country_code)
    assert re.fullmatch(r"[0-9]{2,17}", national)


def test_phonenumbers_is_not_imported_before_the_first_number_that_is_not_plain() -> None:
    program = """
import sys
from interakt_track._phone import parse_country_code, parse_phone
parse_country_code("+91")
assert "phonenumbers" not in sys.modules
parse_phone("98765 98765", None, "+91")
assert "phonenumbers" in sys.modules
"""

    subprocess.run([sys.executable, "-c", program], check=True)


@given(digits=st.from_regex(r"[6-9][0-9]{9}", fullmatch=True))
def test_an_indian_mobile_number_is_what_phonenumbers_makes_of_it(digits: str) -> None:
    """The one rule that is here before phonenumbers is imported: never another answer than its own."""
    is_plain = _phone._plain_matchers["+91"]

    parsed = phonenumbers.parse(digits, "IN")

    if is_plain(digits):
        assert (parsed.country_code, phonenumbers.national_significant_number(parsed)) == (91, digits)
        assert phonenumbers.is_possible_number(parsed)


def test_an_indian_mobile_number_does_not_wait_for_phonenumbers() -> None:
    program = """
        import sys
        from interakt_track._arguments import parse_phone_arguments as parse

        assert parse("9876543210", None, "+91") == ("+91", "9876543210")
        assert parse("+919876543210", "91", "+1") == ("+91", "9876543210")
        assert "phonenumbers" not in sys.modules
        assert parse("98765 43210", None, "+91") == ("+91", "9876543210")
        assert "phonenumbers" in sys.modules
    """

    done = subprocess.run([sys.executable, "-c", inspect.cleandoc(program)], check=False, timeout=20)

    assert done.returncode == 0
