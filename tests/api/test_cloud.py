"""The cloud dialect: every endpoint its documentation lists, and its WebSocket."""
import json
import subprocess
import threading

import pytest
import websocket

from lodge_system import until

# (method, path, test): what the documentation lists
ENDPOINTS = [
    ("GET", "/compute/containers", "test_life"),
    ("POST", "/compute/containers", "test_life"),
    ("DELETE", "/compute/containers/:id", "test_life"),
    ("POST", "/compute/containers/:id/start", "test_life"),
    ("POST", "/compute/containers/:id/stop", "test_life"),
    ("GET", "/compute/ssh-keys", "test_ssh_keys"),
    ("POST", "/compute/ssh-keys", "test_ssh_keys"),
    ("DELETE", "/compute/ssh-keys/:id", "test_ssh_keys"),
    ("GET", "/compute/containers/:id/ssh", "test_ssh_says_why_not"),
    ("PUT", "/compute/containers/:id/ssh", "test_ssh_says_why_not"),
    ("GET", "/compute/containers/:id/ingress", "test_ingress"),
    ("POST", "/compute/containers/:id/ingress", "test_ingress"),
    ("DELETE", "/compute/containers/:id/ingress/:port", "test_ingress"),
    ("WS", "/compute/ws", "test_websocket"),
]
FIELDS = {"id", "user_id", "name", "image", "status", "ssh_enabled", "created_at"}
BASE = "/compute/containers"
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


def test_every_endpoint_has_its_test():
    assert not [x for x in ENDPOINTS if x[2] not in globals()]


class Cloud:
    def __init__(self, api):
        self.api = api

    def call(self, method, path, body=None, expect=200):
        a = self.api.request(method, path, body)
        assert a.status == expect, f"{method} {path}: {a}"
        return a

    def make(self, name):
        return self.call("POST", BASE, {"name": name}, 201).json

    def drop(self, ident):
        self.call("DELETE", f"{BASE}/{ident}")


@pytest.fixture(scope="module")
def cloud(red):
    return Cloud(red.api)


@pytest.fixture(scope="module")
def stranger(blue):
    return Cloud(blue.api)


@pytest.fixture
def made(cloud, label):
    c = cloud.make(label)
    yield c
    cloud.api.delete(f"/compute/instances/{c['id']}?force=true", (200, 404), Prefer="wait=60")


def test_life(cloud, red, label):
    a = cloud.call("POST", BASE, {"name": label, "image": "base", "unknown": 1}, 201)
    c = a.json
    path = f"{BASE}/{c['id']}"
    assert set(c) == FIELDS and c["status"] == "stopped" and c["image"] == "base" and c["ssh_enabled"] is False
    assert a.header("Location") == path and c["created_at"].endswith("Z")
    assert red.api.instance(c["id"])["state"] == "stopped"
    assert cloud.call("POST", path + "/start").json["status"] == "running"
    assert cloud.call("POST", path + "/start", expect=409).error == "INVALID_STATE"
    assert cloud.call("GET", path).json == {**c, "status": "running"}
    assert {**c, "status": "running"} in cloud.call("GET", BASE).json["containers"]
    assert cloud.call("POST", path + "/stop").json["status"] == "stopped"
    assert cloud.call("POST", path + "/stop", expect=409).error == "INVALID_STATE"
    assert cloud.call("PUT", path + "/start").json["status"] == "running"
    assert cloud.call("DELETE", path).json == {"id": c["id"], "status": "deleted"}
    assert cloud.call("GET", path, expect=404).error == "INSTANCE_NOT_FOUND"


def test_foreign_is_404(stranger, made):
    path = f"{BASE}/{made['id']}"
    for method, rest, body in (("GET", "", None), ("DELETE", "", None), ("POST", "/start", None), ("POST", "/stop", None),
                               ("GET", "/ssh", None), ("PUT", "/ssh", {"enabled": False}), ("GET", "/ingress", None),
                               ("POST", "/ingress", {"port": 443, "target_port": 80}), ("DELETE", "/ingress/443", None)):
        assert stranger.call(method, path + rest, body, 404).error in ("INSTANCE_NOT_FOUND", "NOT_FOUND")
    assert made["id"] not in stranger.call("GET", BASE).text


