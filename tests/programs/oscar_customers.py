"""Customers of the shop in `examples/oscar`, in its environment and folder: each goes through the shop's own pages.

Prints what the shop has in the end, as JSON: its users, and its orders. `tests/test_oscar.py` runs it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import django
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from oscar.core.loading import get_class, get_model


class Customer:
    """Somebody at a browser."""

    def __init__(self) -> None:
        self.browser = Client(raise_request_exception=False)

    def post(self, page: str, *arguments: object, expected: int = 302, **form: object) -> None:
        """Send a form of the shop's; one that it does not take comes back with a status of 200."""
        answer = self.browser.post(reverse(page, args=arguments), form)
        if answer.status_code != expected:
            errors = getattr(answer.context and answer.context.get("form"), "errors", answer.content[:500])
            sys.exit(f"{page} answered {answer.status_code}: {errors}")

    def register(self, email: str) -> None:
        self.post(
            "customer:register",
            email=email,
            password1="a-long-passphrase",
            password2="a-long-passphrase",
        )

    def fill_basket(self, product: Any, quantity: int) -> None:
        self.post("basket:add", product.pk, quantity=quantity)

    def begin_as_guest(self, email: str) -> None:
        self.post("checkout:index", username=email, options="anonymous")

    def give_address(self, name: str, phone_number: str) -> None:
        first, last = name.split()
        address = {"line1": "1 Mirza Ismail Road", "line4": "Jaipur", "postcode": "302001", "country": "IN"}
        self.post("checkout:shipping-address", first_name=first, last_name=last, phone_number=phone_number, **address)
        for page in ("checkout:shipping-method", "checkout:payment-method"):  # the shop has one of each, and goes on
            assert self.browser.get(reverse(page)).status_code == 302

    def place_order(self, *, expected: int = 302) -> None:
        assert b"place_order" in self.browser.get(reverse("checkout:preview")).content
        self.post("checkout:preview", action="place_order", expected=expected)
        if expected == 302:
            assert self.browser.get(reverse("checkout:thank-you")).status_code == 200


def open_shop() -> Any:
    """Return the one product of a new shop."""
    from oscar.test.factories import create_product  # Django has to be set up before

    # Oscar's hundreds of migrations lead to the tables of its models, by most of a minute's work.
    settings.MIGRATION_MODULES = {application.label: None for application in apps.get_app_configs()}
    call_command("migrate", run_syncdb=True, verbosity=0)
    get_model("address", "Country").objects.create(
        iso_3166_1_a2="IN", printable_name="India", name="India", is_shipping_country=True
    )
    return create_product(title="Saree", upc="S-1", price=1499, num_in_stock=20)


@contextmanager
def server_failing_after_the_order() -> Iterator[None]:
    """Have the request end with an error when the order is placed, so that all of it is rolled back."""
    view = get_class("checkout.views", "PaymentDetailsView")
    submit = view.submit

    def submit_and_fail(self: Any, *arguments: Any, **submission: Any) -> None:
        submit(self, *arguments, **submission)
        raise OSError("the disk of the server is full")

    with mock.patch.object(view, "submit", submit_and_fail):
        yield


def main() -> None:
    django.setup()
    product = open_shop()

    asha = Customer()
    asha.register("asha@example.com")
    asha.fill_basket(product, 2)
    asha.give_address("Asha Sharma", "+919876543210")
    asha.place_order()

    guest = Customer()
    guest.fill_basket(product, 1)
    guest.begin_as_guest("guest@example.com")
    guest.give_address("Ravi Kumar", "+919876500000")
    guest.place_order()

    unlucky = Customer()
    unlucky.register("unlucky@example.com")
    unlucky.fill_basket(product, 1)
    unlucky.give_address("Mira Nair", "+919876511111")
    with server_failing_after_the_order():
        unlucky.place_order(expected=500)

    users = get_user_model().objects.order_by("pk").values_list("pk", "email")
    orders = get_model("order", "Order").objects.order_by("pk").values_list("number", "total_incl_tax")
    print(json.dumps({"users": list(users), "orders": [(number, float(total)) for number, total in orders]}))


main()
