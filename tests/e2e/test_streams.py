"""Many waits, revoked credentials, restarts: what lodge-stream holds."""
import asyncio
import json

import pytest
import websocket

from lodge_client import operation_of
from lodge_system import until

DEAF = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]


async def parked(system, token, path, ready, count):
    """`count` requests at the same time on connections of their own; their statuses and bodies."""
    doors = asyncio.Semaphore(20)  # nginx does not wait for ever for a handshake, and all of them are made by one thread here

    async def one():
        async with doors:
            r, w = await asyncio.open_connection("127.0.0.1", system.https_port, ssl=system.tls, server_hostname="localhost")
        w.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode())
        await w.drain()
        ready.append(1)
        head = await r.readuntil(b"\r\n\r\n")
        body = await r.read()
        w.close()
        return int(head.split()[1]), body

    return await asyncio.gather(*(one() for _ in range(count)))


def waits(system):
    """How many waits lodge-stream holds, from its own health on its socket."""
    import http.client
    import socket
    c = http.client.HTTPConnection("stream", timeout=20)
    c.sock = socket.socket(socket.AF_UNIX)
    c.sock.settimeout(20)
    c.sock.connect(f"{system.state}/run/stream.sock")
    c.request("GET", "/health")
    return json.loads(c.getresponse().read())["waits"]


def test_five_hundred_parked_waits_and_the_api_answers(system, admin, name):
    ident = admin.create(name, DEAF)["id"]
    op = operation_of(admin.post(f"/compute/instances/{ident}/stop", {"timeout": 300}, 202, Prefer="wait=0"))

    async def run():
        ready = []
        all_waits = asyncio.create_task(parked(system, admin.token, f"/api/v1/operations/{op}/wait?timeout=250", ready, 500))
        while not await asyncio.to_thread(waits, system) >= 500:
            assert not all_waits.done(), all_waits.result()[:3]
            await asyncio.sleep(0.1)
        for _ in range(20):  # every worker would be taken if a wait held one
            assert (await asyncio.to_thread(admin.get, f"/compute/instances/{ident}")).json["state"] == "stopping"
        await asyncio.to_thread(admin.power, ident, "stop", {"force": True})
        return await all_waits

    answers = asyncio.run(run())
    assert len(answers) == 500 and {status for status, _ in answers} == {200}
    assert {json.loads(body)["status"] for _, body in answers} <= {"cancelled", "done", "failed"}
    assert all(json.loads(body)["id"] == op for _, body in answers)
    until("all are gone", lambda: waits(system) == 0)
    admin.remove(ident)


def test_a_wait_gives_up_in_time_with_the_truth(admin, name):
    ident = admin.create(name, DEAF)["id"]
    op = operation_of(admin.post(f"/compute/instances/{ident}/stop", {"timeout": 300}, 202, Prefer="wait=0"))
    o = admin.get(f"/operations/{op}/wait?timeout=1").json
    assert o["id"] == op and o["status"] in ("queued", "running")
    cancelled = admin.delete(f"/operations/{op}", (200, 202)).json
    assert cancelled["id"] == op
    assert admin.operation(op)["status"] == "cancelled"
    assert admin.until(ident, "running")["state"] == "running"
    admin.remove(ident)


def test_waits_and_streams_survive_the_death_of_lodge_stream(system, admin, tail, name):
    ident = admin.create(name, DEAF)["id"]
    op = operation_of(admin.post(f"/compute/instances/{ident}/stop", {"timeout": 300}, 202, Prefer="wait=0"))

    async def run():
        ready = []
        held = asyncio.create_task(parked(system, admin.token, f"/api/v1/operations/{op}/wait?timeout=200", ready, 20))
        while await asyncio.to_thread(waits, system) < 20:
            await asyncio.sleep(0.1)
        assert system.kill("stream") == 1
        return await held

    for status, body in asyncio.run(run()):
        assert status == 200 and json.loads(body)["id"] == op, "@render tells the truth when lodge-stream dies"
    until("lodge-stream is back", lambda: system.healthy().get("stream") == "ok")
    admin.power(ident, "stop", {"force": True})
    tail.wait(lambda e: e["kind"] == "instance.state" and e["subject"]["id"] == ident and e["data"]["state"] == "stopped")
    ids = [e["id"] for e in tail.events]
    assert ids == sorted(set(ids)) and tail.connects >= 2
    admin.remove(ident)


def test_a_revoked_token_closes_its_streams(system, admin):
    made = admin.post("/tokens", {"name": "short-lived"}, 201).json
    from lodge_client import Api
    mine = Api(system, made["token"])
    ws = mine.websocket("/api/v1/events", timeout=60)
    admin.delete(f"/tokens/{made['id']}", 204)
    closed = None
    while closed is None:
        op, data = ws.recv_data()
        closed = int.from_bytes(data[:2], "big") if op == websocket.ABNF.OPCODE_CLOSE else None
    assert closed == 4401
    mine.get("/compute/instances", 401)


def test_a_client_resumes_exactly(admin, name):
    """SSE and WebSocket give the same events once each, whatever the position."""
    start = admin.get("/session").json["lastEvent"]
    ident = admin.create(name)["id"]
    admin.power(ident, "stop")
    admin.remove(ident)
    ends = admin.get("/session").json["lastEvent"]
    tail = admin.events(since=start)
    tail.reaches(ends)
    tail.stop()
    ids = [e["id"] for e in tail.events if e["id"] <= ends]
    paged, at = [], start
    while page := [e for e in admin.get(f"/events?since={at}").json["events"] if e["id"] <= ends]:
        paged += [e["id"] for e in page]
        at = paged[-1]
    assert ids == paged and ids == sorted(set(ids))
    middle = admin.events(since=ids[len(ids) // 2])
    middle.reaches(ends)
    middle.stop()
    assert [e["id"] for e in middle.events if e["id"] <= ends] == ids[len(ids) // 2 + 1:]


def test_tenants_see_only_their_own_events(tenants, name):
    alpha, beta = tenants
    mine, theirs = alpha.events(), beta.events()
    ident = alpha.create(name)["id"]
    alpha.remove(ident)
    mine.wait(lambda e: e["kind"] == "instance.deleted" and e["subject"]["id"] == ident)
    other = beta.create(name)["id"]
    beta.remove(other)
    theirs.wait(lambda e: e["kind"] == "instance.deleted" and e["subject"]["id"] == other)
    mine.stop()
    theirs.stop()
    assert not [e for e in theirs.events if e["subject"]["id"] == ident]
    assert not [e for e in mine.events if e["subject"]["id"] == other]
    assert alpha.get("/events?scope=all", expect=None).status in (400, 403)
