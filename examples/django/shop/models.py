"""What the shop keeps."""
# The types of fields are known to a plugin of mypy's.
# mypy: disable-error-code="var-annotated"

from __future__ import annotations

from django.db import models


class Customer(models.Model):
    """Somebody who has signed up."""

    name = models.CharField(max_length=100)
    phone_number = models.CharField(max_length=20)


class Product(models.Model):
    """Something to buy, as long as there is stock."""

    name = models.CharField(max_length=100)
    price = models.PositiveIntegerField()
    stock = models.PositiveIntegerField()


class Order(models.Model):
    """What somebody has bought."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
