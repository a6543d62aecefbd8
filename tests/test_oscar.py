"""A real shop, django-oscar: its customers go through its pages, and the sandbox gets what they did, one of each.

The shop has an environment of its own, `.venvs/oscar`, which `scripts/test.sh` makes.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from interakt_track.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
PROJECT = ROOT / "examples" / "oscar"
ENVIRONMENT = ROOT / ".venvs" / "oscar"

pytestmark = pytest.mark.timeout(120)


class Arrived(NamedTuple):
    """What the shop has, and what the API got."""

    users: dict[str, str]
    """Ids by emails."""
    orders: list[tuple[str, float]]
    bodies: list[dict[str, Any]]

    def about(self, **identifiers: str) -> list[dict[str, Any]]:
        """Return the bodies that have these and no other identifier."""
        names = {"userId", "countryCode", "phoneNumber"}
        return [body for body in self.bodies if {name: body[name] for name in names & body.keys()} == identifiers]


@pytest.fixture(scope="module")
def arrived(tmp_path_factory: pytest.TempPathFactory) -> Arrived:
    if not (ENVIRONMENT / "prepared.txt").exists():
        missing = "the shop's packages are not in .venvs/oscar: run scripts/test.sh"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}; CI must have it")
        pytest.skip(missing)
    with Sandbox(write_key="test-key") as sandbox:
        ran = subprocess.run(
            [ENVIRONMENT / "bin" / "python", ROOT / "tests" / "programs" / "oscar_customers.py"],
            cwd=PROJECT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "shop.settings",
                "PYTHONPATH": str(PROJECT),
                "INTERAKT_HOST": sandbox.url,
                "INTERAKT_WRITE_KEY": "test-key",
                "SHOP_DATA": str(tmp_path_factory.mktemp("shop")),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        bodies = [request.body for request in sandbox.requests if request.received]
        assert len(bodies) == len(sandbox.requests)
    assert ran.returncode == 0, ran.stderr
    shop = json.loads(ran.stdout)
    users = {email: str(number) for number, email in shop["users"]}
    return Arrived(users, [(number, total) for number, total in shop["orders"]], [body for body in bodies if body])


def test_who_registers_is_told_once(arrived: Arrived) -> None:
    registered = [body for body in arrived.bodies if "email" in body["traits"]]

    assert {body["traits"]["email"]: body["userId"] for body in registered} == arrived.users
    assert len(registered) == len(arrived.users) == 2


def test_a_customers_walk_arrives_in_order_and_once(arrived: Arrived) -> None:
    asha = arrived.users["asha@example.com"]
    phone = {"countryCode": "+91", "phoneNumber": "9876543210"}
    number, total = arrived.orders[0]

    walk = arrived.about(userId=asha) + arrived.about(userId=asha, **phone)

    assert [body.get("event", "identify") for body in walk] == ["identify", "Product Added", "identify", "Order Placed"]
    assert [body["traits"] for body in walk[1:]] == [
        {"product": "Saree", "upc": "S-1", "price": 1499, "currency": "INR"},
        {"name": "Asha Sharma", "city": "Jaipur", "country": "India"},
        {"number": number, "total": total, "currency": "INR", "items": 2},
    ]


def test_a_guest_is_known_by_the_phone_number_of_the_address(arrived: Arrived) -> None:
    number, total = arrived.orders[1]

    of_guest = arrived.about(countryCode="+91", phoneNumber="9876500000")

    assert [body.get("event", "identify") for body in of_guest] == ["identify", "Order Placed"]
    assert of_guest[1]["traits"] == {"number": number, "total": total, "currency": "INR", "items": 1}


def test_an_order_that_is_rolled_back_is_not_told(arrived: Arrived) -> None:
    unlucky = arrived.users["unlucky@example.com"]

    told = arrived.about(userId=unlucky)

    assert [body.get("event", "identify") for body in told] == ["identify", "Product Added"]
    assert len(arrived.orders) == 2
    assert not any(body.get("phoneNumber") == "9876511111" for body in arrived.bodies)


def test_of_each_thing_one_arrives_and_nothing_else(arrived: Arrived) -> None:
    kinds = Counter(body.get("event", "identify") for body in arrived.bodies)

    assert kinds == {"identify": 4, "Product Added": 2, "Order Placed": 2}
