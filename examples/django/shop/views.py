"""What customers do. Each call below is sent when its transaction is committed, and not if it is rolled back."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from interakt_track.django import event, identify

from .models import Customer, Order, Product


class SoldOutError(Exception):
    """There is no stock left."""


@csrf_exempt
@require_POST
def sign_up(request: HttpRequest) -> HttpResponse:
    """Make a customer of `name` and `phone_number`."""
    with transaction.atomic():
        customer = Customer.objects.create(name=request.POST["name"], phone_number=request.POST["phone_number"])
        identify(user_id=customer.pk, phone_number=customer.phone_number, traits={"name": customer.name})
    return JsonResponse({"customer": customer.pk}, status=201)


@csrf_exempt
@require_POST
def place_order(request: HttpRequest) -> HttpResponse:
    """Sell a `product` to a `customer`; 409 where it is sold out."""
    try:
        order = sell(product_id=int(request.POST["product"]), customer_id=int(request.POST["customer"]))
    except SoldOutError:
        return JsonResponse({"error": "sold out"}, status=409)
    return JsonResponse({"order": order.pk}, status=201)


@transaction.atomic
def sell(*, product_id: int, customer_id: int) -> Order:
    """Place an order; without stock, all is rolled back, the call to Interakt too."""
    order = Order.objects.create(product_id=product_id, customer_id=customer_id)
    traits = {
        "order_id": order.pk,
        "product": order.product.name,
        "total": order.product.price,
    }
    event(user_id=customer_id, event="Order Placed", traits=traits)

    in_stock = Product.objects.filter(pk=product_id, stock__gt=0)
    if not in_stock.update(stock=F("stock") - 1):
        raise SoldOutError
    return order
