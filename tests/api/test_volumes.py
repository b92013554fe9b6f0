"""Volumes through the API: what is refused, whose they are, what is counted. The file systems are real, the engine is not."""
import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest_names import SMALL, nothing_begins
from lodge_client import Api, operation_of

MIB = 1 << 20
numbers = itertools.count(1)
UNKNOWN = "00000000-1111-4222-8333-444444444444"


@pytest.fixture
def volume(red):
    """One of red's, gone afterwards."""
    v = red.api.post("/volumes", {"name": f"v{next(numbers)}", "size": 16 * MIB}, 201, Prefer="wait=60").json
    yield v
    drop(red.api, v["id"])


def drop(api, ident):
    a = api.get(f"/volumes/{ident}", None)
    for at in a.json["attachments"] if a.status == 200 else []:
        api.post(f"/volumes/{ident}/detach", {"instance": at["instance"]}, (200, 202))
    api.delete(f"/volumes/{ident}", (200, 202, 404), Prefer="wait=60")


@pytest.fixture
def growers(fake_system, label):
    """make(count) gives volumes that a tenant of its own has, of no kind yet, and `limit(bytes)` sets its storage."""
    api = fake_system.tenant(f"grow-{label}")
    admin, path = fake_system.admin(), f"/tenants/{api.tenant['id']}/quota"
    api.limit = lambda storage: admin.put(path, {"storage": storage}, 200, If_Match="*")
    api.storage = lambda: api.get(path).json["used"]["storage"]
    api.make = lambda count, **more: [api.post("/volumes", {"name": f"v{next(numbers)}", "size": 16 * MIB, **more}, 201, Prefer="wait=60").json["id"]
                                      for _ in range(count)]
    yield api
    for v in api.get("/volumes?pageSize=100").json["volumes"]:
        drop(api, v["id"])


def as_tenant(system, t):
    return Api(system, t.api.token, headers={"X-Tenant-ID": t.api.tenant["slug"]})


def test_life(red, label):
    a = red.api.post("/volumes", {"name": label, "size": 16 * MIB}, 201)
    v = a.json
    assert v["state"] == "creating" and v["kind"] is None and a.header("Location") == f"/api/v1/volumes/{v['id']}"
    assert red.api.operation(a.header("Operation-Location").rsplit("/", 1)[1])["volume"] == v["id"]
    got = red.api.get(f"/volumes/{v['id']}").json
    assert got["state"] == "ready" and got["version"] > v["version"]
    assert v["id"] in [x["id"] for x in red.api.get("/volumes").json["volumes"]]
    assert red.api.post("/volumes", {"name": label, "size": 16 * MIB}, 409).json["error"]["details"]["field"] == "name"
    gone = red.api.delete(f"/volumes/{v['id']}", 200, Prefer="wait=60").json
    assert gone == {"id": v["id"], "name": label, "state": "deleted"}
    assert red.api.get(f"/volumes/{v['id']}", 404).error == "NOT_FOUND"


@pytest.mark.parametrize("body,field", [
    ({"name": "x"}, "size"), ({"size": 16 * MIB}, "name"), ({"name": "", "size": 16 * MIB}, "name"),
    ({"name": "A", "size": 16 * MIB}, "name"), ({"name": "../x", "size": 16 * MIB}, "name"),
    ({"name": "x" * 64, "size": 16 * MIB}, "name"), ({"name": "x", "size": 0}, "size"), ({"name": "x", "size": -1}, "size"),
    ({"name": "x", "size": 16 * MIB - 4096}, "size"), ({"name": "x", "size": 16 * MIB + 1}, "size"),
    ({"name": "x", "size": 1 << 63}, None), ({"name": "x", "size": (1 << 63) - 4096}, "size"), ({"name": "x", "size": 1.5e9}, "size"),
    ({"name": "x", "size": "1G"}, "size"), ({"name": "x", "size": 16 * MIB, "kind": "tape"}, "kind"),
    ({"name": "x", "size": 16 * MIB, "path": "/etc"}, "path")])
def test_bad_bodies(red, body, field):
    before = red.api.get("/volumes").json["total"]
    a = red.api.post("/volumes", body, 400)
    assert a.error == "INVALID_REQUEST" and (not field or a.json["error"]["details"]["field"] == field)
    assert red.api.get("/volumes").json["total"] == before


def test_larger_than_the_disk(red, label):
    a = red.api.post("/volumes", {"name": label, "size": 1 << 46}, 403)
    d = a.json["error"]["details"]
    assert a.error == "RESOURCE_LIMIT_EXCEEDED" and d["limit"] == "storage" and int(d["requested"]) == 1 << 46


