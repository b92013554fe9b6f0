"""Operations: what they tell, waits, cancellation, and five hundred parked callers."""
import socket
import uuid

import pytest

from conftest_names import SMALL
from lodge_client import Http, operation_of
from lodge_system import until

FIELDS = {"id", "kind", "status", "instance", "instanceName", "image", "imageName", "volume", "volumeName", "step", "progress", "log", "error",
          "requestedBy", "cancellable", "createdAt", "startedAt", "endedAt"}


def test_an_operation_tells_its_life(red, label):
    a = red.post({"name": label, "resources": SMALL})
    o = red.api.operation(operation_of(a))
    assert set(o) == FIELDS
    assert o["kind"] == "instance.create" and o["status"] == "done" and o["instance"] == a.json["id"]
    assert o["instanceName"] == label and o["requestedBy"] == red.api.username and o["progress"] == 1
    assert o["error"] is None and not o["cancellable"]
    assert o["createdAt"] <= o["startedAt"] <= o["endedAt"]
    red.drop(a.json["id"])
    assert red.api.get(f"/operations/{o['id']}").json == o, "it outlives its instance"


def test_what_failed_says_why(red, label, faults):
    faults("create fail")
    a = red.post({"name": label, "resources": SMALL})
    o = red.api.operation(operation_of(a))
    assert o["status"] == "failed" and o["error"]["code"] == "BACKEND_ERROR" and o["error"]["message"]
    i = red.api.instance(a.json["id"])
    assert i["state"] == "error" and i["reason"]["text"]
    waited = red.post({"name": label + "w", "resources": SMALL}, 502, Prefer="wait=30")
    assert waited.error == "BACKEND_ERROR" and waited.json["error"]["details"]["operation"]
    red.drop(i["id"], red.api.get(f"/compute/instances/name/{label}w").json["id"])


def test_an_image_that_cannot_be_pulled(red, label):
    a = red.post({"name": label, "resources": SMALL, "config": {"image": "registry.test/missing:1"}})
    o = red.api.operation(operation_of(a))
    assert o["status"] == "failed" and "registry.test/missing:1" in o["error"]["message"]
    red.drop(a.json["id"])


def test_cancel(red, label, faults):
    faults("create slow=30000 1")
    a = red.post({"name": label, "resources": SMALL})
    op = operation_of(a)
    until("it runs", lambda: red.api.get(f"/operations/{op}").json["status"] == "running")
    cancelled = red.api.delete(f"/operations/{op}", 202)
    assert not cancelled.json["cancellable"]
    assert red.api.operation(op)["status"] == "cancelled"
    assert red.api.delete(f"/operations/{op}", 409).error == "INVALID_STATE"
    red.drop(a.json["id"])


def test_list(red, label):
    i = red.make(label)
    red.verb(i["id"], "stop")
    mine = red.api.get(f"/operations?instance={i['id']}").json
    assert [o["kind"] for o in mine["operations"]] == ["instance.stop", "instance.create"] and mine["total"] == 2
    first = red.api.get(f"/operations?instance={i['id']}&pageSize=1").json
    second = red.api.get(f"/operations?instance={i['id']}&pageSize=1&cursor={first['next']}").json
    assert [first["operations"][0]["id"], second["operations"][0]["id"]] == [o["id"] for o in mine["operations"]]
    assert second["next"] is None
    assert red.api.get(f"/operations?instance={i['id']}&status=failed").json["total"] == 0
    for bad in ("status=x", "cursor=x", "page=0"):
        red.api.get("/operations?" + bad, 400)
    red.drop(i["id"])


def test_foreign_and_unknown(red, blue, label):
    i = red.make(label)
    op = red.api.get(f"/operations?instance={i['id']}").json["operations"][0]["id"]
    for ident in (op, str(uuid.uuid4()), "x"):
        for method, path in (("GET", ""), ("GET", "/wait"), ("DELETE", "")):
            assert blue.api.call(method, f"/operations/{ident}{path}", None, 404).error == "NOT_FOUND"
    assert blue.api.get(f"/operations?instance={i['id']}").json["total"] == 0
    red.drop(i["id"])


def test_waiting(red, instance, held):
    with held("stop"):
        a = red.verb(instance["id"], "stop", {}, 202, Prefer="wait=0")
        op = operation_of(a)
        assert red.api.get(f"/operations/{op}/wait?timeout=0").json["status"] in ("queued", "running")
        until("it runs", lambda: red.api.get(f"/operations/{op}").json["status"] == "running")
        assert red.api.get(f"/operations/{op}/wait?timeout=1").json["status"] == "running", "the truth at the timeout"
    assert red.api.get(f"/operations/{op}/wait").json["status"] == "done"
    for bad in ("timeout=-1", "timeout=301", "timeout=x"):
        red.api.get(f"/operations/{op}/wait?{bad}", 400)


def parked(system, token, op):
    s = system.tls.wrap_socket(socket.create_connection(("127.0.0.1", system.https_port)), server_hostname="localhost")
    s.settimeout(60)
    s.sendall((f"GET /api/v1/operations/{op}/wait?timeout=120 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
               f"Authorization: Bearer {token}\r\n\r\n").encode())
    return s


def everything(s):
    text = b""
    while True:
        more = s.recv(65536)
        if not more:
            return text.decode()
        text += more


def test_five_hundred_parked_waits(fake_system, red, instance, faults):
    """More waits than workers by far: the API answers all the while, and all of them end with the truth."""
    faults("stop slow=60000 1")
    a = red.verb(instance["id"], "stop", {"force": True}, 202, Prefer="wait=0")
    op = operation_of(a)
    until("it runs", lambda: red.api.get(f"/operations/{op}").json["status"] == "running")
    waits = [parked(fake_system, red.api.token, op) for _ in range(500)]
    for _ in range(20):
        assert red.api.get(f"/operations/{op}").json["status"] == "running"
    other = red.make()
    assert red.verb(other["id"], "stop").json["state"] == "stopped"
    red.api.delete(f"/operations/{op}", 202)
    for s in waits:
        text = everything(s)
        assert text.startswith("HTTP/1.1 200") and '"status":"cancelled"' in text, text[:300]
        s.close()
    red.drop(other["id"])


def test_a_wait_survives_lodge_stream(fake_system, red, label, held):
    """If lodge-stream dies after the commit, the answer still tells the truth."""
    i = red.make(label)
    with held("stop"):
        op = operation_of(red.verb(i["id"], "stop", {}, 202, Prefer="wait=0"))
        s = parked(fake_system, red.api.token, op)
        until("it runs", lambda: red.api.get(f"/operations/{op}").json["status"] == "running")
        until("the wait is parked", lambda: b"\nlodge_stream_waits 1\n" in Http(fake_system.http_port, None).request("GET", "/metrics").body)
        assert fake_system.kill("stream") == 1
        text = everything(s)
        assert text.startswith("HTTP/1.1 200") and f'"id":"{op}"' in text, text[:300]
    until("lodge-stream is back", fake_system.well)
    assert red.api.operation(op)["status"] == "done"
    red.drop(i["id"])
