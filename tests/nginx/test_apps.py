"""Tenants' applications behind nginx: they are never trusted, and neither is who calls them."""
import socket
import time

import pytest
import websocket

from backends import Http, respond, tcp_socket
from conftest import negative


def host(name):
    return f"{name}.apps.localhost"


def test_an_application_answers(site, name):
    site.app.answer = lambda call, conn: respond(200, b"from the app", [("X-Own", "1"), ("Content-Type", "text/html")])
    a = site.get("/a%20b?c=d", host=host(name))
    assert a.status == 200 and a.body == b"from the app" and a.names["x-own"] == "1"
    assert a.names["content-type"] == "text/html"  # nothing added: it may be in another character set
    assert site.app.calls[-1]["line"] == "GET /a%20b?c=d HTTP/1.1"
    c = site.route.calls[-1]
    assert c["SCRIPT_NAME"] == "/route" and c["APP"] == name and c["APP_COOKIE"] == ""
    assert "HTTP_HOST" not in c and not site.api.calls


FORGED = ["X-Upstream", "X-State", "X-User", "Forwarded", "X-Forwarded-User", "X-Forwarded-Prefix", "X-Forwarded-Server",
          "X-Lodge-Context", "X-Lodge-User", "X-Original-URL", "X-Rewrite-URL", "Proxy", "Remote-User"]


def test_forged_headers_do_not_reach_it(site, name):
    site.get("/", host=host(name), headers=[(h, "127.0.0.1:1") for h in FORGED] + [
        ("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "ftp"), ("X-Forwarded-Host", "evil"), ("X-Real-IP", "6.6.6.6"),
        ("X_Forwarded_For", "6.6.6.6"), ("X-Fine", "kept")])
    got = site.app.calls[-1]["names"]
    for h in FORGED:
        assert h.lower() not in got, h
    assert got["x-forwarded-for"] == "127.0.0.1" and got["x-forwarded-proto"] == "https"
    assert got["x-forwarded-host"] == f"{host(name)}:{site.https}" == got["host"]
    assert got["x-real-ip"] == "127.0.0.1" and got["x-fine"] == "kept" and "x_forwarded_for" not in got


@pytest.mark.parametrize("sent,passed", [
    ("a=1; __Host-lodge-app=x.y; b=2", "a=1; b=2"), ("__Host-lodge-app=x.y", None), ("__Host-lodge=s; a=1", "a=1"),
    ("a=1; __Host-lodge=s", "a=1"), ("a=1;__Host-lodge=s;__Host-lodge-app=t;b=2", "a=1;b=2"), ("a=1; b=2", "a=1; b=2"),
    ("__Host-lodge=a; __Host-lodge=b; c=1", None), ("my__Host=1", "my__Host=1"), ("__Host-lodgex=1; a=1", None)])
def test_our_cookies_do_not_reach_it(site, name, sent, passed):
    site.get("/", host=host(name), headers=[("Cookie", sent)])
    assert site.app.calls[-1]["names"].get("cookie") == passed


@pytest.mark.parametrize("target", ["/.lodge/page/stopped", "/.lodge/route", "@stream", "@render", "/api/v1/x", "/etc/passwd"])
def test_an_application_cannot_redirect_inside(site, name, target):
    site.app.answer = lambda call, conn: respond(200, b"its own", [
        ("X-Accel-Redirect", target), ("X-Accel-Limit-Rate", "1"), ("X-Accel-Buffering", "no"), ("X-Accel-Expires", "9"),
        ("X-Accel-Charset", "koi8-r"), ("X-Lodge-Context", "forged")])
    a = site.get("/", host=host(name))
    assert a.status == 200 and a.body == b"its own"
    assert not any(k.startswith("x-accel") for k in a.names)
    assert not site.stream.calls and not site.api.calls and len(site.route.calls) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 502, 503, 504])
def test_its_own_errors_pass_untouched(site, name, status):
    site.app.answer = lambda call, conn: respond(status, b"own words")
    a = site.get("/", host=host(name))
    assert a.status == status and a.body == b"own words"


@pytest.mark.parametrize("state,status,words", [
    ("unknown", 404, b"no application here"), ("stopped", 503, b"is not running"), ("starting", 503, b"is starting"),
    ("asleep", 503, b"is not running"), ("nonsense", 503, b"cannot be looked up")])
def test_pages(site, name, state, status, words):
    site.route.answer = negative(state)
    a = site.get("/x", host=host(name))
    assert a.status == status and words in a.body and a.names["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in a.names["content-security-policy"] and a.names["cache-control"] == "no-store"
    assert b"http://" not in a.body and b"https://" not in a.body and b"<script" not in a.body
    assert ("retry-after" in a.names) == (status == 503)
    assert ("refresh" in a.names) == (state in ("starting", "nonsense"))
    assert site.ask("POST", "/x", host=host(name), body=b"abc").status == status
    assert not site.app.calls


def test_a_refusing_application(site, name):
    with tcp_socket() as s:
        gone = "127.0.0.1:%d" % s.getsockname()[1]
    site.route.answer = lambda p, b: (204, [("X-Upstream", gone), ("Cache-Control", "max-age=1")], b"")
    a = site.get("/", host=host(name))
    assert a.status == 502 and b"does not answer" in a.body and name.encode() in a.body


def test_a_dead_pool_is_said(site, name):
    site.route.answer = lambda p, b: (500, [], b"")
    a = site.get("/", host=host(name))
    assert a.status == 503 and b"cannot be looked up" in a.body


@pytest.mark.parametrize("uri,path", [
    ("/", "/"), ("/a/b.html?x=1", "/a/b.html?x=1"), ("/a?x=1&y=2", "/a?x=1%26y=2"), ("/a?x=1&y=2&z=3", "/a?x=1%26y=2%26z=3"),
    ("/a?x=%26host=evil", "/"), ("//evil.example/", "/"), ("/a#b", "/"), ("/a+b", "/"), ("/%0d%0aSet-Cookie:x=1", "/")])
def test_members_are_sent_to_the_dashboard(site, name, uri, path):
    site.route.answer = negative("members")
    a = site.get(uri, host=host(name))
    assert a.status == 302
    assert a.names["location"] == f"https://localhost:{site.https}/api/v1/ingress/authorize?host={name}&path={path}"
    assert a.names["cache-control"] == "no-store" and "set-cookie" not in a.names
    a = site.ask("POST", uri, host=host(name), body=b"x")
    assert a.status == 401 and b"members only" in a.body and "location" not in a.names
    assert not site.app.calls


def test_a_member_comes_back_with_a_code(site, name):
    site.route.answer = lambda p, b: (302, [("Location", "/x"), ("Set-Cookie", "__Host-lodge-app=c1; Secure; Path=/")], b"") \
        if p["SCRIPT_NAME"] == "/app-session" else negative("members")(p, b)
    a = site.get("/.lodge/session?code=abc", host=host(name))
    assert a.status == 302 and a.names["set-cookie"].startswith("__Host-lodge-app=c1")
    c = site.route.calls[-1]
    assert c["APP"] == name and c["QUERY_STRING"] == "code=abc" and c["SCRIPT_NAME"] == "/app-session"
    assert not site.app.calls


def test_the_cookie_takes_part_in_the_look_up(site, name):
    def answer(p, b):
        return site_ok if p["APP_COOKIE"] == "good.one" else negative("members")(p, b)
    site_ok = (204, [("X-Upstream", site.upstream), ("Cache-Control", "max-age=60")], b"")
    site.route.answer = answer
    assert site.get("/", host=host(name), headers=[("Cookie", "__Host-lodge-app=good.one")]).status == 200
    assert site.get("/", host=host(name)).status == 302  # not served from the member's entry
    assert site.get("/", host=host(name), headers=[("Cookie", "__Host-lodge-app=bad.one")]).status == 302
    assert site.get("/", host=host(name), headers=[("Cookie", 'x="__Host-lodge-app=good.one"')]).status == 302


@pytest.mark.parametrize("path", ["/.lodge/x", "/.lodge/page/stopped", "/.lodge/page/members", "/.lodge/route",
                                  "/%2elodge/route", "/a/../.lodge/route", "//.lodge/route"])
def test_our_places_never_reach_the_application(site, name, path):
    assert site.get(path, host=host(name)).status == 404
    assert not site.app.calls and not site.route.calls


def test_plain_http_leads_to_tls(site, name):
    a = site.ask("POST", "/a?b=c", host=host(name), plain=True, body=b"x")
    assert a.status == 308 and a.names["location"] == f"https://{host(name)}:{site.https}/a?b=c"
    assert not site.app.calls


def test_a_websocket_reaches_it(site, name):
    ws = websocket.create_connection(f"wss://127.0.0.1:{site.https}/chat", timeout=10, host=host(name),
                                     sslopt={"ca_certs": f"{site.state}/tls/cert.pem"})
    ws.send("hello")
    assert ws.recv() == "hello"
    ws.close()


def test_other_upgrades_are_not_passed(site, name):
    site.get("/", host=host(name), headers=[("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")])
    got = site.app.calls[-1]["names"]
    assert "upgrade" not in got and got["connection"] == "close"


def test_bodies_and_answers_stream(site, name):
    a = site.ask("POST", "/", host=host(name), body=b"5\r\nhello\r\n0\r\n\r\n", headers=[("Transfer-Encoding", "chunked")])
    assert a.status == 200 and b"hello" in site.app.calls[-1]["body"]
    a = site.ask("PUT", "/", host=host(name), body=b"x" * (3 << 20))
    assert a.status == 200 and len(site.app.calls[-1]["body"]) == 3 << 20


def test_a_look_up_is_cached_and_a_moved_application_is_found(site, name):
    for _ in range(20):
        assert site.get("/", host=host(name)).status == 200
    assert len(site.route.calls) < 20
    other = Http(tcp_socket(), lambda call, conn: respond(200, b"moved"))
    site.route.answer = lambda p, b: (204, [("X-Upstream", "127.0.0.1:%d" % other.sock.getsockname()[1]),
                                            ("Cache-Control", "max-age=1, stale-while-revalidate=2")], b"")
    try:
        for _ in range(200):
            if site.get("/", host=host(name)).body == b"moved":
                break
            time.sleep(0.1)
        assert site.get("/", host=host(name)).body == b"moved"
    finally:
        other.close()


def test_an_old_look_up_serves_nobody(site, name):
    """After a quiet time the very first request is told the truth: the address may be somebody else's by now."""
    assert site.get("/", host=host(name)).status == 200
    site.route.answer = negative("unknown")
    time.sleep(4)  # longer than max-age and stale-while-revalidate together
    site.app.calls.clear()
    assert site.get("/", host=host(name)).status == 404 and not site.app.calls


def test_a_stopped_application_is_not_served_for_ever(site, name):
    assert site.get("/", host=host(name)).status == 200
    site.route.answer = negative("stopped")
    for _ in range(200):
        if site.get("/", host=host(name)).status == 503:
            break
        time.sleep(0.1)
    site.app.calls.clear()
    assert site.get("/", host=host(name)).status == 503 and not site.app.calls
    site.route.answer = lambda p, b: (204, [("X-Upstream", site.upstream), ("Cache-Control", "max-age=1")], b"")
    for _ in range(200):
        if site.get("/", host=host(name)).status == 200:
            break
        time.sleep(0.1)
    assert site.get("/", host=host(name)).status == 200


def test_a_smuggled_request_is_none(site, name):
    out = site.raw((f"POST / HTTP/1.1\r\nHost: {host(name)}\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n").encode(), host=host(name))
    assert out.startswith(b"HTTP/1.1 400") and not any("smuggled" in c["line"] for c in site.app.calls)


def test_another_host_inside_the_handshake_is_still_looked_up_by_its_own_name(site, name):
    """TLS for one name and Host of another (browsers do so when they share a connection): the Host decides."""
    out = site.raw(f"GET / HTTP/1.1\r\nHost: {host(name)}\r\nConnection: close\r\n\r\n".encode(), host="localhost")
    assert out.startswith(b"HTTP/1.1 200") and site.route.calls[-1]["APP"] == name
