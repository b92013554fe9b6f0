"""Applications at https://<name>.apps.localhost on the real engine."""
import urllib.parse

import pytest
import websocket

from e2e_names import FOREVER, page_with
from lodge_client import Connection, Http
from lodge_system import until

# Runs in an instance's network. Upgrades to WebSocket and echoes the bytes, or answers with the head it got.
SERVER = r"""
import base64, hashlib, re, socketserver, sys
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            more = self.request.recv(65536)
            if not more: return
            head += more
        key = re.search(rb"(?im)^sec-websocket-key: *(\S+)", head)
        if not key:
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Accel-Redirect: /etc/passwd\r\n"
                                 b"X-Accel-Buffering: no\r\nConnection: close\r\n\r\n" + head)
            return
        accept = base64.b64encode(hashlib.sha1(key.group(1) + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.request.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        while data := self.request.recv(65536):
            self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
Server(("0.0.0.0", 9000), Handler).serve_forever()
"""


@pytest.fixture
def speaking(system, admin, name):
    """An instance with that server at port 9000 behind ingress."""
    i = admin.create(name, FOREVER)
    server = system.engine.beside(i["id"], "/usr/bin/python3", "-c", SERVER)
    rule(admin, i["id"], targetPort=9000)
    page_with(system, name, 200)
    yield i
    server.kill()
    server.wait()
    admin.remove(i["id"])


def rule(api, ident, **more):
    return api.post(f"/compute/instances/{ident}/ingress", {"port": 443, "targetPort": 80, **more}, 201).json


def test_unknown_stopped_and_refusing(system, admin, name):
    unknown = system.app("nobody-" + name).request("GET", "/")
    assert unknown.status == 404 and "<html" in unknown.text
    i = admin.create(name, FOREVER)
    rule(admin, i["id"])
    refused = page_with(system, name, 502)
    assert "<html" in refused.text and refused.text != unknown.text
    admin.power(i["id"], "stop")
    stopped = page_with(system, name, 503)
    assert "<html" in stopped.text and stopped.header("Cache-Control") == "no-store"
    admin.remove(i["id"])
    page_with(system, name, 404)


def test_stop_start_and_new_target_take_effect_without_reload(system, admin, name):
    workers = system.pids("nginx-workers")
    i = admin.create(name, ["sh", "-c", "mkdir -p /tmp/b; echo second > /tmp/b/index.html; httpd -p 81 -h /tmp/b; "
                                        "httpd -p 80 -h /srv/www; " + FOREVER[2]])
    rule(admin, i["id"])
    page_with(system, name, 200, text="Your instance is running")
    admin.power(i["id"], "stop")
    page_with(system, name, 503)
    admin.power(i["id"], "start")
    page_with(system, name, 200, text="Your instance is running")
    admin.delete(f"/compute/instances/{i['id']}/ingress/443")
    page_with(system, name, 404)
    rule(admin, i["id"], targetPort=81)
    page_with(system, name, 200, text="second")
    assert system.pids("nginx-workers") == workers
    admin.remove(i["id"])


def test_names_are_unique_over_the_host_and_released(system, tenants, name):
    alpha, beta = tenants
    a = alpha.create(name, FOREVER)
    b = beta.create(name, FOREVER)  # the same name in another tenant is fine
    assert rule(alpha, a["id"])["host"] == name
    taken = beta.post(f"/compute/instances/{b['id']}/ingress", {"port": 443, "targetPort": 80}, 409)
    assert taken.error
    other = rule(beta, b["id"], host=name + "-b")
    assert other["host"] == name + "-b"
    assert [r["host"] for r in alpha.get("/ingress").json["ingress"]] == [name]
    alpha.remove(a["id"])
    beta.delete(f"/compute/instances/{b['id']}/ingress/443")
    assert rule(beta, b["id"], host=name)["host"] == name
    beta.remove(b["id"])


def test_a_freed_address_is_not_the_next_ones(system, admin, name):
    first = admin.create(name)
    rule(admin, first["id"])
    page_with(system, name, 200)
    address = first["network"]["address"]
    admin.remove(first["id"])
    followers = [admin.create(f"{name}-{k}", FOREVER) for k in range(3)]
    assert address not in [f["network"]["address"] for f in followers]
    page_with(system, name, 404)
    for f in followers:
        admin.remove(f["id"])