def test_volumes_count_as_storage(fake_system, red, label):
    admin, tenant = fake_system.admin(), red.api.tenant["id"]
    used = admin.get(f"/tenants/{tenant}/quota").json["used"]["storage"]
    admin.put(f"/tenants/{tenant}/quota", {"storage": used + 64 * MIB}, 200, **{"If-Match": "*"})
    try:
        v = red.api.post("/volumes", {"name": label, "size": 48 * MIB}, 201, Prefer="wait=60").json
        assert admin.get(f"/tenants/{tenant}/quota").json["used"]["storage"] == used + 48 * MIB
        assert red.api.post("/volumes", {"name": label + "b", "size": 32 * MIB}, 403).error == "RESOURCE_LIMIT_EXCEEDED"
        assert red.api.put(f"/volumes/{v['id']}", {"size": 128 * MIB}, 403).error == "RESOURCE_LIMIT_EXCEEDED"
        a = red.api.post("/compute/instances", {"name": label, "config": {"volumes": ["new:/x"]}, "resources": SMALL}, 403)
        assert a.json["error"]["details"]["limit"] == "storage"
        assert not [x for x in red.api.get("/volumes").json["volumes"] if x["name"] == "new"], "all or nothing"
        drop(red.api, v["id"])
    finally:
        admin.put(f"/tenants/{tenant}/quota", {}, 200, **{"If-Match": "*"})


def test_grow(red, volume):
    ident = volume["id"]
    assert red.api.put(f"/volumes/{ident}", {"size": 16 * MIB}, 400).error == "INVALID_REQUEST"
    assert red.api.put(f"/volumes/{ident}", {"size": 32 * MIB}, 200).json["sizeBytes"] == 32 * MIB


def test_fifty_growths_at_once_never_pass_the_quota(fake_system, growers):
    """What is growing counts as large as it is to be: neither another growth nor a create gets that room."""
    volumes = growers.make(5)
    growers.limit(5 * 16 * MIB + 2 * 48 * MIB)
    ask = lambda n: growers.put(f"/volumes/{volumes[n % 5]}", {"size": 64 * MIB}, (202, 403, 409), Prefer="wait=0")
    with nothing_begins(fake_system):
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(ask, range(50)))
        grown = [a for a in answers if a.status == 202]
        assert len(grown) == 2 and growers.storage() == 5 * 16 * MIB + 2 * 48 * MIB
        assert growers.post("/volumes", {"name": "one-more", "size": 16 * MIB}, 403).json["error"]["details"]["limit"] == "storage"
        assert sorted(v["sizeBytes"] for v in growers.get("/volumes").json["volumes"]) == [16 * MIB] * 5
    assert [growers.operation(operation_of(a))["status"] for a in grown] == ["done"] * 2
    assert sorted(v["sizeBytes"] for v in growers.get("/volumes").json["volumes"]) == [16 * MIB] * 3 + [64 * MIB] * 2
    assert growers.storage() == 5 * 16 * MIB + 2 * 48 * MIB


def test_growths_at_once_never_pass_the_host(fake_system, growers):
    fs = os.statvfs(fake_system.state)
    most = fs.f_blocks * fs.f_frsize * 4 * 6 // 10 // MIB * MIB  # two of them are more than storage_overcommit allows
    first, second = growers.make(2)
    with nothing_begins(fake_system):
        a = growers.put(f"/volumes/{first}", {"size": most}, 202, Prefer="wait=0")
        details = growers.put(f"/volumes/{second}", {"size": most}, 403).json["error"]["details"]
        assert details["scope"] == "host" and int(details["used"]) >= most
    assert growers.operation(operation_of(a))["status"] == "done"


def test_one_growth_at_a_time(fake_system, growers):
    v, = growers.make(1)
    with nothing_begins(fake_system):
        a = growers.put(f"/volumes/{v}", {"size": 32 * MIB}, 202, Prefer="wait=0")
        refused = growers.put(f"/volumes/{v}", {"size": 64 * MIB}, 409)
        assert refused.error == "CONFLICT" and refused.json["error"]["details"]["operation"] == operation_of(a)
    assert growers.operation(operation_of(a))["status"] == "done"
    assert growers.put(f"/volumes/{v}", {"size": 64 * MIB}, 200).json["sizeBytes"] == 64 * MIB


