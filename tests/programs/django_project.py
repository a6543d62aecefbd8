"""A Django project in this process, for the tests of `interakt_track.django`: the application and two databases."""

from __future__ import annotations

import django
from django.conf import settings

settings.configure(
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
        "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
        "away": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/nobody-has-made-this-folder/shop.db"},
    },
    INSTALLED_APPS=["interakt_track.django"],
    LOGGING_CONFIG=None,  # pytest looks after the log
    USE_TZ=True,
)
django.setup()
