"""What the sandbox's page is made of: its files, its stream, its controls, and who may use them; no browser here."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from waiting import wait_until

from interakt_track.sandbox import Fault, Problem, Sandbox
from interakt_track.sandbox._board import MAX_LISTENERS
from interakt_track.sandbox._desk import FILES, MAX_BYTES, MAX_SCRIPTED, ROWS
from interakt_track.sandbox._guard import find_objection

USERS = "/v1/public/track/users/"
EVENTS = "/v1/public/track/events/"
ORDER = {"userId": "customer-1001", "event": "Order Placed", "traits": {"total": 2998}}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(page=True) as sandbox:
        yield sandbox


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """Sends to the API, as the SDK does."""
    with httpx.Client(base_url=sandbox.url, auth=("any-key", "")) as client:
        yield client


@pytest.fixture
def desk(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """Asks what the page asks."""
    with httpx.Client(base_url=f"{sandbox.url}/_sandbox/") as client:
        yield client


class Event:
    """One server-sent event."""

    def __init__(self, text: str) -> None:
        fields = dict(line.partition(": ")[::2] for line in text.splitlines())
        self.id = fields["id"]
        self.kind = fields["event"]
        self.data: dict[str, Any] = json.loads(fields["data"])
        self.numbers = [row["number"] for row in self.data["requests"]]


class Listener:
    """Reads a stream over a socket of its own, so that nothing is read before it is asked for."""

    def __init__(
        self, sandbox: Sandbox, *, after: str = "", last_event_id: str = "", buffer: int | None = None
    ) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(20)
        if buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        url = httpx.URL(sandbox.url)
        self._socket.connect((url.host, url.port))
        header = f"Last-Event-ID: {last_event_id}\r\n" if last_event_id else ""
        head = f"GET /_sandbox/events?after={after} HTTP/1.1\r\nHost: {url.host}:{url.port}\r\n{header}\r\n"
        self._socket.sendall(head.encode())
        self._file = self._socket.makefile("rb")
        self.head = b"".join(iter(self._file.readline, b"\r\n")).decode()
        self._text = ""

    def next(self) -> Event:
        """Wait for the next event; comments and the time to reconnect are passed over."""
        while True:
            block, end, rest = self._text.partition("\n\n")
            if end:
                self._text = rest
                if "data: " in block:
                    return Event(block)
                continue
            self._text += self._read_chunk()

    def next_with_requests(self) -> Event:
        """Wait for the next event that tells of requests."""
        return next(event for event in iter(self.next, None) if event.numbers)

    def read_until(self, text: str) -> str:
        """Wait until this has come."""
        while text not in self._text:
            self._text += self._read_chunk()
        return self._text

    def _read_chunk(self) -> str:
        size = int(self._file.readline(), 16)
        assert size, "the stream has ended"
        return self._file.read(size + 2)[:-2].decode()

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@contextmanager
def listening(sandbox: Sandbox, **options: Any) -> Iterator[Listener]:
    listener = Listener(sandbox, **options)
    try:
        yield listener
    finally:
        listener.close()


# The page itself.


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_page_is_at_the_root_and_nothing_foreign_may_run_in_it(sandbox: Sandbox, method: str) -> None:
    response = httpx.request(method, sandbox.url)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    policy = dict(part.strip().partition(" ")[::2] for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


@pytest.mark.parametrize("path", FILES)
def test_every_file_of_the_page_names_its_type(sandbox: Sandbox, path: str) -> None:
    response = httpx.get(sandbox.url + path)

    assert response.status_code == 200
    assert response.headers["Content-Type"].split(";")[0] in {
        *("text/html", "text/css", "text/javascript", "image/svg+xml")
    }
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_nothing_of_the_page_is_inline_or_from_elsewhere() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in FILES.values()}

    assert "<style" not in texts["index.html"]
    assert " style=" not in texts["index.html"]
    assert texts["index.html"].count("<script") == texts["index.html"].count('<script type="module" src="/_sandbox/')
    for name, text in texts.items():
        assert "://" not in text.replace("http://www.w3.org/2000/svg", ""), name
        assert not {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("} & set(text.split()), name
        assert "innerHTML" not in text, name


def test_what_the_page_asks_for_is_no_request_of_the_api(sandbox: Sandbox, desk: httpx.Client) -> None:
    for path in (*FILES, "/_sandbox/state", "/_sandbox/people", "/_sandbox/nothing-of-this-name"):
        desk.get(sandbox.url + path)

    assert sandbox.requests == []
    assert (sandbox.counts.requests, sandbox.counts.connections) == (0, 0)


def test_a_connection_that_the_api_got_first_stays_counted(sandbox: Sandbox, api: httpx.Client) -> None:
    for path in (EVENTS, "/_sandbox/plan", EVENTS):
        api.post(path, json=ORDER)

    assert (sandbox.counts.requests, sandbox.counts.connections) == (2, 1)


def test_without_a_page_its_paths_are_unknown_to_the_api() -> None:
    with Sandbox() as sandbox:
        statuses = [httpx.get(f"{sandbox.url}{path}").status_code for path in ("/", "/_sandbox/state")]

        assert statuses == [404, 404]
        assert sandbox.counts.requests == 2


def test_a_post_to_the_root_is_still_one_that_the_api_refuses(sandbox: Sandbox, api: httpx.Client) -> None:
    assert api.post("/", json=ORDER).status_code == 404
    assert [request.path for request in sandbox.requests] == ["/"]


# The stream.


def cursor_of(sandbox: Sandbox) -> str:
    cursor = httpx.get(f"{sandbox.url}/_sandbox/state").json()["cursor"]
    assert isinstance(cursor, str)
    return cursor


def test_a_listener_is_told_what_arrives_as_it_arrives(sandbox: Sandbox, api: httpx.Client) -> None:
    with listening(sandbox, after=cursor_of(sandbox)) as listener:
        assert "text/event-stream" in listener.head
        assert listener.next().numbers == []

        api.post(EVENTS, json=ORDER)

        event = listener.next()
    assert event.kind == "news"
    assert [(row["event"], row["about"], row["person"]) for row in event.data["requests"]] == [
        ("Order Placed", "customer-1001", 1)
    ]
    assert event.data["counts"] == {"requests": 1, "accepted": 1, "refused": 0, "people": 1, "events": 1}


def test_a_request_is_told_when_it_arrives_and_when_it_is_answered(sandbox: Sandbox) -> None:
    sandbox.fail_next(1, Fault.hang())
    url = httpx.URL(sandbox.url)
    body = json.dumps(ORDER)
    head = f"POST {EVENTS} HTTP/1.1\r\nHost: {url.host}\r\nContent-Length: {len(body)}\r\n\r\n"
    with listening(sandbox, after=cursor_of(sandbox)) as listener:
        with socket.create_connection((url.host, url.port)) as client:
            client.sendall((head + body).encode())
            waiting = listener.next_with_requests()
        ended = listener.next_with_requests()

    assert [row["outcome"] for row in waiting.data["requests"]] == ["pending"]
    assert [row["number"] for row in ended.data["requests"]] == [row["number"] for row in waiting.data["requests"]]
    assert [row["outcome"] for row in ended.data["requests"]] == ["refused"]


def test_who_comes_back_misses_nothing_that_is_kept(sandbox: Sandbox, api: httpx.Client) -> None:
    api.post(EVENTS, json=ORDER)
    with listening(sandbox, after=cursor_of(sandbox)) as listener:
        last = listener.next().id
    for _ in range(3):
        api.post(EVENTS, json=ORDER)

    with listening(sandbox, last_event_id=last) as listener:
        event = listener.next()

    assert (event.kind, event.numbers) == ("news", [2, 3, 4])


def test_who_comes_back_after_thousands_is_told_them_batch_by_batch(sandbox: Sandbox, api: httpx.Client) -> None:
    with listening(sandbox, after=cursor_of(sandbox)) as listener:
        last = listener.next().id
    for _ in range(450):
        api.post(EVENTS, json=ORDER)

    told: list[int] = []
    with listening(sandbox, last_event_id=last) as listener:
        while len(told) < 450:
            told += listener.next().numbers

    assert told == list(range(1, 451))


def test_who_comes_back_when_it_is_stopped_and_started_again_misses_nothing(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    with listening(sandbox, after=cursor_of(sandbox)) as listener:
        last = listener.next().id
        sandbox.stop()
    sandbox.start()
    api.post(EVENTS, json=ORDER)

    with listening(sandbox, last_event_id=last) as listener:
        assert (listener.next().numbers) == [1]


def test_who_missed_what_has_left_is_told_to_load_everything(api: httpx.Client) -> None:
    with Sandbox(page=True, keep=3) as sandbox, httpx.Client(base_url=sandbox.url, auth=("any-key", "")) as small:
        cursor = cursor_of(sandbox)
        for _ in range(4):
            small.post(EVENTS, json=ORDER)

        with listening(sandbox, last_event_id=cursor) as listener:
            first = listener.next()
            small.post(EVENTS, json=ORDER)
            second = listener.next_with_requests()

    assert (first.kind, first.numbers) == ("anew", [])
    assert (second.kind, second.numbers) == ("news", [5])


@pytest.mark.parametrize("cursor", ["", "0", "another-7", "deadbeef-1", "x" * 5000, "-1"])
def test_a_cursor_of_another_sandbox_loads_everything(sandbox: Sandbox, cursor: str) -> None:
    with listening(sandbox, last_event_id=cursor) as listener:
        assert listener.next().kind == "anew"


def test_a_cursor_from_the_future_loads_everything(sandbox: Sandbox) -> None:
    epoch = cursor_of(sandbox).partition("-")[0]

    with listening(sandbox, after=f"{epoch}-12") as listener:
        assert listener.next().kind == "anew"


def test_clearing_tells_everybody_to_load_everything(sandbox: Sandbox, api: httpx.Client) -> None:
    api.post(EVENTS, json=ORDER)
    with listening(sandbox, after=cursor_of(sandbox)) as listener:
        listener.next()

        sandbox.clear()

        event = next(event for event in iter(listener.next, None) if event.kind == "anew")
    assert event.data["counts"] == {"requests": 0, "accepted": 0, "refused": 0, "people": 0, "events": 0}


def test_listeners_who_do_not_read_hold_nobody_up(sandbox: Sandbox, api: httpx.Client) -> None:
    large = ORDER | {"event": "x" * 1000}
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(listening(sandbox, after=cursor_of(sandbox), buffer=4096))
        for _ in range(1000):
            assert api.post(EVENTS, json=large).is_success
        held = [connection._transport.get_write_buffer_size() for connection in sandbox._server._connections.open]

    assert max(held) < 1 << 18, "a batch, and no more"


def test_a_listener_who_was_slow_is_told_the_rest(api: httpx.Client, sandbox: Sandbox) -> None:
    with listening(sandbox, after=cursor_of(sandbox), buffer=4096) as listener:
        for _ in range(1000):
            api.post(EVENTS, json=ORDER | {"event": "x" * 1000})

        told: set[int] = set()
        while len(told) < 1000:
            event = listener.next()
            assert event.kind == "news"
            told.update(event.numbers)


def test_a_listener_who_has_left_is_noticed(sandbox: Sandbox) -> None:
    board = sandbox._app._board
    with listening(sandbox) as listener:
        listener.next()
        assert board.listeners == 1

    wait_until(lambda: board.listeners == 0)


def test_a_silent_stream_says_something_now_and_then_so_that_a_dead_line_is_noticed(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interakt_track.sandbox._stream.SILENCE", 0.01)

    with listening(sandbox, after=cursor_of(sandbox)) as listener:
        listener.next()

        assert listener.read_until(": nothing new\n\n")


def test_there_is_room_for_so_many_listeners_and_for_another_when_one_has_left(sandbox: Sandbox) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(listening(sandbox))
        for _ in range(MAX_LISTENERS - 1):
            stack.enter_context(listening(sandbox))
        with listening(sandbox) as one_too_many:
            assert "503" in one_too_many.head.splitlines()[0]

        first.close()

        def has_room() -> bool:
            with listening(sandbox) as another:
                return "200" in another.head.splitlines()[0]

        wait_until(has_room)


def test_stopping_ends_the_stream(sandbox: Sandbox) -> None:
    with listening(sandbox) as listener:
        listener.next()

        sandbox.stop()

        with pytest.raises((ConnectionError, ValueError)):  # the end of the file is no length of a chunk
            listener.next()


# Requests and people.


def test_a_refused_request_points_at_every_field_that_is_wrong(desk: httpx.Client, api: httpx.Client) -> None:
    api.post(USERS, json={"userId": 5, "tags": ["a", 1], "traits": {"a/b": 1}})

    view = desk.get("requests/1").json()

    assert [(problem["field"], problem["pointer"]) for problem in view["problems"]] == [
        ("tags[1]", "/body/tags/1"),
        ("userId", "/body/userId"),
    ]
    places = {line[2]: line for line in view["lines"] if line[0] != "close"}
    assert places["/body/tags/1"][4] == "1"
    assert places["/body/userId"][3:] == ['"userId"', "5"]
    assert places["/body/traits/a~1b"][3:] == ['"a/b"', "1"]


def test_the_record_of_a_refused_request_has_its_problems(sandbox: Sandbox, api: httpx.Client) -> None:
    api.post(EVENTS, json={"userId": "5", "event": ""})
    api.post(EVENTS, json=ORDER)

    assert [request.problems for request in sandbox.requests] == [
        (Problem("event", "must not be empty", "/body/event"),),
        (),
    ]


def test_a_field_that_is_not_there_has_a_line_where_it_belongs(desk: httpx.Client, api: httpx.Client) -> None:
    api.post(EVENTS, json={"userId": "5"})

    view = desk.get("requests/1").json()

    assert [problem["pointer"] for problem in view["problems"]] == ["/body/event"]
    assert ["missing", 1, "/body/event", '"event"', "is not there"] in view["lines"]


@pytest.mark.parametrize(
    ("request_", "pointer"),
    [
        (httpx.Request("POST", "http://x" + EVENTS, json=ORDER), "/headers/authorization"),
        (httpx.Request("POST", "http://x/v1", json=ORDER), "/path"),
        (httpx.Request("GET", "http://x" + EVENTS), "/method"),
        (httpx.Request("POST", "http://x" + EVENTS, content="{", headers={"Authorization": "Basic YTo="}), None),
    ],
    ids=["key", "path", "method", "content type"],
)
def test_what_is_wrong_beside_the_body_is_pointed_at_too(
    sandbox: Sandbox, desk: httpx.Client, request_: httpx.Request, pointer: str | None
) -> None:
    request_.url = request_.url.copy_with(host=httpx.URL(sandbox.url).host, port=httpx.URL(sandbox.url).port)
    with httpx.Client() as client:
        client.send(request_)

    view = desk.get("requests/1").json()

    assert [problem["pointer"] for problem in view["problems"]] == [pointer or "/headers/content-type"]


def test_the_beginning_of_a_body_that_is_no_json_is_there_to_be_seen(desk: httpx.Client, api: httpx.Client) -> None:
    raw = b'{"userId": "5", \xff' + b"x" * 10_000

    api.post(EVENTS, content=raw, headers={"Content-Type": "application/json"})

    view = desk.get("requests/1").json()
    assert view["lines"] is None
    assert view["excerpt"].startswith('{"userId": "5", \N{REPLACEMENT CHARACTER}xxx')
    assert len(view["excerpt"]) <= 4096


def test_the_key_is_masked_and_the_other_headers_are_shown(desk: httpx.Client, api: httpx.Client) -> None:
    api.post(EVENTS, json=ORDER, headers={"X-Shop": "Jaipur"})

    headers = dict(desk.get("requests/1").json()["headers"])

    assert headers["authorization"] == "Basic ***"
    assert headers["x-shop"] == "Jaipur"


def test_long_numbers_are_shown_as_they_came(desk: httpx.Client, api: httpx.Client) -> None:
    api.post(USERS, json={"userId": "5", "traits": {"card": 12345678901234567890}})

    assert "12345678901234567890" in [line[4] for line in desk.get("requests/1").json()["lines"]]
    assert ["card", "12345678901234567890", "number", 1] in desk.get("people/1").json()["traits"]


def test_what_is_enormous_is_cut_before_it_reaches_the_browser(desk: httpx.Client, api: httpx.Client) -> None:
    deep: Any = "core"
    for _ in range(200):
        deep = [deep]
    traits = {"long": "x" * 500_000, "many": list(range(50_000)), "deep": deep, "y" * 50_000: 1}
    assert api.post(USERS, json={"userId": "u" * 1000, "traits": traits}).is_success

    answers = [desk.get(path) for path in ("requests/1", "people/1", "people", "state")]

    assert all(len(answer.content) < 200_000 for answer in answers)


def test_the_oldest_requests_are_reached_page_by_page(desk: httpx.Client, api: httpx.Client) -> None:
    for number in range(ROWS + 5):
        api.post(EVENTS, json=ORDER if number % 2 else {"userId": "5"})

    first = [row["number"] for row in desk.get("state").json()["requests"]]
    second = [row["number"] for row in desk.get("requests", params={"before": first[-1]}).json()["requests"]]
    failed = [row["number"] for row in desk.get("requests", params={"before": 6, "failed": 1}).json()["requests"]]

    assert first == list(range(ROWS + 5, 5, -1))
    assert second == [5, 4, 3, 2, 1]
    assert failed == [5, 3, 1]


@pytest.mark.parametrize("path", ["requests/7", "people/7", "requests/x", f"people/{'9' * 5000}"])
def test_what_is_not_kept_is_a_404(desk: httpx.Client, path: str) -> None:
    answer = desk.get(path)

    assert answer.status_code == 404
    assert "message" in answer.json()


def test_people_are_found_by_what_is_known_of_them(desk: httpx.Client, api: httpx.Client) -> None:
    phone = {"countryCode": "+91", "phoneNumber": "5550100042"}
    api.post(USERS, json={"userId": "customer-1001", **phone, "traits": {"name": "Asha Verma", "City": "Jaipur"}})
    api.post(USERS, json={"userId": "customer-1002", "traits": {"name": "Rohan Iyer"}, "tags": ["Diwali"]})

    def found(text: str) -> list[str]:
        return [person["name"] for person in desk.get("people", params={"search": text}).json()["people"]]

    assert found("") == ["Rohan Iyer", "Asha Verma"]
    for text in ("1001", "asha", "VERMA", "jaipur asha", "city", "5550100042", "+91 55501-00042", "0100042"):
        assert found(text) == ["Asha Verma"], text
    assert found("diwali") == ["Rohan Iyer"]
    assert found("jaipur rohan") == []


# The controls.


def statuses(api: httpx.Client, number: int) -> list[int]:
    return [api.post(EVENTS, json=ORDER).status_code for _ in range(number)]


def test_the_plan_of_the_page_is_the_one_that_is_followed(
    sandbox: Sandbox, desk: httpx.Client, api: httpx.Client
) -> None:
    sandbox.faults = "rate=1000000,window=sliding,reset=0%"

    answer = desk.post("plan", json={"rate_limit": 3})

    assert answer.json()["rate_limit"] == 3
    assert statuses(api, 5) == [201, 201, 201, 429, 429]
    assert desk.post("plan", json={"rate_limit": None}).json()["rate_limit"] is None
    assert statuses(api, 1) == [201]


def test_another_control_leaves_what_the_limit_has_counted(
    sandbox: Sandbox, desk: httpx.Client, api: httpx.Client
) -> None:
    sandbox.faults = "rate=3,window=sliding"
    before = statuses(api, 3)

    desk.post("plan", json={"latency": 0.001})

    assert before + statuses(api, 1) == [201, 201, 201, 429]


def test_latency_and_errors_leave_the_other_faults(sandbox: Sandbox, desk: httpx.Client, api: httpx.Client) -> None:
    sandbox.faults = "jitter=1ms,404=0%,reset=0%"

    desk.post("plan", json={"latency": 0.02})
    answer = desk.post("plan", json={"error_rate": 1})

    assert answer.json()["others"] == ["up to 1 ms more", "404 0 %", "reset 0 %"]
    assert set(statuses(api, 5)) <= {500, 502, 503, 504}
    assert all(request.finished - request.started >= 0.02 for request in sandbox.requests)
    assert desk.post("plan", json={"error_rate": 0}).json()["error_rate"] == 0
    assert statuses(api, 1) == [201]


def test_the_next_requests_fail_with_the_chosen_status(desk: httpx.Client, api: httpx.Client) -> None:
    answer = desk.post("failures", json={"requests": 2, "status": 418})

    assert answer.json()["failing"] == 2
    assert statuses(api, 3) == [418, 418, 201]
    assert desk.get("state").json()["controls"]["failing"] == 0


def test_clear_forgets_requests_people_and_what_was_to_fail(
    sandbox: Sandbox, desk: httpx.Client, api: httpx.Client
) -> None:
    statuses(api, 2)
    desk.post("failures", json={"requests": 2, "status": 503})

    assert desk.post("clear", json={}).status_code == 200

    assert (sandbox.requests, sandbox.scripted) == ([], 0)
    assert desk.get("people").json() == {"people": [], "total": 0}
    assert statuses(api, 1) == [201]


@pytest.mark.parametrize(
    ("control", "wishes"),
    [
        ("plan", {"rate_limit": 0}),
        ("plan", {"rate_limit": "300"}),
        ("plan", {"rate_limit": True}),
        ("plan", {"latency": -1}),
        ("plan", {"latency": 61}),
        ("plan", {"latency": None}),
        ("plan", {"error_rate": 1.5}),
        ("plan", {"colour": "red"}),
        ("failures", {"requests": 0, "status": 503}),
        ("failures", {"requests": 1001, "status": 503}),
        ("failures", {"requests": 1, "status": 200}),
        ("failures", {"status": 503}),
        ("plan", [1]),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_in_words(
    sandbox: Sandbox, desk: httpx.Client, control: str, wishes: Any
) -> None:
    plan = sandbox.faults

    answer = desk.post(control, json=wishes)

    assert answer.status_code == 400
    assert len(answer.json()["message"]) > 10
    assert (sandbox.faults, sandbox.scripted) == (plan, 0)


def test_errors_that_leave_no_room_for_the_other_faults_are_refused(sandbox: Sandbox, desk: httpx.Client) -> None:
    sandbox.faults = "reset=50%"

    answer = desk.post("plan", json={"error_rate": 0.6})

    assert answer.status_code == 400
    assert "must not add up to more than 1" in answer.json()["message"]


def test_no_more_failures_wait_than_are_good_for_the_memory(sandbox: Sandbox, desk: httpx.Client) -> None:
    answers = [desk.post("failures", json={"requests": 1000, "status": 503}).status_code for _ in range(11)]

    assert answers == [200] * 10 + [400]
    assert sandbox.scripted == MAX_SCRIPTED


@pytest.mark.parametrize("control", ["plan", "failures", "clear"])
def test_a_control_takes_json_only_by_post_only_and_little_of_it(desk: httpx.Client, control: str) -> None:
    form = desk.post(control, data={"rate_limit": "3"})
    text = desk.post(control, content="{}", headers={"Content-Type": "text/plain"})
    nothing = desk.post(control, content="", headers={"Content-Type": "application/json"})
    nested = desk.post(control, content="[" * MAX_BYTES, headers={"Content-Type": "application/json"})
    large = desk.post(control, content=" " * (MAX_BYTES + 1), headers={"Content-Type": "application/json"})
    read = desk.get(control)

    assert [answer.status_code for answer in (form, text, nothing, nested, large, read)] == [
        *(415, 415, 400, 400, 413, 405)
    ]


# Who may use it.


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Host": "evil.example"},
        {"Host": "evil.example:80", "Origin": "http://evil.example:80"},
        {"Host": "localhost.evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_another_web_site_may_neither_look_nor_change_anything(
    sandbox: Sandbox, desk: httpx.Client, headers: dict[str, str]
) -> None:
    answers = [
        desk.post("plan", json={"rate_limit": 3}, headers=headers),
        desk.post("clear", json={}, headers=headers),
        desk.get("people", headers=headers),
        desk.get("events", headers=headers),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert sandbox.faults.rate_limit is None


def test_a_name_that_only_leads_here_gets_no_page_but_reaches_the_api(sandbox: Sandbox, api: httpx.Client) -> None:
    headers = {"Host": "sandbox.internal:8765"}

    assert httpx.get(sandbox.url, headers=headers).status_code == 403
    assert api.post(EVENTS, json=ORDER, headers=headers).status_code == 201


def test_a_link_on_another_site_may_lead_to_the_page(sandbox: Sandbox) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}

    assert httpx.get(sandbox.url, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("host", "bound_to"),
    [
        ("localhost", "127.0.0.1"),
        ("localhost:9000", "127.0.0.1"),
        ("sandbox.localhost:8765", "127.0.0.1"),
        ("127.0.0.1:8765", "127.0.0.1"),
        ("[::1]:8765", "::1"),
        ("192.0.2.7:8765", "0.0.0.0"),
        ("Sandbox.shop.example:8765", "sandbox.shop.example"),
    ],
)
def test_whoever_asks_by_address_or_by_the_name_it_is_bound_to_is_welcome(host: str, bound_to: str) -> None:
    assert find_objection({"host": host, "origin": f"http://{host}"}, bound_to) is None
    assert find_objection({"host": host, "origin": "http://evil.example"}, bound_to) is not None


@pytest.mark.parametrize("headers", [{}, {"host": ""}, {"host": "evil.example"}, {"host": ":80"}, {"host": "[]"}])
def test_a_host_that_is_nobodys_is_refused(headers: dict[str, str]) -> None:
    assert find_objection(headers, "127.0.0.1") is not None


# Bounds.


def test_the_oldest_requests_leave_when_their_bodies_are_too_many_bytes() -> None:
    with Sandbox(keep_bytes=10_000) as sandbox, httpx.Client(base_url=sandbox.url, auth=("any-key", "")) as api:
        for number in range(30):
            api.post(EVENTS, json={"userId": str(number), "event": "x" * 1000})

        kept = [request.user_id for request in sandbox.requests]
        assert 3 < len(kept) < 10
        assert kept == [str(number) for number in range(30)][-len(kept) :]
        assert sum(len(body["event"]) for body in sandbox.events) < 10_000
        assert sandbox.counts.requests == 30


def test_what_the_page_knows_of_leaves_with_the_requests() -> None:
    with Sandbox(page=True, keep=20) as sandbox, httpx.Client(base_url=sandbox.url, auth=("any-key", "")) as api:
        statuses(api, 100)

        board = sandbox._app._board
        assert len(board._changes._revisions) == 20
        assert board.news(cursor_of(sandbox), 0, 1000).numbers == []


def test_headers_count_as_bytes_that_are_kept() -> None:
    with Sandbox(keep_bytes=10_000) as sandbox, httpx.Client(base_url=sandbox.url, auth=("any-key", "")) as api:
        for _ in range(30):
            api.post(EVENTS, json=ORDER, headers={"X-Long": "x" * 1000})

        assert 3 < len(sandbox.requests) < 10


def test_one_request_is_kept_however_large_it_is() -> None:
    with Sandbox(keep_bytes=1) as sandbox, httpx.Client(base_url=sandbox.url, auth=("any-key", "")) as api:
        statuses(api, 3)

        assert [request.number for request in sandbox.requests] == [3]
