"""The program `interakt-track`, also `python -m interakt_track`; where the extra `cli` is missing, it says so."""

from __future__ import annotations

import sys

USAGE_ERROR = 2  # the status of a program that cannot do what it was asked in this environment, as click has it


def main() -> None:
    """Run the terminal program; the process ends with its status.

    Raises:
        SystemExit: Always; with status 2 and one sentence on stderr where a package of the extra is missing.
    """
    try:
        from interakt_track.cli import program  # noqa: PLC0415 - what is missing has to be told, not raised

        program()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "interakt_track", "track", "interakt_track_client"):  # ours to be there: a broken build
            raise
        print(
            f'interakt-track needs {package}, which is not installed here: pip install "interakt-track-python[cli]"',
            file=sys.stderr,
        )
        sys.exit(USAGE_ERROR)


if __name__ == "__main__":
    main()
