"""The project's application."""

from __future__ import annotations

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Listens to Oscar."""

    name = "shop"

    def ready(self) -> None:
        """Connect the receivers: importing them does."""
        from . import tracking  # noqa: F401, PLC0415 - Oscar's signals can be imported when all applications are there
