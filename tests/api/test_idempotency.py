"""Idempotency-Key: what was asked for twice is done once and answered twice."""
import os
import signal
import socket
import sqlite3
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest_names import SMALL, Tenant
from lodge_client import operation_of
from lodge_system import until
from test_images import chunks, drop, tar


@pytest.fixture
def key():
    return str(uuid.uuid4())


def ask(api, method, path, body, key, **headers):
    return api.request(method, "/api/v1" + path, body, {"Idempotency-Key": key, **{k.replace("_", "-"): v for k, v in headers.items()}})


def same(first, again):
    """The same answer, and it says that it is one."""
    assert again.status == first.status and again.body == first.body, (first, again)
    for name in ("ETag", "Location", "Operation-Location", "Content-Type"):
        assert again.header(name) == first.header(name), name
    assert again.header("Idempotent-Replayed") == "true" and first.header("Idempotent-Replayed") is None
    assert first.header("Lodge-Request-Id") != again.header("Lodge-Request-Id")


def post(tenant, body, key, **headers):
    return ask(tenant.api, "POST", "/compute/instances", body, key, **headers)


def test_a_create_happens_once(red, label, key):
    body = {"name": label, "resources": SMALL}
    first = post(red, body, key)
    assert first.status == 201 and first.json["state"] == "creating"
    red.api.until(first.json["id"], "running")
    same(first, post(red, body, key))
    assert red.api.get(f"/compute/instances?name={label}").json["total"] == 1
    red.drop(first.json["id"])
    same(first, post(red, body, key))  # also when it is gone by now
    assert red.api.get(f"/compute/instances?name={label}").json["total"] == 0


def test_a_metric_is_reported_once(red, label, key):
    body = {"name": label, "value": 1}
    first = ask(red.api, "POST", "/monitoring/metrics", body, key)
    assert first.status == 201
    same(first, ask(red.api, "POST", "/monitoring/metrics", body, key))
    assert len(red.api.get(f"/monitoring/metrics?name={label}").json["metrics"]) == 1
    assert ask(red.api, "POST", "/monitoring/metrics", {**body, "value": 2}, key).status == 422


def test_another_body_is_refused(red, label, key):
    first = post(red, {"name": label, "resources": SMALL}, key)
    for other in ({"name": label + "x", "resources": SMALL}, {"name": label, "resources": SMALL, "start": False}):
        a = post(red, other, key)
        assert (a.status, a.error) == (422, "IDEMPOTENCY_KEY_REUSED")
    a = ask(red.api, "POST", "/tokens", {"name": "x"}, key)
    assert (a.status, a.error) == (422, "IDEMPOTENCY_KEY_REUSED"), "another path is another request"
    red.drop(first.json["id"])


def test_keys_belong_to_their_caller(red, blue, fake_system, label, key):
    body = {"name": label, "resources": SMALL}
    mine, theirs = post(red, body, key), post(blue, body, key)
    assert mine.status == theirs.status == 201 and mine.json["id"] != theirs.json["id"]
    token = red.api.post("/tokens", {"name": "second"}, 201).json["token"]
    other = Tenant(type(red.api)(fake_system, token))
    assert post(other, body, key).status == 409, "another token of the same tenant: the name is taken"
    red.drop(mine.json["id"])
    blue.drop(theirs.json["id"])


def test_a_refusal_leaves_no_key_behind(red, label, key):
    first = red.make(label)
    body = {"name": label, "resources": SMALL}
    assert post(red, body, key).status == 409
    red.drop(first["id"])
    made = post(red, body, key)
    assert made.status == 201 and made.header("Idempotent-Replayed") is None
    red.drop(made.json["id"])


def test_twenty_at_once_make_one(red, label, key):
    body = {"name": label, "resources": SMALL, "start": False}
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: post(red, body, key), range(20)))
    assert {a.status for a in answers} == {201} and len({a.body for a in answers}) == 1
    assert sum(a.header("Idempotent-Replayed") is None for a in answers) == 1
    red.drop(answers[0].json["id"])


