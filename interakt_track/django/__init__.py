"""Django: settings in `INTERAKT_TRACK`, system checks, calls that wait for the commit; needs the extra `django`.

Example:
    >>> INSTALLED_APPS = [..., "interakt_track.django"]
    >>> INTERAKT_TRACK = {"WRITE_KEY": os.environ["INTERAKT_WRITE_KEY"], "RATE_LIMIT": "growth"}

    >>> from interakt_track.django import event
    >>> with transaction.atomic():
    ...     order.save()
    ...     event(user_id=order.user_id, event="Order Placed", traits={"total": order.total})
"""

from __future__ import annotations

try:
    from ._commit import event, identify
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "django":
        raise
    raise ModuleNotFoundError(
        'interakt_track.django needs Django: pip install "interakt-track-python[django]"', name=error.name
    ) from error

__all__ = ["event", "identify"]