def test_a_growth_that_fails_gives_its_room_back(fake_system, growers):
    v, other = growers.make(2, kind="filesystem")
    growers.limit(64 * MIB)
    os.unlink(f"{fake_system.state}/volumes/files/{v}.ext4")
    a = growers.put(f"/volumes/{v}", {"size": 48 * MIB}, 404)
    assert growers.get(f"/operations/{a.json['error']['details']['operation']}").json["status"] == "failed"
    assert growers.get(f"/volumes/{v}").json["sizeBytes"] == 16 * MIB and growers.storage() == 32 * MIB
    with nothing_begins(fake_system):  # and so does one that was cancelled
        a = growers.put(f"/volumes/{other}", {"size": 48 * MIB}, 202, Prefer="wait=0")
        assert growers.storage() == 64 * MIB
        growers.delete(f"/operations/{operation_of(a)}", 202)
    assert growers.operation(operation_of(a))["status"] == "cancelled" and growers.storage() == 32 * MIB
    assert growers.put(f"/volumes/{other}", {"size": 48 * MIB}, 200).json["sizeBytes"] == 48 * MIB


def test_a_growth_that_was_given_up_late_is_what_it_came_to(fake_system, growers):
    """Its worker had made the file larger and died; then it was cancelled. What the tenant has, counts."""
    v, = growers.make(1, kind="block")
    with nothing_begins(fake_system):
        a = growers.put(f"/volumes/{v}", {"size": 48 * MIB}, 202, Prefer="wait=0")
        os.truncate(f"{fake_system.state}/volumes/files/{v}.raw", 48 * MIB)
        growers.delete(f"/operations/{operation_of(a)}", 202)
    assert growers.operation(operation_of(a))["status"] == "cancelled"
    assert growers.get(f"/volumes/{v}").json["sizeBytes"] == growers.storage() == 48 * MIB


def test_attach_and_detach(red, instance, volume):
    ident = volume["id"]
    for path in ("/", "x", "/proc/1", "/a/../b", "", "/" + "x" * 300):
        assert red.api.post(f"/volumes/{ident}/attach", {"instance": instance["id"], "path": path}, 400).error == "INVALID_REQUEST"
    v = red.api.post(f"/volumes/{ident}/attach", {"instance": instance["name"], "path": "/data", "readOnly": True}, 200).json
    assert v["kind"] == "filesystem"
    assert v["attachments"] == [{"instance": instance["id"], "instanceName": instance["name"], "path": "/data", "readOnly": True}]
    i = red.api.instance(instance["id"])
    assert [(x["id"], x["path"], x["readOnly"]) for x in i["volumes"]] == [(ident, "/data", True)] and i["version"] > instance["version"]
    assert red.api.post(f"/volumes/{ident}/attach", {"instance": instance["id"]}, 409).error == "CONFLICT"
    other = red.api.post("/volumes", {"name": volume["name"] + "o", "size": 16 * MIB}, 201, Prefer="wait=60").json
    a = red.api.post(f"/volumes/{other['id']}/attach", {"instance": instance["id"], "path": "/data"}, 409)
    assert a.json["error"]["details"]["field"] == "path"
    assert red.api.delete(f"/volumes/{ident}", 409).error == "CONFLICT"
    assert red.api.put(f"/volumes/{ident}", {"size": 64 * MIB}, 409).error == "CONFLICT"
    assert red.api.post(f"/volumes/{ident}/detach", {"instance": instance["id"]}, 200).json["attachments"] == []
    assert red.api.post(f"/volumes/{ident}/detach", {"instance": instance["id"]}, 409).error == "INVALID_STATE"
    drop(red.api, other["id"])


def test_cancelled_behind_another_operation(red, instance, volume, held):
    """No worker sees it; what it wrote ahead is taken back all the same."""
    base, body = f"/volumes/{volume['id']}", {"instance": instance["id"]}

    def cancelled(verb):
        with held("stop"):
            stop = red.verb(instance["id"], "stop", {}, 202, Prefer="wait=0")
            op = operation_of(red.api.post(f"{base}/{verb}", body, 202, Prefer="wait=0"))
            red.api.delete(f"/operations/{op}", 202)
            assert red.api.operation(op)["status"] == "cancelled"
            attachments = red.api.get(base).json["attachments"]
        assert red.api.operation(operation_of(stop))["status"] == "done"
        red.verb(instance["id"], "start")
        return attachments

    assert not cancelled("attach")
    red.api.post(f"{base}/attach", body, 200)
    assert [a["instance"] for a in cancelled("detach")] == [instance["id"]]
    red.api.post(f"{base}/detach", body, 200)


def test_a_raw_disk_is_no_container_s(red, instance, label):
    v = red.api.post("/volumes", {"name": label, "size": 16 * MIB, "kind": "block"}, 201, Prefer="wait=60").json
    a = red.api.post(f"/volumes/{v['id']}/attach", {"instance": instance["id"]}, 409)
    assert a.error == "CONFLICT" and a.json["error"]["details"]["kind"] == "block"
    drop(red.api, v["id"])


