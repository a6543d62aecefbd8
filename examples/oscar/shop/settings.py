"""A shop as Oscar's documentation sets one up; what is Interakt's stands at the end."""
# Oscar has an environment of its own.
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import os
from pathlib import Path

import oscar
from oscar.defaults import *  # noqa: F403 - how Oscar asks for it

DATA = Path(os.environ.get("SHOP_DATA", Path(__file__).parent.parent / "data"))
DATA.mkdir(exist_ok=True)

SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "only-for-trying-it-out")
DEBUG = bool(os.environ.get("DJANGO_DEBUG"))  # Django's own server shows styles and pictures then
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
ROOT_URLCONF = "shop.urls"
SITE_ID = 1
USE_TZ = True
STATIC_URL = "/static/"
MEDIA_ROOT = DATA / "media"
MEDIA_URL = "/media/"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA / "shop.db", "ATOMIC_REQUESTS": True},
}
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
AUTHENTICATION_BACKENDS = ["oscar.apps.customer.auth_backends.EmailBackend"]

INSTALLED_APPS = [*oscar.INSTALLED_APPS, "sorl.thumbnail", "interakt_track.django", "shop"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "oscar.apps.basket.middleware.BasketMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.template.context_processors.i18n",
                "django.contrib.messages.context_processors.messages",
                "oscar.apps.search.context_processors.search_form",
                "oscar.apps.checkout.context_processors.checkout",
                "oscar.core.context_processors.metadata",
            ],
        },
    },
]
OSCAR_DEFAULT_CURRENCY = "INR"
OSCAR_ALLOW_ANON_CHECKOUT = True

INTERAKT_TRACK = {  # the key is in the environment's INTERAKT_WRITE_KEY
    "STRICT": False,  # bad data is logged, and breaks no order
    "SPOOL": DATA / "track.db",  # what waits outlives a deploy
}