def test_what_the_application_sees_and_says(system, speaking, name):
    a = system.app(name).request("GET", "/a%20b/../c?x=1&y=%2F", headers={
        "Cookie": "one=1; __Host-lodge=stolen; two=2; __Host-lodge-app=stolen2", "X-Forwarded-For": "1.2.3.4",
        "X-Lodge-Context": "forged", "X-Upstream": "127.0.0.1:1", "X-Remote-User": "root", "Forwarded": "for=1.2.3.4"})
    assert a.status == 200 and "root:" not in a.text, "X-Accel-Redirect of an application must do nothing"
    head = a.text.lower().replace("\r", "")
    assert "stolen" not in head and "one=1" in head and "two=2" in head
    assert "x-forwarded-for: 127.0.0.1\n" in head and "1.2.3.4" not in head and "forged" not in head
    assert "x-upstream" not in head and "x-remote-user" not in head
    assert f"host: {name}.apps.localhost:{system.https_port}" in head


def test_websocket_through_ingress(system, speaking, name):
    c = Connection("127.0.0.1", f"{name}.apps.localhost", system.https_port, system.tls, 30)
    c.connect()
    ws = websocket.create_connection(f"wss://{name}.apps.localhost:{system.https_port}/ws", socket=c.sock, timeout=30)
    for text in ("hello", "x" * 70000):
        ws.send(text)
        assert ws.recv() == text
    ws.close()


def follow(system, location, headers=None):
    """One step to where a redirect points, by the host name in it. No cookies but those given."""
    u = urllib.parse.urlsplit(location)
    assert u.scheme == "https" and u.port == system.https_port, location
    http = Http(system.https_port, system.tls, name=u.hostname)
    return http.request("GET", u.path + ("?" + u.query if u.query else ""), headers=headers or {})


def test_members_only(system, tenants, name):
    alpha, beta = tenants
    i = alpha.create(name)
    rule(alpha, i["id"], access="members")
    app = system.app(name)
    first = until("members are asked", lambda: (a := app.request("GET", "/index.html?a=1")).status == 302 and a)
    assert "code" not in first.header("Location")
    assert system.app(name).request("POST", "/", b"x=1").status == 401

    member = system.session(alpha.username, alpha.password)
    cookie = {"Cookie": member.headers["Cookie"]}
    handed = follow(system, first.header("Location"), cookie)
    assert handed.status in (302, 303) and f"//{name}.apps.localhost" in handed.header("Location")
    entered = follow(system, handed.header("Location"))
    assert entered.status in (302, 303)
    got = entered.cookies()
    value = got["__Host-lodge-app"]
    raw = entered.header("Set-Cookie")
    assert all(w in raw for w in ("HttpOnly", "Secure", "Path=/")) and "Domain" not in raw
    back = urllib.parse.urlsplit(entered.header("Location"))
    assert back.path == "/index.html" and back.query == "a=1"
    page = app.request("GET", "/index.html?a=1", headers={"Cookie": f"__Host-lodge-app={value}"})
    assert page.status == 200 and "Your instance is running" in page.text
    again = follow(system, handed.header("Location"))
    assert "__Host-lodge-app" not in again.cookies(), "a code works once"

    j = alpha.create(name + "-other")
    rule(alpha, j["id"], access="members")
    other = system.app(name + "-other").request("GET", "/", headers={"Cookie": f"__Host-lodge-app={value}"})
    assert other.status in (302, 401), "a cookie is good for its own host"
    stranger = system.session(beta.username, beta.password)
    denied = follow(system, first.header("Location"), {"Cookie": stranger.headers["Cookie"]})
    assert denied.status in (403, 404), denied
    nobody = follow(system, first.header("Location"))
    assert nobody.status in (302, 303, 401) and "code=" not in (nobody.header("Location") or "")
    alpha.remove(i["id"])
    alpha.remove(j["id"])


@pytest.mark.parametrize("body", [{"port": 443, "targetPort": 0}, {"port": 443, "targetPort": 65536}, {"port": 80, "targetPort": 80},
                                  {"port": 443}, {"port": 443, "targetPort": "80"}, {"port": 443, "targetPort": 80, "host": "a.b"},
                                  {"port": 443, "targetPort": 80, "host": "-x"}, {"port": 443, "targetPort": 80, "access": "all"},
                                  {"port": 443, "targetPort": 80, "target": "127.0.0.1"}])
def test_bad_rules(system, tenants, shared, body):
    assert tenants[0].post(f"/compute/instances/{shared}/ingress", body, 400).error == "INVALID_REQUEST"


@pytest.fixture(scope="module")
def shared(tenants):
    ident = tenants[0].create("rules", FOREVER)["id"]
    yield ident
    tenants[0].remove(ident)
