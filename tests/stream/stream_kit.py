"""Plays everybody lodge-stream talks to: nginx, the feeder, the runner. The process itself is the real one."""
import array
import base64
import hashlib
import hmac
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.join(ROOT, "build-asan" if os.environ.get("SAN") else "build", "bin", "lodge-stream")
PATIENCE = 30  # seconds until a test gives up; never a measurement


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def until(what, message="it did not happen"):
    """Polls until `what()` is true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(message)


class Stream:
    """A lodge-stream with a state directory of its own."""

    def __init__(self, nofile=None, **settings):
        self.nofile = nofile  # hard limit of descriptors
        self.dir = tempfile.mkdtemp(prefix="lodge-stream-test-")
        os.chmod(self.dir, 0o755)
        for name in ("run", "keys"):
            os.mkdir(os.path.join(self.dir, name), 0o755)
        self.key = os.urandom(32)
        with open(os.path.join(self.dir, "keys", "context.key"), "wb") as f:
            f.write(self.key)
        self.log = os.path.join(self.dir, "log")
        self.env = {"PATH": os.environ["PATH"], "LODGE_STATE": self.dir, "LODGE_RUN_USER": "nobody",
                    "ASAN_OPTIONS": "quarantine_size_mb=4",  # freed memory that is kept is no growth
                    **{"LODGE_" + k.upper(): str(v) for k, v in settings.items()}}
        self.asan = bool(os.environ.get("SAN"))
        self.proc = None
        self.open = []
        self.start()

    def path(self, name):
        return os.path.join(self.dir, "run", name)

    def start(self):
        with open(self.log, "ab") as log:
            self.proc = subprocess.Popen([BINARY], env=self.env, stderr=log, stdout=log, cwd="/",
                                         preexec_fn=self.limit if self.nofile else None)
        until(self.answers, "lodge-stream does not start: " + self.log_text())

    def limit(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.nofile, self.nofile))

    def answers(self):
        assert self.proc.poll() is None, self.log_text()
        try:
            return self.health()
        except OSError:
            return None

    def log_text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def kill(self):
        self.proc.send_signal(signal.SIGKILL)
        self.proc.wait(PATIENCE)

    def terminate(self):
        self.proc.send_signal(signal.SIGTERM)
        return self.proc.wait(PATIENCE)

    def close(self):
        for c in self.open:
            c.close()
        code = self.terminate() if self.proc.poll() is None else self.proc.returncode
        text = self.log_text()
        shutil.rmtree(self.dir)
        assert code in (0, -signal.SIGKILL), text
        assert "Sanitizer" not in text and "runtime error" not in text, text

    def rss_kib(self):
        with open(f"/proc/{self.proc.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def sign(self, key=None, **fields):
        context = {"exp": int(time.time() * 1000) + 30000, "user": "u1", "tenant": "t1", "token": "", "session": "s1"}
        context.update(fields)
        payload = json.dumps(context).encode()
        mac = hmac.new(key or self.key, payload, hashlib.sha512).digest()[:32]
        return b64(payload) + "." + b64(mac)

    def connect(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(PATIENCE)
        s.connect(self.path("stream.sock"))
        c = Conn(s)
        self.open.append(c)
        return c

    def request(self, context, headers=(), target="/api/v1/x"):
        c = self.connect()
        lines = [f"GET {target} HTTP/1.1", "Host: lodge", f"X-Lodge-Context: {context}", *headers]
        c.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        return c

    def ws(self, **fields):
        c = self.request(self.sign(proto="ws", **fields), UPGRADE)
        return c

    def events(self, proto="ws", after=-1, scope="t1", **fields):
        headers = UPGRADE if proto == "ws" else ()
        return self.request(self.sign(k="events", proto=proto, after=after, scope=scope, **fields), headers)

    def wait(self, op, seconds=60, **fields):
        return self.request(self.sign(k="wait", op=op, until=int((time.time() + seconds) * 1000), view="operation",
                                      id=op, **fields))

    def logs(self, proto, **fields):
        headers = UPGRADE if proto == "ws" else ()
        fields = {"instance": "i1", "tail": 100, "follow": True, "since": 0, **fields}
        return self.request(self.sign(k="logs", proto=proto, **fields), headers)

    def console(self, kind="vnc", **fields):
        fields = {"instance": "i1", "type": kind, **fields}
        return self.request(self.sign(k="console", proto=fields.pop("proto", "ws"), **fields), UPGRADE)

    def health(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(PATIENCE)
        with s:
            s.connect(self.path("stream.sock"))
            s.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            return json.loads(Conn(s).response()[2])


KEY = base64.b64encode(b"0123456789abcdef").decode()
UPGRADE = ("Upgrade: websocket", "Connection: upgrade", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13")
ACCEPT = base64.b64encode(hashlib.sha1((KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


class Conn:
    """A client's connection, as nginx holds it."""

    def __init__(self, sock):
        self.sock = sock
        self.buf = b""

    def send(self, data):
        self.sock.sendall(data)

    def close(self):
        self.sock.close()

    def fill(self):
        try:
            got = self.sock.recv(1 << 16)
        except ConnectionResetError:
            got = b""
        self.buf += got
        return bool(got)

    def until(self, mark):
        while mark not in self.buf:
            if not self.fill():
                raise EOFError(self.buf)
        head, self.buf = self.buf.split(mark, 1)
        return head

    def exactly(self, n):
        while len(self.buf) < n:
            if not self.fill():
                raise EOFError(self.buf)
        head, self.buf = self.buf[:n], self.buf[n:]
        return head

    def rest(self):
        while self.fill():
            pass
        out, self.buf = self.buf, b""
        return out

    def head(self):
        lines = self.until(b"\r\n\r\n").decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        return int(lines[0].split()[1]), headers

    def response(self):
        status, headers = self.head()
        body = self.exactly(int(headers["content-length"]))
        return status, headers, body

    def upgraded(self):
        status, headers = self.head()
        assert status == 101 and headers["sec-websocket-accept"] == ACCEPT, (status, headers)
        return self

    # WebSocket
    def frame(self):
        a, b = self.exactly(2)
        assert not b & 0x80 and a & 0x80, "a server's frame is whole and unmasked"
        n = b & 127
        if n == 126:
            n, = struct.unpack(">H", self.exactly(2))
        elif n == 127:
            n, = struct.unpack(">Q", self.exactly(8))
        return a & 15, self.exactly(n)

    def message(self):
        """The next text message as JSON, or ("close", code)."""
        while True:
            op, data = self.frame()
            if op == 1:
                return json.loads(data)
            if op == 8:
                return ("close", struct.unpack(">H", data[:2])[0] if data else 1005)
            if op == 9:
                self.send_frame(10, data)

    def binary(self, n):
        """The next n bytes of binary messages."""
        got = b""
        while len(got) < n:
            op, data = self.frame()
            assert op in (2, 9), (op, data)
            if op == 9:
                self.send_frame(10, data)
            else:
                got += data
        return got

    def send_frame(self, op, data=b"", fin=True, mask=b"\1\2\3\4", rsv=0, length=None):
        n = len(data) if length is None else length
        head = bytes([(0x80 if fin else 0) | rsv | op])
        if n < 126:
            head += bytes([0x80 | n])
        elif n < 65536:
            head += bytes([0x80 | 126]) + struct.pack(">H", n)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", n)
        self.send(head + mask + bytes(c ^ mask[i & 3] for i, c in enumerate(data)))

    # server-sent events
    def sse(self):
        """The next event with data as a dict of its fields."""
        while True:
            block = self.until(b"\n\n").decode()
            fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
            if "data" in fields:
                return fields

    def chunk(self):
        n = int(self.until(b"\r\n"), 16)
        data = self.exactly(n)
        assert self.exactly(2) == b"\r\n"
        return data


