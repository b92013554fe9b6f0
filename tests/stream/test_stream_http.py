"""What must not get in, and how it is refused."""
import json
import os
import shutil
import socket
import struct
import subprocess
import time

import pytest

from stream_kit import BINARY, PATIENCE, UPGRADE, until


def refused(c):
    status, headers, body = c.response()
    assert headers["content-type"] == "application/json" and headers["connection"] == "close"
    assert c.rest() == b""
    return status, json.loads(body)["error"]["code"]


def events(stream, **fields):
    return stream.sign(**{"k": "events", "proto": "ws", "after": -1, "scope": "t1", **fields})


def test_health(stream):
    assert stream.health() == {"status": "ok", "clients": 0, "waits": 0, "feeder": False}


def test_contexts_that_are_not_believed(stream):
    good = events(stream)
    payload, mac = good.split(".")
    other = stream.sign(k="wait", op="x", until=0)
    for bad in ("", ".", "x", payload, payload + ".", "." + mac, payload + "." + other.split(".")[1], good + "A",
                good[:-1] + ("A" if good[-1] != "A" else "B"), events(stream, key=os.urandom(32)), "é" * 10):
        assert refused(stream.request(bad, UPGRADE)) == (403, "FORBIDDEN")
    for fields in ({"exp": int(time.time() * 1000) - 1}, {"exp": "soon"}, {"exp": None}, {"k": "admin"}, {"k": None},
                   {"proto": ""}, {"proto": "text"}, {"proto": 3}, {"after": "1"}, {"scope": ""}, {"scope": 5},
                   {"user": 7}, {"kinds": []}):
        assert refused(stream.request(events(stream, **fields), UPGRADE)) == (403, "FORBIDDEN"), fields
    c = stream.connect()
    c.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert refused(c)[0] == 403


def test_two_contexts_are_one_too_many(stream):
    c = stream.request(events(stream), (*UPGRADE, "x-lodge-context: " + events(stream, scope="*")))
    assert refused(c) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("head", [
    b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/2.0\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET /\0 HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", b"GET / HTTP/1.1\r\n folded: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nA : b\r\n\r\n", b"GET / HTTP/1.1\r\n: b\r\n\r\n", b"GET  / HTTP/1.1\r\n\r\n",
    b"G\x80T / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    b"GET / HTTP/1.1\nA: b\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n",
])
def test_malformed_heads(stream, head):
    c = stream.connect()
    c.send(head)
    assert refused(c) == (400, "INVALID_REQUEST")


def test_oversized_heads(stream):
    for filler in (b"A: " + b"b" * 20000, b"A: b\r\n" * 5000, b"x" * 300000):
        c = stream.connect()
        try:
            c.send(b"GET / HTTP/1.1\r\n" + filler)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert c.response()[0] in (400, 413)
    assert stream.health()["status"] == "ok"


def test_byte_at_a_time(stream, feeder):
    c = stream.connect()
    head = "\r\n".join(["GET /api/v1/events HTTP/1.1", "Host: x", "X-Lodge-Context: " + events(stream), *UPGRADE])
    for byte in (head + "\r\n\r\n").encode():
        c.send(bytes([byte]))
    c.upgraded()
    assert c.message()["type"] == "ready"
    for byte in bytes([0x89, 0x83, 1, 2, 3, 4, ord("a") ^ 1, ord("b") ^ 2, ord("c") ^ 3]):
        c.send(bytes([byte]))
    assert c.frame() == (10, b"abc")


def test_frames_right_behind_the_head(stream, feeder):
    c = stream.connect()
    head = "\r\n".join(["GET / HTTP/1.1", "X-Lodge-Context: " + events(stream), *UPGRADE]) + "\r\n\r\n"
    c.send(head.encode() + bytes([0x89, 0x80, 0, 0, 0, 0]))
    c.upgraded()
    assert {c.frame()[0], c.frame()[0]} == {1, 10}


def test_not_an_upgrade(stream):
    for without in range(4):
        headers = [h for i, h in enumerate(UPGRADE) if i != without]
        status, code = refused(stream.request(events(stream), headers))
        assert (status, code) in ((426, "INVALID_REQUEST"), (400, "INVALID_REQUEST"))
    bad_key = [*UPGRADE[:2], "Sec-WebSocket-Key: short", UPGRADE[3]]
    assert refused(stream.request(events(stream), bad_key))[0] == 400
    old = [*UPGRADE[:3], "Sec-WebSocket-Version: 8"]
    c = stream.request(events(stream), old)
    status, headers, _ = c.response()
    assert status == 426 and headers["sec-websocket-version"] == "13"


def broken(c, code):
    while True:
        m = c.message()
        if isinstance(m, tuple):
            assert m == ("close", code)
            return True


def test_malformed_frames(stream, feeder):
    def unmasked(c):
        c.send(b"\x81\x02hi")

    def long_control(c):
        c.send_frame(9, b"x" * 126)

    def too_big_in_parts(c):
        c.send_frame(1, b"x" * 40000, fin=False)
        c.send_frame(0, b"x" * 40000)

    def nested(c):
        c.send_frame(1, b"a", fin=False)
        c.send_frame(1, b"b")

    cases = [
        (unmasked, 1002), (long_control, 1002), (too_big_in_parts, 1009), (nested, 1002),
        (lambda c: c.send_frame(1, b"x", rsv=0x40), 1002),
        (lambda c: c.send_frame(3, b"x"), 1002), (lambda c: c.send_frame(11), 1002),
        (lambda c: c.send_frame(9, b"", fin=False), 1002), (lambda c: c.send_frame(0, b"x"), 1002),
        (lambda c: c.send_frame(1, b"", length=65537), 1009),
        (lambda c: c.send_frame(1, b"", length=1 << 62), 1009),
        (lambda c: c.send(b"\x81\xff" + b"\xff" * 8 + b"\0\0\0\0"), 1002),
        (lambda c: c.send(b"\x81\xfe\x00\x05" + b"\0\0\0\0hello"), 1002),
        (lambda c: c.send_frame(8, b"x"), 1002),
        (lambda c: c.send_frame(8, struct.pack(">H", 1005)), 1002),
        (lambda c: c.send_frame(8, struct.pack(">H", 999)), 1002),
    ]
    for send, code in cases:
        c = stream.events().upgraded()
        send(c)
        assert broken(c, code)
        assert c.rest() == b""
    until(lambda: stream.health()["clients"] == 0)


