"""Build the sdist and the wheel, and use the wheel as somebody who has only `pip install` would."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Set as AbstractSet
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

IN_THE_SDIST = (
    "CHANGELOG.md",
    "LICENSE",
    "generated/interakt_track_client/client.py",
    "openapi/generator.yaml",
    "openapi/interakt.yaml",
    "pyproject.toml",
    "requirements/test.txt",
    "scripts/environment.sh",
    "tests/conftest.py",
)
IN_THE_WHEEL = (
    "interakt_track/py.typed",
    "interakt_track/sandbox/interakt.yaml",
    "interakt_track/sandbox/page/index.html",
    "interakt_track/sandbox/page/page.css",
    "interakt_track/sandbox/page/page.js",
    "interakt_track_client/py.typed",
    "pytest_interakt_track/py.typed",
    "track/py.typed",
)
TOP_OF_THE_WHEEL = {"interakt_track", "interakt_track_client", "pytest_interakt_track", "track"}

AS_A_USER = """
import importlib.metadata, sys
import interakt_track, track
from interakt_track_client.api.track import create_event, create_user

assert track is interakt_track, "import track and import interakt_track must be one module"
assert "site-packages" in track.__file__, f"the wheel was to be tried, not {track.__file__}"
assert track.__version__ == importlib.metadata.version("interakt-track-python")
assert callable(create_user.sync_detailed) and callable(create_event.asyncio)
track.enabled = False
assert track.identify(user_id="1", phone_number="98765 98765", traits={"name": "Asha"}).status == "disabled"
"""


def run(*command: object, cwd: Path = ROOT) -> None:
    """Run a command whose failure ends the check."""
    subprocess.run([str(part) for part in command], cwd=cwd, check=True, stdin=subprocess.DEVNULL)


def build(folder: Path) -> tuple[Path, Path, Path]:
    """Return the sdist, the wheel made from it, and the wheel made from the tree."""
    options = ("--no-isolation", "--outdir")
    run(sys.executable, "-m", "build", *options, folder / "from sdist")
    run(sys.executable, "-m", "build", "--wheel", *options, folder / "from tree")
    (sdist,) = (folder / "from sdist").glob("*.tar.gz")
    (wheel,) = (folder / "from sdist").glob("*.whl")
    (wheel_of_tree,) = (folder / "from tree").glob("*.whl")
    return sdist, wheel, wheel_of_tree


def contents(wheel: Path) -> dict[str, int]:
    """Return the check sum of every file."""
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: info.CRC for info in archive.infolist()}


def refuse(problem: str, places: AbstractSet[str]) -> None:
    """End the check where there are such places."""
    if places:
        sys.exit(f"{problem}: {', '.join(sorted(places))}")


def check_sdist(sdist: Path) -> None:
    """What is needed to build, test and regenerate is there."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    refuse("the sdist lacks", set(IN_THE_SDIST) - names)


def check_wheel(wheel: Path, wheel_of_tree: Path) -> None:
    """It holds the four packages, typed, and nothing else, whichever way it was built."""
    found = contents(wheel)
    refuse(
        "wheels from sdist and tree differ in", {name for name, _ in found.items() ^ contents(wheel_of_tree).items()}
    )
    refuse("the wheel lacks", set(IN_THE_WHEEL) - found.keys())
    tops = {name.partition("/")[0] for name in found if ".dist-info/" not in name}
    refuse("the wheel has strangers at its top", tops - TOP_OF_THE_WHEEL)


def use_wheel(wheel: Path, folder: Path) -> None:
    """Install it without extras, import everything, and start the command that needs an extra."""
    environment = folder / "environment"
    venv.create(environment, with_pip=True)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    constraint = ROOT / "requirements" / "run.txt"
    run(python, "-m", "pip", "install", "-qq", "--no-input", "--constraint", constraint, wheel, cwd=folder)
    run(python, "-m", "pip", "check", "-q", cwd=folder)
    run(python, "-W", "error", "-c", AS_A_USER, cwd=folder)
    # From the checkout, mypy would read the packages there.
    (program,) = (ROOT / "tests" / "typing").glob("*.py")
    checked = shutil.copy(program, folder)
    run(sys.executable, "-m", "mypy", "--strict", "--python-executable", python, checked, cwd=folder)

    command = subprocess.run(
        [programs / "interakt-track", "demo"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    told = command.stdout + command.stderr
    if command.returncode == 0 or "interakt-track-python[cli]" not in told or "Traceback" in told:
        wanted = "without the extra, interakt-track must fail and say what to install"
        sys.exit(f"{wanted}; it ended with status {command.returncode} and said:\n{told}")


def main() -> None:
    """Check one after the other; the first that is wrong ends it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sdist, wheel, wheel_of_tree = build(folder)
        check_sdist(sdist)
        check_wheel(wheel, wheel_of_tree)
        use_wheel(wheel, folder)
    print(f"{sdist.name} and {wheel.name} are complete, alike, and work where nothing else is installed")


if __name__ == "__main__":
    main()
