"""Ingress rules, what nginx learns of them, and a member's way into a members-only application.

The fake engine's instances have loopback addresses: where nobody listens the page is "refusing" (502), and a test can be
the application itself."""
import http.server
import threading
import urllib.parse

import pytest

from lodge_client import Http
from lodge_system import until

RULE = {"instance", "port", "targetPort", "host", "url", "access", "createdAt"}


def add(tenant, ident, expect=201, **body):
    return tenant.api.post(f"/compute/instances/{ident}/ingress", {"port": 443, "targetPort": 8080, **body}, expect)


def page(system, host, status, path="/", **headers):
    """A route is cached for a second or two, so a change is waited for."""
    return until(f"{host} answers {status}", lambda: (a := system.app(host).request("GET", path, headers=headers)).status == status and a,
                 timeout=30)


def test_a_rule(fake_system, red, instance):
    r = add(red, instance["id"]).json
    assert set(r) == RULE and r["host"] == instance["name"] and r["access"] == "public" and r["port"] == 443
    assert r["url"] == f"https://{instance['name']}.apps.localhost:{fake_system.https_port}/"
    assert red.api.instance(instance["id"])["ingress"] == [r]
    assert red.api.get(f"/compute/instances/{instance['id']}/ingress").json["ingress"] == [r]
    assert r in red.api.get("/ingress").json["ingress"]
    assert add(red, instance["id"], 409, host="other").json["error"]["details"]["field"] == "port"
    red.api.delete(f"/compute/instances/{instance['id']}/ingress/443", 204)
    red.api.delete(f"/compute/instances/{instance['id']}/ingress/443", 404)
    again = red.api.post(f"/compute/instances/{instance['id']}/ingress", {"target_port": 80}, 201).json
    assert again["targetPort"] == 80 and again["port"] == 443


def test_hosts_are_unique_and_released(red, blue, label):
    a, b = red.make(label), blue.make(label)
    add(red, a["id"])
    assert add(blue, b["id"], 409).json["error"]["details"]["field"] == "host"
    add(blue, b["id"], host=label + "-b")
    blue.api.delete(f"/compute/instances/{a['id']}/ingress/443", 404)
    red.drop(a["id"])
    blue.api.delete(f"/compute/instances/{b['id']}/ingress/443", 204)
    add(blue, b["id"])
    blue.drop(b["id"])


@pytest.mark.parametrize("body,field", [
    ({"targetPort": 0}, "targetPort"), ({"targetPort": 65536}, "targetPort"), ({"targetPort": -1}, "targetPort"),
    ({"targetPort": "80"}, "targetPort"), ({"targetPort": 80.5}, "targetPort"), ({"targetPort": 1e30}, "targetPort"),
    ({"targetPort": None}, "targetPort"), ({"target_port": 81}, "targetPort"), ({"port": 80}, "port"), ({"port": 0}, "port"),
    ({"host": ""}, "host"), ({"host": "a.b"}, "host"), ({"host": "A"}, "host"), ({"host": "-a"}, "host"), ({"host": "a/b"}, "host"),
    ({"host": "x" * 64}, "host"), ({"host": 5}, "host"), ({"access": "all"}, "access"), ({"access": True}, "access"),
    ({"target": "127.0.0.1"}, "target"), ({"upstream": "http://169.254.169.254"}, "upstream"),
])
def test_wrong_rules(red, instance, body, field):
    a = add(red, instance["id"], 400, **body)
    assert a.error == "INVALID_REQUEST" and a.json["error"]["details"]["field"] == field
    assert red.api.instance(instance["id"])["ingress"] == []


@pytest.mark.parametrize("port", ["0", "x", "65536", "-1", "443x", "99999999999999999999", "%20443"])
def test_wrong_ports_in_paths(red, instance, port):
    red.api.delete(f"/compute/instances/{instance['id']}/ingress/{port}", 404)


