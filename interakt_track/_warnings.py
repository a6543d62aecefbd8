"""Warnings, issued at the line of the application that led to them."""

from __future__ import annotations

import sys
import warnings

_PASSED_OVER = frozenset({"_frozen_importlib", "_frozen_importlib_external", "importlib", "interakt_track", "track"})


def warn(text: str, category: type[Warning]) -> None:
    """Issue a warning at the first line that is not ours: elsewhere nobody would see it."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _PASSED_OVER:
        frame = frame.f_back
    warnings.warn_explicit(
        text,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=frame.f_globals.get("__name__"),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )
