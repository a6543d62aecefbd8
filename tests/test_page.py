"""The sandbox's page in a real browser: what a person sees, finds and changes there.

Chromium comes with `scripts/install_system_parts.sh`. The pictures that the tests take stay in `.cache/screenshots/`.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from browser import open_browser
from page_shop import EVENTS, USERS, make_picture, send_morning
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from waiting import wait_until

from interakt_track.sandbox import Sandbox
from interakt_track.sandbox._board import MAX_LISTENERS

ROOT = Path(__file__).parent.parent
SCREENSHOTS = ROOT / ".cache" / "screenshots"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 375, "height": 812}
expect.set_options(timeout=20_000)  # milliseconds; on a machine that has much else to do
LIVE = '#live[data-state="live"]'

pytestmark = pytest.mark.timeout(180)  # a browser's first start on a busy machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(page=True) as sandbox:
        yield sandbox


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, auth=("any-key", "")) as client:
        yield client


class Window:
    """A browser window with the page, and everything odd that happened in it."""

    def __init__(self, browser: Browser, url: str, *, may_lose_it: bool = False, **options: Any) -> None:
        self.url = url
        self._may_lose_it = may_lose_it
        self.odd: list[str] = []
        self.context: BrowserContext = browser.new_context(**{"viewport": DESKTOP, **options})
        self.context.on("request", lambda request: self._check(request.url))
        self.context.on("dialog", lambda dialog: (self.odd.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        self.context.on("weberror", lambda error: self.odd.append(f"an error: {error.error}"))
        self.context.on("console", self._note)
        self.page: Page = self.context.new_page()

    def open(self, place: str = "") -> Page:
        self.page.goto(f"{self.url}/{place}")
        self.page.wait_for_selector(LIVE)
        return self.page

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" != self.url:
            self.odd.append(f"a request to {url}")

    def _note(self, message: ConsoleMessage) -> None:
        is_lost = self._may_lose_it and "Failed to load resource" in message.text
        if message.type in ("error", "warning") and not is_lost:
            self.odd.append(f"in the console: {message.text}")


@pytest.fixture
def open_window(browser: Browser, sandbox: Sandbox) -> Iterator[Callable[..., Window]]:
    """Open windows, in which nothing odd may happen: no error, no dialog, no request to anybody else."""
    windows: list[Window] = []

    def open_one(**options: Any) -> Window:
        windows.append(Window(browser, sandbox.url, **options))
        return windows[-1]

    yield open_one
    for window in windows:
        window.context.close()
        assert window.odd == []


@pytest.fixture
def page(open_window: Callable[..., Window]) -> Page:
    return open_window().open()


def order(user_id: str = "customer-1001", **traits: Any) -> dict[str, Any]:
    return {"userId": user_id, "event": "Order Placed", "traits": traits or {"total": 2998}}


def rows(page: Page) -> list[str]:
    return page.locator("#requests .what").all_text_contents()


@pytest.mark.parametrize(("ci", "outcome"), [(None, pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_without_a_browser_tests_are_skipped_and_in_ci_they_fail(
    monkeypatch: pytest.MonkeyPatch, ci: str | None, outcome: type[BaseException]
) -> None:
    monkeypatch.setattr("browser.NAMES", ())
    monkeypatch.delenv("CI", raising=False)
    if ci:
        monkeypatch.setenv("CI", ci)

    with pytest.raises(outcome, match="Chromium is not installed"), open_browser():
        pass


# What arrives.


def test_before_anything_arrives_the_page_says_what_to_run_and_that_works(sandbox: Sandbox, page: Page) -> None:
    lines = page.locator("#first-lines").inner_text()
    assert page.get_by_text("Nothing has arrived yet").is_visible()
    assert sandbox.url in lines
    assert len(lines.splitlines()) == 3

    sdk = subprocess.run([sys.executable, "-W", "error", "-c", lines], capture_output=True, text=True, check=False)

    assert (sdk.returncode, sdk.stderr) == (0, "")
    expect(page.locator("#requests .what")).to_have_text(["Order Placed"])
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#people .name")).to_have_text(["asha"])


def test_where_one_key_only_is_right_the_page_proposes_none(browser: Browser) -> None:
    with Sandbox(page=True, write_key="a-key-that-nobody-may-see") as sandbox:
        window = Window(browser, sandbox.url)

        lines = window.open().locator("#first-lines").inner_text()

        assert "write_key" not in lines
        assert "a-key-that-nobody-may-see" not in window.page.content()
        window.context.close()


def test_what_arrives_is_seen_at_once_with_its_counters(page: Page, api: httpx.Client) -> None:
    api.post(USERS, json={"userId": "customer-1001", "traits": {"name": "Asha Verma"}})
    expect(page.locator("#requests .what")).to_have_text(["identify"])

    api.post(EVENTS, json=order())
    api.post(EVENTS, json={"userId": "customer-1001"})

    expect(page.locator("#requests .what")).to_have_text([f"POST {EVENTS}", "Order Placed", "identify"])
    expect(page.locator("#requests .status")).to_have_text(["400", "201", "202"])
    expect(page.locator("#requests .who")).to_have_text(["Asha Verma"] * 3)
    for name, number in {"requests": 3, "accepted": 2, "refused": 1, "people": 1, "events": 1}.items():
        expect(page.locator(f"#count-{name}")).to_have_text(str(number))


def test_a_request_that_is_not_answered_yet_is_seen_too(sandbox: Sandbox, page: Page) -> None:
    sandbox.faults = "latency=50s"
    url, body = urlsplit(sandbox.url), json.dumps(order())
    head = f"POST {EVENTS} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"

    with socket.create_connection((url.hostname or "", url.port or 0)) as client:
        client.sendall((head + body).encode())
        expect(page.locator("#requests .what")).to_have_text(["Order Placed"])
        expect(page.locator("#requests .took")).to_have_text(["…"])
        page.locator("#requests a").click()
        expect(page.locator("#detail .facts")).to_contain_text("Answerednot yet")

    expect(page.locator("#detail .facts")).to_contain_text("left before its answer was there")
    expect(page.locator("#requests .took")).not_to_have_text(["…"])


def test_the_chart_shows_the_seconds_and_the_limit_of_the_plan(sandbox: Sandbox, page: Page, api: httpx.Client) -> None:
    expect(page.locator("#chart .limit")).to_have_count(0)
    sandbox.faults = "rate=4,window=sliding"
    for _ in range(6):
        api.post(EVENTS, json=order())

    expect(page.locator("#pulse-minute")).to_have_text("4 of 4 a minute")
    expect(page.locator("#chart")).to_have_attribute("aria-label", re.compile("6 in the last minute, 2 not accepted"))
    expect(page.locator("#chart .limit")).to_have_count(1)
    assert page.locator("#chart .accepted").count() >= 1
    assert page.locator("#chart .refused").count() >= 1


def test_thousands_of_requests_leave_the_page_small_and_quick(page: Page, api: httpx.Client) -> None:
    for number in range(2000):
        api.post(EVENTS, json=order(f"customer-{number}"))

    expect(page.locator("#count-requests")).to_have_text("2,000", timeout=20_000)
    expect(page.locator("#requests .who").first).to_have_text("customer-1999")
    assert page.locator("#requests li").count() <= 300
    assert page.locator("#people li").count() <= 100
    assert page.evaluate("document.querySelectorAll('*').length") < 4000
    page.locator("#search").fill("customer-77")
    expect(page.locator("#people .name").first).to_have_text("customer-779")


def test_older_requests_than_the_list_holds_can_be_looked_at(page: Page, api: httpx.Client) -> None:
    for number in range(310):
        api.post(EVENTS, json=order(f"customer-{number}"))
    expect(page.locator("#count-requests")).to_have_text("310")
    expect(page.locator("#requests .who").first).to_have_text("customer-309")

    page.get_by_role("button", name="Older requests").click()

    expect(page.locator("#requests .who").last).to_have_text("customer-0")
    expect(page.get_by_role("button", name="Back to the newest")).to_be_focused()
    page.get_by_role("button", name="Back to the newest").click()
    expect(page.locator("#requests .who").first).to_have_text("customer-309")


def test_the_page_can_be_made_to_stand_still(page: Page, api: httpx.Client) -> None:
    api.post(EVENTS, json=order("before"))
    expect(page.locator("#requests .who")).to_have_text(["before"])

    page.get_by_role("button", name="Pause").click()
    api.post(EVENTS, json=order("meanwhile"))
    expect(page.locator("#count-requests")).to_have_text("2")
    assert page.locator("#requests .who").all_text_contents() == ["before"]
    page.get_by_role("button", name="Pause").click()

    expect(page.locator("#requests .who")).to_have_text(["meanwhile", "before"])


def test_only_those_that_failed_can_be_shown(page: Page, api: httpx.Client) -> None:
    api.post(EVENTS, json=order())
    page.get_by_label("only those that failed").check()
    expect(page.get_by_text("None of the newest requests failed.")).to_be_visible()

    api.post(EVENTS, json={"userId": "5"})

    expect(page.locator("#requests .status")).to_have_text(["400"])
    page.get_by_label("only those that failed").uncheck()
    expect(page.locator("#requests .status")).to_have_text(["400", "201"])


# People.


def test_people_are_found_by_id_phone_name_and_trait(sandbox: Sandbox, page: Page) -> None:
    send_morning(sandbox.url)
    expect(page.locator("#people-total")).to_have_text("12")

    for text, names in {
        "customer-1006": ["Farah Sheikh"],
        "55501 00010": ["Lakshmi Rao"],
        "ananya": ["Ananya Bose"],
        "kolkata": ["Ananya Bose", "Arjun Das"],
        "nobody of this name": [],
    }.items():
        page.get_by_role("searchbox").fill(text)
        expect(page.locator("#people .name")).to_have_text(names)

    expect(page.locator("#nobody")).to_have_text("Nobody has “nobody of this name”.")


def test_a_person_is_what_the_api_would_hold(page: Page, api: httpx.Client) -> None:
    phone = {"countryCode": "+91", "phoneNumber": "5550100042"}
    asha = {"userId": "customer-1001", "traits": {"name": "Asha Verma", "City": "Jaipur"}, "tags": ["diwali"]}
    api.post(USERS, json=asha)
    api.post(EVENTS, json=order(total=1))
    page.locator("#people a").click()
    traits = page.locator(".traits > div")
    expect(page.get_by_role("heading", name="Asha Verma")).to_be_visible()
    expect(traits).to_have_text(["nameAsha Verma", "CityJaipur"])

    api.post(USERS, json={**phone, "userId": "customer-1001", "traits": {"City": "Pune"}, "tags": ["newsletter"]})
    api.post(EVENTS, json=order(City="Kochi") | {"createdAt": "2025-10-18T04:02:11.000Z"})

    expect(traits).to_have_text(["nameAsha Verma", "CityPune"])
    expect(page.locator(".tags li")).to_have_text(["diwali", "newsletter"])
    expect(page.locator(".timeline h4 a")).to_have_text(["Order Placed", "identify", "Order Placed", "identify"])
    expect(page.locator(".timeline .inline").first).to_have_text("CityKochi")
    expect(page.locator(".timeline .created")).to_have_text(["created 2025-10-18T04:02:11.000Z"])
    expect(page.locator(".identity")).to_contain_text("+915550100042")
    page.locator(".timeline h4 a").first.click()
    expect(page.locator("#detail .code")).to_contain_text('"City": "Kochi"')


def test_two_who_turn_out_to_be_one_become_one_while_they_are_looked_at(page: Page, api: httpx.Client) -> None:
    phone = {"countryCode": "+91", "phoneNumber": "5550100042"}
    api.post(USERS, json={"userId": "customer-1001", "traits": {"name": "Asha Verma"}})
    api.post(USERS, json={**phone, "traits": {"City": "Jaipur"}})
    page.locator("#people a", has_text="+915550100042").click()
    expect(page.locator("#person-name")).to_have_text("+915550100042")

    api.post(EVENTS, json={**phone, **order()})

    expect(page.locator("#person-name")).to_have_text("Asha Verma")
    expect(page.locator("#people .name")).to_have_text(["Asha Verma"])
    expect(page).to_have_url(re.compile("#person=1$"))


# Why a request was refused.


def test_a_refused_request_says_why_and_marks_the_field_in_its_body(page: Page, api: httpx.Client) -> None:
    api.post(USERS, json={"userId": "5", "phoneNumber": "98 76", "countryCode": "+91", "tags": ["a", 7]})

    page.locator("#requests a").click()

    wrong = page.locator("#detail .code li.wrong")
    expect(page.locator(".reasons li")).to_have_count(2)
    expect(wrong).to_have_count(2)
    assert [text.split("must")[0] for text in wrong.all_text_contents()] == ['"phoneNumber": "98 76",', "7"]
    expect(page.locator("#requests .why")).to_contain_text(
        "phoneNumber: must be digits only, without the country's code"
    )
    page.get_by_role("button", name="tags[1]").click()
    expect(wrong.last).to_be_in_viewport()


def test_when_a_request_arrived_is_one_time_to_the_millisecond(page: Page, api: httpx.Client) -> None:
    api.post(USERS, json={"userId": "5"})

    page.locator("#requests a").click()

    expect(page.locator("#detail .facts")).to_contain_text(re.compile(r"\d\d:\d\d:\d\d\.\d{3}, number 1"))


@pytest.mark.parametrize("value", ["long " * 400, 4])
def test_a_value_leaves_its_name_in_one_line_however_long_it_is(page: Page, api: httpx.Client, value: object) -> None:
    api.post(USERS, json={"userId": "5", "traits": {"City": "Gurugram", "Description": value}})

    page.locator("#people a").click()

    name = page.locator(".timeline dt", has_text="Description")
    expect(name).to_be_visible()
    box = name.bounding_box()
    assert box is not None
    assert box["height"] < 30


def test_a_field_that_is_missing_has_its_place_marked(page: Page, api: httpx.Client) -> None:
    api.post(EVENTS, json={"userId": "5"})

    page.locator("#requests a").click()

    expect(page.locator("#detail .code li.wrong")).to_have_text(['"event": is not thereis required'])


def test_a_wrong_key_is_marked_in_the_headers_and_not_shown(sandbox: Sandbox, page: Page) -> None:
    httpx.post(sandbox.url + EVENTS, json=order(), auth=("a-key-nobody-may-see", "with a password"))
    httpx.post(sandbox.url + EVENTS, json=order())

    page.locator("#requests a").last.click()
    expect(page.locator("#detail .headers .wrong")).to_have_text(["authorizationBasic ***must have an empty password"])
    assert "a-key-nobody-may-see" not in page.content()
    page.locator("#requests a").first.click()
    expect(page.locator("#detail .headers .wrong")).to_have_text(["authorizationis not thereis missing"])


def test_what_is_no_json_is_shown_as_it_came(page: Page, api: httpx.Client) -> None:
    api.post(EVENTS, content=b'{"userId": "5", "event"', headers={"Content-Type": "application/json"})

    page.locator("#requests a").click()

    expect(page.locator("#detail pre.wrong")).to_have_text('{"userId": "5", "event"')
    expect(page.locator(".reasons")).to_contain_text("must be JSON")


# The controls.


def statuses(api: httpx.Client, number: int) -> list[int]:
    return [api.post(EVENTS, json=order()).status_code for _ in range(number)]


def test_the_plan_is_what_the_page_says(sandbox: Sandbox, page: Page) -> None:
    for choice, limit in (("Growth, 300 a minute", 300), ("Advanced, 600 a minute", 600)):
        page.get_by_label("Plan").select_option(choice)
        expect(page.locator("#said")).to_have_text(f"At most {limit} a minute.")
        assert sandbox.faults.rate_limit is not None
        assert (sandbox.faults.rate_limit.requests, sandbox.faults.rate_limit.seconds) == (limit, 60.0)

    page.get_by_label("Plan").select_option("No limit")
    expect(page.locator("#said")).to_have_text("No limit.")
    assert sandbox.faults.rate_limit is None


def test_no_more_pass_than_the_plan_allows(sandbox: Sandbox, page: Page, api: httpx.Client) -> None:
    sandbox.faults = "rate=5,window=sliding"
    expect(page.get_by_label("Plan")).to_have_value("5")

    page.get_by_label("Plan").select_option("Growth, 300 a minute")
    expect(page.locator("#said")).to_have_text("At most 300 a minute.")

    assert statuses(api, 301) == [201] * 300 + [429]
    expect(page.locator("#requests .why").first).to_have_text("more requests than the plan allows")


def test_latency_and_errors_are_what_the_page_says(sandbox: Sandbox, page: Page, api: httpx.Client) -> None:
    page.get_by_label("Latency").fill("40")
    page.get_by_label("Latency").press("Enter")
    expect(page.locator("#said")).to_have_text("Every answer takes 40 ms.")
    page.get_by_label("Server errors").fill("100")
    page.get_by_label("Server errors").press("Tab")
    expect(page.locator("#said")).to_have_text("100 % are answered 5xx.")

    assert set(statuses(api, 3)) <= {500, 502, 503, 504}
    assert all(request.finished - request.started >= 0.04 for request in sandbox.requests)
    expect(page.locator("#requests .why").first).to_contain_text("the sandbox was told to fail")


def test_the_next_requests_fail_as_the_page_says(page: Page, api: httpx.Client) -> None:
    page.get_by_label("How many requests").fill("2")
    page.get_by_label("with", exact=True).select_option("429")
    page.get_by_role("button", name="Fail").click()
    expect(page.get_by_role("button", name="Fail (2 to come)")).to_be_visible()

    assert statuses(api, 3) == [429, 429, 201]
    expect(page.get_by_role("button", name="Fail", exact=True)).to_be_visible()


def test_what_arrives_while_everything_is_loaded_anew_is_not_lost(
    sandbox: Sandbox, page: Page, api: httpx.Client
) -> None:
    for number in range(1, 11):
        sandbox.clear()
        statuses(api, number)
        expect(page.locator("#requests li")).to_have_count(number)


def test_clear_empties_the_page(sandbox: Sandbox, page: Page, api: httpx.Client) -> None:
    statuses(api, 2)
    expect(page.locator("#requests li")).to_have_count(2)  # a click while the second comes would meet nothing
    page.locator("#requests a").first.click()
    expect(page.locator("#detail .facts")).to_be_visible()

    page.get_by_role("button", name="Clear").click()

    expect(page.get_by_text("Nothing has arrived yet")).to_be_visible()
    expect(page.locator("#people li")).to_have_count(0)
    expect(page.locator("#count-requests")).to_have_text("0")
    expect(page.locator("#detail .facts")).to_have_count(0)
    assert sandbox.requests == []
    statuses(api, 1)
    expect(page.locator("#requests li")).to_have_count(1)


def test_what_makes_no_sense_is_not_sent(sandbox: Sandbox, page: Page) -> None:
    page.get_by_label("Latency").fill("-5")
    page.get_by_label("Latency").press("Enter")

    assert page.get_by_label("Latency").evaluate("field => field.validity.valid") is False
    assert sandbox.faults.latency == 0


def test_every_page_that_is_open_shows_what_another_one_changed(page: Page, open_window: Callable[..., Window]) -> None:
    other = open_window().open()

    other.get_by_label("Plan").select_option("Growth, 300 a minute")

    expect(page.get_by_label("Plan")).to_have_value("300")


def test_a_plan_that_the_page_does_not_propose_is_shown(sandbox: Sandbox, open_window: Callable[..., Window]) -> None:
    sandbox.faults = "rate=50,period=10s,reset=1%"

    page = open_window().open()

    expect(page.get_by_label("Plan").locator("option:checked")).to_have_text("50 in 10 s")
    expect(page.locator("#others")).to_have_text("Also: reset 1 %")


# What must not happen.

MARKUP = ("<script>alert(1)</script>", '"><img src=x onerror="alert(2)">', "<b>bold</b>", "javascript:alert(3)")


def test_everything_that_arrives_is_text(sandbox: Sandbox, page: Page, api: httpx.Client) -> None:
    for text in MARKUP:
        traits = {text: text, "name": text, "list": [text, {text: text}]}
        api.post(USERS, json={"userId": text, "traits": traits, "tags": [text]})
        api.post(EVENTS, json={"userId": text, "event": text, "traits": traits})
        api.post(EVENTS, json={"userId": text, "event": 5, text: text}, headers={"X-Odd": text})
        api.post(EVENTS, content=text, headers={"Content-Type": "application/json"})
        httpx.post(f"{sandbox.url}/{text}")
    expect(page.locator("#requests li")).to_have_count(20)

    for number in range(1, 21):
        page.goto(f"{sandbox.url}/#request={number}")
        expect(page.locator("#detail .facts")).to_contain_text(f"number {number}")
    for number, text in enumerate(MARKUP, 1):
        page.goto(f"{sandbox.url}/#person={number}")
        expect(page.locator("#person-name")).to_have_text(text)
        expect(page.locator(".tags li")).to_have_text([text])
        assert page.locator(".traits dt").first.text_content() == text
        page.get_by_role("searchbox").fill(text)
        expect(page.locator("#people .name")).to_have_text([text])

    assert page.locator("body script, body b, body img:not([src='/_sandbox/icon.svg'])").count() == 0
    assert page.locator("a[href*=script]").count() == 0


def test_a_script_that_got_in_all_the_same_would_not_run(browser: Browser, sandbox: Sandbox) -> None:
    window = Window(browser, sandbox.url)
    window.open().evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = true'}))"
    )

    assert window.page.evaluate("window.ran") is None
    assert any("Content Security Policy" in odd for odd in window.odd)
    window.context.close()


def test_another_site_in_the_same_browser_changes_nothing(
    browser: Browser, sandbox: Sandbox, api: httpx.Client
) -> None:
    statuses(api, 1)
    with Sandbox(page=True) as other:  # another port is another origin
        context = browser.new_context()
        page = context.new_page()
        page.goto(other.url)
        for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
            page.evaluate(
                "([url, kind]) => fetch(url, {method: 'POST', mode: 'no-cors', headers: {'Content-Type': kind}, "
                "body: '{}'}).catch(() => null)",
                [f"{sandbox.url}/_sandbox/clear", kind],
            )
        context.close()

    assert len(sandbox.requests) == 1


# When the sandbox goes away.


def test_the_page_finds_the_sandbox_again_and_misses_nothing(
    sandbox: Sandbox, open_window: Callable[..., Window], api: httpx.Client
) -> None:
    statuses(api, 1)
    page = open_window(may_lose_it=True).open()
    expect(page.locator("#requests li")).to_have_count(1)

    sandbox.stop()
    expect(page.locator("#live")).to_have_text("waiting for the sandbox")
    sandbox.start()
    statuses(api, 2)

    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator("#requests li")).to_have_count(3)


def test_a_page_for_which_there_is_no_room_waits_until_there_is(
    sandbox: Sandbox, open_window: Callable[..., Window]
) -> None:
    url = urlsplit(sandbox.url)
    with ExitStack() as others:
        for _ in range(MAX_LISTENERS):
            other = others.enter_context(socket.create_connection((url.hostname or "", url.port or 0)))
            other.sendall(f"GET /_sandbox/events HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
            other.recv(1)
        window = open_window(may_lose_it=True)
        window.page.goto(sandbox.url)
        expect(window.page.locator("#live")).to_have_text("waiting for the sandbox")

    expect(window.page.locator("#live")).to_have_text("live")


def test_a_new_sandbox_in_the_place_of_the_old_one_is_shown_as_it_is(
    open_window: Callable[..., Window], api: httpx.Client, sandbox: Sandbox
) -> None:
    statuses(api, 3)
    page = open_window(may_lose_it=True).open()
    expect(page.locator("#requests li")).to_have_count(3)

    sandbox.stop()
    with Sandbox(page=True, port=urlsplit(sandbox.url).port or 0) as successor:
        httpx.post(successor.url + EVENTS, json=order("somebody-new"), auth=("any-key", ""))

        expect(page.locator("#requests .who")).to_have_text(["somebody-new"])
        expect(page.locator("#count-requests")).to_have_text("1")
        expect(page.locator("#people .name")).to_have_text(["somebody-new"])


# By keyboard.


def focused(page: Page) -> str:
    text = page.evaluate("(document.activeElement.getAttribute('href') || document.activeElement.id)")
    assert isinstance(text, str)
    return text


def test_the_page_is_walked_by_keyboard_alone(sandbox: Sandbox, page: Page) -> None:
    send_morning(sandbox.url)
    newest = len(sandbox.requests)
    expect(page.locator("#requests li")).to_have_count(newest)

    page.keyboard.press("Tab")
    assert focused(page) == "#requests"  # the link past everything
    page.keyboard.press("Enter")
    assert focused(page) == f"#request={newest}"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#detail .reasons")).to_be_visible()
    expect(page.locator("#detail")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(f'#requests a[href="#request={newest - 1}"]')).to_be_focused()
    expect(page.locator("#detail .facts")).to_have_count(0)

    page.keyboard.press("/")
    page.keyboard.type("kabir")
    expect(page.locator("#people .name")).to_have_text(["Kabir Khanna"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#person-name")).to_have_text("Kabir Khanna")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#person")).to_be_hidden()
    expect(page.locator('#people a[href="#person=4"]')).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    expect(page.locator("#people li")).to_have_count(12)
    page.keyboard.press("Escape")
    assert focused(page) != "search"


def test_every_control_is_reached_by_tab_and_shows_its_focus(page: Page, api: httpx.Client) -> None:
    statuses(api, 1)
    expect(page.locator("#people li")).to_have_count(1)
    reached: list[str] = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(focused(page))
        if reached[-1] == "#request=1":
            break
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", reached[-1]

    assert reached == [
        *("#requests", "plan", "latency", "error-rate", "fail-requests", "fail-status", "fail", "clear"),
        *("search", "#person=1", "only-failed", "pause", "#request=1"),
    ]


def test_the_focus_stays_on_a_row_while_others_arrive(page: Page, api: httpx.Client) -> None:
    for number in range(5):
        api.post(EVENTS, json=order(f"customer-{number}"))
    expect(page.locator("#people li")).to_have_count(5)
    page.locator("#people a").first.focus()

    api.post(EVENTS, json=order("customer-3"))
    expect(page.locator("#people .name").first).to_have_text("customer-3")
    api.post(EVENTS, json=order("customer-0"))

    expect(page.locator("#people .name").first).to_have_text("customer-0")
    assert focused(page) == "#person=5"


def test_the_focus_stays_on_an_entry_while_the_timeline_grows(page: Page, api: httpx.Client) -> None:
    statuses(api, 2)
    page.locator("#people a").click()
    page.locator(".timeline a").last.focus()

    statuses(api, 1)

    expect(page.locator(".timeline a")).to_have_count(3)
    expect(page.locator(".timeline a").last).to_be_focused()


def test_the_link_past_everything_leads_into_a_person_too(sandbox: Sandbox, page: Page, api: httpx.Client) -> None:
    statuses(api, 1)
    page.goto(f"{sandbox.url}/#person=1")
    expect(page.locator(".timeline li")).to_have_count(1)

    page.locator("#skip").focus()
    page.keyboard.press("Enter")

    expect(page.locator("#main")).to_be_focused()
    expect(page).to_have_url(re.compile("#person=1$"))


def test_landmarks_and_labels_are_there_for_screen_readers(page: Page, api: httpx.Client) -> None:
    statuses(api, 1)
    page.locator("#requests a").click()
    expect(page.locator("#detail .facts")).to_be_visible()

    for role in ("main", "banner", "complementary", "form"):
        assert page.get_by_role(role).count() == 1, role
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").count() == 1
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, select, a')].filter(element => !(element.textContent.trim()"
        " || element.getAttribute('aria-label') || (element.labels && element.labels.length))).map(e => e.outerHTML)"
    )
    assert unnamed == []
    assert page.locator("[aria-live], [role=status], [role=alert]").count() == 2


# To look at.

LUMINANCE = """
(selectors) => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, index) => sum + c * [0.2126, 0.7152, 0.0722][index], 0);
  const backOf = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return selectors.map((selector) => {
    const element = document.querySelector(selector);
    if (!element) return [selector, 0];
    const [one, other] = [luminance(parse(getComputedStyle(element).color)), luminance(backOf(element))];
    return [selector, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)];
  });
}
"""
TEXTS = [
    *("h1", ".brand code", "#live", ".counters dt", ".counters dd", "#pulse-minute", ".controls label", "#plan"),
    *("#latency", "#fail", "#clear", "#people-title", "#people-total", "#search", "#people .name", "#people .ids"),
    *("#people .last", "#people time", "#people [aria-current] .ids", "#person-name", ".identity dt", ".identity code"),
    *(".traits dt", ".traits dd", ".tags li", ".timeline time", ".timeline a", ".timeline dt", ".created"),
    *("#detail .status", ".facts dt", ".reasons h3", ".reasons li", ".pointer", ".code", ".json-name"),
    *(".json-string", ".json-number", ".wrong .json-string", ".wrong .json-name", ".code .why", ".headers dt"),
]
LIST_TEXTS = ["#requests time", "#requests .what", "#requests .who", "#requests .took", "#requests .why", ".choices"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_in_both_colour_schemes(
    sandbox: Sandbox, open_window: Callable[..., Window], scheme: str
) -> None:
    send_morning(sandbox.url)
    refused = max(request.number for request in sandbox.requests if request.status == 400)
    page = open_window(color_scheme=scheme, reduced_motion="reduce").open(f"#person=4&request={refused}")
    page.wait_for_selector(".timeline li")
    page.wait_for_selector(".reasons")
    page.wait_for_selector("#people [aria-current]")
    texts = dict(page.evaluate(LUMINANCE, TEXTS))
    page.goto(f"{sandbox.url}/#")
    page.wait_for_selector("#requests .why:visible")
    statuses_of = [f'#requests [data-outcome="{name}"] .status' for name in ("accepted", "refused")]
    texts |= dict(page.evaluate(LUMINANCE, [*LIST_TEXTS, *statuses_of]))

    assert {text: ratio for text, ratio in texts.items() if ratio < 4.5} == {}
    assert (page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 17, 22)") is (scheme == "dark")


@pytest.mark.parametrize("place", ["", "#people", "#person=1", "#request=1", "#request=2", "#person=2"])
def test_a_phone_shows_all_of_it_without_scrolling_sideways(
    sandbox: Sandbox, open_window: Callable[..., Window], api: httpx.Client, place: str
) -> None:
    long = "wide" * 60
    api.post(USERS, json={"userId": long, "traits": {long: long, "name": long}, "tags": [long]})
    api.post(EVENTS, json={"userId": long, "event": long, "traits": {long: {long: [long]}}})
    send_morning(sandbox.url)

    page = open_window(viewport=PHONE, is_mobile=True, has_touch=True).open(place)
    page.wait_for_selector(".rows li:visible, .timeline li:visible, #detail .facts:visible")

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    small = page.evaluate(
        "[...document.querySelectorAll('button, select, .tabs a, .rows a')].filter(element => element.offsetParent)"
        ".filter(element => element.getBoundingClientRect().height < 24).map(element => element.outerHTML)"
    )
    assert small == [], "WCAG 2.5.8 asks for 24 pixels"


def test_on_a_phone_one_goes_from_a_list_to_one_thing_and_back(
    sandbox: Sandbox, open_window: Callable[..., Window]
) -> None:
    send_morning(sandbox.url)
    page = open_window(viewport=PHONE, is_mobile=True, has_touch=True).open()

    page.get_by_role("link", name="People").tap()
    expect(page.locator("#requests")).to_be_hidden()
    page.locator("#people a", has_text="Kabir Khanna").tap()
    expect(page.locator(".timeline")).to_be_visible()
    expect(page.locator("#people")).to_be_hidden()
    page.locator(".timeline a").first.tap()
    expect(page.locator("#detail .facts")).to_be_visible()
    expect(page.locator(".timeline")).to_be_hidden()
    page.get_by_role("button", name="Close this request").tap()
    expect(page.locator(".timeline")).to_be_visible()
    page.go_back()
    page.go_back()
    expect(page.locator(".timeline")).to_be_visible()


def test_on_a_phone_what_is_opened_is_seen_from_its_beginning(
    open_window: Callable[..., Window], api: httpx.Client
) -> None:
    api.post(EVENTS, json=order(**{f"trait {number}": number for number in range(100)}))
    statuses(api, 150)
    page = open_window(viewport=PHONE, is_mobile=True, has_touch=True).open()
    last = page.locator("#requests a").last
    last.scroll_into_view_if_needed()

    last.tap()

    expect(page.locator("#detail")).to_contain_text("trait 99")
    wait_until(lambda: 0 <= page.locator("#detail h2").bounding_box()["y"] < PHONE["height"] / 4)
    page.get_by_role("button", name="Close this request").tap()
    expect(last).to_be_in_viewport()


def test_who_wants_less_motion_gets_none(page: Page, open_window: Callable[..., Window], api: httpx.Client) -> None:
    calm = open_window(reduced_motion="reduce").open()
    statuses(api, 1)
    names = []
    for one in (page, calm):
        expect(one.locator("#requests li")).to_have_count(1)
        names.append(one.locator("#requests li").evaluate("row => getComputedStyle(row).animationName"))

    assert names == ["arrive", "none"]


@pytest.mark.parametrize(
    ("name", "options", "place"),
    [
        ("desktop-light", {"color_scheme": "light"}, "#person=4&request={refused}"),
        ("desktop-dark", {"color_scheme": "dark"}, "#request={refused}"),
        ("desktop-empty", {}, None),
        ("narrow", {"viewport": {"width": 900, "height": 700}}, "#person=4"),
        ("phone-requests", {"viewport": PHONE, "is_mobile": True}, ""),
        ("phone-person", {"viewport": PHONE, "is_mobile": True, "color_scheme": "dark"}, "#person=4"),
        ("phone-request", {"viewport": PHONE, "is_mobile": True}, "#request={refused}"),
    ],
)
def test_pictures_are_kept_to_be_looked_at(
    sandbox: Sandbox, open_window: Callable[..., Window], name: str, options: dict[str, Any], place: str | None
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    refused = 0
    if place is not None:
        sandbox.faults = "rate=300"
        send_morning(sandbox.url)
        refused = max(request.number for request in sandbox.requests if request.status == 400)

    page = open_window(reduced_motion="reduce", **options).open((place or "").format(refused=refused))
    page.wait_for_selector("#empty:visible, .rows li:visible, .timeline li:visible, #detail .facts:visible")
    page.screenshot(path=SCREENSHOTS / f"{name}.png")

    assert (SCREENSHOTS / f"{name}.png").stat().st_size > 5_000


def test_the_picture_of_the_readme_can_be_made_again(browser: Browser, tmp_path: Path) -> None:
    make_picture(browser, tmp_path / "page.png")

    assert 20_000 < (tmp_path / "page.png").stat().st_size < 200_000
    assert (ROOT / "docs" / "sandbox-page.png").stat().st_size < 200_000
    assert "docs/sandbox-page.png" in (ROOT / "README.md").read_text(encoding="utf-8")
