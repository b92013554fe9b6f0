"""The dashboard's files and the API's front door."""
import os
import socket
import ssl
import time

import pytest
import websocket

from backends import Http, respond, unix_socket


def test_files_have_strong_headers(site):
    a = site.get("/")
    assert a.status == 200 and b"dashboard" in a.body
    csp = a.names["content-security-policy"]
    for rule in ("default-src 'self'", "style-src 'self'", "img-src 'self' data:", "frame-ancestors 'none'",
                 f"connect-src 'self' wss://localhost:{site.https}"):
        assert rule in csp
    assert "unsafe" not in csp
    assert a.names["x-content-type-options"] == "nosniff" and a.names["referrer-policy"] == "no-referrer"
    assert a.names["cache-control"] == "no-cache" and "etag" in a.names
    assert "strict-transport-security" not in a.names  # it would bind every other program on localhost
    assert a.names["server"] == "nginx"
    again = site.get("/", headers=[("If-None-Match", a.names["etag"])])
    assert again.status == 304


def test_modules_are_compressed_and_missing_ones_are_missing(site):
    a = site.get("/js/a.js", headers=[("Accept-Encoding", "gzip")])
    assert a.names["content-type"].startswith("text/javascript") and a.names["content-encoding"] == "gzip"
    assert site.get("/js/none.js").status == 404
    assert b"dashboard" in site.get("/instances/web").body  # a page of the dashboard
    assert site.get("/.secret").status == 404
    assert site.get("/js/../../nginx/nginx.conf.in").status in (400, 404)


def test_libraries_are_kept_for_ever_but_the_way_to_them_is_not(site):
    a = site.get("/vendor/0123456789ab/lib.js", headers=[("Accept-Encoding", "gzip")])
    assert a.status == 200 and a.names["cache-control"] == "public, max-age=31536000, immutable"
    assert a.names["content-encoding"] == "gzip" and "default-src 'self'" in a.names["content-security-policy"]
    assert site.get("/vendor/index.js").names["cache-control"] == "no-cache"
    gone = site.get("/vendor/ffffffffffff/lib.js")
    assert gone.status == 404 and "immutable" not in gone.names.get("cache-control", "")
    for name in ("package.json", "package-lock.json"):
        assert site.get(f"/{name}").status == 404


def test_unknown_hosts_get_no_answer(site):
    for plain in (False, True):
        port = site.http if plain else site.https
        for host in ("evil.example", "localhost.evil.example", "apps.localhost", "a.b.apps.localhost", "UPPER_.apps.localhost"):
            out = site.raw(f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode(), plain=plain)
            assert out == b"", (host, out)
    assert not site.api.calls and not site.route.calls


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "LOCALHOST"])
def test_loopback_addresses_are_the_dashboard(site, host):
    out = site.raw(f"GET /health HTTP/1.1\r\nHost: {host}:{site.https}\r\nConnection: close\r\n\r\n".encode())
    assert out.startswith(b"HTTP/1.1 200")


def test_no_name_in_the_handshake(site):
    tls = ssl.create_default_context(cafile=f"{site.state}/tls/cert.pem")
    with tls.wrap_socket(socket.create_connection(("127.0.0.1", site.https), 10), server_hostname="127.0.0.1") as s:
        s.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 200")


def test_parameters_of_a_worker(site):
    site.ask("POST", "/api/v1/compute/instances?a=b%20c", body=b'{"x":1}', headers=[
        ("Content-Type", "application/json"), ("Proxy", "http://evil"), ("X-Lodge-Context", "forged"),
        ("X-Forwarded-For", "6.6.6.6"), ("X_Under_Score", "dropped"), ("LODGE_CONTEXT", "forged"),
        ("Script-Name", "/render"), ("Authorization", "Bearer lg_x")])
    c = site.api.calls[-1]
    assert c["REQUEST_METHOD"] == "POST" and c["REQUEST_URI"] == "/api/v1/compute/instances?a=b%20c"
    assert c["DOCUMENT_URI"] == "/api/v1/compute/instances" and c["QUERY_STRING"] == "a=b%20c"
    assert c["CONTENT_LENGTH"] == "7" and c["_body"] == b'{"x":1}' and c["CONTENT_TYPE"] == "application/json"
    assert c["REMOTE_ADDR"] == "127.0.0.1" and c["HTTPS"] == "on" and c["REQUEST_SCHEME"] == "https"
    assert c["LODGE_LISTENER"] == "https" and len(c["REQUEST_ID"]) == 32 and c["SCRIPT_NAME"] == ""
    assert c["HTTP_AUTHORIZATION"] == "Bearer lg_x" and c["HTTP_HOST"] == f"localhost:{site.https}"
    for name in ("HTTP_PROXY", "HTTP_X_LODGE_CONTEXT", "HTTP_X_FORWARDED_FOR"):
        assert c.get(name, "") == ""
    assert "LODGE_CONTEXT" not in c and "HTTP_X_UNDER_SCORE" not in c and "HTTP_LODGE_CONTEXT" not in c
    names = [k for k, _ in c["_pairs"]]
    assert len(names) == len(set(names)), "a parameter is sent twice"
    site.get("/health", plain=True)
    assert site.api.calls[-1]["LODGE_LISTENER"] == "http" and "HTTPS" not in site.api.calls[-1]


