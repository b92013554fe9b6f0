"""The service registry: leases, who sees what, Lodge's own entries, the watch, restarts; and the REPL API's own ports."""
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest_names import counter
from lodge_client import Http
from lodge_system import System, free_port, until

INFO = ["name", "id", "address", "port", "status", "metadata", "version"]


def info(name, ident="1", **more):
    return {"name": name, "id": ident, "address": "10.1.2.3", "port": 8080, "status": "Healthy", "metadata": {"zone": "a"},
            "version": "1.2.3", **more}


class Registry:
    """A client of one tenant."""

    def __init__(self, api):
        self.api = api

    def call(self, method, path, body=None, expect=200):
        a = self.api.request(method, "/api/registry" + path, body)
        assert a.status == expect, a
        return a

    def register(self, *args, expect=200, **more):
        return self.call("POST", "/register", info(*args, **more), expect).json

    def keepalive(self, lease, expect=200, **more):
        return self.call("POST", "/keepalive", {"lease_id": lease, **more}, expect).json

    def deregister(self, *args, expect=200, **more):
        return self.call("POST", "/deregister", info(*args, **more), expect).json

    def services(self, name=None):
        return self.call("GET", f"/services/{name}" if name else "/services").json


class Watch(threading.Thread):
    """Reads a server-sent event stream over plain HTTP until closed."""

    def __init__(self, system, token, path, last=None):
        super().__init__(daemon=True)
        self.sock = socket.create_connection(("127.0.0.1", system.http_port))
        more = f"Last-Event-ID: {last}\r\n" if last is not None else ""
        self.sock.sendall(f"GET /api/registry{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
                          f"Accept: text/event-stream\r\n{more}\r\n".encode())
        self.events, self.ready = [], threading.Event()
        self.start()
        assert self.ready.wait(60)

    def run(self):
        kind, ident = None, None
        for line in self.sock.makefile("r", encoding="utf-8"):
            key, _, value = line.rstrip("\r\n").partition(": ")
            if key == "id":
                ident = int(value)
            elif key == "event":
                kind = value
            elif key == "data" and kind == "ready":
                self.ready.set()
            elif key == "data":
                self.events.append((ident, kind, json.loads(value), time.time()))

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.join(5)

    def of(self, name):
        return [k for _, k, e, _ in self.events if e["subject"]["name"] == name]


@pytest.fixture
def ours(red):
    return Registry(red.api)


@pytest.fixture
def name():
    return f"svc{next(counter)}"


def test_register_list_keepalive_deregister(ours, name):
    lease = ours.register(name)
    assert isinstance(lease["lease_id"], int) and 0 < lease["lease_id"] < 2 ** 53 and lease["ttl"] == 15
    assert ours.services(name) == [info(name)]
    assert list(ours.services(name)[0]) == INFO
    assert info(name) in ours.services()
    ours.keepalive(lease["lease_id"])
    ours.keepalive(lease["lease_id"], status="Unhealthy")
    assert ours.services(name)[0]["status"] == "Unhealthy"
    assert ours.deregister(name) == {"removed": True}
    assert ours.deregister(name) == {"removed": False}
    assert ours.services(name) == []
    ours.keepalive(lease["lease_id"], 404)


def test_only_what_is_needed(ours, name):
    ours.call("POST", "/register", {"name": name, "id": "x", "address": "::1", "port": 1, "unknown": True})
    assert ours.services(name) == [{"name": name, "id": "x", "address": "::1", "port": 1, "status": "Healthy", "metadata": {},
                                    "version": ""}]
    for status in ("Starting", "Healthy", "Unhealthy", "Stopping"):
        ours.register(name, "x", status=status)
        assert [s["status"] for s in ours.services(name)] == [status]
    ours.register(name, "y")
    assert [s["id"] for s in ours.services(name)] == ["x", "y"]


@pytest.mark.parametrize("field, value", [
    ("name", ""), ("name", "a/b"), ("name", "a" * 129), ("name", None), ("name", 5), ("id", ".."), ("id", "a b"), ("id", None),
    ("address", ""), ("address", "a b"), ("address", "a\"b"), ("port", 0), ("port", 65536), ("port", "80"), ("port", 80.5),
    ("port", None), ("status", "healthy"), ("status", 1), ("metadata", []), ("metadata", {"a": 1}),
    ("metadata", {str(i): "" for i in range(65)}), ("metadata", {"a": "x" * 9000}), ("metadata", {"": "x"}),
    ("version", "v" * 129), ("ttl", 0), ("ttl", 86401), ("ttl", "5")])
