"""Consoles: bytes both ways, whoever is slow waits, who may only look is not heard, and each way it can end."""
import socket
import threading
import time

from stream_kit import until


class Far:
    """A runner that gives one end of a socket pair away and keeps the other in `ends`."""

    def __init__(self, make_runner):
        self.ends = []
        self.runner = make_runner(self.serve)

    def serve(self, _request):
        ours, theirs = socket.socketpair()
        ours.settimeout(20)
        self.ends.append(ours)
        return theirs

    def exactly(self, n, at=0):
        got = b""
        while len(got) < n:
            more = self.ends[at].recv(n - len(got))
            assert more, got
            got += more
        return got


def test_both_ways(stream, make_runner):
    far = Far(make_runner)
    c = stream.console("serial").upgraded()
    assert far.runner.requests == [{"kind": "console", "instance": "i1", "type": "serial"}]
    far.ends[0].sendall(b"login: \xff\x00")
    assert c.binary(9) == b"login: \xff\x00"
    c.send_frame(2, b"root")
    c.send_frame(2, b"\r", fin=False)
    c.send_frame(0, b"\n")
    assert far.exactly(6) == b"root\r\n"
    c.send_frame(1, b'{"resize":[80,24]}')  # text is not for the line
    c.send_frame(2, b"!")
    assert far.exactly(1) == b"!"


def test_the_consoles_end(stream, make_runner):
    far = Far(make_runner)
    c = stream.console().upgraded()
    far.ends[0].sendall(b"bye")
    far.ends[0].close()
    assert c.binary(3) == b"bye"
    assert c.message() == ("close", 1000)


def test_the_viewers_end_is_the_descriptors(stream, make_runner):
    far = Far(make_runner)
    c = stream.console().upgraded()
    until(lambda: far.ends)
    c.close()
    assert far.ends[0].recv(1) == b""


def test_a_viewer_of_a_line_is_not_heard(stream, make_runner):
    far = Far(make_runner)
    c = stream.console("serial", readonly=True).upgraded()
    c.send_frame(2, b"reboot\n")
    far.ends[0].sendall(b"x")
    assert c.binary(1) == b"x"
    far.ends[0].settimeout(0.3)
    try:
        raise AssertionError(far.ends[0].recv(10))
    except TimeoutError:
        pass


def test_a_viewer_of_a_screen_only_looks(stream, make_runner):
    far = Far(make_runner)
    c = stream.console("vnc", readonly=True).upgraded()
    c.send_frame(2, b"RFB 003.008\n")
    c.send_frame(2, b"\1")
    c.send_frame(2, b"\0")
    c.send_frame(2, b"\4\1\0\0\0\0\0a" + b"\5\1\0\1\0\1" + b"\3\0\0\0\0\0\2\x80\1\xe0")
    assert far.exactly(24) == b"RFB 003.008\n\1\1\3\0\0\0\0\0\2\x80\1\xe0"
    c.send_frame(2, b"\x77")
    assert c.message() == ("close", 1002)


def test_a_console_that_does_not_read_holds_its_viewer(stream, make_runner):
    """Nothing is lost and nothing grows without bound: the viewer's own socket fills."""
    far = Far(make_runner)
    c = stream.console("serial").upgraded()
    block, sent = bytes(range(256)) * 128, 0
    c.sock.settimeout(0.5)
    try:
        while sent < 400:
            c.send_frame(2, block)
            sent += 1
    except TimeoutError:
        pass
    assert 4 <= sent < 400
    assert stream.rss_kib() < 120000
    whole = far.exactly(len(block) * sent)
    assert whole == block * sent


def test_a_viewer_that_does_not_read_holds_its_console(stream, make_runner):
    far = Far(make_runner)
    c = stream.console("vnc").upgraded()
    until(lambda: far.ends)
    block, total = b"z" * 65536, 0
    far.ends[0].settimeout(0.5)
    try:
        while total < 64 << 20:
            total += far.ends[0].send(block)
    except TimeoutError:
        pass
    assert total < 16 << 20
    reader = threading.Thread(target=lambda: c.binary(total))
    reader.start()
    reader.join(20)
    assert not reader.is_alive()


def test_refusals_are_http_errors(stream, make_runner):
    make_runner(lambda _q: {"error": {"code": "INVALID_STATE", "message": "the virtual machine does not run"}})
    status, _, body = stream.console().response()
    assert status == 409 and b"does not run" in body


def test_without_a_runner(stream):
    assert stream.console().response()[0] == 503


def test_only_by_websocket(stream):
    assert stream.console(proto="sse").response()[0] == 403


def test_a_revoked_credential_ends_it(stream, make_runner, feeder):
    far = Far(make_runner)
    c = stream.console("serial", token="tok", user="u", tenant="t1").upgraded()
    until(lambda: far.ends)
    feeder.revoke(token="tok")
    assert c.message() == ("close", 4401)
    until(lambda: far.ends[0].recv(1) == b"")


def test_a_tenants_consoles_are_counted(stream, make_runner):
    far = Far(make_runner)
    held = [stream.console("serial", tenant="t1").upgraded() for _ in range(64)]
    assert stream.console("serial", tenant="t1").response()[0] == 429
    assert stream.console("serial", tenant="t2").upgraded()
    held[0].close()
    until(lambda: len(far.ends) >= 65)
    end = time.monotonic() + 60
    while stream.console("serial", tenant="t1").head()[0] != 101:
        assert time.monotonic() < end
        time.sleep(0.05)
