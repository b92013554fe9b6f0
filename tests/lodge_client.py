"""Clients of a running Lodge: HTTPS with kept connections, WebSocket events, the engine's own socket."""
import http.client
import json
import select
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import websocket

IDLE_S = 20  # a connection kept for longer may be the server's to close at any moment


def read_until(ws, mark):
    """All bytes that a console or terminal has sent when `mark` is among them."""
    got = b""
    while mark not in got:
        op, data = ws.recv_data()
        assert op == websocket.ABNF.OPCODE_BINARY, (op, data, got)
        got += data
    return got


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The code of an error envelope, None when this is none."""
        try:
            return self.json["error"]["code"]
        except (ValueError, KeyError, TypeError):
            return None

    def header(self, name):
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)

    def cookies(self):
        """Name → value of what Set-Cookie says."""
        return dict(v.split(";")[0].split("=", 1) for k, v in self.headers if k.lower() == "set-cookie")

    def __repr__(self):
        return f"<{self.status} {self.text[:400]}>"


class Connection(http.client.HTTPConnection):
    """One connection to `address`, whatever name it speaks to; TLS with a context, plain without."""

    def __init__(self, address, name, port, context, timeout):
        super().__init__(name, port, timeout=timeout)
        self.address, self.context = address, context

    def connect(self):
        sock = socket.create_connection((self.address, self.port), self.timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self.context.wrap_socket(sock, server_hostname=self.host) if self.context else sock


class Http:
    """Requests to one name at one port; a kept connection per thread."""

    def __init__(self, port, context, name="localhost", address="127.0.0.1", headers=None, timeout=90):
        self.port, self.context, self.name, self.address = port, context, name, address
        self.headers, self.timeout = headers or {}, timeout
        self.local = threading.local()

    def close(self):
        c = getattr(self.local, "c", None)
        if c:
            c.close()
        self.local.c = None

    def _once(self, method, path, body, headers):
        c = getattr(self.local, "c", None)
        if c and (time.monotonic() - self.local.used > IDLE_S or c.sock and select.select([c.sock], [], [], 0)[0]):
            self.close()  # or closed by the server already: nothing else is there to be read
            c = None
        self.local.used = time.monotonic()
        kept = c is not None and c.sock is not None
        if not c:
            c = self.local.c = Connection(self.address, self.name, self.port, self.context, self.timeout)
        try:
            c.request(method, path, body, headers)
            r = c.getresponse()
            return Answer(r.status, r.getheaders(), r.read())
        except (OSError, http.client.HTTPException) as e:
            self.close()
            e.kept = kept
            raise

    def request(self, method, path, body=None, headers=None):
        h = {**self.headers, **(headers or {})}
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            h.setdefault("Content-Type", "application/json")
        try:
            return self._once(method, path, body, h)
        except (http.client.RemoteDisconnected, ConnectionError) as e:
            if not e.kept or method not in ("GET", "HEAD"):
                raise
            return self._once(method, path, body, h)  # the server had closed the kept connection


class Api(Http):
    """The native API with one identity: a token, or nothing."""

    def __init__(self, system, token=None, tenant=None, headers=None):
        h = dict(headers or {})
        if token:
            h["Authorization"] = f"Bearer {token}"
        if tenant:
            h["Lodge-Tenant"] = tenant
        super().__init__(system.https_port, system.tls, headers=h)
        self.system, self.token = system, token

    def call(self, method, path, body=None, expect=None, **headers):
        """`path` below /api/v1. `expect`: the statuses that are right; anything else fails with the whole answer."""
        a = self.request(method, "/api/v1" + path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        if expect is not None:
            right = (expect,) if isinstance(expect, int) else expect
            assert a.status in right, f"{method} {path}: expected {right}, got {a}"
        return a

    def get(self, path, expect=200, **h):
        return self.call("GET", path, None, expect, **h)

    def post(self, path, body=None, expect=(200, 201, 202, 204), **h):
        return self.call("POST", path, body, expect, **h)

    def put(self, path, body=None, expect=(200, 201, 202, 204), **h):
        return self.call("PUT", path, body, expect, **h)

    def delete(self, path, expect=(200, 202, 204), **h):
        return self.call("DELETE", path, None, expect, **h)

    # Instances ------------------------------------------------------------------------------------------------
    def create(self, name, command=None, *, wait=True, expect_state="running", memory=None, cores=None, labels=None,
               **config):
        if command is not None:
            config["command"] = command
        body = {"name": name, "config": config}
        resources = {}
        if memory:
            resources["memory"] = {"limit": memory}
        if cores:
            resources["cpu"] = {"cores": cores}
        if resources:
            body["resources"] = resources
        if labels:
            body["labels"] = labels
        inst = self.post("/compute/instances", body, 201).json
        if wait and expect_state:
            return self.until(inst["id"], expect_state)
        return inst

    def instance(self, ident):
        return self.get(f"/compute/instances/{ident}").json

    def until(self, ident, *states, timeout=90):
        """The instance once it is in one of the states; fails early when it is in error instead."""
        end = time.monotonic() + timeout
        while True:
            i = self.instance(ident)
            if i["state"] in states:
                return i
            if i["state"] == "error" and not i.get("operation"):
                raise AssertionError(f"{i['name']} is in error: {i['reason']}")
            assert time.monotonic() < end, f"{i['name']} stays {i['state']}, wanted {states}: {i}"
            time.sleep(0.1)

    def power(self, ident, verb, body=None, expect=200):
        return self.post(f"/compute/instances/{ident}/{verb}", body if body is not None else {}, expect, Prefer="wait=180").json

    def remove(self, ident, force=True):
        return self.delete(f"/compute/instances/{ident}?force={'true' if force else 'false'}", 200, Prefer="wait=180").json

    def remove_all(self):
        """Every instance of this tenant, and the wait for their end."""
        for i in self.get("/compute/instances?pageSize=500").json["instances"]:
            self.delete(f"/compute/instances/{i['id']}?force=true", (200, 202, 404, 409), Prefer="wait=0")
        end = time.monotonic() + 120
        while self.get("/compute/instances?pageSize=1").json["total"]:
            assert time.monotonic() < end, "instances do not go away"
            time.sleep(0.2)

    def operation(self, ident, timeout=90):
        """The operation at its end, waited for in lodge-stream."""
        end = time.monotonic() + timeout
        while True:
            o = self.get(f"/operations/{ident}/wait?timeout=30").json
            if o["status"] not in ("queued", "running"):
                return o
            assert time.monotonic() < end, f"operation does not end: {o}"

    def cancel_all(self):
        """Every open operation of this tenant, and the wait for their end."""
        open_ones = [o["id"] for o in self.get("/operations?pageSize=100").json["operations"] if not o["endedAt"]]
        for ident in open_ones:
            self.delete(f"/operations/{ident}", None)
        for ident in open_ones:
            self.operation(ident)

    # Streams --------------------------------------------------------------------------------------------------
    def websocket(self, path, timeout=60, header=(), **kw):
        own = [f"{k}: {v}" for k, v in self.headers.items()]
        return websocket.create_connection(f"wss://localhost:{self.port}{path}", timeout=timeout,
                                           header=own + list(header), sslopt={"context": self.context}, **kw)

    def events(self, **kw):
        return EventTail(self, **kw)


def operation_of(answer):
    """The id in Operation-Location."""
    return answer.header("Operation-Location").rsplit("/", 1)[1]


class EventTail(threading.Thread):
    """Follows the events by WebSocket and comes back with `since` whenever the connection breaks."""

    def __init__(self, api, since=None, query=""):
        super().__init__(daemon=True)
        self.api, self.query = api, query
        if since is None:
            since = api.get("/session").json["lastEvent"]
        self.first = self.last = since
        self.events, self.connects, self.gone = [], 0, None
        self.changed = threading.Condition()
        self.ending = False
        self.ws = None
        self.start()

    def run(self):
        while not self.ending:
            try:
                self._connection()
            except (OSError, websocket.WebSocketException):
                time.sleep(0.1)

    def _connection(self):
        self.ws = self.api.websocket(f"/api/v1/events?since={self.last}{self.query}")
        with self.changed:
            self.connects += 1
        try:
            while not self.ending:
                text = self.ws.recv()
                if not text:
                    return
                self._take(json.loads(text))
        finally:
            self.ws.close()

    def _take(self, event):
        with self.changed:
            if event.get("type") == "gone":
                self.gone, self.ending = event, True
            if "id" in event and "kind" in event:
                self.events.append(event)
                self.last = event["id"]
            self.changed.notify_all()

    def wait(self, wanted, timeout=60):
        """The first event for which wanted(event) is true, from the beginning of the tail."""
        end, seen = time.monotonic() + timeout, 0
        with self.changed:
            while True:
                for e in self.events[seen:]:
                    if wanted(e):
                        return e
                seen = len(self.events)
                left = end - time.monotonic()
                assert left > 0, f"no such event among {[(e['kind'], e['data']) for e in self.events][-20:]}"
                self.changed.wait(left)

    def reaches(self, ident, timeout=60):
        end = time.monotonic() + timeout
        with self.changed:
            while self.last < ident:
                left = end - time.monotonic()
                assert left > 0, f"the tail stays at {self.last}, wanted {ident}"
                self.changed.wait(left)

    def stop(self):
        self.ending = True
        if self.ws and self.ws.sock:
            try:
                self.ws.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.join(10)


class Engine:
    """The container engine's own API on its unix socket: what really is there."""

    def __init__(self, path):
        self.path = path

    def _connect(self, patience=20):
        """A killed engine is started again after a pause that grows: that long nobody listens."""
        end = time.monotonic() + patience
        while True:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(60)
            try:
                sock.connect(self.path)
                return sock
            except OSError:
                sock.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def call(self, method, path, body=None):
        """A service that is killed drops whoever had just connected: asking once more changes nothing for a GET."""
        try:
            return self._once(method, path, body)
        except (ConnectionError, http.client.RemoteDisconnected):
            if method != "GET":
                raise
            return self._once(method, path, body)

    def _once(self, method, path, body):
        c = http.client.HTTPConnection("engine", timeout=60)
        c.sock = self._connect()
        try:
            data = json.dumps(body).encode() if body is not None else None
            c.request(method, "/v1.41" + path, data, {"Content-Type": "application/json"} if data else {})
            r = c.getresponse()
            return Answer(r.status, r.getheaders(), r.read())
        finally:
            c.close()

    def list(self, **labels):
        q = urllib.parse.quote(json.dumps({"label": [f"{k.replace('_', '.')}={v}" for k, v in labels.items()]}))
        a = self.call("GET", f"/containers/json?all=1&filters={q}")
        assert a.status == 200, a
        return a.json

    def inspect(self, ident):
        """The container of an instance id; None when there is none."""
        a = self.call("GET", f"/containers/lodge-{ident}/json")
        assert a.status in (200, 404), a
        return a.json if a.status == 200 else None

    def pid(self, ident):
        """The instance's first process, as the host sees it."""
        return self.inspect(ident)["State"]["Pid"]

    def exec(self, ident, *argv):
        """Runs a command inside an instance, with the host's rights; (exit code, output). The engine's own exec would leave
        a monitor for five minutes."""
        p = subprocess.run(["nsenter", "-t", str(self.pid(ident)), "-m", "-n", "-p", "-u", "-i", "-r", "--", *argv],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        return p.returncode, p.stdout.decode("utf-8", "replace")

    def beside(self, ident, *argv, **kw):
        """Starts a program of the host in an instance's network, so that it looks like one of the instance's own."""
        return subprocess.Popen(["nsenter", "-t", str(self.pid(ident)), "-n", "--", *argv], stdin=subprocess.DEVNULL, **kw)


def tls_context(cert):
    c = ssl.create_default_context(cafile=cert)
    c.minimum_version = ssl.TLSVersion.TLSv1_2
    return c
