"""The pytest plugin, as an application's tests use it: in runs of pytest of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from interakt_track.sandbox import Sandbox

SHOP = """
import track

def place_order(user_id="u1"):
    track.write_key = "any"
    track.flush_interval = 60  # what is let through waits, and is given up by shutdown(0)
    return track.event(user_id=user_id, event="Order Placed", traits={"total": 2998})
"""
PYTEST_OPTIONS = ("-p", "no:cacheprovider", "-W", "error")


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a shop, whose tests run in a process of their own."""
    monkeypatch.setenv("INTERAKT_HOST", "https://api.example.invalid")
    pytester.makepyfile(shop=SHOP)
    pytester.makeini("[pytest]\nminversion = 8.0\n")
    return pytester


def run_tests(run: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    run.makepyfile(test_shop=source)
    return run.runpytest_subprocess(*PYTEST_OPTIONS, *options)


def test_the_fixture_records_what_a_test_calls(run: pytest.Pytester) -> None:
    result = run_tests(
        run,
        """
        import pytest, shop, track

        def test_an_order(interakt_track):
            assert shop.place_order().status == "delivered"
            [order] = interakt_track.events("Order Placed")
            assert order.traits == {"total": 2998}

        def test_another_one_starts_anew(interakt_track):
            assert not interakt_track
        """,
    )

    result.assert_outcomes(passed=2)


def test_a_difference_is_readable(run: pytest.Pytester) -> None:
    result = run_tests(
        run,
        """
        import shop
        from interakt_track.testing import SentEvent

        def test_an_order(interakt_track):
            shop.place_order()
            assert interakt_track == [SentEvent("Order Placed", user_id="u1", traits={"total": 1499})]

        def test_one_that_is_missing(interakt_track):
            shop.place_order()
            assert interakt_track.events("Order placed")
        """,
    )

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "E       assert 1 message sent == 1 message expected",
            'E         event "Order Placed", at index 0:',
            "E           traits[[]'total'[]]: 2998 sent, 1499 expected",
            "E       assert <no messages>",
            'E        +    where events = <Capture of "Order Placed" of u1>.events',
        ]
    )


def test_other_comparisons_are_explained_as_always(run: pytest.Pytester) -> None:
    result = run_tests(
        run,
        """
        def test_numbers(interakt_track):
            assert [1, 2] == [1, 3]
        """,
    )

    result.stdout.fnmatch_lines(["E*At index 1 diff: 2 != 3"])


SENDS = """
import pytest, shop

def test_that_would_send():
    shop.place_order()
"""


def test_the_guard_is_off_unless_it_is_asked_for(run: pytest.Pytester) -> None:
    result = run_tests(
        run,
        """
        import shop, track

        def test_that_sends():
            assert shop.place_order().status == "queued"
            track.shutdown(0)
        """,
    )

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("asked_by", ["ini file", "marker"])
def test_the_guard_fails_a_test_that_would_send_and_says_where(run: pytest.Pytester, asked_by: str) -> None:
    mark = "pytestmark = pytest.mark.interakt_track_block_network\n" if asked_by == "marker" else ""
    options = () if mark else ("-o", "interakt_track_block_network=true")

    result = run_tests(run, SENDS.replace("shop\n", f"shop\n{mark}", 1), *options)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "this would have been sent to Interakt:",
            '  shop.py:6, in place_order: event "Order Placed" of u1',
            "Nothing was sent. Capture what the test calls, with the fixture interakt_track*",
        ]
    )


def test_the_guard_sees_threads_clients_swallowed_errors_and_sync_mode(run: pytest.Pytester) -> None:
    result = run_tests(
        run,
        """
        import asyncio, threading, shop, track

        def test_an_awaited_call():
            async def call():
                await track.AsyncClient(write_key="any").event("u3", "Order Placed")

            asyncio.run(call())

        def test_a_thread():
            thread = threading.Thread(target=shop.place_order)
            thread.start()
            thread.join()

        def test_a_client():
            client = track.Client(write_key="any", sync_mode=True)
            try:
                client.identify("u2")
            except Exception:  # an application that goes on, whatever tracking raises
                pass
        """,
        "-o",
        "interakt_track_block_network=true",
    )

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            '  test_shop.py:5, in call: event "Order Placed" of u3',
            "  shop.py:6, in place_order: *",
            "  test_shop.py:17, in test_a_client: identify of u2",
        ]
    )


