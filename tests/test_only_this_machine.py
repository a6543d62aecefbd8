"""The guard of `conftest.py`: a test that reaches for another machine fails, even where its error is swallowed."""

from pathlib import Path

import pytest

# 192.0.2.1 is reserved for documentation (RFC 5737), and so is `.example` (RFC 2606): nobody is there.
INNER_TESTS = """
import contextlib, socket, threading
import httpx, pytest

REACHES = {
    "connect": lambda: socket.create_connection(("192.0.2.1", 80), timeout=0.01),
    "connect_ex": lambda: socket.socket().connect_ex(("192.0.2.1", 80)),
    "sendto": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9)),
    "name": lambda: socket.getaddrinfo("interakt.example", 443),
    "httpx": lambda: httpx.get("http://192.0.2.1", timeout=0.01),
}
STAYS = {
    "name": lambda: socket.getaddrinfo("localhost", 80),
    "nobody": lambda: socket.getaddrinfo("nobody.invalid", 80),
    "connect": lambda: socket.create_connection(socket.create_server(("127.0.0.1", 0)).getsockname()),
}

def in_a_thread_that_swallows(function):
    def run():
        with contextlib.suppress(Exception):
            function()
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

@pytest.mark.parametrize("how", REACHES)
def test_reaches(how):
    in_a_thread_that_swallows(REACHES[how])

@pytest.mark.parametrize("how", STAYS)
def test_stays(how):
    in_a_thread_that_swallows(STAYS[how])
"""


def test_a_test_that_reaches_for_another_machine_fails(pytester: pytest.Pytester) -> None:
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(INNER_TESTS)

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(passed=8, errors=5)
    for how in ("connect", "connect_ex", "sendto", "name", "httpx"):
        told = [f"*ERROR at teardown of test_reaches[[]{how}]*", "a test may only reach this machine; *"]
        result.stdout.fnmatch_lines(told, consecutive=True)
