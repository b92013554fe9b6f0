"""What an attacker tries beyond bad input: each was possible once, or is one mistake away from it."""
import json
import os
import socket
import struct


def record(kind, content=b""):
    pad = -len(content) % 8
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), pad, 0) + content + b"\0" * pad


def pairs(**params):
    def size(n):
        return bytes([n]) if n < 128 else struct.pack(">I", n | 1 << 31)
    return b"".join(size(len(k)) + size(len(v)) + k.encode() + v.encode() for k, v in params.items())


def request(body=b"", **params):
    """A FastCGI request as nginx sends it on a connection it keeps."""
    return (record(1, b"\0\1\1\0\0\0\0\0") + record(4, pairs(CONTENT_LENGTH=str(len(body)), **params)) + record(4)
            + (record(5, body) if body else b"") + record(5))


def test_a_refused_body_never_becomes_the_next_request(fake_system, red):
    """A read with a body is refused unread. What is left of the body on the kept connection was once read as the next
    request: with it a client chose its own address, and its answer went to whoever came next."""
    wish = json.dumps({"name": "smuggled"}).encode()
    forged = request(wish, REQUEST_METHOD="POST", DOCUMENT_URI="/api/v1/tokens", CONTENT_TYPE="application/json",
                     REMOTE_ADDR="6.6.6.6", REQUEST_ID="f" * 32, HTTP_AUTHORIZATION=f"Bearer {red.api.token}")
    outer = {"REQUEST_METHOD": "GET", "DOCUMENT_URI": "/api/v1/nothing", "REMOTE_ADDR": "127.0.0.1", "REQUEST_ID": "e" * 32}
    # The worker reads 8 KiB at a time: the forged one begins where the first read ends.
    fill = 8192 - request(b"x" * 20000, **outer).index(b"x" * 20000)
    for path in ("/api/v1/nothing", "/api/v1/compute/instances"):  # refused before and after its route was found
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(f"{fake_system.state}/run/api.sock")
            s.sendall(request(b"x" * (fill - len(path) + len("/api/v1/nothing")) + forged + b"x" * 9000, **{**outer, "DOCUMENT_URI": path}))
            answer = b""
            while chunk := s.recv(65536):
                answer += chunk
            assert answer.count(b"Status: ") == 1, answer
    assert not fake_system.query("SELECT count(*) FROM token WHERE name = 'smuggled'")[0][0]


def test_no_tenant_fetches_without_end(fake_system, faults):
    """Fetching an image takes workers, network and disk for as long as the other side likes."""
    fetchers, other = [fake_system.tenant("fetcher"), fake_system.tenant("another-fetcher")], fake_system.tenant("bystander")
    faults("image_pull slow=600000")
    for f in fetchers:
        asked = [f.post("/images", {"reference": f"registry.test/{f.tenant['slug']}:{n}"}, None) for n in range(20)]
        assert [a.status for a in asked] == [202] * 16 + [asked[-1].status] * 4
        assert asked[-1].error == "RESOURCE_LIMIT_EXCEEDED" and asked[-1].json["error"]["details"]["limit"] == "images"
    i = other.post("/compute/instances", {"name": "still-served", "resources": {"cpu": {"cores": 0.01}, "memory": {"limit": 4 << 20}}}, 201,
                   Prefer="wait=60").json
    assert i["state"] == "running"
    other.delete(f"/compute/instances/{i['id']}?force=true", Prefer="wait=60")
    for f in fetchers:
        f.cancel_all()


def test_an_upload_that_cannot_fit_is_refused_before_its_body(make_system):
    """Else anybody with a token fills the disk that the database lies on. Nothing of the body is sent here."""
    system = make_system(drivers="fake", upload_max_mib=1048576)
    system.start()
    fs = os.statvfs(system.state)
    length = fs.f_bavail * fs.f_frsize * 2 // 3  # fits once, not twice
    headers = {**system.admin().headers, "Content-Type": "application/x-tar", "Content-Length": str(length)}
    with system.tls.wrap_socket(socket.create_connection(("127.0.0.1", system.https_port), 30), server_hostname="localhost") as s:
        s.sendall(f"POST /api/v1/images/upload?name=huge HTTP/1.1\r\nHost: localhost\r\n".encode()
                  + "".join(f"{k}: {v}\r\n" for k, v in headers.items()).encode() + b"\r\n")
        answer = s.recv(65536)
    assert b" 403 " in answer.split(b"\r\n")[0] and b"RESOURCE_LIMIT_EXCEEDED" in answer and b"disk" in answer, answer


def test_a_token_makes_none_that_outlives_it(fake_system, red):
    short = red.api.post("/tokens", {"name": "short", "expiresInDays": 1}, 201).json
    holder = {"Authorization": f"Bearer {short['token']}"}
    for wish in ({"name": "for ever"}, {"name": "longer", "expiresInDays": 3650}):
        a = fake_system.anonymous().request("POST", "/api/v1/tokens", wish, holder)
        assert a.status == 201 and a.json["expiresAt"] == short["expiresAt"]
    assert red.api.post("/tokens", {"name": "eternal"}, 201).json["expiresAt"] is None  # made with an eternal one
