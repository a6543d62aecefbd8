"""AWS Lambda as a function meets it: a Runtime API on this machine, and a process that is frozen between invocations.

The process runs `awslambdaric`, the client that Lambda's own Python images run; what it talks to is the contract that
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html documents.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from waiting import wait_until

PREFIX = "/2018-06-01/runtime/"


class Invocation(NamedTuple):
    """What the function is given."""

    number: int
    event: object
    seconds: float
    """How long it may take."""


class LambdaHost:
    """One execution environment of a function, which is frozen whenever no invocation is under way.

    Args:
        folder: Where the function's module is.
        handler: Its name, as Lambda has it: `module.function`.
        environment: On top of the test's own.
    """

    def __init__(self, folder: Path, handler: str, **environment: str) -> None:
        self._invocations: queue.Queue[Invocation | None] = queue.Queue()
        self._answers: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._is_asked = threading.Event()
        self._count = 0
        self._written = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler_class())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", handler],
            cwd=folder,
            env={**os.environ, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._freeze_when_idle()

    def invoke(self, event: object, *, seconds: float = 30.0) -> Any:
        """Thaw it, hand it an event, and freeze it when it has answered; return the answer.

        Args:
            event: What is JSON.
            seconds: How much time its context has.

        Raises:
            RuntimeError: The handler raised; with the type and text of what it raised.
        """
        self._count += 1
        self._is_asked.clear()
        self.process.send_signal(signal.SIGCONT)
        self._invocations.put(Invocation(self._count, event, seconds))
        kind, answer = self._answers.get(timeout=40)
        self._freeze_when_idle()
        if kind == "error":
            raise RuntimeError(f"{answer['errorType']}: {answer['errorMessage']}")
        return answer

    def close(self) -> str:
        """End the environment as Lambda does, without a word to the process; return all that it wrote."""
        if self.process.returncode is None:
            self.process.kill()
            self._written, _ = self.process.communicate()
            self._invocations.put(None)
            self._server.shutdown()
            self._server.server_close()
        return self._written

    def _freeze_when_idle(self) -> None:
        """Lambda freezes an environment when it asks for the next invocation."""
        assert self._is_asked.wait(40)
        self.process.send_signal(signal.SIGSTOP)
        wait_until(self._is_stopped)

    def _is_stopped(self) -> bool:
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        return stat.rpartition(")")[2].split()[0] == "T"

    def _handler_class(self) -> type[BaseHTTPRequestHandler]:
        host = self

        class RuntimeAPI(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                assert self.path == f"{PREFIX}invocation/next"
                host._is_asked.set()
                invocation = host._invocations.get()
                if invocation is None:
                    self.close_connection = True
                    return
                self._answer(
                    200,
                    invocation.event,
                    {
                        "Lambda-Runtime-Aws-Request-Id": f"invocation-{invocation.number}",
                        "Lambda-Runtime-Deadline-Ms": str(int((time.time() + invocation.seconds) * 1000)),
                        "Lambda-Runtime-Trace-Id": "Root=1-0-0;Parent=0;Sampled=0",
                        "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:ap-south-1:000000000000:function:shop",
                    },
                )

            def do_POST(self) -> None:
                said = json.loads(self._body() or "null")
                host._answers.put((self.path.rpartition("/")[2], said))
                if self.path == f"{PREFIX}init/error":
                    host._is_asked.set()
                self._answer(202, {"status": "OK"}, {})

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers["Content-Length"]))
                body = b""
                while length := int(self.rfile.readline(), 16):
                    body += self.rfile.read(length)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def _answer(self, status: int, answer: object, headers: dict[str, str]) -> None:
                body = json.dumps(answer).encode()
                self.send_response(status)
                # Without a type of content the runtime client crashes.
                headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return RuntimeAPI
