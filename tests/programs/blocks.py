"""The fenced blocks of a document, and running them where a sandbox is the API.

A comment before a block says what is special about it:

    <!-- the API answers: 400=100% -->    what the sandbox does meanwhile, as `parse_faults` reads it
    <!-- file: shop.py -->                it is not run, but a file for the blocks that follow
    <!-- part of: examples/x.py -->       it shows lines of a file, which is run elsewhere
    <!-- not run: REASON -->              it is none of these
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from interakt_track.sandbox import Request, Sandbox

FENCE = re.compile(
    r"^(?:<!-- (?P<special>the API answers|file|part of|not run): (?P<detail>.+?) -->\n)?"
    r"```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)

# Runs a block in a process of its own, which ends at once when any thread of it reaches for another machine.
RUN_BLOCK = """
import os, sys

def refuse(event, arguments):
    if event == "socket.connect" and arguments[0].family.name.startswith("AF_INET"):
        if arguments[1][0] not in ("127.0.0.1", "::1"):
            os.write(2, b"a block reached for another machine")
            os._exit(97)

sys.addaudithook(refuse)
sys.path.insert(0, "")
exec(compile(sys.stdin.read(), sys.argv[1], "exec"), {"__name__": "__main__"})
"""


class Block(NamedTuple):
    """A fenced block of a document."""

    document: str
    section: str
    language: str
    text: str
    line: int
    """Of its first line of text, counted from 1."""
    faults: str | None = None
    file: str | None = None
    part_of: str | None = None
    not_run: str | None = None

    def __str__(self) -> str:
        return f"{self.section} (line {self.line})"

    @property
    def commands(self) -> list[str]:
        """What a person types, of a console block."""
        return [command for command, _ in self.dialogues]

    @property
    def dialogues(self) -> list[tuple[str, str]]:
        """What a person types, and what is written below it, of a console block."""
        return re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", self.text, re.MULTILINE)

    @property
    def printed(self) -> list[str]:
        """What the comments behind its prints promise."""
        prints = [line for line in self.text.splitlines() if line.lstrip().startswith("print(")]
        return [line.rpartition("  # ")[2] for line in prints]


class Run(NamedTuple):
    """What became of a program."""

    returncode: int
    stdout: list[str]
    stderr: str
    requests: list[Request]

    @property
    def bodies(self) -> list[dict[str, Any] | None]:
        return [request.body for request in self.requests if request.received]


def blocks_of(document: Path) -> list[Block]:
    """Return all blocks whose fence names a language."""
    text = document.read_text(encoding="utf-8")
    return list(_blocks(document.name, text))


def _blocks(name: str, text: str) -> Iterator[Block]:
    fields = {"the API answers": "faults", "file": "file", "part of": "part_of", "not run": "not_run", None: "faults"}
    for found in FENCE.finditer(text):
        headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text[: found.start()]), re.MULTILINE)
        section = headings[-1] if headings else ""
        line = text.count("\n", 0, found.start("text")) + 1
        special = {fields[found["special"]]: found["detail"]}
        yield Block(name, section, found["language"], found["text"], line, **special)


class Place:
    """Where blocks are run: a folder, and a sandbox that the environment names as the API."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.environment = os.environ | {
            "COLUMNS": "100",
            "INTERAKT_HOST": sandbox.url,
            "INTERAKT_WRITE_KEY": "key",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONIOENCODING": "utf-8",
        }

    def run(self, block: Block) -> Run:
        """Run a block of Python; its errors name the document's lines."""
        text = "\n" * (block.line - 1) + block.text
        return self._run([sys.executable, "-W", "error", "-c", RUN_BLOCK, block.document], block.faults, text)

    def type(self, command: str, faults: str | None = None) -> Run:
        """Run what a person types in a console."""
        return self._run(["bash", "-c", command], faults)

    def _run(self, command: list[str], faults: str | None, text: str = "") -> Run:
        self.sandbox.faults = faults
        seen = len(self.sandbox.requests)
        ran = subprocess.run(
            command,
            input=text,
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        return Run(ran.returncode, ran.stdout.splitlines(), ran.stderr, self.sandbox.requests[seen:])


@contextmanager
def place() -> Iterator[Place]:
    """Make one, and take it away."""
    with Sandbox() as sandbox, TemporaryDirectory() as folder:
        yield Place(Path(folder), sandbox)


def calls_about_somebody(code: str) -> int:
    """Count the calls that send a message and say who it is about, low-level ones too."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    names = [node.func.attr for node in calls if isinstance(node.func, ast.Attribute) and _is_about_somebody(node)]
    return len([name for name in names if name in ("identify", "event", "sync_detailed", "asyncio")])


def _is_about_somebody(call: ast.Call) -> bool:
    return any(keyword.arg in ("user_id", "phone_number", "body") for keyword in call.keywords)
