"""The screen: a console that is calm in a pipe, and text that cannot take over the terminal."""

from __future__ import annotations

import sys

from rich.console import Console

MAX_LENGTH = 160  # of one shown value; more is noise on a screen


def open_console() -> Console:
    """Return a console on stdout; it has colours only on a terminal, and none where `NO_COLOR` is set."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")  # a name the terminal's encoding lacks is no reason to end
    return Console(highlight=False, markup=False, emoji=False)


def printable(text: str) -> str:
    """Return text that stays on its line: control characters, terminal sequences among them, become a visible mark."""
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return shown if len(shown) <= MAX_LENGTH else shown[: MAX_LENGTH - 1] + "…"
