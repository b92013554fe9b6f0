import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time

import pytest

from backends import FastCGI, Http, read_head, tcp_socket, unix_socket
from lodge_system import free_port

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = "build-asan" if os.environ.get("SAN") else "build"
LODGE = f"{ROOT}/{BUILD}/bin/lodge"


class Answer:
    def __init__(self, line, headers, body):
        self.line, self.headers, self.body = line, headers, body
        self.status = int(line.split(" ")[1])
        self.names = {}
        for k, v in headers:
            self.names.setdefault(k.lower(), v)

    @property
    def error(self):
        assert self.names["content-type"].startswith("application/json"), (self.line, self.headers, self.body)
        return json.loads(self.body)["error"]


class Site:
    """nginx with Lodge's real configuration before servers of the test's own."""

    def __init__(self):
        self.state = tempfile.mkdtemp(prefix="lodge-ng-")
        os.chmod(self.state, 0o755)
        self.https, self.http = free_port(), free_port()
        self.share = f"{self.state}/share"
        os.makedirs(f"{self.share}/static/js")
        os.makedirs(f"{self.share}/static/vendor/0123456789ab")
        shutil.copytree(f"{ROOT}/nginx", f"{self.share}/nginx")
        for name, text in {"index.html": "<!doctype html><title>dashboard</title>", "js/a.js": "export let x = 1;\n" * 100,
                           "vendor/index.js": "export default {};\n", "vendor/0123456789ab/lib.js": "export let y = 2;\n" * 100,
                           "package.json": "{}", "package-lock.json": "{}",
                           ".secret": "no"}.items():
            with open(f"{self.share}/static/{name}", "w") as f:
                f.write(text)
        env = {k: v for k, v in os.environ.items() if not k.startswith("LODGE_")}
        self.env = {**env, "LODGE_STATE": self.state, "LODGE_SHARE": self.share, "LODGE_HTTPS_PORT": str(self.https),
                    "LODGE_HTTP_PORT": str(self.http), "LODGE_UPLOAD_MAX_MIB": "3"}
        subprocess.run([LODGE, "prepare"], env=self.env, check=True)
        run = f"{self.state}/run"
        os.chmod(run, 0o755)
        self.api = FastCGI(f"{run}/api.sock")
        self.auth = FastCGI(f"{run}/auth.sock")
        self.route = FastCGI(f"{run}/route.sock")
        self.stream = Http(unix_socket(f"{run}/stream.sock"))
        self.app = Http(tcp_socket())
        self.upstream = "127.0.0.1:%d" % self.app.sock.getsockname()[1]
        self.log = open(f"{self.state}/nginx.log", "wb")
        self.nginx = subprocess.Popen(["nginx", "-e", "stderr", "-p", f"{self.state}/nginx", "-c", "nginx.conf"],
                                      stderr=self.log, stdout=self.log)
        for port in (self.https, self.http):
            self._wait(port)
        self.tls = ssl.create_default_context(cafile=f"{self.state}/tls/cert.pem")

    def _wait(self, port):
        for _ in range(200):
            try:
                return socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                assert self.nginx.poll() is None, open(self.log.name).read()
                time.sleep(0.05)
        raise AssertionError("nginx does not listen")

    def close(self):
        self.nginx.terminate()
        self.nginx.wait(10)
        for s in (self.api, self.auth, self.route, self.stream, self.app):
            s.close()
        self.log.close()
        shutil.rmtree(self.state)

    def connect(self, host="localhost", plain=False):
        s = socket.create_connection(("127.0.0.1", self.http if plain else self.https), 10)
        s.settimeout(30)
        return s if plain else self.tls.wrap_socket(s, server_hostname=host)

    def raw(self, data, host="localhost", plain=False):
        """Sends bytes as they are; returns everything until the connection ends."""
        with self.connect(host, plain) as s:
            s.sendall(data)
            out = b""
            try:
                while got := s.recv(65536):
                    out += got
            except (ConnectionResetError, ssl.SSLError):
                pass
            return out

    def ask(self, method, path, host="localhost", headers=(), body=b"", plain=False):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{self.http if plain else self.https}", "Connection: close"]
        if body and not any(k.lower() == "transfer-encoding" for k, _ in headers):
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{k}: {v}" for k, v in headers]
        out = self.raw(("\r\n".join(lines) + "\r\n\r\n").encode("latin1") + body, host, plain)
        while out.startswith(b"HTTP/1.1 100"):
            out = out.split(b"\r\n\r\n", 1)[1]
        assert out, open(self.log.name).read()[-2000:]
        head, content = out.split(b"\r\n\r\n", 1)
        rows = head.decode("latin1").split("\r\n")
        answer = Answer(rows[0], [tuple(x.split(": ", 1)) for x in rows[1:]], content)
        if answer.names.get("transfer-encoding") == "chunked":
            answer.body = unchunk(content)
        return answer

    def get(self, path, **kw):
        return self.ask("GET", path, **kw)


def unchunk(data):
    out = b""
    while data:
        n, data = data.split(b"\r\n", 1)
        size = int(n, 16)
        if not size:
            break
        out, data = out + data[:size], data[size + 2:]
    return out


@pytest.fixture(scope="session")
def running():
    s = Site()
    yield s
    s.close()


def negative(state):
    return lambda params, body: (403, [("X-State", state), ("Cache-Control", "max-age=1")], b"")


@pytest.fixture
def site(running):
    """The running site with default backends and nothing remembered."""
    for s in (running.api, running.auth, running.route, running.stream, running.app):
        s.calls.clear()
    running.api.answer = running.auth.answer = lambda params, body: (
        200, [("Content-Type", "application/json")], b'{"from":"worker"}')
    running.route.answer = lambda params, body: (
        204, [("X-Upstream", running.upstream), ("Cache-Control", "max-age=1, stale-while-revalidate=2")], b"")
    running.stream.answer = running.app.answer = lambda call, conn: __import__("backends").respond(200, b"hello")
    return running


@pytest.fixture
def name():
    """An application's name of this test's own: answers of look-ups are cached by name."""
    name.count = getattr(name, "count", 0) + 1
    return f"app-{name.count}"