def test_pages_follow_the_state(fake_system, red, instance):
    host = instance["name"]
    page(fake_system, host, 404)
    add(red, instance["id"])
    page(fake_system, host, 502)
    red.verb(instance["id"], "pause")
    page(fake_system, host, 503)
    red.verb(instance["id"], "unpause")
    page(fake_system, host, 502)
    red.verb(instance["id"], "stop")
    page(fake_system, host, 503)
    red.drop(instance["id"])
    page(fake_system, host, 404)


class Application(http.server.BaseHTTPRequestHandler):
    """Says which request it got."""

    def do_GET(self):
        body = f"{self.path}\n{self.headers}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def application(instance):
    """Listens where the instance would, on port 8080."""
    server = http.server.ThreadingHTTPServer((instance["network"]["address"], 8080), Application)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_request_reaches_the_instance(fake_system, red, instance, application):
    add(red, instance["id"])
    a = page(fake_system, instance["name"], 200, "/x?y=1")
    assert a.text.startswith("/x?y=1\n") and f"Host: {instance['name']}.apps.localhost" in a.text


# Members -----------------------------------------------------------------------------------------------------------
class Browser:
    """Follows one redirect at a time with the cookies of each host."""

    def __init__(self, system, session=None):
        self.system, self.app_cookie = system, None
        self.dashboard = {"Cookie": session.headers["Cookie"]} if session else {}

    def get(self, url):
        u = urllib.parse.urlsplit(url)
        path = u.path + (f"?{u.query}" if u.query else "")
        if u.hostname == "localhost":
            return Http(self.system.https_port, self.system.tls).request("GET", path, headers=self.dashboard)
        headers = {"Cookie": f"__Host-lodge-app={self.app_cookie}"} if self.app_cookie else {}
        a = Http(self.system.https_port, self.system.tls, name=u.hostname).request("GET", path, headers=headers)
        self.app_cookie = a.cookies().get("__Host-lodge-app", self.app_cookie)
        return a

    def enter(self, host, path="/"):
        """The whole way; the addresses it went by."""
        base = f"https://{host}.apps.localhost:{self.system.https_port}"
        first = until("members are asked", lambda: (a := self.get(base + path)).status == 302 and a, timeout=30)
        to_dashboard = first.header("Location")
        handed = self.get(to_dashboard)
        return to_dashboard, handed


@pytest.fixture
def members_only(red, instance):
    add(red, instance["id"], access="members")
    return instance["name"]


@pytest.fixture
def member(fake_system, red):
    return Browser(fake_system, fake_system.session(red.api.username, red.api.password))


def test_the_way_of_a_member(fake_system, members_only, member, application):
    to_dashboard, handed = member.enter(members_only, "/a/b?c=1")
    assert handed.status == 302
    to_app = handed.header("Location")
    assert to_app.startswith(f"https://{members_only}.apps.localhost:{fake_system.https_port}/.lodge/session?code=lg_")
    entered = member.get(to_app)
    assert entered.status == 303 and entered.header("Location") == "/a/b?c=1"
    flags = {p.strip() for p in entered.header("Set-Cookie").split(";")[1:]}
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= flags and not any(f.startswith("Domain") for f in flags)
    seen = page(fake_system, members_only, 200, Cookie=f"a=1; __Host-lodge-app={member.app_cookie}; b=2")
    assert "a=1" in seen.text and "b=2" in seen.text and "__Host-lodge" not in seen.text
    again = Browser(fake_system)
    assert again.get(to_app).status == 303 and again.app_cookie is None, "a code works once"
    codes = fake_system.query("SELECT count(*) FROM app_code WHERE host = ?", members_only)[0][0]
    assert codes == 0
    assert to_app.rsplit("=", 1)[1] not in str(fake_system.query("SELECT * FROM audit"))
    who = fake_system.query("SELECT username, tenant_id <> '', details FROM audit WHERE action = 'ingress.enter' AND subject = ?", members_only)
    assert who[-1][0] and tuple(who[-1][1:]) == (1, ""), "who came in is on record"