def test_bad_input_names_the_field(ours, name, field, value):
    a = ours.register(name, **{field: value}, expect=400) if field not in ("name", "id") else \
        ours.call("POST", "/register", {**info(name), field: value}, 400).json
    assert a["error"]["code"] == "INVALID_REQUEST" and a["error"]["details"]["field"] == field
    assert ours.services(name) == []


@pytest.mark.parametrize("body", [{}, {"lease_id": "1"}, {"lease_id": 0}, {"lease_id": -1}, {"lease_id": 1.5}, {"lease_id": 2 ** 60},
                                  {"lease_id": 1, "status": "Fine"}])
def test_bad_leases(ours, body):
    ours.call("POST", "/keepalive", body, 400)


def test_bodies_that_are_none(ours):
    for path in ("/register", "/keepalive", "/deregister"):
        for body in (b"", b"[]", b"{", b'{"name":"a","name":"b"}', b"\x00", b'"x"'):
            a = ours.api.request("POST", "/api/registry" + path, body, {"Content-Type": "application/json"})
            assert a.status == 400, a
        assert ours.api.request("POST", "/api/registry" + path, b"{}", {"Content-Type": "text/plain"}).status == 415
        assert ours.api.request("POST", "/api/registry" + path, b"x" * 70000, {"Content-Type": "application/json"}).status == 413
        assert ours.api.request("GET", "/api/registry" + path).status == 405
    assert ours.api.system.anonymous().request("GET", "/api/registry/services").status == 401


def test_tenants_do_not_see_each_other(ours, blue, name):
    theirs = Registry(blue.api)
    mine = ours.register(name)
    their = theirs.register(name, address="10.9.9.9")
    assert [s["address"] for s in ours.services(name)] == ["10.1.2.3"]
    assert [s["address"] for s in theirs.services(name)] == ["10.9.9.9"]
    theirs.keepalive(mine["lease_id"], 404)
    assert theirs.deregister(name) == {"removed": True}
    theirs.keepalive(their["lease_id"], 404)
    ours.keepalive(mine["lease_id"])
    assert len(ours.services(name)) == 1


@pytest.mark.parametrize("reserved", ["container-api", "repl-api", "service-registry", "lodge-api", "lodge-anything"])
def test_own_names_are_taken(ours, reserved):
    before = ours.services(reserved)
    for call in (ours.register, ours.deregister):
        a = call(reserved, "local", expect=403)
        assert a["error"]["code"] == "FORBIDDEN"
    assert ours.services(reserved) == before


def test_a_lease_ends_within_a_second_while_nobody_asks(fake_system, red, ours, name):
    watch = Watch(fake_system, red.api.token, f"/services/{name}/watch")
    lease = ours.register(name, ttl=2)
    began = time.time()
    until("it has expired", lambda: "service.expired" in watch.of(name))
    at = watch.events[-1][3] - began
    assert 1.9 < at < 12, at  # what names no lease has fifteen
    assert watch.of(name) == ["service.registered", "service.expired"]
    assert ours.services(name) == []
    ours.keepalive(lease["lease_id"], 404)
    watch.close()


def test_keepalive_keeps_it(ours, name):
    lease = ours.register(name, ttl=6)["lease_id"]
    for _ in range(5):
        time.sleep(1.5)
        ours.keepalive(lease)
    assert len(ours.services(name)) == 1


def test_the_same_again_ends_the_lease_before(ours, name):
    leases = [ours.register(name, port=n)["lease_id"] for n in (1, 2, 3)]
    assert len(set(leases)) == 3
    for old in leases[:2]:
        ours.keepalive(old, 404)
    ours.keepalive(leases[2])
    assert [s["port"] for s in ours.services(name)] == [3]


