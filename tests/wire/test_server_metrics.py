"""Figures of a server are read from its Prometheus text, or it is said to be silent."""

import http.server
import threading

import pytest

from tidemill.core.errors import UnavailableError
from tidemill.runtime.server_figures import Labels, ServerFigures
from tidemill.wire.server_metrics import parse_metrics, read_metrics


@pytest.fixture
def server():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            figures = ServerFigures(Labels(deployment="d", model="m", version="1"), ["a.b"])
            body = figures.prometheus()
            self.send_response(200 if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    thread.join()
    made.server_close()


def test_the_figures_of_a_model_server_are_read(server) -> None:
    found = read_metrics(server)
    assert found["process_cpu_seconds_total"] > 0
    assert found["process_resident_memory_bytes"] > 1e6
    assert any('rule="a.b"' in name for name in found)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="does not answer"):
        read_metrics("http://127.0.0.1:9", timeout_s=0.5)


def test_lines_that_are_no_figures_are_left_out() -> None:
    assert parse_metrics("# HELP x y\nx nothing\ny 2 1700000000\n\n") == {"y": 2.0}
