"""Events: JSON pages, SSE and WebSocket; resumed, filtered, gone."""
import json

import pytest
import websocket

from conftest_names import SMALL
from lodge_client import Api, Connection
from lodge_system import until


def last(api):
    return api.get("/events?since=0&pageSize=500&kinds=none").json["next"]


def kinds(events):
    return [e["kind"] for e in events]


def close_code(ws):
    """Reads to the end of a WebSocket."""
    while True:
        opcode, data = ws.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return int.from_bytes(data[:2], "big")


def test_a_life_in_events(red, label):
    start = last(red.api)
    i = red.make(label)
    red.drop(i["id"])
    events = red.api.get(f"/events?since={start}").json["events"]
    mine = [e for e in events if e["subject"]["id"] == i["id"]]
    assert kinds(mine)[0] == "instance.created" and kinds(mine)[-1] == "instance.deleted"
    states = [e["data"]["state"] for e in mine if e["kind"] == "instance.state"]
    assert states == ["running", "deleting"]
    for e in events:
        assert set(e) == {"id", "at", "kind", "tenant", "subject", "data"} and e["tenant"] == "red"
    assert [e["id"] for e in events] == sorted({e["id"] for e in events})
    done = [e for e in events if e["kind"] == "operation.done"]
    assert [e["data"]["operation"]["kind"] for e in done] == ["instance.create", "instance.delete"]


def test_pages_and_kinds(red, label):
    start = last(red.api)
    i = red.make(label)
    everything = red.api.get(f"/events?since={start}").json["events"]
    seen, after = [], start
    while True:
        page = red.api.get(f"/events?since={after}&pageSize=2").json
        if not page["events"]:
            break
        seen, after = seen + page["events"], page["next"]
    assert seen == everything
    some = red.api.get(f"/events?since={start}&kinds=operation").json
    assert some["events"] == [e for e in everything if e["kind"].startswith("operation.")]
    assert some["next"] == everything[-1]["id"]
    assert red.api.get(f"/events?since={start}&kinds=instance.created").json["events"] == everything[:1]
    red.drop(i["id"])


def test_a_tenant_sees_its_own(red, blue, fake_system, label):
    start = last(red.api)
    red.drop(red.make(label)["id"])
    assert not [e for e in blue.api.get(f"/events?since={start}").json["events"] if e["tenant"] != "blue"]
    assert blue.api.get("/events?scope=all", 403).error == "FORBIDDEN"
    everyone = fake_system.admin().get(f"/events?scope=all&since={start}").json["events"]
    assert "red" in {e["tenant"] for e in everyone}


@pytest.mark.parametrize("query", ["since=x", "since=-1", "since=99999999999999999999", "kinds=A", "kinds=" + "a" * 300, "scope=mine",
                                   "pageSize=0"])
def test_bad_queries(red, query):
    assert red.api.get("/events?" + query, 400).error == "INVALID_REQUEST"
    if "pageSize" not in query:
        assert red.api.get("/events?" + query, 400, Accept="text/event-stream").error == "INVALID_REQUEST"


def test_what_is_not_kept_is_gone(red):
    for after in (10 ** 9, 10 ** 15):
        a = red.api.get(f"/events?since={after}", 410)
        assert a.error == "GONE" and int(a.json["error"]["details"]["last"]) > 0


def test_pruned_events_are_gone_on_every_way(make_system):
    s = make_system(drivers="fake", pool="127.94.130.0/24", event_keep=100)
    api = s.start().admin()
    inst = api.create("noisy", memory=4 << 20, cores=0.01)["id"]
    for n in range(150):
        api.put(f"/compute/instances/{inst}", {"labels": {"n": str(n)}}, 200)
    until("old ones are pruned", lambda: api.get("/events?since=1", None).status == 410, timeout=120)
    assert api.get("/events?since=1", 410, Accept="text/event-stream").error == "GONE"
    ws = api.websocket("/api/v1/events?since=1")
    gone = json.loads(ws.recv())
    assert gone["type"] == "gone" and gone["oldest"] > 1
    assert close_code(ws) == 4410
    api.get(f"/events?since={gone['oldest'] - 1}")