@pytest.mark.parametrize("path", ["/api/v1/x", "/compute/x", "/session", "/session/1", "/sessions", "/sessions/x", "/health",
                                  "/metrics"])
def test_paths_of_the_api(site, path):
    assert site.get(path).body == b'{"from":"worker"}' and site.api.calls


@pytest.mark.parametrize("method,path,pool", [
    ("POST", "/api/v1/session", "auth"), ("PUT", "/api/v1/session/password", "auth"), ("POST", "/api/v1/users", "auth"),
    ("PUT", "/api/v1/users/7", "auth"), ("GET", "/api/v1/session", "api"), ("DELETE", "/api/v1/session", "api"),
    ("GET", "/api/v1/users", "api"), ("POST", "//api/v1//session", "auth"), ("POST", "/api/v1/%73ession", "auth"),
    ("POST", "/api/v1/tokens", "api")])
def test_passwords_have_a_pool_of_their_own(site, method, path, pool):
    assert site.ask(method, path, body=b"{}" if method != "GET" else b"").status == 200
    assert bool(site.auth.calls) == (pool == "auth") and bool(site.api.calls) == (pool == "api")


def test_errors_of_nginx_are_the_envelope(site):
    a = site.ask("POST", "/api/v1/compute/instances", headers=[("Content-Length", str(2 << 20))])
    assert a.status == 413 and a.error["code"] == "BODY_TOO_LARGE" and a.error["details"] == {}
    a = site.get("/api/" + "x" * 20000)
    assert a.status == 414 and a.error["code"] == "INVALID_REQUEST"
    a = site.get("/api/v1/x", headers=[("X-Big", "x" * 20000)])
    assert a.status == 431 and a.error["code"] == "INVALID_REQUEST"
    a = site.get("/api/v1/x", headers=[(f"X-{i}", "x" * 8000) for i in range(12)])
    assert a.status == 431
    out = site.raw(b"GET / HTTP/1.1\r\nHost: local host\r\n\r\n")
    assert out.startswith(b"HTTP/1.1 400") and b'"INVALID_REQUEST"' in out
    out = site.raw(b"\x00\x01\x02\r\n\r\n")
    assert out.startswith(b"HTTP/1.1 400") and b'"INVALID_REQUEST"' in out
    a = site.ask("TRACE", "/api/v1/x")
    assert a.status == 405 and a.error["code"] == "METHOD_NOT_ALLOWED"
    assert not site.api.calls


def test_plain_http_on_the_tls_port_is_led_to_https(site):
    with socket.create_connection(("127.0.0.1", site.https), 10) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        out = s.recv(65536)
    assert out.startswith(b"HTTP/1.1 308") and f"Location: https://localhost:{site.https}/".encode() in out


def test_errors_of_the_worker_pass_untouched(site):
    site.api.answer = lambda p, b: (413, [("Content-Type", "application/json")], b'{"error":{"code":"OWN"}}')
    assert site.get("/api/v1/x").error["code"] == "OWN"
    site.api.answer = lambda p, b: (503, [("Content-Type", "application/json")], b'{"error":{"code":"OWN"}}')
    assert site.get("/api/v1/x").error["code"] == "OWN"


def test_a_missing_pool_is_the_envelope_and_comes_back(site):
    path = f"{site.state}/run/api.sock"
    os.rename(path, path + ".away")
    try:
        a = site.ask("POST", "/api/v1/x")  # a read may still find a kept connection
        assert a.status == 502 and a.error["code"] == "BACKEND_UNAVAILABLE" and a.names["retry-after"] == "1"
    finally:
        os.rename(path + ".away", path)
    assert site.get("/api/v1/x").status == 200


@pytest.mark.parametrize("request_head", [
    b"POST /api/v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"POST /api/v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\nabcd",
    b"POST /api/v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
    b"POST /api/v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\nConnection: close\r\n\r\n",
    b"GET /api/v1/x HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    b"GET /api/v1/x HTTP/1.1\r\n\r\n",
    b"GET /api/v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
])
def test_ambiguous_requests_never_reach_a_worker_as_two(site, request_head):
    out = site.raw(request_head)
    assert not any(c["DOCUMENT_URI"] == "/metrics" for c in site.api.calls)
    assert out.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501", b"HTTP/1.1 200")), out[:200]
    if out.startswith(b"HTTP/1.1 200"):  # harmless only when nothing was smuggled in
        assert len(site.api.calls) == 1 and site.api.calls[0].get("HTTP_TRANSFER_ENCODING", "") != "xchunked"


