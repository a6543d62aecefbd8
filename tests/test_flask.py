"""The Flask recipe under gunicorn: what was answered is delivered once, also when the server is stopped or recycles."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import PROGRAMS
from service import Service
from shop_visitors import Visitors, check_what_arrived

from interakt_track.sandbox import Sandbox

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="gunicorn needs fork")

EXAMPLE = Path(__file__).parent.parent / "examples" / "flask"
WORKERS = 2

PREFORK = ("--worker-class", "sync")
THREADS = ("--worker-class", "gthread", "--threads", "4")


class Gunicorn(Service):
    """A gunicorn that serves the example, configured by the environment."""

    def __init__(self, sandbox: Sandbox, *options: str, **settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            super().__init__(
                *("gunicorn", "--config", str(PROGRAMS / "gunicorn_hooks.py"), "--no-control-socket"),
                *("--workers", str(WORKERS), "--bind", f"fd://{listener.fileno()}", *options, "shop:create_app()"),
                environment={
                    "INTERAKT_HOST": sandbox.url,
                    "INTERAKT_WRITE_KEY": "test-key",
                    **{f"SHOP_INTERAKT__{name}": value for name, value in settings.items()},
                },
                pass_fds=[listener.fileno()],
                folder=EXAMPLE,
            )
        self.wait_for("Worker ready", times=WORKERS)  # one that is still starting would miss the signal to stop


@pytest.fixture
def serve(sandbox: Sandbox) -> Iterator[Callable[..., Gunicorn]]:
    started: list[Gunicorn] = []

    def start(*options: str, **settings: str) -> Gunicorn:
        started.append(Gunicorn(sandbox, *options, **settings))
        return started[-1]

    yield start
    for gunicorn in started:
        gunicorn.kill()


@pytest.mark.parametrize("options", [PREFORK, THREADS, (*PREFORK, "--preload"), (*THREADS, "--preload")], ids=" ".join)
def test_a_stopped_server_has_delivered_what_waited(
    sandbox: Sandbox, serve: Callable[..., Gunicorn], options: tuple[str, ...]
) -> None:
    gunicorn = serve(*options, FLUSH_INTERVAL="60")
    visitors = Visitors(gunicorn.port)

    visitors.visit(20)
    assert sandbox.requests == []
    gunicorn.stop()

    assert len(visitors.promised) == 20
    check_what_arrived(sandbox, visitors)
    assert "Traceback" not in gunicorn.written


@pytest.mark.parametrize("options", [PREFORK, (*THREADS, "--preload")], ids=" ".join)
def test_a_server_that_is_stopped_under_load_delivers_what_it_answered(
    sandbox: Sandbox, serve: Callable[..., Gunicorn], options: tuple[str, ...]
) -> None:
    """Its workers are recycled meanwhile."""
    sandbox.faults = "latency=20ms"
    gunicorn = serve(*options, "--max-requests", "40", FLUSH_INTERVAL="0.2")
    visitors = Visitors(gunicorn.port)

    with visitors.visiting():
        visitors.wait_for_promises(100)
        gunicorn.stop()

    assert "Autorestarting worker" in gunicorn.written
    check_what_arrived(sandbox, visitors)


def test_the_settings_are_those_of_flask(sandbox: Sandbox, serve: Callable[..., Gunicorn]) -> None:
    gunicorn = serve(ENABLED="false")
    visitors = Visitors(gunicorn.port)

    visitors.visit(3)
    gunicorn.stop()

    assert sandbox.requests == []


def test_a_customer_that_cannot_be_tracked_is_served(sandbox: Sandbox, serve: Callable[..., Gunicorn]) -> None:
    gunicorn = serve()
    visitors = Visitors(gunicorn.port)

    assert visitors.post("/customers", {"id": "u1", "phone": "no number", "name": "Asha"})
    gunicorn.stop()

    assert "phone_number" in gunicorn.written
    assert "no number" not in gunicorn.written
    assert sandbox.requests == []