class Sse:
    """An EventSource by hand."""

    def __init__(self, system, api, path, last_id=None):
        self.c = Connection("127.0.0.1", "localhost", system.https_port, system.tls, 60)
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {api.token}"}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        self.c.request("GET", path, headers=headers)
        self.f = self.c.getresponse()
        assert self.f.status == 200
        for name in ("Cache-Control", "X-Content-Type-Options"):
            assert len(self.f.headers.get_all(name)) == 1, self.f.headers

    def next(self):
        """Fields of the next event."""
        fields = {}
        while True:
            line = self.f.readline().decode().rstrip("\r\n")
            if not line and "data" in fields:
                return fields
            key, _, value = line.partition(": ")
            if key in ("id", "event", "data"):
                fields[key] = value

    def close(self):
        self.c.close()


def test_sse_comes_back_with_last_event_id(fake_system, red, label):
    start = last(red.api)
    i = red.make(label)
    everything = red.api.get(f"/events?since={start}").json["events"]
    first = Sse(fake_system, red.api, f"/api/v1/events?since={start}")
    got = [first.next() for _ in range(2)]
    first.close()
    red.drop(i["id"])
    second = Sse(fake_system, red.api, f"/api/v1/events?since={start}", last_id=got[-1]["id"])
    want = red.api.get(f"/events?since={start}").json["events"]
    got += [second.next() for _ in range(len(want) - 2)]
    second.close()
    assert [json.loads(g["data"]) for g in got] == want and want[:len(everything)] == everything
    assert [g["event"] for g in got] == kinds(want) and [int(g["id"]) for g in got] == [e["id"] for e in want]


def test_websocket_gets_each_event_once(fake_system, red, label):
    start = last(red.api)
    tail = red.api.events(since=start)
    ids = [red.post({"name": f"{label}-{n}", "resources": SMALL}).json["id"] for n in range(10)]
    for i in ids:
        red.api.until(i, "running")
    assert fake_system.kill("stream") == 1, "and the client comes back with since"
    red.drop(*ids)
    want = red.api.get(f"/events?since={start}&pageSize=500").json["events"]
    tail.reaches(want[-1]["id"])
    tail.stop()
    assert tail.events[:len(want)] == want and tail.connects > 1
    until("lodge-stream is back", fake_system.well)


@pytest.mark.kills_workers
def test_a_dead_feeder_is_replaced(fake_system, red, label):
    """The feeder is one of lodge-api's children: killing them all loses no event."""
    tail = red.api.events()
    fake_system.kill("api-workers")
    until("the API answers", lambda: red.api.get("/events", None).status == 200)
    i = red.make(label)
    tail.wait(lambda e: e["kind"] == "instance.state" and e["subject"]["id"] == i["id"] and e["data"]["state"] == "running")
    red.drop(i["id"])
    tail.stop()


def test_websockets_of_other_sites_are_refused(fake_system):
    session = fake_system.session()
    cookie = {k: v for k, v in session.headers.items() if k == "Cookie"}
    for origin in ("https://evil.example", f"https://web.apps.localhost:{fake_system.https_port}", "null"):
        with pytest.raises(websocket.WebSocketBadStatusException) as e:
            websocket.create_connection(f"wss://localhost:{fake_system.https_port}/api/v1/events", origin=origin,
                                        header=cookie, sslopt={"context": fake_system.tls})
        assert e.value.status_code == 403
    own = websocket.create_connection(f"wss://localhost:{fake_system.https_port}/api/v1/events", header=cookie,
                                      origin=f"https://localhost:{fake_system.https_port}", sslopt={"context": fake_system.tls})
    assert json.loads(own.recv())["type"] == "ready"
    own.close()


def test_a_revoked_token_closes_its_streams(fake_system, red):
    session = fake_system.session(red.api.username, red.api.password)
    made = session.post("/tokens", {"name": "brief"}, 201).json
    brief = Api(fake_system, made["token"])
    ws = brief.websocket("/api/v1/events")
    assert json.loads(ws.recv())["type"] == "ready"
    session.delete(f"/tokens/{made['id']}", 204)
    assert close_code(ws) == 4401
    brief.get("/events", 401)
