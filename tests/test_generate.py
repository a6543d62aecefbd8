"""`scripts/generate.sh`: what is committed is what the generator makes, and nothing else can pass for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("generated") / "interakt_track_client"


def generate(tree: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the script of that tree; a copy borrows the generator's environment from here."""
    environment = os.environ | {"PYTHON": sys.executable}
    if tree != ROOT:
        environment["GENERATE_VENV"] = str(ROOT / ".venvs" / "generate")
    command = [str(tree / "scripts" / "generate.sh"), *arguments]
    return subprocess.run(
        command, cwd=cwd or tree, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def checked() -> subprocess.CompletedProcess[str]:
    """The check of this tree, which also makes the generator's environment where there is none."""
    return generate(ROOT, "--check")


@pytest.fixture
def tree(tmp_path: Path, checked: subprocess.CompletedProcess[str]) -> Path:
    """A copy of all that the generator reads and writes, in agreement with itself."""
    assert checked.returncode == 0, checked.stderr
    for folder in ("openapi", "requirements", "generated", "scripts"):
        shutil.copytree(ROOT / folder, tmp_path / "a copy" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "a copy"


def test_the_committed_client_is_what_the_generator_makes(checked: subprocess.CompletedProcess[str]) -> None:
    assert (checked.returncode, checked.stderr) == (0, "")


def test_an_untouched_copy_passes_from_anywhere(tree: Path, tmp_path: Path) -> None:
    before = contents(tree)

    ran = generate(tree, "--check", cwd=tmp_path)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert contents(tree) == before


def test_a_changed_byte_is_noticed(tree: Path) -> None:
    changed = tree / PACKAGE / "client.py"
    changed.write_bytes(changed.read_bytes()[:-1])

    ran = generate(tree, "--check")

    assert ran.returncode == 1
    assert "client.py" in ran.stderr
    assert "run scripts/generate.sh" in ran.stderr


@pytest.mark.parametrize("name", ["models/old.py", "notes.txt", ".hidden", "empty/"])
def test_an_extra_file_is_noticed(tree: Path, name: str) -> None:
    extra = tree / PACKAGE / name
    extra.mkdir() if name.endswith("/") else extra.touch()

    ran = generate(tree, "--check")

    assert ran.returncode == 1
    assert extra.name in ran.stderr


@pytest.mark.parametrize("name", ["py.typed", "models/user_traits.py"])
def test_a_missing_file_is_noticed(tree: Path, name: str) -> None:
    missing = tree / PACKAGE / name
    missing.unlink()

    ran = generate(tree, "--check")

    assert ran.returncode == 1
    assert missing.name in ran.stderr


def test_a_missing_package_is_noticed(tree: Path) -> None:
    shutil.rmtree(tree / PACKAGE)

    ran = generate(tree, "--check")

    assert ran.returncode == 1
    assert "run scripts/generate.sh" in ran.stderr


def test_a_changed_contract_is_noticed(tree: Path) -> None:
    document = tree / "openapi" / "interakt.yaml"
    document.write_text(document.read_text(encoding="utf-8").replace("/track/users/:", "/track/people/:"))

    ran = generate(tree, "--check")

    assert ran.returncode == 1
    assert "/track/people/" in ran.stderr


def test_generating_mends_every_difference(tree: Path) -> None:
    (tree / PACKAGE / "models" / "old.py").touch()
    (tree / PACKAGE / "py.typed").unlink()
    (tree / PACKAGE / "client.py").write_text("broken")

    ran = generate(tree)

    assert ran.returncode == 0, ran.stderr
    assert contents(tree / PACKAGE) == contents(ROOT / PACKAGE)


def test_settings_of_the_project_do_not_shape_the_client(tree: Path) -> None:
    (tree / "ruff.toml").write_text("line-length = 40\nformat.quote-style = 'single'\n")
    (tree / "generated" / "ruff.toml").write_text("line-length = 40\n")

    ran = generate(tree, "--check")

    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_contract_that_the_generator_warns_about_changes_nothing(tree: Path) -> None:
    document = tree / "openapi" / "interakt.yaml"
    document.write_text(
        document.read_text(encoding="utf-8").replace("  schemas:\n    UserRequest:", "  schemas:\n    X:")
    )
    before = contents(tree / PACKAGE)

    ran = generate(tree)

    assert ran.returncode == 1
    assert "the generator refused openapi/interakt.yaml" in ran.stderr
    assert "POST /v1/public/track/users/" in ran.stderr
    assert contents(tree / PACKAGE) == before


def test_an_unknown_argument_is_told(tree: Path) -> None:
    ran = generate(tree, "--chekc")

    assert ran.returncode == 1
    assert "--chekc" in ran.stderr
    assert "usage: scripts/generate.sh [--check]" in ran.stderr


def test_an_environment_without_the_generator_is_told(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENERATE_VENV", str(tree))

    ran = subprocess.run([str(tree / "scripts" / "generate.sh")], capture_output=True, text=True, check=False)

    assert ran.returncode == 1
    assert "pip install -r requirements/generate.txt" in ran.stderr


def test_an_interpreter_that_is_too_old_is_told(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tree / "python-of-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    monkeypatch.setenv("PYTHON", str(old))
    monkeypatch.delenv("GENERATE_VENV", raising=False)

    ran = subprocess.run([str(tree / "scripts" / "generate.sh")], capture_output=True, text=True, check=False)

    assert ran.returncode == 1
    assert "needs Python 3.11 or newer" in ran.stderr
    assert not (tree / ".venvs").exists()