def test_bad_create(cloud, made):
    for body, status in (({}, 400), ({"name": ""}, 400), ({"name": 1}, 400), ({"name": "Not A Name"}, 400),
                         ({"name": "x", "image": 1}, 400), ({"name": "x", "image": "nothing"}, 404),
                         ({"name": made["name"]}, 409)):
        cloud.call("POST", BASE, body, status)


def test_without_credentials(fake_system, made):
    nobody = Cloud(fake_system.anonymous())
    for method, path, _ in ENDPOINTS:
        path = path.replace(":id", made["id"]).replace(":port", "443")
        nobody.call("GET" if method == "WS" else method, path, None, 401)


def test_a_failed_create_says_why(cloud, faults, label):
    faults("create fail")
    assert cloud.call("POST", BASE, {"name": label}, 502).error == "BACKEND_ERROR"
    faults()
    c = next(c for c in cloud.call("GET", BASE).json["containers"] if c["name"] == label)
    assert c["status"] == "error"
    cloud.drop(c["id"])


def test_ingress(cloud, made, fake_system):
    path = f"{BASE}/{made['id']}/ingress"
    rule = cloud.call("POST", path, {"port": 443, "target_port": 8080}, 201).json
    assert rule["container_id"] == made["id"] and rule["port"] == 443 and rule["target_port"] == 8080
    assert rule["url"] == f"https://{made['name']}.apps.localhost:{fake_system.https_port}/"
    assert cloud.call("GET", path).json == {"ingress": [rule]}
    assert cloud.call("POST", path, {"port": 443, "target_port": 8081}, 409).error == "CONFLICT"
    for bad in ({}, {"port": 443}, {"port": 80, "target_port": 80}, {"target_port": 0}, {"target_port": "80"}):
        cloud.call("POST", path, bad, 400)
    cloud.call("DELETE", path + "/443", None, 204)
    cloud.call("DELETE", path + "/443", None, 404)
    assert cloud.call("GET", path).json == {"ingress": []}


def test_ssh_says_why_not(cloud, made):
    path = f"{BASE}/{made['id']}/ssh"
    s = cloud.call("GET", path).json
    assert s["enabled"] is False and s["available"] is False and s["reason"]
    for body in ({"enabled": True}, None):
        a = cloud.call("PUT", path, body, 400)
        assert a.error == "OPERATION_NOT_SUPPORTED" and a.json["error"]["details"]["reason"]
    assert cloud.call("PUT", path, {"enabled": False}).json == s
    cloud.call("PUT", path, {"enabled": "yes"}, 400)


def test_ssh_keys(cloud, stranger, tmp_path):
    before = cloud.call("GET", "/compute/ssh-keys").json["ssh_keys"]
    k = cloud.call("POST", "/compute/ssh-keys", {"name": "laptop", "public_key": ED25519 + " me@home\n"}, 201).json
    assert set(k) == {"id", "name", "public_key", "fingerprint", "created_at"}
    assert k["public_key"] == ED25519 and k["fingerprint"].startswith("SHA256:")
    assert cloud.call("GET", "/compute/ssh-keys").json["ssh_keys"] == before + [k]
    assert cloud.call("POST", "/compute/ssh-keys", {"name": "again", "public_key": ED25519}, 409).error == "CONFLICT"
    assert stranger.call("GET", "/compute/ssh-keys").json["ssh_keys"] == []
    stranger.call("DELETE", f"/compute/ssh-keys/{k['id']}", None, 404)
    cloud.call("DELETE", f"/compute/ssh-keys/{k['id']}", None, 204)
    cloud.call("DELETE", f"/compute/ssh-keys/{k['id']}", None, 404)
    cloud.call("DELETE", "/compute/ssh-keys/x", None, 404)


@pytest.mark.parametrize("kind,bits", [("ed25519", None), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521), ("rsa", 2048)])
def test_keys_of_the_real_program(cloud, tmp_path, kind, bits):
    path = tmp_path / "key"
    try:
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", kind, "-f", path, *(["-b", str(bits)] if bits else [])], check=True)
    except FileNotFoundError:
        pytest.skip("no ssh-keygen here")
    text = (tmp_path / "key.pub").read_text()
    k = cloud.call("POST", "/compute/ssh-keys", {"name": kind, "public_key": text}, 201).json
    said = subprocess.run(["ssh-keygen", "-l", "-f", str(path) + ".pub"], capture_output=True, text=True, check=True).stdout
    assert k["fingerprint"] in said.split()
    cloud.call("DELETE", f"/compute/ssh-keys/{k['id']}", None, 204)