def test_well_formed_frames_are_taken(stream, feeder):
    c = stream.events().upgraded()
    c.send_frame(1, b"x" * 60000, fin=False)
    c.send_frame(9, b"in between")
    c.send_frame(0, b"y" * 5536)
    c.send_frame(2, b"")
    c.send_frame(10, b"unasked")
    assert c.message()["type"] == "ready"
    assert c.frame() == (10, b"in between")
    c.send_frame(8, struct.pack(">H", 1000) + b"bye")
    assert broken(c, 1000)
    assert c.rest() == b""


def test_half_closed_counts_as_closed(stream, feeder):
    clients = [stream.events().upgraded(), stream.events("sse"), stream.wait("op1")]
    until(lambda: stream.health()["clients"] == 3)
    for c in clients:
        c.sock.shutdown(socket.SHUT_WR)
    until(lambda: stream.health()["clients"] == 0)
    c = stream.connect()
    c.send(b"GET /health HTTP/1.1\r\n\r\n")
    c.sock.shutdown(socket.SHUT_WR)
    assert c.response()[0] == 200
    c = stream.connect()
    c.send(b"GET /hea")
    c.sock.shutdown(socket.SHUT_WR)
    assert c.rest() == b""


def test_bodies_are_ignored(stream, feeder):
    context = stream.sign(k="wait", op="op1", until=int((time.time() + 60) * 1000))
    c = stream.connect()
    c.send(f"POST / HTTP/1.1\r\nX-Lodge-Context: {context}\r\nContent-Length: 200000\r\n\r\n".encode() + b"x" * 200000)
    until(lambda: stream.health()["waits"] == 1)
    feeder.emit(op="op1", done=True)
    assert c.response()[1]["x-accel-redirect"] == "@render"


def test_over_the_limit(make_stream):
    stream = make_stream(stream_clients_max=10)
    kept = [stream.events().upgraded() for _ in range(10)]
    c = stream.events()
    status, headers, body = c.response()
    assert (status, headers["retry-after"]) == (503, "5") and json.loads(body)["error"]["code"]
    kept[0].close()
    until(lambda: stream.health()["clients"] == 9)
    stream.events().upgraded()


def test_thousands_of_idle_websockets_are_cheap(stream, feeder):
    before = stream.rss_kib()
    clients = [stream.events().upgraded() for _ in range(2000)]
    assert stream.health()["clients"] == 2000
    grown = stream.rss_kib() - before
    feeder.emit()
    for c in clients:
        assert c.message()["type"] == "ready" and c.message()["id"] == 1
    if not os.environ.get("SAN"):
        assert grown < 6 * 1024, f"{grown} KiB for 2,000 idle WebSockets"


def test_privileges_are_given_up(stream):
    with open(f"/proc/{stream.proc.pid}/status") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    if os.geteuid() == 0:
        assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split()
        assert status["CapEff"].strip("0") == ""
    for name in ("stream.sock", "feed.sock"):
        assert os.stat(stream.path(name)).st_mode & 0o777 == 0o660


def test_out_of_descriptors_it_waits_and_recovers(make_stream, make_feeder):
    stream = make_stream(nofile=40)
    feeder = make_feeder(stream=stream)
    live = stream.events().upgraded()
    assert live.message()["type"] == "ready"
    crowd = [stream.events() for _ in range(100)]
    until(lambda: "cannot accept" in stream.log_text())
    feeder.emit()
    assert live.message()["id"] == 1
    for c in crowd:
        c.close()
    until(lambda: stream.health()["clients"] == 1)
    feeder.emit()
    assert live.message()["id"] == 2


@pytest.mark.parametrize("spoil, word", [
    (lambda s: os.unlink(os.path.join(s.dir, "keys", "context.key")), "context.key"),
    (lambda s: os.truncate(os.path.join(s.dir, "keys", "context.key"), 31), "context.key"),
    (lambda s: s.env.update(LODGE_STREAM_CLIENTS_MAX="many"), "stream_clients_max"),
    (lambda s: s.env.update(LODGE_RUN_USER="nobody-of-this-name"), "run_user"),
    (lambda s: shutil.rmtree(s.path("")), "stream.sock"),
])
def test_says_why_it_does_not_start(stream, spoil, word):
    if word == "run_user" and os.geteuid():
        pytest.skip("only root changes the user")
    stream.terminate()
    spoil(stream)
    with open(stream.log, "ab") as log:
        assert subprocess.run([BINARY], env=stream.env, stderr=log, timeout=PATIENCE).returncode == 1
    assert word in stream.log_text() or word == "stream.sock"


def test_sockets_left_behind_are_replaced(stream):
    """A socket file that a killed process left behind is no obstacle."""
    stream.kill()
    assert os.path.exists(stream.path("stream.sock"))
    stream.start()
    assert stream.health()["status"] == "ok"
