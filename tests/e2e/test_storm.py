"""kill -9 of every process of ours in the middle of parallel creates and deletes, three times over.

Afterwards: no acknowledged instance is missing, none is there twice, the engine holds nothing that nobody knows, no
operation is stuck, addresses and host names are free again, and a client that came back through all of it has every
event exactly once.
"""
import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e_names import FOREVER
from lodge_system import until

ROUNDS = {"api": ("api-workers", "api", "api-workers"), "runner": ("runner-workers", "runner", "runner-workers", "runner"),
          "stream and engine": ("stream", "engine", "stream", "engine")}
SMALL = {"cpu": {"cores": 0.05}, "memory": {"limit": 16 << 20}}
CREATES = 34  # beside 16 deletes: fifty changes at the same time
DELETES = 16


def until_told(fn, right):
    """Repeats a request until somebody answers it for certain; a gateway's error or a broken connection says nothing."""
    end = time.monotonic() + 240
    while True:
        try:
            a = fn()
            if a.status in right:
                return a
            assert a.status in (500, 502, 503, 504), a
        except (OSError, http.client.HTTPException):
            a = None
        assert time.monotonic() < end, f"never answered: {a}"
        time.sleep(0.2)


def create(api, name):
    """The id of the instance, whichever of our tries it was that made it."""
    a = until_told(lambda: api.call("POST", "/compute/instances", {"name": name, "config": {"command": FOREVER},
                                                                            "resources": SMALL}), (201, 409))
    if a.status == 409:
        a = until_told(lambda: api.call("GET", f"/compute/instances/name/{name}"), (200,))
    return a.json["id"]


def delete(api, ident):
    until_told(lambda: api.call("DELETE", f"/compute/instances/{ident}?force=true", Prefer="wait=0"), (200, 202, 404, 409))


def add_rule(api, ident, host):
    until_told(lambda: api.call("POST", f"/compute/instances/{ident}/ingress", {"port": 443, "targetPort": 80, "host": host}), (201, 409))


def assassin(system, victims, stop, killed):
    while not stop.is_set():
        for v in victims:
            if stop.wait(1.5):
                return
            # What kills its worker time after time is given up for good, so not every one is hit every time.
            killed[v] = killed.get(v, 0) + system.kill(v, share=0.5 if v.endswith("-workers") else 1)


def settle(system):
    """Waits until every operation has ended."""
    until("no operation is queued or running", lambda: not system.query(
        "SELECT 1 FROM operation WHERE status IN ('queued', 'running')"), timeout=400)


def check(system, admin, expected, deleted):
    """Database, API and engine agree."""
    listed = {i["id"]: i for i in admin.get("/compute/instances?pageSize=500").json["instances"]}
    ends = {i: system.query("SELECT kind, status, error_text, attempts FROM operation WHERE instance_id = ?", i)
            for i in set(listed) ^ set(expected)}
    assert not ends, f"acknowledged and existing instances differ: {ends}"
    names = [i["name"] for i in listed.values()]
    assert len(names) == len(set(names))
    for ident, inst in listed.items():
        assert admin.until(ident, "running", timeout=120)["name"] == expected[ident]
    until("the engine has exactly these", lambda: sorted(c["Labels"]["lodge.instance"] for c in system.containers())
          == sorted(expected), timeout=60)
    until("all of them run", lambda: all(c["State"] == "running" for c in system.containers()), timeout=60)
    addresses = [admin.instance(i)["network"]["address"] for i in expected]
    assert len(addresses) == len(set(addresses))
    for ident in deleted:
        admin.get(f"/compute/instances/{ident}", 404)
    assert not system.query("SELECT 1 FROM ingress WHERE instance_id NOT IN (SELECT id FROM instance)")
    assert not system.query("SELECT 1 FROM quarantine")


@pytest.fixture
def cleared(admin):
    """What a failing round leaves must not make the next one fail."""
    yield
    admin.remove_all()


@pytest.mark.within(900)
@pytest.mark.parametrize("victims", ROUNDS)
def test_kill_in_the_middle_of_creates_and_deletes(system, admin, cleared, victims, name):
    start = admin.get("/session").json["lastEvent"]
    tail = admin.events(since=start)
    with ThreadPoolExecutor(8) as pool:
        old = list(pool.map(lambda k: create(admin, f"{name}-old{k}"), range(DELETES)))
        for k, ident in enumerate(old):
            add_rule(admin, ident, f"{name}-host{k}")
        settle(system)
        stop, killed = threading.Event(), {}
        killer = threading.Thread(target=assassin, args=(system, ROUNDS[victims], stop, killed))
        killer.start()
        try:
            gone = [pool.submit(delete, admin, i) for i in old]
            new = [pool.submit(create, admin, f"{name}-new{k}") for k in range(CREATES)]
            expected = {f.result(): f"{name}-new{k}" for k, f in enumerate(new)}
            for f in gone:
                f.result()
            until("two rounds of killing are done", lambda: sum(killed.values()) >= 2 * len(ROUNDS[victims]), timeout=60)
        finally:
            stop.set()
            killer.join()
        until("Lodge is well", system.well, timeout=120)
        settle(system)
        check(system, admin, expected, old)
        for k, ident in zip(range(4), expected):  # host names are free again
            rule = admin.post(f"/compute/instances/{ident}/ingress", {"port": 443, "targetPort": 80, "host": f"{name}-host{k}"}, 201)
            assert rule.json["host"] == f"{name}-host{k}"
        list(pool.map(lambda i: delete(admin, i), expected))
    settle(system)
    until("all are gone", lambda: not admin.get("/compute/instances").json["total"] and not system.containers(), timeout=120)
    last = admin.get("/session").json["lastEvent"]
    tenant = admin.get("/session").json["tenant"]
    tenant = tenant["id"] if isinstance(tenant, dict) else tenant
    mine = [r[0] for r in system.query("SELECT e.id FROM event e LEFT JOIN tenant t ON t.id = e.tenant_id WHERE e.id > ? AND e.id <= ? "
                                       "AND e.admin = 0 AND (e.tenant_id = '*' OR t.id = ? OR t.slug = ?) ORDER BY e.id",
                                       start, last, tenant, tenant)]
    tail.reaches(mine[-1])
    tail.stop()
    assert [e["id"] for e in tail.events if e["id"] <= last] == mine, "each event exactly once and in order"
