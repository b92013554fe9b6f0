"""lodge-api, and a sandbox pool that does not answer as it should. Real ones are in tests/repl."""
import os
import socket
import struct
import threading

import pytest

ANSWERS = {
    "right": (b'{"running":0}', 200, None),
    "refusal": (b'{"error":{"code":"RATE_LIMITED","message":"later","details":{"retryAfter":"1"}}}', 429, "RATE_LIMITED"),
    "none": (None, 503, "BACKEND_UNAVAILABLE"),
    "no JSON": (b"<html>", 502, "BACKEND_ERROR"),
    "half": (b'{"running":', 502, "BACKEND_ERROR"),
    "too long": (b'{"running":"' + b"x" * (17 << 20) + b'"}', 502, "BACKEND_ERROR"),
}


@pytest.fixture
def pool(fake_system):
    """Its socket: this Lodge has no pool of its own."""
    path = f"{fake_system.state}/run/sandbox.sock"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        try:
            os.chmod(path, 0o777)
            s.listen()
            s.settimeout(60)
            yield s
        finally:
            os.unlink(path)


@pytest.mark.parametrize("text, status, error", ANSWERS.values(), ids=ANSWERS)
def test_what_the_pool_answers_is_no_fault_of_the_client(red, pool, text, status, error):
    def answer():
        c = pool.accept()[0]
        with c:
            head, blob = struct.unpack(">II", c.recv(8, socket.MSG_WAITALL))
            c.recv(head + blob, socket.MSG_WAITALL)
            try:
                c.sendall(struct.pack(">I", len(text)) + text if text else b"")
            except (BrokenPipeError, ConnectionResetError):
                assert len(text) > 16 << 20  # it did not want all of it

    t = threading.Thread(target=answer)
    t.start()
    a = red.api.request("GET", "/api/repl/status")
    t.join()
    assert (a.status, a.error) == (status, error), a
