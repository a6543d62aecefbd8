"""The shop's addresses."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [path("customers", views.sign_up), path("orders", views.place_order)]
