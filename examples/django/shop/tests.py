"""The shop's tests: INTERAKT_WRITE_KEY=any python manage.py test."""

from __future__ import annotations

from django.test import TestCase

from interakt_track.testing import SentEvent, capture

from .models import Customer, Product
from .views import SoldOutError, sell


class SellTest(TestCase):
    """What Interakt is told of an order."""

    def setUp(self) -> None:
        """Have a customer, and one saree."""
        self.customer = Customer.objects.create(name="Asha", phone_number="9876543210")
        self.product = Product.objects.create(name="Saree", price=1499, stock=1)

    def test_an_order_is_told(self) -> None:
        """Once, with what was bought."""
        with capture() as sent, self.captureOnCommitCallbacks(execute=True):
            order = sell(product_id=self.product.pk, customer_id=self.customer.pk)

        traits = {"order_id": order.pk, "product": "Saree", "total": 1499}
        told = SentEvent("Order Placed", user_id=self.customer.pk, traits=traits)
        self.assertSequenceEqual(sent, [told])

    def test_what_is_sold_out_is_not_told(self) -> None:
        """Not the order that was rolled back."""
        self.product.stock = 0
        self.product.save()

        with capture() as sent, self.captureOnCommitCallbacks(execute=True), self.assertRaises(SoldOutError):
            sell(product_id=self.product.pk, customer_id=self.customer.pk)

        self.assertSequenceEqual(sent, [])
