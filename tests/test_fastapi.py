"""The FastAPI recipe under uvicorn: what was answered is delivered once, also when the server stops or restarts."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from service import Service
from shop_visitors import Visitors, check_what_arrived

from interakt_track.sandbox import Sandbox

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system hands no socket down to a child")

EXAMPLE = Path(__file__).parent.parent / "examples" / "fastapi"
WORKERS = 2
ONE, TWO = ("--workers", "1"), ("--workers", str(WORKERS))


class Uvicorn(Service):
    """A uvicorn that serves the example."""

    def __init__(self, sandbox: Sandbox, *options: str, flush_interval: float) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            super().__init__(
                *("uvicorn", "shop:app", "--fd", str(listener.fileno()), *options),
                environment={
                    "INTERAKT_HOST": sandbox.url,
                    "INTERAKT_WRITE_KEY": "test-key",
                    "SHOP_FLUSH_INTERVAL": str(flush_interval),
                },
                pass_fds=[listener.fileno()],
                folder=EXAMPLE,
            )
        if options == ONE:
            self.exit_status = -signal.SIGTERM  # having shut down, it ends itself by the signal that it was sent
        self.wait_for("Application startup complete", times=1 if options == ONE else WORKERS)


@pytest.fixture
def serve(sandbox: Sandbox) -> Iterator[Callable[..., Uvicorn]]:
    started: list[Uvicorn] = []

    def start(*options: str, flush_interval: float) -> Uvicorn:
        started.append(Uvicorn(sandbox, *options, flush_interval=flush_interval))
        return started[-1]

    yield start
    for uvicorn in started:
        uvicorn.kill()


@pytest.mark.parametrize("options", [ONE, TWO], ids=" ".join)
def test_a_stopped_server_has_delivered_what_waited(
    sandbox: Sandbox, serve: Callable[..., Uvicorn], options: tuple[str, ...]
) -> None:
    uvicorn = serve(*options, flush_interval=60)
    visitors = Visitors(uvicorn.port)

    visitors.visit(20)
    assert sandbox.requests == []
    uvicorn.stop()

    assert len(visitors.promised) == 20
    check_what_arrived(sandbox, visitors)
    assert "Traceback" not in uvicorn.written


def test_a_server_that_is_stopped_under_load_delivers_what_it_answered(
    sandbox: Sandbox, serve: Callable[..., Uvicorn]
) -> None:
    """Its workers are replaced meanwhile."""
    sandbox.faults = "latency=20ms"
    uvicorn = serve(*TWO, flush_interval=0.2)
    visitors = Visitors(uvicorn.port)

    with visitors.visiting():
        visitors.wait_for_promises(40)
        uvicorn.process.send_signal(signal.SIGHUP)
        uvicorn.wait_for("Application startup complete", times=2 * WORKERS)
        visitors.wait_for_promises(40)
        uvicorn.stop()

    check_what_arrived(sandbox, visitors)