def test_internal_places_are_not_for_clients(site):
    for path in ("/.lodge-upload", "/.lodge-upload-denied", "/.lodge-error/413", "/@stream", "/@render", "/render",
                 "/upload-authorize"):
        site.api.calls.clear()
        a = site.get(path)
        assert a.status == 404 or b"dashboard" in a.body, (path, a.line)
        assert not site.api.calls and not site.stream.calls


# Handing on

def hand_off(context="signed-by-worker"):
    def answer(params, body):
        if params["SCRIPT_NAME"] == "/render":
            return 200, [("Content-Type", "application/json")], b'{"rendered":true}'
        return 200, [("X-Accel-Redirect", "@stream"), ("X-Lodge-Context", context)], b""
    return answer


def test_a_wait_is_handed_on_and_rendered(site):
    site.api.answer = hand_off()
    site.stream.answer = lambda call, conn: respond(200, b"", [("X-Accel-Redirect", "@render"),
                                                               ("X-Lodge-Context", "signed-by-worker")])
    a = site.ask("POST", "/api/v1/compute/instances/1/stop?x=1", body=b'{"force":true}', headers=[
        ("X-Lodge-Context", "forged"), ("Cookie", "__Host-lodge=secret"), ("Authorization", "Bearer secret")])
    assert a.status == 200 and a.body == b'{"rendered":true}'
    got = site.stream.calls[-1]
    assert got["line"].startswith("POST /api/v1/compute/instances/1/stop?x=1 ")
    assert [v for k, v in got["headers"] if k.lower() == "x-lodge-context"] == ["signed-by-worker"]
    assert got["body"] == b"" and "content-length" not in got["names"]
    assert "cookie" not in got["names"] and "authorization" not in got["names"]
    render = site.api.calls[-1]
    assert render["SCRIPT_NAME"] == "/render" and render["LODGE_CONTEXT"] == "signed-by-worker"
    assert render["_body"] == b"" and render["CONTENT_LENGTH"] == "" and render["REQUEST_METHOD"] == "POST"
    assert len([k for k, _ in render["_pairs"] if k == "SCRIPT_NAME"]) == 1
    assert "x-lodge-context" not in a.names and "x-accel-redirect" not in a.names


def test_a_dead_stream_is_rendered(site):
    site.api.answer = hand_off()
    path = f"{site.state}/run/stream.sock"
    os.rename(path, path + ".away")
    try:
        a = site.ask("POST", "/api/v1/compute/instances/1/stop", body=b"{}")
    finally:
        os.rename(path + ".away", path)
    assert a.body == b'{"rendered":true}' and site.api.calls[-1]["LODGE_CONTEXT"] == "signed-by-worker"


def test_a_stream_that_dies_while_a_request_waits_is_rendered(site):
    site.api.answer = hand_off()
    site.stream.answer = lambda call, conn: None  # closes without an answer
    assert site.ask("PUT", "/api/v1/compute/instances/1/stop", body=b"{}").body == b'{"rendered":true}'


def test_stream_and_api_both_dead_is_the_envelope(site):
    site.stream.answer = lambda call, conn: None
    path = f"{site.state}/run/api.sock"

    def once(params, body):
        os.rename(path, path + ".away")
        return hand_off()(params, body)
    site.api.answer = once
    try:
        a = site.get("/api/v1/operations/1/wait")
    finally:
        os.rename(path + ".away", path)
    assert a.status == 502 and a.error["code"] == "BACKEND_UNAVAILABLE"


def test_a_websocket_is_handed_on(site):
    site.api.answer = hand_off("ctx-ws")
    ws = websocket.create_connection(f"wss://localhost:{site.https}/api/v1/events?since=1", timeout=10,
                                     sslopt={"ca_certs": f"{site.state}/tls/cert.pem"},
                                     header=["X-Lodge-Context: forged"])
    ws.send("ping over websocket")
    assert ws.recv() == "ping over websocket"
    ws.close()
    got = site.stream.calls[-1]
    assert got["names"]["x-lodge-context"] == "ctx-ws" and got["names"]["connection"] == "upgrade"