def test_a_volume_stays_when_its_instance_goes(red, label):
    i = red.make(label, volumes=[f"{label}:/data"])
    v = i["volumes"][0]
    red.drop(i["id"])
    got = red.api.get(f"/volumes/{v['id']}").json
    assert got["attachments"] == [] and got["state"] == "ready"
    again = red.make(label, volumes=[f"/{label}:/data:ro"])
    assert again["volumes"][0]["id"] == v["id"] and again["volumes"][0]["readOnly"]
    red.drop(again["id"])
    drop(red.api, v["id"])


def test_foreign_ones_are_not_there(red, blue, volume, label):
    mine = blue.make(label)
    ident = volume["id"]
    for ask in (lambda i: blue.api.get(f"/volumes/{i}", 404), lambda i: blue.api.delete(f"/volumes/{i}", 404),
                lambda i: blue.api.put(f"/volumes/{i}", {"size": 64 * MIB}, 404),
                lambda i: blue.api.post(f"/volumes/{i}/attach", {"instance": mine["id"]}, 404),
                lambda i: blue.api.post(f"/volumes/{i}/detach", {"instance": mine["id"]}, 404)):
        assert ask(ident).error == ask(UNKNOWN).error == "NOT_FOUND"
    assert ident not in [v["id"] for v in blue.api.get("/volumes").json["volumes"]]
    a = red.api.post(f"/volumes/{ident}/attach", {"instance": mine["id"]}, 404)
    assert a.error == "INSTANCE_NOT_FOUND"
    blue.drop(mine["id"])


def test_the_tenant_dialect(fake_system, red, blue, label):
    t, other = as_tenant(fake_system, red), as_tenant(fake_system, blue)
    for body in ({"name": label}, {"sizeGB": 1}, {"name": label, "sizeGB": 0}, {"name": label, "sizeGB": -3},
                 {"name": label, "sizeGB": 1 << 40}, {"name": "Not OK", "sizeGB": 1}):
        assert t.post("/storage/volumes", body, 400).error == "INVALID_REQUEST"
    v = t.post("/storage/volumes", {"name": label, "sizeGB": 1, "whatever": True}, 201).json
    assert v["status"] in ("creating", "available") and v["sizeGB"] == 1 and v["tenantId"] == red.api.tenant["slug"] and v["attachedTo"] == ""
    i = red.make(label)
    foreign = blue.make(label)
    base = f"/storage/volumes/{v['id']}"
    assert t.get(f"/storage/volumes/{UNKNOWN}", 404).json["error"]["message"] == "Volume not found"
    for ask in (lambda: other.get(base, 403), lambda: other.delete(base, 403),
                lambda: other.post(f"{base}/attach", {"instanceId": foreign["id"]}, 403),
                lambda: other.post(f"{base}/detach", {}, 403),
                lambda: t.post(f"{base}/attach", {"instanceId": foreign["id"]}, 403)):
        assert ask().json["error"]["message"] == "Access denied"
    assert t.post(f"{base}/attach", {"instanceId": UNKNOWN}, 404).json["error"]["message"] == "Instance not found"
    assert t.post(f"{base}/attach", {}, 400).error == "INVALID_REQUEST"
    got = t.post(f"{base}/attach", {"instanceId": i["id"]}, 200).json
    assert got["status"] == "in-use" and got["attachedTo"] == i["id"]
    assert t.get(f"/compute/instances/{i['id']}").json["volumeIds"] == [v["id"]]
    assert t.delete(base, 400).json["error"]["message"] == "Volume is currently attached"
    op = t.post(f"{base}/detach", None, 200).header("Operation-Location").rsplit("/", 1)[1]
    assert red.api.operation(op)["status"] == "done"
    assert t.get(base).json["status"] == "available" and t.get(base).json["attachedTo"] == ""
    assert t.post(f"{base}/detach", {}, 400).json["error"]["message"] == "Volume is not attached"
    assert t.delete(base, 204).status == 204
    assert v["id"] not in [x["id"] for x in t.get("/storage/volumes").json["volumes"]]
    red.drop(i["id"])
    blue.drop(foreign["id"])


def test_a_tenant_with_volumes_is_not_deleted(fake_system):
    api = fake_system.tenant("volumed")
    v = api.post("/volumes", {"name": "v", "size": 16 * MIB}, 201, Prefer="wait=60").json
    a = fake_system.admin().delete(f"/tenants/{api.tenant['id']}", 409)
    assert a.json["error"]["details"]["volumes"] == "1"
    drop(api, v["id"])
    fake_system.admin().delete(f"/tenants/{api.tenant['id']}", 204)
