"""The Django project in `examples/django`: under a real server, its orders arrive once, and no rolled back one does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from service import Service
from waiting import wait_until

from interakt_track.sandbox import Sandbox

PROJECT = Path(__file__).parent.parent / "examples" / "django"
MANAGE = "manage.py"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="gunicorn needs fork")


class Shop:
    """The project, with a folder of its own for what it keeps."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.environment = {
            "INTERAKT_HOST": sandbox.url,
            "INTERAKT_WRITE_KEY": "test-key",
            "SHOP_DATA": str(folder),
            "PYTHONUNBUFFERED": "1",
        }
        self.port = 0

    def manage(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", MANAGE, *words],
            cwd=PROJECT,
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def prepare(self, *, stock: int) -> None:
        """Make the database, with one product."""
        make = f'from shop.models import Product; Product.objects.create(name="Saree", price=1499, stock={stock})'
        for words in (["migrate", "--no-input"], ["shell", "-c", make]):
            ran = self.manage(*words)
            assert ran.returncode == 0, ran.stderr

    def post(self, path: str, **form: object) -> tuple[int, dict[str, Any]]:
        """Return status and body of an answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", urlencode(form).encode()) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, json.load(answer)

    def sign_up(self, number: int) -> int:
        status, body = self.post("/customers", name=f"Customer {number}", phone_number=f"98765{number:05}")
        assert status == 201
        customer: int = body["customer"]
        return customer


@pytest.fixture
def shop(sandbox: Sandbox, tmp_path: Path) -> Shop:
    return Shop(sandbox, tmp_path)


@pytest.fixture
def serve(shop: Shop) -> Iterator[Callable[..., Service]]:
    """Start a server of the project; it is stopped by the test, or killed after it."""
    started: list[Service] = []

    def start(*options: str) -> Service:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            shop.port = listener.getsockname()[1]
            service = Service(
                *("gunicorn", "--chdir", str(PROJECT), "--config", "gunicorn_hooks.py", "--no-control-socket"),
                *("--workers", "2", "--bind", f"fd://{listener.fileno()}", *options, "shop.wsgi"),
                environment=shop.environment,
                pass_fds=[listener.fileno()],
            )
        started.append(service)
        service.wait_for("Worker ready", times=2)
        return service

    yield start
    for service in started:
        service.kill()


@pytest.mark.parametrize("options", [("--worker-class", "gthread", "--threads", "4"), ("--preload",)], ids=" ".join)
def test_what_is_committed_arrives_once_and_nothing_else(
    sandbox: Sandbox, shop: Shop, serve: Callable[..., Service], options: tuple[str, ...]
) -> None:
    shop.prepare(stock=25)
    service = serve(*options)

    customers = [shop.sign_up(number) for number in range(4)]
    with ThreadPoolExecutor(4) as several:
        answers = list(several.map(lambda n: shop.post("/orders", product=1, customer=customers[n % 4]), range(40)))
    service.stop()
    shop.manage("interakt_spool", "drain")  # workers that leave at the same time may leave something to the next start

    assert Counter(status for status, _ in answers) == {201: 25, 409: 15}
    placed = Counter(body["order"] for status, body in answers if status == 201)
    assert Counter(body["traits"]["order_id"] for body in sandbox.events) == placed
    assert {body["event"] for body in sandbox.events} == {"Order Placed"}
    assert Counter(body["userId"] for body in sandbox.users) == Counter(map(str, customers))


def test_what_waits_when_the_server_is_killed_is_drained_by_the_command(
    sandbox: Sandbox, shop: Shop, serve: Callable[..., Service]
) -> None:
    shop.prepare(stock=5)
    sandbox.faults = "503=100%"
    service = serve()
    customer = shop.sign_up(1)
    for _ in range(5):
        shop.post("/orders", product=1, customer=customer)
    service.kill()

    waiting = shop.manage("interakt_spool", "status", "--json")
    sandbox.faults = None
    drained = shop.manage("interakt_spool", "drain", "--timeout", "30")
    left = shop.manage("interakt_spool", "status", "--json", INTERAKT_WRITE_KEY="")  # it can be looked at without

    assert [6, 0] == [json.loads(ran.stdout)["waiting"] for ran in (waiting, left)]
    assert drained.returncode == 0, drained.stderr
    assert [body["traits"]["order_id"] for body in sandbox.events] == [1, 2, 3, 4, 5]


def test_djangos_own_server_tells_of_orders_too(sandbox: Sandbox, shop: Shop) -> None:
    shop.prepare(stock=1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        shop.port = listener.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, MANAGE, "runserver", "--noreload", str(shop.port)],
        cwd=PROJECT,
        env={**os.environ, **shop.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with server:
        wait_until(lambda: listens(shop.port) or server.poll() is not None)
        statuses = [shop.post("/orders", product=1, customer=shop.sign_up(1))[0] for _ in range(2)]
        server.send_signal(signal.SIGINT)
        output, _ = server.communicate(timeout=30)

    assert [201, 409] == statuses, output
    assert [body["traits"]["order_id"] for body in sandbox.events] == [1]
    assert len(sandbox.users) == 2


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_check_finds_the_project_good_and_says_what_is_missing(shop: Shop) -> None:
    good = shop.manage("check", "--fail-level", "WARNING")
    without_key = shop.manage("check", INTERAKT_WRITE_KEY="")

    assert good.returncode == 0, good.stderr
    assert without_key.returncode == 1
    assert "(interakt_track.E001) the write key is missing" in without_key.stderr


def test_the_projects_own_tests_take_any_key_and_send_nothing(sandbox: Sandbox, shop: Shop) -> None:
    ran = shop.manage("test", INTERAKT_WRITE_KEY="any")

    assert ran.returncode == 0, ran.stderr
    assert "Ran 2 tests" in ran.stderr
    assert sandbox.requests == []


def test_the_migrations_are_those_of_the_models(shop: Shop) -> None:
    ran = shop.manage("makemigrations", "--check", "--dry-run")

    assert ran.returncode == 0, ran.stdout + ran.stderr