def test_events_are_not_held_back(site):
    site.api.answer = hand_off()
    more = __import__("threading").Event()

    def answer(call, conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nid: 1\ndata: a\n\n")
        assert more.wait(20)
        conn.sendall(b"id: 2\ndata: b\n\n")
    site.stream.answer = answer
    with site.connect() as s:
        s.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n")
        out = b""
        while b"data: a" not in out:
            out += s.recv(65536)
        assert b"data: b" not in out
        more.set()
        while got := s.recv(65536):
            out += got
        assert b"data: b" in out


# Uploads

def uploads(site):
    return [f"{site.state}/uploads/{f}" for f in os.listdir(f"{site.state}/uploads")]


def until_empty(site):
    """nginx removes a file just after the request has ended."""
    for _ in range(200):
        if not uploads(site):
            return True
        time.sleep(0.05)
    return False


def test_an_upload_is_stored_and_only_its_name_passed(site):
    data = os.urandom(2 << 20)

    def answer(p, body):
        if p["SCRIPT_NAME"] == "/upload-authorize":
            return 204, [], b""
        os.rename(p["LODGE_UPLOAD_FILE"], p["LODGE_UPLOAD_FILE"] + ".tar")
        return 202, [("Content-Type", "application/json")], b"{}"
    site.api.answer = answer
    a = site.ask("POST", "/api/v1/images/upload?name=x", body=data, headers=[("Content-Type", "application/x-tar"),
                                                                           ("Authorization", "Bearer t")])
    assert a.status == 202
    ask, store = site.api.calls
    assert ask["SCRIPT_NAME"] == "/upload-authorize" and ask["_body"] == b"" and ask["HTTP_AUTHORIZATION"] == "Bearer t"
    assert ask["REQUEST_URI"] == "/api/v1/images/upload?name=x" and ask["LODGE_UPLOAD_LENGTH"] == str(len(data))
    assert store["_body"] == b"" and store["SCRIPT_NAME"] == "" and store["REQUEST_METHOD"] == "POST"
    assert store["LODGE_UPLOAD_FILE"].startswith(f"{site.state}/uploads/")
    kept, = uploads(site)
    with open(kept, "rb") as f:
        assert f.read() == data
    os.unlink(kept)


def test_an_upload_that_breaks_off_or_is_not_adopted_leaves_nothing(site):
    site.api.answer = lambda p, b: (204, [], b"") if p["SCRIPT_NAME"] else (400, [], b"")
    with site.connect() as s:
        s.sendall(b"POST /api/v1/images/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 600000)
        for _ in range(200):
            if uploads(site):
                break
            time.sleep(0.05)
        assert uploads(site)
    assert until_empty(site)
    assert site.ask("POST", "/api/v1/images/upload", body=b"x" * 300000).status == 400
    assert until_empty(site)


@pytest.mark.parametrize("status,code", [(401, "UNAUTHENTICATED"), (403, "FORBIDDEN"), (409, "CONFLICT"),
                                         (400, "INVALID_REQUEST"), (413, "BODY_TOO_LARGE"), (429, "RATE_LIMITED"),
                                         (503, "BACKEND_UNAVAILABLE")])
@pytest.mark.parametrize("spelt", [True, False])
def test_a_refused_upload_stores_nothing(site, status, code, spelt):
    envelope = '{"error":{"code":"%s","message":"said by the worker","details":{}}}' % code
    site.api.answer = lambda p, b: (status, [("X-Lodge-Error", envelope)] if spelt else [], envelope.encode())
    a = site.ask("POST", "/api/v1/images/upload", body=b"x" * (3 << 20))
    assert a.status == status and a.error["code"] == code
    assert not spelt or a.error["message"] == "said by the worker"
    assert len(site.api.calls) == 1 and not uploads(site)


def test_a_refusal_comes_before_the_body(site):
    site.api.answer = lambda p, b: (401, [], b"")
    with site.connect() as s:
        s.sendall(b"POST /api/v1/images/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
        assert s.recv(65536).startswith(b"HTTP/1.1 401")  # not one byte of the body was sent
    assert not uploads(site)


def test_an_upload_has_a_limit(site):
    site.api.answer = lambda p, b: (204, [], b"")
    a = site.ask("POST", "/api/v1/images/upload", headers=[("Content-Length", str(4 << 20))])
    assert a.status == 413 and a.error["code"] == "BODY_TOO_LARGE"
    assert not uploads(site)


def test_nginx_has_nothing_to_complain_about(site):
    import subprocess
    out = subprocess.run(["nginx", "-t", "-e", "stderr", "-p", f"{site.state}/nginx", "-c", "nginx.conf"],
                         capture_output=True, text=True)
    assert out.returncode == 0 and "[warn]" not in out.stderr, out.stderr


def test_a_write_is_never_sent_twice_and_a_read_survives_a_given_up_connection(site):
    for _ in range(30):
        assert site.get("/api/v1/x").status == 200
    died = []

    def die(params, body):
        died.append(params["REQUEST_METHOD"])
        raise OSError("the worker dies")
    site.api.answer = die
    assert site.ask("POST", "/api/v1/x", body=b"{}").status == 502
    assert died == ["POST"]
