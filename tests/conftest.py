"""What every test runs under: nothing but this machine is reachable, and the environment's own settings are gone."""

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from interakt_track import Client
from interakt_track._account import ACCOUNTS
from interakt_track._logs import DEBUG_OUTPUT
from interakt_track.sandbox import Sandbox

hypothesis.settings.register_profile("every run", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.register_profile("soak", deadline=None, max_examples=2000)

sys.path.append(str(Path(__file__).parent / "programs"))  # some also hold what judges their evidence

SLOWEST = (
    *("page", "import_resume", "spool_trouble", "spool_others", "spool_cli", "spool_processes", "spool", "http"),
    *("celery_example", "testing_plugin", "bench", "gunicorn", "exit", "spool_fork", "import", "fork", "celery"),
    *("properties", "docs", "fastapi", "spool_file", "import_kill", "import_datasets", "signals", "generate"),
    *("spool_exit", "gevent", "salvage", "soak", "cli", "spool_gunicorn", "delivery", "demo", "django_example"),
)
"""The files that take longest, the longest first: a minute or more. Where this is out of date, it costs time only."""

reached_for: list[str] = []
"""What a test, or a thread of the code it tests, wanted of another machine."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the soak test in full, and property tests far longer")


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("soak" if config.getoption("--soak") else "every run")
    for name in list(os.environ):
        if name.upper().startswith("INTERAKT_") or name.lower().endswith("_proxy"):
            del os.environ[name]
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started with `&`; programs that tests interrupt inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.addaudithook(refuse_other_machines)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` is: two for each core, since a test mostly waits."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have the files that take longest begin first, and give tests the time that `--soak` asks of them."""
    places = {f"test_{name}.py": place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))
    if config.getoption("--soak"):
        for item in items:
            item.add_marker(pytest.mark.timeout(1800))


def refuse_other_machines(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise where a socket connects, or a name is looked up, beyond this machine.

    An audit hook and not a patched `socket`: it also sees `connect_ex`, `sendto`, libraries that kept the original
    function, and code that has patched it itself. Its error can be swallowed by the code under test, so the fixture
    below fails the test as well. Subprocesses are not covered.
    """
    if event in ("socket.connect", "socket.sendto") and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        host = arguments[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if not is_this_machine(host):
        reached_for.append(f"{event} to {host!r}")
        raise PermissionError(f"a test may only reach this machine, not {host!r}")


def is_this_machine(host: str | bytes | None) -> bool:
    name = host.decode() if isinstance(host, bytes) else host or ""
    try:
        address = ip_address(name)
    except ValueError:  # a name; RFC 6761 promises that `.invalid` is nobody's
        return name in ("", socket.gethostname()) or name.split(".")[-1] in ("localhost", "invalid")
    return address.is_loopback or address.is_unspecified


@pytest.fixture(autouse=True)
def only_this_machine() -> Iterator[None]:
    """Fail a test that reached for another machine, whichever thread did and whoever caught the error."""
    yield
    found, reached_for[:] = list(reached_for), []
    if found:
        pytest.fail(f"a test may only reach this machine; this one tried {', '.join(found)}", pytrace=False)


@pytest.fixture
def is_soak(request: pytest.FixtureRequest) -> bool:
    """Whether `--soak` asks for the long form."""
    return bool(request.config.getoption("--soak"))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A local Track API that takes the key `test-key`."""
    ACCOUNTS.forget()  # its port may be one that an earlier test's had, whose account was paused, or barred
    with Sandbox(write_key="test-key") as sandbox:
        yield sandbox


@pytest.fixture
def surroundings(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have an empty working directory, and the sandbox's host and key in the environment, as who types a command."""
    monkeypatch.setenv("INTERAKT_WRITE_KEY", "test-key")
    monkeypatch.setenv("INTERAKT_HOST", sandbox.url)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def new_client(sandbox: Sandbox) -> Iterator[Callable[..., Client]]:
    """Make clients of the sandbox; each is shut down after the test, and its account has to add up."""
    clients: list[Client] = []

    def make(**settings: Any) -> Client:
        client = Client(**{"write_key": "test-key", "host": sandbox.url, "flush_interval": 0.01, **settings})
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.shutdown(5)
        DEBUG_OUTPUT.show(client, is_wanted=False)
        stats = client.stats()
        assert stats.queued == stats.delivered + stats.rejected + stats.dropped
        assert stats.waiting == stats.in_flight == 0


@pytest.fixture
def client(new_client: Callable[..., Client]) -> Client:
    """A client of the sandbox."""
    return new_client()
