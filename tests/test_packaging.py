"""What an installation holds and says of itself, and what `import track` costs."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from interakt_track._version import VERSION

ROOT = Path(__file__).parent.parent
HEAVY = {
    "asyncio",
    "attr",
    "attrs",
    "click",
    "concurrent",
    "dataclasses",
    "decimal",
    "email",
    "http",
    "httpcore",
    "httpx",
    "inspect",
    "interakt_track_client",
    "logging",
    "phonenumbers",
    "rich",
    "socket",
    "sqlite3",
    "ssl",
    "typing",
    "urllib",
}
"""What `import track` leaves for the first message: each costs milliseconds, or brings others that do."""

CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def installed() -> Distribution:
    return distribution("interakt-track-python")


def requirements(installed: Distribution) -> list[Requirement]:
    return [Requirement(line) for line in installed.requires or []]


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", "\n".join(lines), re.MULTILINE))


def test_links_and_pictures_of_the_readme_lead_to_the_repository_from_anywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    source = project["urls"]["Source"]
    text = CODE.sub("", (ROOT / project["readme"]).read_text(encoding="utf-8"))

    targets = [target for target in re.findall(r"\]\(([^)]+)\)", text) if not target.startswith("#")]
    named = dict(re.findall(r"^\[([^]]+)\]: (\S+)$", text, re.MULTILINE))
    used = {path or label for label, path in re.findall(r"\[([^]]*)\](?:\[([^]]+)\])?(?![(:])", text)}

    assert [target for target in targets if not target.startswith("https://")] == []
    assert {path: f"{source}/blob/HEAD/{path}" for path in named} == named
    paths = [target.removeprefix(f"{source}/raw/HEAD/") for target in targets if target.startswith(source)]
    assert paths == ["docs/sandbox-page.png"]
    assert [path for path in [*named, *paths] if not (ROOT / path).exists()] == []
    assert used == named.keys()


def test_the_version_is_written_once(installed: Distribution) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert installed.version == VERSION
    assert "version" not in project


def test_three_run_time_dependencies_and_no_others(installed: Distribution) -> None:
    always = {requirement.name for requirement in requirements(installed) if requirement.marker is None}

    assert sorted(always) == ["attrs", "httpx", "phonenumbers"]


def test_the_terminal_and_the_sandbox_are_an_extra(installed: Distribution) -> None:
    extra = {requirement.name for requirement in requirements(installed) if str(requirement.marker) == 'extra == "cli"'}

    assert installed.metadata.get_all("Provides-Extra") == ["cli", "django", "opentelemetry"]
    assert {"click", "rich", "starlette", "uvicorn"} <= extra


def test_every_lower_bound_is_the_version_that_is_tested(installed: Distribution) -> None:
    lowest = pins("lowest.txt")

    bounds = {
        requirement.name: Version(bound.version)
        for requirement in requirements(installed)
        for bound in requirement.specifier
        if bound.operator == ">="
    }

    assert bounds == {requirement.name: Version(lowest[requirement.name]) for requirement in requirements(installed)}


def test_every_dependency_is_pinned_the_same_everywhere() -> None:
    environments = [pins(name) for name in ("run.txt", "test.txt", "check.txt")]

    assert environments[0].items() <= environments[1].items() <= environments[2].items()


def test_the_licence_travels_with_it(installed: Distribution) -> None:
    assert installed.metadata["License-Expression"] == "MIT"
    assert installed.metadata.get_all("License-File") == ["LICENSE"]
    assert "MIT License" in (installed.read_text("licenses/LICENSE") or "")


def test_classifiers_name_every_python_it_runs_on(installed: Distribution) -> None:
    classifiers = installed.metadata.get_all("Classifier") or []

    assert installed.metadata["Requires-Python"] == ">=3.11"
    assert f"Programming Language :: Python :: 3.{sys.version_info.minor}" in classifiers
    assert "Typing :: Typed" in classifiers


def test_the_command_is_installed(installed: Distribution) -> None:
    commands = {entry.name: entry.value for entry in installed.entry_points if entry.group == "console_scripts"}

    assert commands == {"interakt-track": "interakt_track.__main__:main"}


def test_pytest_finds_the_plugin(installed: Distribution) -> None:
    plugins = {entry.name: entry.value for entry in installed.entry_points if entry.group == "pytest11"}

    assert plugins == {"interakt_track": "pytest_interakt_track"}


@pytest.mark.parametrize(
    "package", ["generated/interakt_track_client", "interakt_track", "pytest_interakt_track", "track"]
)
def test_type_checkers_may_read_it(package: str) -> None:
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]

    assert package in shipped["wheel"]["packages"]
    assert (ROOT / package / "py.typed").read_bytes() == b""


@pytest.mark.parametrize("name", ["track", "interakt_track"])
def test_importing_it_imports_nothing_heavy(name: str) -> None:
    program = f"import sys; before = set(sys.modules); import {name}; print(*sorted(set(sys.modules) - before))"

    ran = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    imported = {module.split(".")[0] for module in ran.stdout.split()}

    assert name in imported
    assert imported & HEAVY == set()