def test_a_wait_is_in_flight_and_then_kept(red, label, key, held):
    """The first answer is shown when the operation has ended; until then the key is in flight."""
    body = {"name": label, "resources": SMALL}
    with ThreadPoolExecutor(1) as pool:
        with held("start"):
            waiting = pool.submit(post, red, body, key, Prefer="wait=120")
            until("it is made", lambda: red.api.get(f"/compute/instances?name={label}").json["total"] == 1)
            a = post(red, body, key, Prefer="wait=120")
            assert (a.status, a.error) == (409, "REQUEST_IN_FLIGHT") and a.header("Retry-After") == "1"
            op = operation_of(a)
        first = waiting.result()
    assert first.status == 201 and first.json["state"] == "running"
    same(first, post(red, body, key, Prefer="wait=120"))
    assert red.api.operation(op)["status"] == "done"
    red.drop(first.json["id"])


def test_a_wait_that_nobody_saw_the_end_of(red, label, key, fake_system):
    """The client went away; the operation ended; the same request is answered with how it ended."""
    i = red.make(label)
    at = f"/api/v1/compute/instances/{i['id']}/stop"
    raw = fake_system.tls.wrap_socket(socket.create_connection(("127.0.0.1", fake_system.https_port)), server_hostname="localhost")
    raw.sendall((f"POST {at} HTTP/1.1\r\nHost: localhost:{fake_system.https_port}\r\nAuthorization: Bearer {red.api.token}\r\n"
                 f"Idempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}").encode())
    until("it is known", lambda: fake_system.query("SELECT 1 FROM idempotency WHERE key = ?", key))
    raw.close()
    red.api.until(i["id"], "stopped")
    until("its operation has ended", lambda: red.api.request("POST", at, {}, {"Idempotency-Key": key}).status != 409)
    a = red.api.request("POST", at, {}, {"Idempotency-Key": key})
    assert a.status == 200 and a.json["state"] == "stopped" and a.header("Idempotent-Replayed") == "true"
    assert [o["kind"] for o in red.api.get(f"/operations?instance={i['id']}").json["operations"]].count("instance.stop") == 1
    red.drop(i["id"])


def test_a_failed_operation_is_the_answer(red, label, key, faults):
    i = red.make(label, state="stopped")
    faults("start fail 1")
    at = f"/api/v1/compute/instances/{i['id']}/start"
    first = red.api.request("POST", at, {}, {"Idempotency-Key": key})
    assert first.status >= 400 and first.error, first
    again = red.api.request("POST", at, {}, {"Idempotency-Key": key})
    assert again.status == first.status and again.body == first.body and again.header("Idempotent-Replayed") == "true"
    assert red.api.request("POST", at, {}).status == 200, "without the key it is tried anew"
    red.drop(i["id"])


def test_a_secret_is_shown_again_but_not_stored_in_clear(red, key, fake_system):
    first = ask(red.api, "POST", "/tokens", {"name": "once"}, key)
    secret = first.json["token"]
    same(first, ask(red.api, "POST", "/tokens", {"name": "once"}, key))
    assert fake_system.query("SELECT count(*) FROM token WHERE name = 'once'")[0][0] == 1
    for row in fake_system.query("SELECT headers, body FROM idempotency"):
        assert all(secret.encode() not in bytes(v) for v in row)
    assert len(fake_system.query("SELECT body FROM idempotency WHERE key = ?", key)[0][0]) > len(first.body)
    red.api.delete(f"/tokens/{first.json['id']}", 204)


