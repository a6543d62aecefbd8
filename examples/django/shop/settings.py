"""The project's settings; the last one is what this example is about."""

from __future__ import annotations

import os
from pathlib import Path

DATA = Path(os.environ.get("SHOP_DATA", Path(__file__).parent.parent / "data"))
DATA.mkdir(exist_ok=True)

SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "only-for-trying-it-out")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
INSTALLED_APPS = ["interakt_track.django", "shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA / "shop.db", "OPTIONS": {"timeout": 30}},
}
USE_TZ = True

INTERAKT_TRACK = {  # the key is in the environment's INTERAKT_WRITE_KEY
    "SPOOL": DATA / "track.db",  # what waits outlives a deploy
    "STRICT": False,  # bad data is logged, and breaks no request
    "ON_ERROR": "shop.tracking.on_error",
}