@pytest.mark.parametrize("key", [
    "", "hello", "ssh-ed25519", "ssh-ed25519 ", ED25519[:-4], ED25519[:-8] + "AAAA AAAA", "ssh-rsa " + ED25519.split()[1],
    ED25519 + "\n" + ED25519, "command=\"x\" " + ED25519, "ssh-dss AAAAB3NzaC1kc3MAAACB", " " + ED25519, ED25519 + "x" * 5000,
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQ==", "-----BEGIN OPENSSH PRIVATE KEY-----"])
def test_bad_keys(cloud, key):
    a = cloud.call("POST", "/compute/ssh-keys", {"name": "bad", "public_key": key}, 400)
    assert a.error == "INVALID_REQUEST" and a.json["error"]["details"]["field"] == "public_key"


class Tail:
    """Reads the WebSocket until told to end; holds what a client of it would: the containers and their status."""

    def __init__(self, api):
        self.ws = api.websocket("/compute/ws")
        first = json.loads(self.ws.recv())
        assert first["type"] == "containers" and set(first) == {"type", "data"}
        self.first = first["data"]

    def next(self, ident):
        while True:
            m = json.loads(self.ws.recv())
            assert m["type"] == "container_status" and set(m["data"]) == {"container_id", "status"}
            if m["data"]["container_id"] == ident:
                return m["data"]["status"]

    def close(self):
        self.ws.close()


def test_websocket(cloud, stranger, made, label):
    t, other = Tail(cloud.api), Tail(stranger.api)
    assert made in t.first and all(set(c) == FIELDS for c in t.first)
    assert made["id"] not in [c["id"] for c in other.first]
    path = f"{BASE}/{made['id']}"
    cloud.call("POST", path + "/start")
    cloud.call("POST", path + "/stop")
    new = cloud.make(label + "-new")
    cloud.drop(new["id"])
    assert [t.next(made["id"]) for _ in range(2)] == ["running", "stopped"]
    assert [t.next(new["id"]) for _ in range(2)] == ["stopped", "deleted"]
    mine = stranger.make(label)
    assert other.next(mine["id"]) == "stopped"  # and nothing of the other tenant's before it
    stranger.drop(mine["id"])
    t.close()
    other.close()


def test_list_and_changes_leave_no_gap(cloud, red, made):
    """Whenever a client comes, the list and what follows add up to the truth."""
    path, tails, ending = f"{BASE}/{made['id']}", [], threading.Event()

    def toggle():
        while not ending.is_set():
            cloud.call("POST", path + "/start")
            cloud.call("POST", path + "/stop")

    worker = threading.Thread(target=toggle)
    worker.start()
    try:
        for _ in range(20):
            tails.append(Tail(red.api))
    finally:
        ending.set()
        worker.join()
    cloud.call("POST", path + "/start")
    cloud.drop(made["id"])
    for t in tails:
        seen = [next(c["status"] for c in t.first if c["id"] == made["id"])]
        while seen[-1] != "deleted":
            seen.append(t.next(made["id"]))
        assert all(a != b for a, b in zip(seen, seen[1:])), seen
        t.close()


def test_websocket_comes_back(cloud, fake_system, made):
    """After an end of lodge-stream a client comes back and is told the state of things."""
    t = Tail(cloud.api)
    path = f"{BASE}/{made['id']}"
    cloud.call("POST", path + "/start")
    fake_system.kill("stream")
    with pytest.raises((OSError, websocket.WebSocketException)):
        while t.ws.recv():
            pass
        raise websocket.WebSocketConnectionClosedException("closed")
    until("lodge-stream is back", fake_system.well)
    t = Tail(cloud.api)
    assert next(c["status"] for c in t.first if c["id"] == made["id"]) == "running"
    cloud.call("POST", path + "/stop")
    assert t.next(made["id"]) == "stopped"
    t.close()


def test_websocket_only(cloud):
    assert cloud.call("GET", "/compute/ws", None, 400).error == "INVALID_REQUEST"