def test_every_way_to_change_something(red, label, key, fake_system):
    """POST, PUT and DELETE, native and in the dialects."""
    i = red.make(label)
    at = f"/compute/instances/{i['id']}"
    for n, (method, path, body, status) in enumerate((
            ("PUT", at, {"labels": {"a": "b"}}, 200), ("POST", at + "/ingress", {"targetPort": 80, "host": label}, 201),
            ("DELETE", at + "/ingress/443", None, 204), ("POST", at + "/restart", {}, 200), ("PUT", at + "/stop", {}, 200))):
        first = red.api.request(method, "/api/v1" + path, body, {"Idempotency-Key": f"{key}-{n}"})
        assert first.status == status, first
        again = red.api.request(method, "/api/v1" + path, body, {"Idempotency-Key": f"{key}-{n}"})
        assert again.status == status and again.body == first.body and again.header("Idempotent-Replayed") == "true"
    gone = red.api.request("DELETE", f"/api/v1{at}", None, {"Idempotency-Key": key})
    red.api.operation(operation_of(gone))
    same(gone, red.api.request("DELETE", f"/api/v1{at}", None, {"Idempotency-Key": key}))
    made = red.api.request("POST", "/compute/containers", {"name": label}, {"Idempotency-Key": key + "c"})
    again = red.api.request("POST", "/compute/containers", {"name": label}, {"Idempotency-Key": key + "c"})
    assert made.status == again.status == 201 and made.body == again.body and again.header("Location") == made.header("Location")
    red.drop(made.json["id"])


def test_an_upload_is_what_it_holds(red, label, key):
    """Not its length, and not how it was sent."""
    def upload(data):
        return ask(red.api, "POST", f"/images/upload?name={label}", data, key, Content_Type="application/x-tar")
    first = upload(tar())
    assert first.status == 202
    red.api.operation(operation_of(first))
    same(first, upload(tar()))
    same(first, upload(chunks(tar())))
    other = bytearray(tar())
    other[600] ^= 1
    a = upload(bytes(other))
    assert (a.status, a.error) == (422, "IDEMPOTENCY_KEY_REUSED")
    drop(red, first.json)


def test_reading_ignores_it(red, key):
    for path in ("/compute/instances", "/tokens"):
        a = red.api.get(path, 200, Idempotency_Key=key)
        assert a.header("Idempotent-Replayed") is None
    assert red.api.get("/compute/instances", 200, Idempotency_Key=key).header("Idempotent-Replayed") is None


@pytest.mark.parametrize("bad", ["", "a b", "x" * 256, "caf\xe9"])
def test_what_can_be_no_key(red, label, bad):
    a = post(red, {"name": label, "resources": SMALL}, bad)
    assert (a.status, a.error) == (400, "INVALID_REQUEST")
    assert red.api.get(f"/compute/instances?name={label}").json["total"] == 0


def age(system, key, ms):
    """Moves a key into the past; the one write these tests make beside Lodge."""
    db = sqlite3.connect(f"{system.state}/db/lodge.db", timeout=30)
    with db:
        assert db.execute("UPDATE idempotency SET at = at - ? WHERE key = ?", (ms, key)).rowcount == 1
    db.close()


def test_it_lasts_a_day(red, label, key, fake_system):
    body = {"name": label, "resources": SMALL}
    first = post(red, body, key)
    red.api.until(first.json["id"], "running")
    age(fake_system, key, 23 * 3600 * 1000)
    same(first, post(red, body, key))
    age(fake_system, key, 3600 * 1000 + 1)
    assert post(red, body, key).status == 409, "forgotten: the name is taken"
    red.drop(first.json["id"])
    again = post(red, body, key)
    assert again.status == 201 and again.json["id"] != first.json["id"]
    red.drop(again.json["id"])


@pytest.mark.kills_workers
def test_a_killed_worker_loses_neither_or_both(red, fake_system, label):
    """kill -9 of the workers while keys are at work: whatever was asked for twice exists once."""
    names = [f"{label}-{n}" for n in range(30)]

    def insist(name):
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                a = post(red, {"name": name, "resources": SMALL, "start": False}, "k-" + name)
                if a.status == 201:
                    return a.json["id"]
                assert a.status in (502, 503, 504, 409) and a.error != "CONFLICT", a
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(name)

    with ThreadPoolExecutor(10) as pool:
        made = [pool.submit(insist, n) for n in names]
        for _ in range(6):
            time.sleep(0.15)
            for pid in fake_system.pids("api-workers")[:4]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        ids = [m.result() for m in made]
    assert len(set(ids)) == len(names)
    rows = fake_system.query("SELECT name FROM instance WHERE name LIKE ?", f"{label}-%")
    assert sorted(r[0] for r in rows) == sorted(names)
    until("workers are back", fake_system.well)
    red.drop(*ids)
