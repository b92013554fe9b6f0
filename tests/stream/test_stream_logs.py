"""Log relay: three protocols, back pressure, and everything a runner may do wrong."""
import json
import socket
import threading

import pytest

from stream_kit import log_frame, until


def pair_with(feed):
    """A runner that gives one end of a socket pair and calls feed(other end) in a thread."""

    def serve(_request):
        ours, theirs = socket.socketpair()
        threading.Thread(target=run, args=(ours,), daemon=True).start()
        return theirs

    def run(ours):
        with ours:
            try:
                feed(ours)
            except OSError:
                pass

    return serve


def lines(sock):
    sock.sendall(log_frame(1, b"hello\n") + log_frame(2, b"oh no\n") + log_frame(1, b"") + log_frame(1, b"bye\n"))


def test_websocket(stream, make_runner):
    runner = make_runner(pair_with(lines))
    c = stream.logs("ws", tail=7, follow=False, since=123).upgraded()
    assert [c.message() for _ in range(5)] == [
        {"stream": "stdout", "text": "hello\n"}, {"stream": "stderr", "text": "oh no\n"},
        {"stream": "stdout", "text": "bye\n"}, {"end": True}, ("close", 1000)]
    assert runner.requests == [{"kind": "logs", "instance": "i1", "tail": 7, "follow": False, "since": 123}]


def test_sse(stream, make_runner):
    make_runner(pair_with(lines))
    c = stream.logs("sse")
    assert c.head()[0] == 200
    assert [c.sse() for _ in range(4)] == [
        {"event": "log", "data": '{"stream":"stdout","text":"hello\\n"}'},
        {"event": "log", "data": '{"stream":"stderr","text":"oh no\\n"}'},
        {"event": "log", "data": '{"stream":"stdout","text":"bye\\n"}'},
        {"event": "end", "data": '{"end":true}'}]
    assert c.rest() == b""


def test_text(stream, make_runner):
    make_runner(pair_with(lines))
    c = stream.logs("text")
    status, headers = c.head()
    assert status == 200 and headers["transfer-encoding"] == "chunked"
    got = b""
    while chunk := c.chunk():
        got += chunk
    assert got == b"hello\noh no\nbye\n" and c.rest() == b""


def test_characters_cut_by_frames(stream, make_runner):
    text = "a€😀é".encode()

    def feed(sock):
        for byte in text:
            sock.sendall(log_frame(1, bytes([byte])))
        sock.sendall(log_frame(2, b"\xe2\x82") + log_frame(1, b"\xff") + log_frame(2, b"\xac") + log_frame(2, b"\xf0\x9f"))

    make_runner(pair_with(feed))
    c = stream.logs("ws").upgraded()
    out = {"stdout": "", "stderr": ""}
    while "end" not in (m := c.message()):
        out[m["stream"]] += m["text"]
    assert out == {"stdout": "a€😀é\ufffd", "stderr": "€\ufffd\ufffd"}


def test_frames_byte_by_byte(stream, make_runner):
    def feed(sock):
        for byte in log_frame(1, b"slowly") + log_frame(2, b"!"):
            sock.sendall(bytes([byte]))

    make_runner(pair_with(feed))
    c = stream.logs("text")
    c.head()
    got = b""
    while chunk := c.chunk():
        got += chunk
    assert got == b"slowly!"


@pytest.mark.parametrize("proto", ["ws", "sse", "text"])
@pytest.mark.parametrize("junk", [b"\3\0\0\0\0\0\0\1x", b"\1\0\1\0\0\0\0\1x", log_frame(1, b"cut")[:-1], b"\1\0\0"])
def test_broken_streams_have_no_end_mark(stream, make_runner, proto, junk):
    make_runner(pair_with(lambda sock: sock.sendall(log_frame(1, b"x") + junk)))
    c = stream.logs(proto)
    if proto == "ws":
        c.upgraded()
        while not isinstance(m := c.message(), tuple):
            assert "end" not in m
        assert m == ("close", 1011)
    else:
        c.head()
        rest = c.rest()
        assert b"end" not in rest and not rest.endswith(b"0\r\n\r\n")