def test_many_register_the_same_at_once(ours, name):
    """One of them has it, and only its lease is good."""
    leases, lock = [], threading.Lock()

    def one(port):
        lease = ours.register(name, port=port)["lease_id"]
        with lock:
            leases.append((lease, port))

    threads = [threading.Thread(target=one, args=(1 + i,)) for i in range(16)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    there = ours.services(name)
    good = [port for lease, port in leases
            if ours.api.request("POST", "/api/registry/keepalive", {"lease_id": lease}).status == 200]
    assert len(there) == 1 and good == [there[0]["port"]]


def test_keepalive_against_expiry(fake_system, red, ours, name):
    """At the edge of its life a lease is renewed or has ended, never both: whoever was told 200 finds it there."""
    watch = Watch(fake_system, red.api.token, f"/services/{name}/watch")
    for round_ in range(6):
        lease = ours.register(name, f"r{round_}", ttl=1)["lease_id"]
        time.sleep(0.97 + round_ * 0.01)
        asked = time.monotonic()
        a = ours.api.request("POST", "/api/registry/keepalive", {"lease_id": lease})
        there = [s["id"] for s in ours.services(name)]
        late = time.monotonic() - asked >= 1  # so it may have ended once more
        assert a.status == (200 if f"r{round_}" in there else 404) or a.status == 200 and late, (round_, a, there)
    until("all have expired", lambda: watch.of(name).count("service.expired") == 6)
    assert watch.of(name).count("service.registered") == 6
    watch.close()


def test_watch_resumes_without_a_gap(fake_system, red, blue, ours, name):
    a = ours.call("GET", "/services")
    last = a.header("Lodge-Last-Event")
    lease = ours.register(name)["lease_id"]
    Registry(blue.api).register(name)
    ours.keepalive(lease, status="Stopping")
    ours.register(name + "x")
    watch = Watch(fake_system, red.api.token, f"/watch?since={last}")
    assert watch.of(name) == ["service.registered", "service.updated"] and watch.of(name + "x") == ["service.registered"]
    assert watch.events[0][2]["data"]["service"]["metadata"] == {"zone": "a"}
    assert {e["tenant"] for _, _, e, _ in watch.events} == {"red"}
    at = watch.events[0][0]
    watch.close()
    ours.deregister(name)
    again = Watch(fake_system, red.api.token, f"/services/{name}/watch", last=at)
    until("the rest came", lambda: len(again.of(name)) == 2)
    assert again.of(name) == ["service.updated", "service.deregistered"] and not again.of(name + "x")
    again.close()


def test_watch_refuses_nonsense(ours):
    for query in ("since=x", "since=-1", "since="):
        assert ours.api.request("GET", f"/api/registry/watch?{query}").status == 400
    assert ours.api.system.anonymous().request("GET", "/api/registry/watch").status == 401
    a = ours.api.request("GET", "/api/registry/watch?since=999999999", headers={"Accept": "text/event-stream"})
    assert a.status == 410 and "oldest" in a.json["error"]["details"]


def test_native_list(ours, red, name):
    ours.register(name, ttl=60)
    s = red.api.get(f"/services?name={name}").json["services"]
    assert len(s) == 1 and s[0]["own"] is False and s[0]["ttlSeconds"] == 60 and s[0]["registeredAt"] < s[0]["expiresAt"]
    own = [s for s in red.api.get("/services").json["services"] if s["own"]]
    assert {s["name"] for s in own} >= {"lodge-api", "lodge-stream", "lodge-runner", "container-api"}
    assert all(s["expiresAt"] is None for s in own)


# Lodge's own entries, restarts, the ports ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def system():
    ports = [free_port() for _ in range(3)]
    s = System(drivers="fake", pool="127.97.0.0/16", compat_listeners=1, compat_ports=",".join(str(free_port()) for _ in range(4)),
               repl_ports=",".join(map(str, ports))).start()
    s.repl = dict(zip(("3001", "3002", "3003"), ports))
    try:
        yield s
    finally:
        s.close()


def statuses(api):
    return {(s["name"], s["id"]): s["status"] for s in Registry(api).services() if s["name"].startswith("lodge-") or
            s["name"] in ("container-api", "repl-api", "service-registry")}


def test_own_entries_say_the_truth(system):
    api = system.admin()
    until("all are there", lambda: {n for n, _ in statuses(api)} == {"lodge-api", "lodge-stream", "lodge-runner", "lodge-engine",
                                                                     "container-api", "repl-api", "service-registry"})
    stream = system.pids("stream")[0]
    os.kill(stream, signal.SIGSTOP)  # it lives and does nothing
    try:
        until("a process that does not answer is not there", lambda: ("lodge-stream", "local") not in statuses(api))
        until("nor what it does", lambda: statuses(api)["container-api", "local"] == "Unhealthy")
    finally:
        os.kill(stream, signal.SIGCONT)
    until("it is back", lambda: statuses(api).get(("lodge-stream", "local")) == "Healthy")
    runner = system.pids("runner")[0]
    os.kill(system.up.pid, signal.SIGSTOP)  # else it is started again before anybody looks
    try:
        os.kill(runner, signal.SIGKILL)
        until("a dead one is gone", lambda: ("lodge-runner", "local") not in statuses(api))
        assert statuses(api)["service-registry", "local"] == "Healthy"
    finally:
        os.kill(system.up.pid, signal.SIGCONT)
    until("it is back", lambda: statuses(api).get(("lodge-runner", "local")) == "Healthy")


@pytest.mark.kills_workers
@pytest.mark.parametrize("victim", ["api-workers", "api", "stream", "runner"])
def test_restarts_lose_no_lease(system, victim, name):
    api = system.admin()
    ours = Registry(api)
    lease = ours.register(name, ttl=120)["lease_id"]
    short = f"{name}-short"
    ours.register(short, ttl=3)
    assert system.kill(victim)
    until("all is well", system.well, 60)
    ours.keepalive(lease)
    assert [s["name"] for s in ours.services(name)] == [name]
    until("the short one ended", lambda: not system.query("SELECT 1 FROM service WHERE name = ?", short))
    assert system.query("SELECT count(*) FROM event WHERE kind = 'service.expired' AND subject_name = ?", short) == [(1,)]


PRINTED = """
set -eu
LEASE=$(curl -sf -X POST http://localhost:3003/api/registry/register -H "Content-Type: application/json" \\
  -d '{"name":"printed","id":"a","address":"127.0.0.1","port":9000,"status":"Starting","metadata":{},"version":"1"}' | jq .lease_id)
curl -sf -X POST http://localhost:3003/api/registry/keepalive -H "Content-Type: application/json" -d "{\\"lease_id\\": $LEASE}"
echo
curl -sf http://localhost:3003/api/registry/services | jq -c '[.[].name]'
curl -sf http://localhost:3003/api/registry/services/printed | jq -c
curl -sf http://localhost:3003/api/registry/services/container-api | jq -c '[.[].name]'
curl -sf -X POST http://localhost:3003/api/registry/deregister -H "Content-Type: application/json" \\
  -d '{"name":"printed","id":"a","address":"127.0.0.1","port":9000,"status":"Stopping","metadata":{},"version":"1"}'
echo
curl -sf http://localhost:3003/api/registry/services/printed
"""


def test_the_registry_as_printed(system):
    script = PRINTED
    for printed, port in system.repl.items():
        script = script.replace(f"localhost:{printed}", f"localhost:{port}")
    p = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert p.returncode == 0, p.stdout + p.stderr
    lease, names, info_, own, removed, gone = p.stdout.splitlines()
    assert json.loads(lease)["ttl"] == 15 and "printed" in json.loads(names) and json.loads(own) == ["container-api"]
    assert json.loads(info_)[0] == {"name": "printed", "id": "a", "address": "127.0.0.1", "port": 9000, "status": "Starting",
                                    "metadata": {}, "version": "1"}
    assert json.loads(removed) == {"removed": True} and json.loads(gone) == []


def test_the_ports_guard_themselves(system):
    for port, service in zip(system.repl.values(), ("container-api", "repl-api", "service-registry")):
        http = Http(port, None)
        a = http.request("GET", "/health")
        assert a.json["service"] == service and a.status in (200, 503)
        assert http.request("GET", "/api/registry/services").status == 200
        for path in ("/api/v1/users", "/api/v1/compute/instances", "/api/openapi.json", "/", "/session"):
            assert http.request("GET", path).status == 404, path
        body = json.dumps(info("evil")).encode()
        assert http.request("POST", "/api/registry/register", body, {"Content-Type": "text/plain"}).status == 415
        assert http.request("GET", "/api/registry/services", headers={"Origin": "http://evil.example"}).status == 403
        with pytest.raises(Exception):
            Http(port, None, name="evil.example").request("GET", "/api/registry/services")
        with pytest.raises(OSError):
            socket.create_connection((socket.gethostbyname(socket.gethostname()) if not
                                      socket.gethostbyname(socket.gethostname()).startswith("127.") else "127.0.0.9", port), 2)


def test_the_header_is_the_tenant_there(system):
    a, b = (Registry(Http(system.repl["3003"], None, headers={"X-Tenant-ID": t})) for t in ("tenant-a", "tenant-b"))
    a.register("only-a")
    assert len(a.services("only-a")) == 1 and b.services("only-a") == []
    assert not [s for s in b.services() if not s["name"].startswith("lodge-") and s["name"] not in
                ("container-api", "repl-api", "service-registry")]