def test_a_code_is_good_for_its_host(fake_system, red, members_only, member, label):
    other = red.make(label)
    add(red, other["id"], access="members")
    _, handed = member.enter(members_only)
    wrong = Browser(fake_system)
    assert wrong.get(handed.header("Location").replace(members_only + ".apps", label + ".apps", 1)).status == 303
    assert wrong.app_cookie is None
    noted = fake_system.query("SELECT username, details FROM audit WHERE action = 'ingress.enter' AND subject = ?", label)
    assert len(noted) == 1 and noted[0][0] and noted[0][1].startswith("refused")
    _, handed = member.enter(members_only)
    member.get(handed.header("Location"))
    a = until("members are asked", lambda: (x := fake_system.app(label).request(
        "GET", "/", headers={"Cookie": f"__Host-lodge-app={member.app_cookie}"})).status in (302, 502) and x)
    assert a.status == 302, "a cookie is good for its host"
    red.drop(other["id"])


def test_forged_cookies(fake_system, members_only, member):
    _, handed = member.enter(members_only)
    member.get(handed.header("Location"))
    good = member.app_cookie
    body, mac = good.split(".")
    for bad in (body + "." + mac[::-1], body[::-1] + "." + mac, body, "." + mac, "x" * 2000, good + "x"):
        a = fake_system.app(members_only).request("GET", "/", headers={"Cookie": f"__Host-lodge-app={bad}"})
        assert a.status == 302, bad
    assert fake_system.app(members_only).request("POST", "/", b"x").status == 401


def test_others_are_refused(fake_system, blue, members_only):
    stranger = Browser(fake_system, fake_system.session(blue.api.username, blue.api.password))
    _, refused = stranger.enter(members_only)
    assert refused.status == 404 and refused.error == "NOT_FOUND"
    nobody = Browser(fake_system)
    _, sign_in = nobody.enter(members_only, "/a?b=c")
    assert sign_in.status == 302
    page_of, _, query = sign_in.header("Location").partition("?")
    back = urllib.parse.parse_qs(query)["next"][0]
    assert page_of == "/#/signin" and back.startswith("/api/v1/ingress/authorize?")
    assert urllib.parse.parse_qs(back.partition("?")[2]) == {"host": [members_only], "path": ["/a?b=c"]}
    admin = Browser(fake_system, fake_system.session())
    assert admin.enter(members_only)[1].status == 302


def test_a_lost_membership_closes_the_application(fake_system, red, members_only, label):
    admin = fake_system.admin()
    user = admin.post("/users", {"username": label, "password": "correct horse battery", "role": "user"}, 201).json
    admin.post(f"/tenants/{red.api.tenant['id']}/members", {"username": label, "role": "member"}, (200, 201))
    guest = Browser(fake_system, fake_system.session(label, "correct horse battery"))
    _, handed = guest.enter(members_only)
    guest.get(handed.header("Location"))
    cookie = f"__Host-lodge-app={guest.app_cookie}"
    page(fake_system, members_only, 502, Cookie=cookie)
    admin.delete(f"/tenants/{red.api.tenant['id']}/members/{user['id']}", (200, 204))
    page(fake_system, members_only, 302, Cookie=cookie)


@pytest.mark.parametrize("query", ["host=a.b&path=/", "host=&path=/", "host=web&path=https://evil.example/", "host=web&path=//evil.example",
                                   "host=web&path=x", "host=web&path=/%0d%0aSet-Cookie:x", "host=web&path=/%5cevil", "host=web@evil.example",
                                   "host=web&path=/" + "x" * 2000])
def test_authorize_with_bad_targets(fake_system, query):
    a = fake_system.session().get("/ingress/authorize?" + query, 400)
    assert a.error == "INVALID_REQUEST" and not a.header("Location")


def test_authorize_tells_strangers_nothing(fake_system, blue, members_only, red, label):
    public = red.make(label)
    add(red, public["id"])
    session = fake_system.session(blue.api.username, blue.api.password)
    answers = [session.get(f"/ingress/authorize?host={h}&path=/", 404).json["error"] for h in (members_only, label, "no-such-app")]
    assert len({a["code"] for a in answers}) == 1
    red.drop(public["id"])
