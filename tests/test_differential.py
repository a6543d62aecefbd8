"""The same calls through the published SDK, 1.0.7, and through ours: a server on this machine sees the same requests.

The published SDK runs in a process and an environment of its own, since it owns the name `track` too;
`scripts/install_published.sh` makes that environment.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

import interakt_track
from interakt_track import Client
from interakt_track._default import DefaultClient

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT / ".venvs" / "published"
ANSWER = b'{"result": true, "message": "Event created successfully"}'
PHONE_TYPES = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)


class Call(NamedTuple):
    """One call, as both SDKs are asked to make it."""

    function: str
    """As 1.0.7 calls it: `user` or `event`."""
    args: list[Any]
    kwargs: dict[str, Any]


class Seen(NamedTuple):
    """What a server sees of a request."""

    method: str
    path: str
    authorization: str | None
    content_type: str | None
    user_agent: str
    """With `N` for each number of the version."""
    body: str
    """JSON text in one form: 1, 1.0 and true stay different, and so does the order of the traits."""


class Recorder(ThreadingHTTPServer):
    """Accepts every request, and keeps what it saw."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RecordingHandler)
        self.seen: list[Seen] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self) -> list[Seen]:
        seen, self.seen = self.seen, []
        return seen


class RecordingHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert isinstance(self.server, Recorder)
        self.server.seen.append(
            Seen(
                self.command,
                self.path,
                self.headers["Authorization"],
                self.headers["Content-Type"],
                re.sub(r"\d+", "N", self.headers["User-Agent"]),
                json.dumps({field: body[field] for field in sorted(body)}),
            )
        )
        self.send_response(202)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *arguments: object) -> None:
        pass


class Published:
    """The published SDK, in its own process; one for many calls."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def make(self, call: Call, **settings: object) -> str | None:
        """Make a call in sync mode, and return what it raised."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"settings": {"sync_mode": True, **settings}, **call._asdict()}) + "\n")
        self._process.stdin.flush()
        raised: str | None = json.loads(self._process.stdout.readline())
        return raised