class Feeder:
    """Plays the feeder with a database of its own, shared between the feeders of one test."""

    def __init__(self, stream, database=None, mute=()):
        self.db = database if database is not None else Database()
        self.mute = mute  # kinds of question that it leaves unanswered
        self.lock = threading.RLock()
        self.asked = []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(stream.path("feed.sock"))
        self.said = self.db.last()
        self.say({"t": "hello", "last": self.said, "oldest": self.db.oldest})
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()
        until(lambda: stream.health()["feeder"])

    def say(self, *lines):
        with self.lock:
            self.sock.sendall(b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def emit(self, **fields):
        """Commits an event and tells of it."""
        with self.lock:
            event = self.db.add(**fields)
            self.say(event)
            return event["id"]

    def revoke(self, **who):
        self.say({"t": "revoke", **who})

    def listen(self):
        try:
            for line in self.sock.makefile():
                question = json.loads(line)
                self.asked.append(question)
                if question["t"] not in self.mute:
                    with self.lock:
                        self.answer(question)
        except (OSError, ValueError):
            pass

    def answer(self, q):
        if q["t"] == "op?":
            self.say({"t": "op", "req": q["req"], "done": q["op"] in self.db.done})
        elif q["t"] == "resume":
            self.say(self.db.page(q))
        elif q["t"] == "revoked?":
            self.say(*[r for at, r in self.db.revoked if at > q["after"]])

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        self.thread.join(PATIENCE)


class Database:
    def __init__(self):
        self.events, self.done, self.revoked, self.oldest = [], set(), [], 1

    def last(self):
        return self.events[-1]["id"] if self.events else 0

    def add(self, tenant="t1", kind="instance.state", admin=False, op="", done=False, pad=0, **data):
        n = self.last() + 1
        if op and done:
            self.done.add(op)
        event = {"t": "event", "id": n, "tenant": tenant, "kind": kind, "admin": admin, "op": op, "done": done,
                 "data": {"id": n, "kind": kind, "pad": "x" * pad, **data}}
        self.events.append(event)
        return event

    def page(self, q):
        if q["after"] < self.oldest - 1 or q["after"] > self.last():
            return {"t": "gone", "req": q["req"], "oldest": self.oldest}
        looked = [e for e in self.events if e["id"] > q["after"]]
        limit = q["limit"]
        page, more = looked[:limit], len(looked) > limit
        mine = [e for e in page if q["scope"] == "*" or (e["tenant"] == q["scope"] and not e["admin"])]
        return {"t": "batch", "req": q["req"], "events": mine, "more": more,
                "next": page[-1]["id"] if page else q["after"]}


class Runner:
    """Plays the runner's stream socket. `serve(request)` returns a socket to pass on, or an error dict."""

    def __init__(self, stream, serve):
        self.serve = serve
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.bind(stream.path("runner-streams.sock"))
        os.chmod(stream.path("runner-streams.sock"), 0o666)
        self.sock.listen(64)
        self.requests = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            with conn:
                request = json.loads(conn.recv(65536))
                self.requests.append(request)
                answer = self.serve(request)
                if answer is None:
                    continue
                if isinstance(answer, dict):
                    conn.send(json.dumps(answer).encode())
                    continue
                conn.sendmsg([b'{"ok":true}'],
                             [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [answer.fileno()]))])
                answer.close()

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        self.thread.join(PATIENCE)


def log_frame(stream, data):
    return struct.pack(">BBBBI", stream, 0, 0, 0, len(data)) + data