def test_errors_of_the_runner(stream, make_runner):
    def code(c):
        status, _, body = c.response()
        return status, json.loads(body)["error"]["code"]

    assert code(stream.logs("ws")) == (503, "BACKEND_UNAVAILABLE")
    answers = [{"error": {"code": "INSTANCE_NOT_FOUND", "message": "there is none"}},
               {"error": {"code": "BACKEND_UNAVAILABLE", "message": "no engine"}},
               {"error": {"code": "NEWER_THAN_US", "message": "?"}}, {"ok": True}, {}, None]
    make_runner(lambda _request: answers.pop(0))
    assert code(stream.logs("ws")) == (404, "INSTANCE_NOT_FOUND")
    assert code(stream.logs("sse")) == (503, "BACKEND_UNAVAILABLE")
    assert code(stream.logs("text"))[0] == 500
    assert code(stream.logs("text"))[0] == 502
    assert code(stream.logs("text"))[0] == 502
    assert code(stream.logs("text"))[0] == 503


def test_the_descriptor_closes_with_the_client(stream, make_runner):
    ended = threading.Event()

    def feed(sock):
        try:
            sock.sendall(log_frame(1, b"hi"))
            sock.recv(1)  # end of file, or a reset when "hi" was never read
        finally:
            ended.set()

    make_runner(pair_with(feed))
    for proto in ("ws", "sse", "text"):
        ended.clear()
        c = stream.logs(proto)
        c.head()
        c.close()
        until(ended.is_set)
    c = stream.logs("ws").upgraded()
    ended.clear()
    c.message()
    c.send_frame(8)
    assert c.message() == ("close", 1005)
    until(ended.is_set)


def test_revoked_while_following(stream, make_runner, feeder):
    make_runner(pair_with(lambda sock: (sock.sendall(log_frame(1, b"hi")), sock.recv(1))))
    c, t = stream.logs("ws", token="k1").upgraded(), stream.logs("text", token="k1")
    c.message()
    t.head()
    assert t.chunk() == b"hi"
    feeder.revoke(token="k1")
    assert c.message() == ("close", 4401)
    assert t.rest() == b""


@pytest.mark.parametrize("proto", ["ws", "sse", "text"])
def test_back_pressure(stream, make_runner, feeder, proto):
    """100 MB through a reader that first does not read at all: the source is stopped, memory stays."""
    block, count = log_frame(1, (b"0123456789abcde\n" * 2048)), 3200
    written = [0]

    def feed(sock):
        for _ in range(count):
            sock.sendall(block)
            written[0] += 1

    make_runner(pair_with(feed))
    before = stream.rss_kib()
    c = stream.logs(proto)
    assert c.head()[0] in (101, 200)
    settled = [-1]

    def stopped():
        same, settled[0] = settled[0] == written[0], written[0]
        threading.Event().wait(0.2)
        return same and written[0] > 0

    until(stopped)
    assert written[0] < 100  # of 3,200: it does not pile up
    other = stream.events().upgraded()
    assert other.message()["type"] == "ready"
    feeder.emit()
    assert other.message()["id"] == 1  # others are served meanwhile
    total, peak = 0, 0
    while True:
        if proto == "ws":
            op, data = c.frame()
            if op == 8:
                break
            total += len(json.loads(data).get("text", "")) if op == 1 else 0
        elif proto == "sse":
            e = c.sse()
            if e["event"] == "end":
                break
            total += len(json.loads(e["data"])["text"])
        else:
            data = c.chunk()
            if not data:
                break
            total += len(data)
        peak = max(peak, stream.rss_kib()) if total % (1 << 22) < 65536 else peak
    assert total == count * 32768
    assert peak - before < (64 if stream.asan else 8) * 1024, f"{before} KiB before, {peak} KiB at most"


def test_a_tenant_follows_so_many_logs_and_no_more(stream, make_runner):
    """The runner has a process for each, so one tenant must not have them all."""
    make_runner(pair_with(lambda sock: (sock.sendall(log_frame(1, b"hi")), sock.recv(1))))
    mine = [stream.logs("ws", tenant="t1").upgraded() for _ in range(64)]
    assert stream.logs("ws", tenant="t1").response()[0] == 429
    assert stream.logs("ws", tenant="t2").upgraded().message() == {"stream": "stdout", "text": "hi"}
    mine.pop().close()

    def again():
        c = stream.logs("ws", tenant="t1")
        return c.head()[0] == 101

    until(again)