@pytest.fixture(scope="module")
def published() -> Iterator[Published]:
    if not (PUBLISHED / "prepared.txt").exists():
        missing = "the published SDK is not in .venvs/published: run scripts/install_published.sh"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}; CI must have it")
        pytest.skip(missing)
    with subprocess.Popen(
        [PUBLISHED / "bin" / "python", "-I", ROOT / "tests" / "published" / "play.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        yield Published(process)  # then its input ends, and so does the process


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with Recorder() as recorder:
        Thread(target=recorder.serve_forever, args=(0.05,), daemon=True).start()
        yield recorder
        recorder.shutdown()


@pytest.fixture(scope="module")
def ours(recorder: Recorder) -> Iterator[Client]:
    with Client(write_key="test-key", host=recorder.url, sync_mode=True) as client:
        yield client


def seen_from_published(call: Call, published: Published, recorder: Recorder) -> Seen:
    raised = published.make(call, api_key="test-key", host=recorder.url)
    assert raised is None, "the call is none that 1.0.7 supports"
    [seen] = recorder.take()
    return seen


def make(call: Call, client: Client) -> None:
    function = client.identify if call.function == "user" else client.event
    assert function(*call.args, **call.kwargs)


def numbers_of_the_world() -> list[tuple[str, str]]:
    """A valid mobile and a fixed-line number of each country that has one, as 1.0.7 is documented to want them."""
    found = [
        phonenumbers.example_number_for_type(region, kind)
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        for kind in PHONE_TYPES
    ]
    return sorted({(f"+{n.country_code}", phonenumbers.national_significant_number(n)) for n in found if n})


TABLE = {
    "a customer with all there is": Call(
        "user", [], {"user_id": "u1", "country_code": "+91", "phone_number": "9876543210", "traits": {"name": "Asha"}}
    ),
    "a customer by position": Call("user", ["u1", "+91", "9876543210", {"name": "Asha"}], {}),
    "a customer by id": Call("user", ["u1"], {}),
    "a customer by number, in India unless told": Call("user", [], {"phone_number": "9876543210"}),
    "a customer by number, elsewhere": Call("user", [], {"country_code": "+1", "phone_number": "2015550123"}),
    "a customer without traits": Call("user", ["u1"], {"traits": {}}),
    "a customer with an int for an id": Call("user", [5], {"traits": {"a": 1}}),
    "a customer with an empty id": Call("user", ["", "+91", "9876543210"], {}),
    "a customer with an empty number": Call("user", ["u1", "+91", ""], {}),
    "a country code without a number": Call("user", ["u1", "+44"], {}),
    "an event with all there is": Call(
        "event",
        [],
        {
            "user_id": "u1",
            "event": "Order Placed",
            "traits": {"total": 50.0, "items": 3, "paid": True, "coupon": None, "skus": ["a", "b"]},
            "country_code": "+91",
            "phone_number": "9876543210",
        },
    ),
    "an event by position": Call("event", ["u1", "Order Placed", {"total": "50.00"}, "+91", "9876543210"], {}),
    "an event without traits": Call("event", ["u1", "Order Placed"], {}),
    "an event with None for traits": Call("event", ["u1", "Order Placed", None], {}),
    "an event by number": Call("event", [], {"event": "Order Placed", "phone_number": "9876543210"}),
    "names with spaces and capitals": Call("event", ["u1", "Order Placed", {"Pin code": "400001"}], {}),
    "other scripts": Call("user", ["आशा"], {"traits": {"नाम": "आशा 🌱", "\u2028": "\x00\x7f"}}),
    "traits within traits": Call("user", ["u1"], {"traits": {"a": {"b": [{"c": []}, [1, 1.0, -0.0, 1e308]]}}}),
}


@pytest.mark.parametrize("sync_mode", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("call", TABLE.values(), ids=TABLE)
def test_a_call_makes_the_request_it_made(
    call: Call, sync_mode: bool, published: Published, recorder: Recorder
) -> None:
    expected = seen_from_published(call, published, recorder)

    with Client(write_key="test-key", host=recorder.url, sync_mode=sync_mode) as client:
        make(call, client)

    assert [expected] == recorder.take()


@pytest.mark.parametrize("key", ["test-key", "a-b_c.d~e+f/g"])
@pytest.mark.parametrize("prefix", ["", "/", "/prefix", "/prefix/"])
def test_key_and_host_go_where_they_went(key: str, prefix: str, published: Published, recorder: Recorder) -> None:
    host = recorder.url + prefix
    assert published.make(Call("event", ["u1", "Order Placed"], {}), api_key=key, host=host) is None
    [expected] = recorder.take()

    with Client(write_key=key, host=host, sync_mode=True) as client:
        client.event("u1", "Order Placed")

    assert [expected] == recorder.take()


def test_functions_of_the_module_make_the_requests_they_made(
    published: Published, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = Call("user", ["u1", "+91", "9876543210", {"name": "Asha"}], {})
    event = Call("event", ["u1", "Order Placed", {"total": 5}], {})
    expected = [seen_from_published(call, published, recorder) for call in (user, event)]
    monkeypatch.setattr(interakt_track, "host", recorder.url)
    monkeypatch.setattr(interakt_track, "api_key", "test-key")
    monkeypatch.setattr(
        interakt_track, "_module_client", DefaultClient(interakt_track._module_client._read, lambda: True)
    )

    with pytest.warns(DeprecationWarning, match="is a name of 1.0.x"):
        interakt_track.user(*user.args)
    interakt_track.event(*event.args)
    interakt_track.shutdown()

    assert expected == recorder.take()


def test_valid_numbers_of_every_country_are_sent_as_they_were(
    published: Published, recorder: Recorder, ours: Client
) -> None:
    calls = [
        Call("user", [], {"country_code": country_code, "phone_number": phone_number})
        for country_code, phone_number in numbers_of_the_world()
    ]
    expected = [seen_from_published(call, published, recorder) for call in calls]

    for call in calls:
        make(call, ours)

    assert len(calls) > 400
    assert expected == recorder.take()


names = st.text(min_size=1).filter(lambda text: not text.isspace())
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=10
)
traits = st.dictionaries(st.text(), values, max_size=6)
user_ids = names | st.integers().filter(bool)
phones = st.fixed_dictionaries(
    {"phone_number": st.from_regex(r"[6-9][0-9]{9}", fullmatch=True)}, optional={"country_code": st.just("+91")}
)


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """Any call that 1.0.7 supports, in the form its documentation asks for."""
    arguments: dict[str, Any] = {}
    who = draw(st.sampled_from(["id", "phone", "both"]))
    if who != "phone":
        arguments["user_id"] = draw(user_ids)
    if who != "id":
        arguments |= draw(phones)
    if draw(st.booleans()):
        arguments["traits"] = draw(traits)
    if draw(st.booleans()):
        return Call("user", [], arguments)
    return Call("event", [], {"event": draw(names), **arguments})


@given(call=calls())
def test_any_supported_call_makes_the_request_it_made(
    call: Call, published: Published, recorder: Recorder, ours: Client
) -> None:
    expected = seen_from_published(call, published, recorder)

    make(call, ours)

    assert [expected] == recorder.take()


@pytest.mark.parametrize(
    "call",
    [
        Call("user", [], {"traits": {}}),
        Call("user", [], {"phone_number": "98765O3210"}),
        Call("user", [], {"phone_number": "9876543210", "country_code": "+999"}),
        Call("user", ["u1"], {"traits": [1]}),
        Call("event", ["u1"], {}),
        Call("event", ["u1", ""], {}),
        Call("event", [], {"event": "Order Placed"}),
    ],
)
def test_what_it_refused_is_still_refused(call: Call, published: Published, recorder: Recorder, ours: Client) -> None:
    raised = published.make(call, api_key="test-key", host=recorder.url)

    with pytest.raises(interakt_track.InvalidMessageError):
        make(call, ours)

    assert raised is not None
    assert raised.startswith("AssertionError")
    assert recorder.take() == []
