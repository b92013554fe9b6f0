"""Whatever is sent: a clear 4xx in the one envelope, no worker lost (checked after each test), nothing half made."""
import socket

import pytest

from conftest_names import SMALL

JSON = {"Content-Type": "application/json"}


def raw(red, body, **headers):
    return red.api.request("POST", "/api/v1/compute/instances", body, {**JSON, **headers})


@pytest.fixture(autouse=True)
def unchanged(request, red, fake_system):
    """Instances, operations and published ports are what they were."""
    if request.node.get_closest_marker("makes_something"):
        yield
        return

    def count():
        return [fake_system.query(f"SELECT count(*) FROM {t}")[0][0]
                for t in ("instance", "operation", "instance_port", "ingress", "image")]

    before = count()
    yield
    assert count() == before


BROKEN = {
    "empty text": b" ", "half": b'{"name":"x"', "no value": b'{"name":}', "comma": b'{"name":"x",}', "two": b'{}{}',
    "array": b'["name"]', "string": b'"name"', "number": b"5", "null": b"null", "comment": b'{"name":"x"/*y*/}',
    "single quotes": b"{'name':'x'}", "NaN": b'{"resources":{"cpu":{"cores":NaN}}}', "not UTF-8": b'{"name":"\xff\xfe"}',
    "overlong": b'{"name":"\xc0\xaf"}', "surrogate": b'{"name":"\\ud800"}', "NUL": b'{"name":"a\\u0000b"}',
    "raw NUL": b'{"name":"a\0b"}', "raw newline": b'{"name":"a\nb"}', "duplicate key": b'{"name":"a","name":"b"}',
    "nested duplicate": b'{"name":"a","config":{"image":"x","image":"y"}}', "BOM": b'\xef\xbb\xbf{"name":"x"}',
    "UTF-16": '{"name":"x"}'.encode("utf-16"), "deep": b'{"config":' * 33 + b"{}" + b"}" * 33,
    "very deep": b"[" * 100000, "deep and closed": b'{"name":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "huge number": b'{"name":"x","resources":{"memory":{"limit":' + b"9" * 400 + b"}}}",
    "huge exponent": b'{"name":"x","resources":{"cpu":{"cores":1e999}}}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_broken_json(red, body):
    a = raw(red, body)
    assert a.status == 400 and a.error == "INVALID_REQUEST" and a.json["error"]["message"], a


FIELDS = [
    ("name", {"name": None}), ("name", {"name": ""}), ("name", {"name": 5}), ("name", {"name": ["x"]}),
    ("name", {"name": "A"}), ("name", {"name": "-a"}), ("name", {"name": "a-"}), ("name", {"name": "a.b"}),
    ("name", {"name": "a/b"}), ("name", {"name": "../etc"}), ("name", {"name": "a\\b"}), ("name", {"name": "a b"}),
    ("name", {"name": "%2e%2e"}), ("name", {"name": "ä"}), ("name", {"name": "a\n"}), ("name", {"name": "x" * 64}),
    ("name", {"name": "x" * 100000}), ("name", {"name": "a_b"}), ("name", {"name": "a;rm -rf"}),
    ("nonsense", {"nonsense": 1}), ("config.nonsense", {"config": {"nonsense": 1}}),
    ("resources.gpu", {"resources": {"gpu": 1}}), ("resources.cpu.x", {"resources": {"cpu": {"x": 1}}}),
    ("metadata.x", {"metadata": {"x": {}}}), ("config", {"config": []}), ("config", {"config": "x"}),
    ("resources", {"resources": 1}), ("labels", {"labels": []}), ("labels", {"labels": {"a": 1}}),
    ("labels", {"labels": {"a b": "x"}}), ("labels", {"labels": {"a": "x" * 257}}), ("labels", {"labels": {"": "x"}}),
    ("labels", {"labels": {"lodge.site": "x"}}), ("labels", {"labels": {f"k{n}": "x" for n in range(65)}}),
    ("start", {"start": "yes"}), ("start", {"start": 1}),
    ("resources.cpu.cores", {"resources": {"cpu": {"cores": 0}}}), ("resources.cpu.cores", {"resources": {"cpu": {"cores": -1}}}),
    ("resources.cpu.cores", {"resources": {"cpu": {"cores": 0.001}}}), ("resources.cpu.cores", {"resources": {"cpu": {"cores": "1"}}}),
    ("resources.cpu.cores", {"resources": {"cpu": {"cores": 1e300}}}),
    ("resources.memory.limit", {"resources": {"memory": {"limit": -1}}}),
    ("resources.memory.limit", {"resources": {"memory": {"limit": 4194303}}}),
    ("resources.memory.limit", {"resources": {"memory": {"limit": 1.5e9}}}),
    ("resources.memory.limit", {"resources": {"memory": {"limit": "512m"}}}),
    ("resources.memory.limit", {"resources": {"memory": {"limit": 2 ** 62}}}),
    ("resources.storage.totalSpace", {"resources": {"storage": {"totalSpace": 0}}}),
    ("config.image", {"config": {"image": 5}}), ("config.image", {"config": {"image": "a b"}}),
    ("config.image", {"config": {"image": "../x"}}), ("config.image", {"config": {"image": "-x"}}),
    ("config.image", {"config": {"image": "x" * 256}}), ("config.image", {"config": {"image": "a//b"}}),
    ("config.command", {"config": {"command": "sh"}}), ("config.command", {"config": {"command": [1]}}),
    ("config.command", {"config": {"command": ["x"] * 257}}), ("config.command", {"config": {"command": ["x" * 70000]}}),
    ("config.env", {"config": {"env": {"A": "1"}}}), ("config.env", {"config": {"env": ["A"]}}),
    ("config.env", {"config": {"env": ["=1"]}}), ("config.env", {"config": {"env": ["1A=1"]}}),
    ("config.env", {"config": {"env": ["A=1", "A=2"]}}), ("config.env", {"config": {"env": ["A B=1"]}}),
    ("config.env", {"config": {"env": ["A=" + "x" * 32769]}}), ("config.env", {"config": {"env": [f"A{n}=" for n in range(201)]}}),
    ("config.secretEnv", {"config": {"env": ["A=1"], "secretEnv": ["A=2"]}}),
    ("config.ports", {"config": {"ports": ["80"]}}), ("config.ports", {"config": {"ports": ["0:80"]}}),
    ("config.ports", {"config": {"ports": ["8080:65536"]}}), ("config.ports", {"config": {"ports": ["-1:80"]}}),
    ("config.ports", {"config": {"ports": ["8080:80/sctp"]}}), ("config.ports", {"config": {"ports": ["1.2.3.4:8080:80"]}}),
    ("config.ports", {"config": {"ports": ["8080:80 "]}}), ("config.ports", {"config": {"ports": ["99999999999:80"]}}),
    ("config.ports", {"config": {"ports": ["28080:80", "28080:81"]}}), ("config.ports", {"config": {"ports": [8080]}}),
    ("config.ports", {"config": {"ports": [f"{20000 + n}:80" for n in range(33)]}}),
    ("config.restartPolicy", {"config": {"restartPolicy": "sometimes"}}), ("config.volumes", {"config": {"volumes": "x"}}),
    ("backend", {"backend": 1}), ("type", {"type": []}),
]


@pytest.mark.parametrize("field,body", FIELDS, ids=[f"{n}-{f}" for n, (f, _) in enumerate(FIELDS)])
def test_wrong_fields_are_named(red, field, body):
    a = red.post({"name": "wrong", **body}, 400)
    assert a.error == "INVALID_REQUEST" and a.json["error"]["details"]["field"] == field, a


def test_missing_name(red):
    assert red.post({}, 400).json["error"]["details"]["field"] == "name"
    assert red.api.request("POST", "/api/v1/compute/instances", b"").status == 400


def announce(fake_system, red, length):
    """A create that says how long its body is and sends little of it."""
    s = fake_system.tls.wrap_socket(socket.create_connection(("127.0.0.1", fake_system.https_port)), server_hostname="localhost")
    s.sendall((f"POST /api/v1/compute/instances HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {red.api.token}\r\n"
               f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{{\"name\":\"half\"}}").encode())
    return s


@pytest.mark.makes_something
def test_oversized(fake_system, red, instance):
    for length in (2 << 20, 10 ** 15):
        with announce(fake_system, red, length) as s:
            text = s.recv(65536).decode()
            assert text.startswith("HTTP/1.1 413") and "BODY_TOO_LARGE" in text + s.recv(65536).decode()
    b = red.verb(instance["id"], "stop", {"more": "x" * 100000}, 413)
    assert b.error == "BODY_TOO_LARGE"
    c = red.api.call("GET", "/compute/instances", b"x" * 100, 400)
    assert c.error == "INVALID_REQUEST"
    assert red.api.get("/compute/instances?q=" + "x" * 17000, 414).error == "INVALID_REQUEST"


def test_media_type(red):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data; boundary=x"):
        a = red.api.request("POST", "/api/v1/compute/instances", b'{"name":"x"}', {"Content-Type": kind})
        assert a.status == 415 and a.error == "UNSUPPORTED_MEDIA_TYPE"
    a = red.api.request("POST", "/api/v1/compute/instances", b'{"name":"X"}', {"Content-Type": "application/json; charset=utf-8"})
    assert a.status == 400 and a.json["error"]["details"]["field"] == "name"


def test_a_body_that_ends_early(fake_system, red):
    """The client says 500 bytes, sends 20 and goes: nothing happens and the next request is served."""
    s = announce(fake_system, red, 500)
    s.close()
    assert red.api.get("/compute/instances").status == 200


@pytest.mark.parametrize("path", ["/api/v1/compute/instances/%00", "/api/v1/compute/instances/" + "x" * 300,
                                  "/api/v1/compute/instances//", "/api/v1/../../api/v1/etc/passwd", "/api/v1/compute/instances/%2e%2e/%2e%2e",
                                  "/api/v1/operations/" + "%ff" * 20, "/api/v1/images/;drop", "/api/v1", "/api/", "/api/v1/tokens/x/y/z"])
def test_odd_paths(red, path):
    a = red.api.request("GET", path)
    assert a.status in (400, 404), a
    assert a.error in ("NOT_FOUND", "INSTANCE_NOT_FOUND", "INVALID_REQUEST"), a


def test_internal_names_cannot_be_reached(red):
    for path in ("/route", "/app-session", "/render", "/upload-authorize", "/api/render", "/api/v1/render", "/.lodge-upload"):
        a = red.api.request("GET", path, headers={"X-Lodge-Context": "x", "APP": "web", "LODGE-CONTEXT": "x"})
        assert a.status == 404 or "<html" in a.text, (path, a)


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer "}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer " + "x" * 5000},
                                     {"X-API-Key": "\xff\xfe"}, {"Authorization": "Bearer lg_' OR 1=1"}])
def test_odd_credentials(fake_system, headers):
    a = fake_system.anonymous().request("GET", "/api/v1/compute/instances", headers=headers)
    assert a.status == 401 and a.error == "UNAUTHENTICATED"


@pytest.mark.makes_something
def test_everything_within_bounds_is_fine(red, label):
    """The largest that is allowed goes through, to the byte."""
    i = red.post({"name": label + "-" + "x" * (62 - len(label)), "resources": SMALL, "start": False,
                  "config": {"command": ["x" * 65536], "env": [f"A{n}=ä" for n in range(199)] + ["B=" + "y" * 32768]},
                  "labels": {f"k/{n}": "v" * 256 for n in range(64)}}, 201, Prefer="wait=30").json
    assert len(i["config"]["env"]) == 200 and len(i["labels"]) == 64 and len(i["config"]["command"][0]) == 65536
    red.drop(i["id"])
