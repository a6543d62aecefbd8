"""What Interakt is told of the shop: these few lines, and "interakt_track.django" in the settings.

What is called here is sent when the request's transaction is committed: an order whose payment fails is none.
"""
# Oscar has an environment of its own.
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from typing import Any

from django.dispatch import receiver
from oscar.apps.basket.signals import basket_addition
from oscar.apps.customer.signals import user_registered
from oscar.apps.order.signals import order_placed

from interakt_track.django import event, identify


@receiver(user_registered)
def tell_registration(user: Any, **_: Any) -> None:
    """Say who has made an account."""
    identify(user_id=user.pk, traits={"email": user.email}, created_at=user.date_joined)


@receiver(basket_addition)
def tell_addition(product: Any, user: Any, request: Any, **_: Any) -> None:
    """Say what somebody wants; who has not signed in is nobody yet."""
    if user.is_authenticated:
        price = request.strategy.fetch_for_product(product).price
        traits = {
            "product": product.get_title(),
            "upc": product.upc,
            "price": price.excl_tax,
            "currency": price.currency,
        }
        event(user_id=user.pk, event="Product Added", traits=traits)


@receiver(order_placed)
def tell_order(order: Any, user: Any, **_: Any) -> None:
    """Say who has ordered, with the phone number of the parcel's address, and what; a guest is known by that alone."""
    address = order.shipping_address
    user_id = None if user is None else user.pk  # that of a guest is None, too
    phone_number = (address.phone_number if address is not None else None) or None
    if user_id is None and phone_number is None:
        return
    if address is not None:
        traits = {"name": address.name, "city": address.line4, "country": address.country.printable_name}
        identify(user_id=user_id, phone_number=phone_number, traits=traits)
    event(
        user_id=user_id,
        phone_number=phone_number,
        event="Order Placed",
        traits={
            "number": str(order.number),
            "total": order.total_incl_tax,
            "currency": order.currency,
            "items": order.num_items,
        },
    )