def test_the_guard_tells_of_fixtures_and_lets_through_what_it_should(run: pytest.Pytester, sandbox: Sandbox) -> None:
    result = run_tests(
        run,
        f"""
        import pytest, shop, track

        @pytest.fixture
        def order():
            shop.place_order()
            yield
            shop.place_order("u2")

        def test_a_fixture_that_would_send(order):
            pass

        @pytest.mark.interakt_track_allow_network
        def test_that_may_send():
            assert shop.place_order().status == "queued"
            track.shutdown(0)

        def test_that_captures(interakt_track):
            shop.place_order()
            assert len(interakt_track) == 1

        def test_of_a_sandbox():
            with track.Client(write_key="test-key", host={sandbox.url!r}) as client:
                client.event("u3", "To this machine")
                assert client.flush(20)

        def test_that_is_disabled():
            track.Client(enabled=False).event("u", "e")
        """,
        "-o",
        "interakt_track_block_network=true",
    )

    result.assert_outcomes(passed=4, errors=2)
    result.stdout.fnmatch_lines(["*ERROR at setup of *", "* of u1", "*ERROR at teardown of *", "* of u2"])
    assert [event["userId"] for event in sandbox.events] == ["u3"]


def test_the_guard_tells_who_asked_for_a_call_that_asyncio_or_django_makes(run: pytest.Pytester) -> None:
    result = run_tests(
        run,
        """
        import asyncio, django, track
        from django.conf import settings
        from django.db import transaction

        DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
        settings.configure(INSTALLED_APPS=["interakt_track.django"], DATABASES={"default": DATABASE})
        django.setup()
        from interakt_track.django import event

        async def gather():
            async with track.AsyncClient(write_key="k") as client:
                await asyncio.gather(client.event("u1", "One"), client.event("u1", "Two"))
                await asyncio.wait_for(client.event("u1", "Three"), 10)

        def test_tasks():
            asyncio.run(gather())

        def place_order():
            track.write_key = "any"
            with transaction.atomic():
                event("u1", "Four")

        def test_a_commit():
            place_order()
        """,
        *("-o", "interakt_track_block_network=true"),
    )

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            *("  test_shop.py:12, in gather: *One*", "  test_shop.py:12, in gather: *Two*"),
            *("  test_shop.py:13, in gather: *Three*", "  test_shop.py:20, in place_order: *Four*"),
        ]
    )


def test_workers_of_xdist_do_not_disturb_one_another(run: pytest.Pytester) -> None:
    result = run_tests(
        run,
        """
        import pytest, shop

        @pytest.mark.parametrize("n", range(40))
        def test_an_order(interakt_track, n):
            for _ in range(20):
                shop.place_order(f"u{n}")
            assert [event.user_id for event in interakt_track.events()] == [f"u{n}"] * 20

        def test_that_would_send():
            shop.place_order()
        """,
        *("-n", "3", "-o", "interakt_track_block_network=true"),
    )

    result.assert_outcomes(passed=40, failed=1)
    result.stdout.fnmatch_lines(["*shop.py:6, in place_order: *"])


def test_the_sdk_is_not_imported_before_a_test_needs_it(run: pytest.Pytester) -> None:
    result = run_tests(
        run,
        """
        import sys

        def test_nothing_of_it():
            assert "pytest_interakt_track" in sys.modules
            assert "interakt_track" not in sys.modules
            with_fixtures = [name for name in sys.modules if name.startswith(("interakt_track", "track"))]
            assert with_fixtures == []
            assert [1] != [2]

        def test_with_the_fixture(interakt_track):
            assert "interakt_track.testing" in sys.modules
            assert "httpx" not in sys.modules
        """,
    )

    result.assert_outcomes(passed=2)


def test_the_markers_and_the_option_are_documented_in_pytest(run: pytest.Pytester) -> None:
    result = run.runpytest_subprocess(*PYTEST_OPTIONS, "--markers")

    result.stdout.fnmatch_lines(["@pytest.mark.interakt_track_block_network: *"])
    result = run.runpytest_subprocess(*PYTEST_OPTIONS, "--fixtures")
    result.stdout.fnmatch_lines(["interakt_track -- *"])
    result = run.runpytest_subprocess(*PYTEST_OPTIONS, "--help")
    result.stdout.fnmatch_lines(["*interakt_track_block_network (bool):*"])


def test_the_plugin_can_be_left_out(run: pytest.Pytester) -> None:
    result = run_tests(run, "def test_one(): pass", "-p", "no:interakt_track")

    result.assert_outcomes(passed=1)


def test_the_test_in_the_readme_passes(run: pytest.Pytester) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n((?:(?!^```).)*?^def test_.*?)^```$", readme, re.MULTILINE | re.DOTALL)

    result = run_tests(run, block, "-o", "interakt_track_block_network=true")

    result.assert_outcomes(passed=1)
