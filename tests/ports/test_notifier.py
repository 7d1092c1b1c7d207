"""The notifier port: a log, a webhook, and several of them."""

import hashlib
import hmac
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tidemill.adapters.local.notifier import LogNotifier, Notifiers, WebhookNotifier
from tidemill.core.errors import InvalidInputError, UnavailableError
from tidemill.ports.notifier import Notice

NOTICE = Notice(key="k1", severity="alert", title="Drift in dep_delay", text="since 09:00 — é")


@pytest.fixture
def receiver():
    """A real server that keeps what it gets and answers with `status`."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, dict(self.headers), body))
            self.send_response(self.server.status)
            self.end_headers()

        def log_message(self, *args) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.status, server.got = 204, got
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def address(server, path: str = "/hooks/secret-path?a=1") -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def test_a_log_has_one_line_of_json_a_notice_also_from_several_processes(tmp_path) -> None:
    path = tmp_path / "new folder" / "notices.jsonl"
    LogNotifier(path).send(NOTICE)
    program = (
        "import sys; from pathlib import Path\n"
        "from tidemill.adapters.local.notifier import LogNotifier\n"
        "from tidemill.ports.notifier import Notice\n"
        "for i in range(30):\n"
        "    LogNotifier(Path(sys.argv[1])).send("
        "Notice(key=str(i), severity='info', title='t', text='x' * 5000))\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(3)]
    assert [process.wait(timeout=30) for process in running] == [0, 0, 0]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 91
    assert lines[0] == {
        "key": "k1", "severity": "alert", "title": NOTICE.title, "text": NOTICE.text,
    }  # fmt: skip


def test_a_webhook_is_signed_and_carries_the_key_that_tells_repeats(receiver) -> None:
    WebhookNotifier(address(receiver), "s3").send(NOTICE)
    ((path, headers, body),) = receiver.got
    assert path == "/hooks/secret-path?a=1"
    assert json.loads(body)["title"] == NOTICE.title
    assert headers["Idempotency-Key"] == "k1"
    expected = hmac.new(b"s3", body, hashlib.sha256).hexdigest()
    assert headers["X-Tidemill-Signature"] == f"sha256={expected}"


def test_without_a_secret_there_is_no_signature(receiver) -> None:
    WebhookNotifier(address(receiver)).send(NOTICE)
    assert "X-Tidemill-Signature" not in receiver.got[0][1]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_that_is_not_2xx_is_unavailable_and_tells_no_secret(receiver, status) -> None:
    receiver.status = status
    with pytest.raises(UnavailableError, match=f"answered {status}") as caught:
        WebhookNotifier(address(receiver), "s3cr3t").send(NOTICE)
    assert "secret-path" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_nobody_at_the_address_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="does not answer"):
        WebhookNotifier("http://127.0.0.1:9/x", timeout_s=1).send(NOTICE)


def test_an_address_that_is_none_is_refused_at_once() -> None:
    for url in ("", "chat.example.org/hook", "file:///etc/passwd"):
        with pytest.raises(InvalidInputError):
            WebhookNotifier(url)


def test_one_notifier_that_fails_keeps_no_other_from_telling(receiver, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    broken = LogNotifier(tmp_path / "file" / "log")
    with pytest.raises(UnavailableError, match="cannot be written"):
        Notifiers([broken, WebhookNotifier(address(receiver))]).send(NOTICE)
    assert len(receiver.got) == 1
    Notifiers([]).send(NOTICE)
