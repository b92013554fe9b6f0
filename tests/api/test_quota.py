"""Quotas of a tenant: set by administrators, read by members, kept by admission whatever happens at the same time."""
import glob
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest_names import SMALL, Tenant, chunks, nothing_begins, tar, upload
from lodge_client import operation_of
from lodge_system import until

AMOUNTS = ("instances", "cpu", "memory", "storage", "ingress", "tokens")
CEILINGS = ("codeTimeMs", "codeMemory", "codeOutput")


@pytest.fixture
def team(fake_system, label):
    """A tenant of its own, empty."""
    t = Tenant(fake_system.tenant(f"team-{label}"))
    yield t
    t.api.remove_all()


def path(team):
    return f"/tenants/{team.api.tenant['id']}/quota"


def limit(fake_system, team, **limits):
    """Sets these and nothing else, as an administrator."""
    admin = fake_system.admin()
    etag = admin.get(path(team)).header("ETag")
    return admin.put(path(team), limits, 200, If_Match=etag).json


def refusal(answer, name, total, used, requested):
    d = answer.json["error"]["details"]
    assert answer.error == "RESOURCE_LIMIT_EXCEEDED" and answer.status == 403, answer
    assert (d["limit"], d["scope"], d["raisedBy"]) == (name, "tenant", "administrator"), d
    assert [int(d[k]) for k in ("total", "used", "requested")] == [total, used, requested], d
    assert name in answer.json["error"]["message"] and "administrator" in answer.json["error"]["message"]


def test_nothing_is_limited_at_first(team):
    q = team.api.get(path(team)).json
    assert q["tenant"] == team.api.tenant["slug"] and q["version"] == 0 and q["updatedAt"] is None
    assert q["quota"] == dict.fromkeys(AMOUNTS + CEILINGS) and q["used"] == {**dict.fromkeys(AMOUNTS, 0), "tokens": 1}


def test_use_is_what_exists(fake_system, team, label):
    i = team.make(label)
    team.api.post(f"/compute/instances/{i['id']}/ingress", {"targetPort": 80, "host": label}, 201)
    used = team.api.get(path(team)).json["used"]
    assert used == {"instances": 1, "cpu": 0.01, "memory": 4 << 20, "storage": 0, "ingress": 1, "tokens": 1}
    team.verb(i["id"], "stop")
    assert team.api.get(path(team)).json["used"] == used, "what is stopped is still there"
    team.drop(i["id"])
    assert team.api.get(path(team)).json["used"]["instances"] == 0


def test_fifty_at_once_never_pass_the_limit(fake_system, team):
    """The one promise: whoever asks at the same time, the sum is never above the limit."""
    limit(fake_system, team, instances=7)
    body = {"config": {}, "resources": SMALL, "start": False}
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: team.post({**body, "name": f"p{n}"}, (201, 403)), range(50)))
    assert sorted(a.status for a in answers) == [201] * 7 + [403] * 43
    for a in answers:
        if a.status == 403:
            refusal(a, "instances", 7, 7, 1)
    assert team.api.get("/compute/instances").json["total"] == 7
    team.drop(team.api.get("/compute/instances").json["instances"][0]["id"])
    team.post({**body, "name": "again"})
    refusal(team.post({**body, "name": "never"}, 403), "instances", 7, 7, 1)


def test_fifty_at_once_never_pass_the_memory(fake_system, team):
    """Creates and updates together: sums, not counts."""
    limit(fake_system, team, memory=40 << 20)
    one = team.make(state="stopped")
    body = {"resources": SMALL, "start": False}

    def ask(n):
        if n % 5:
            return team.post({**body, "name": f"m{n}"}, (201, 403)).status
        return team.api.put(f"/compute/instances/{one['id']}", {"resources": {"memory": {"limit": (8 + n) << 20}}}, (200, 403)).status

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(ask, range(50)))
    used = team.api.get(path(team)).json["used"]["memory"]
    assert used <= 40 << 20, used
    total = sum(i["resources"]["memory"]["limit"] for i in team.api.get("/compute/instances?pageSize=100").json["instances"])
    assert total == used


def test_an_update_counts(fake_system, team):
    i = team.make(state="stopped")
    limit(fake_system, team, cpu=0.02, memory=10 << 20)
    at = f"/compute/instances/{i['id']}"
    team.api.put(at, {"resources": {"cpu": {"cores": 0.02}, "memory": {"limit": 10 << 20}}}, 200)
    refusal(team.api.put(at, {"resources": {"cpu": {"cores": 0.03}}}, 403), "cpu", 20, 20, 10)
    refusal(team.api.put(at, {"resources": {"memory": {"limit": 12 << 20}}}, 403), "memory", 10 << 20, 10 << 20, 2 << 20)
    assert team.api.instance(i["id"])["resources"]["memory"]["limit"] == 10 << 20


def test_less_is_always_admitted(fake_system, team):
    """A quota below what is in use takes nothing away, and does not keep anybody from using less."""
    i = team.make(state="stopped")
    at = f"/compute/instances/{i['id']}"
    team.api.put(at, {"resources": {"memory": {"limit": 64 << 20}}}, 200)
    limit(fake_system, team, memory=1 << 20)
    team.api.put(at, {"resources": {"memory": {"limit": 32 << 20}}}, 200)
    team.api.put(at, {"labels": {"a": "b"}}, 200)
    team.verb(i["id"], "start")
    refusal(team.api.put(at, {"resources": {"memory": {"limit": 33 << 20}}}, 403), "memory", 1 << 20, 32 << 20, 1 << 20)


def test_an_update_at_work_keeps_what_it_may_give_back(fake_system, team):
    """Less memory than before is nobody else's until the engine has taken it away."""
    i = team.make()
    at = f"/compute/instances/{i['id']}"
    team.api.put(at, {"resources": {"memory": {"limit": 32 << 20}}}, 200)
    limit(fake_system, team, memory=32 << 20)
    body = {"name": "other", "resources": SMALL, "start": False}
    with nothing_begins(fake_system):
        a = team.api.put(at, {"resources": {"memory": {"limit": 8 << 20}}}, 202, Prefer="wait=0")
        refusal(team.post(body, 403), "memory", 32 << 20, 32 << 20, 4 << 20)
        team.api.delete(f"/operations/{operation_of(a)}", 202)
    assert ended(team, a)["status"] == "cancelled"
    assert team.api.get(path(team)).json["used"]["memory"] == 32 << 20
    team.api.put(at, {"resources": {"memory": {"limit": 8 << 20}}}, 200)
    team.post(body)


def test_storage_ingress_and_tokens(fake_system, team, label):
    i = team.make(state="stopped")
    limit(fake_system, team, storage=1 << 30, ingress=1, tokens=2)
    body = {"name": "big", "resources": {**SMALL, "storage": {"totalSpace": 2 << 30}}}
    refusal(team.post(body, 403), "storage", 1 << 30, 0, 2 << 30)
    at = f"/compute/instances/{i['id']}/ingress"
    team.api.post(at, {"targetPort": 80, "host": label}, 201)
    other = team.make(state="stopped")
    refusal(team.api.post(f"/compute/instances/{other['id']}/ingress", {"targetPort": 80, "host": label + "b"}, 403), "ingress", 1, 1, 1)
    team.api.delete(at + "/443", 204)
    team.api.post(f"/compute/instances/{other['id']}/ingress", {"targetPort": 80, "host": label + "b"}, 201)
    two = team.api.post("/tokens", {"name": "two"}, 201).json
    refusal(team.api.post("/tokens", {"name": "three"}, 403), "tokens", 2, 2, 1)
    team.api.delete(f"/tokens/{two['id']}", 204)
    team.api.post("/tokens", {"name": "three"}, 201)


def test_storage_that_nobody_named_counts(fake_system, team):
    """Without a limit what a container holds counts; where the tenant's storage is limited every one gets a limit, which counts."""
    old = team.make()
    folder = f"{fake_system.state}/fake"
    with open(f"{folder}/layer-{old['id']}", "w") as f:
        f.write(f"{64 << 20} soft")
    until("it is measured", lambda: team.api.get(path(team)).json["used"]["storage"] == 64 << 20)
    assert "storage" not in team.api.instance(old["id"])["resources"]
    limit(fake_system, team, storage=(64 << 20) + (1 << 30))
    new = team.make(state="stopped")
    assert new["resources"]["storage"]["totalSpace"] == 1 << 30
    assert team.api.get(path(team)).json["used"]["storage"] == (64 << 20) + (1 << 30)
    refusal(team.post({"name": "one-more", "resources": SMALL}, 403), "storage", (64 << 20) + (1 << 30), (64 << 20) + (1 << 30), 1 << 30)


def storage_used(team):
    return team.api.get(path(team)).json["used"]["storage"]


def in_engine(system, ref):
    found = []
    for f in glob.glob(f"{system.state}/fake/image*"):
        with open(f) as text:
            found.append(json.load(text)["ref"])
    return ref in found


def ended(team, answer):
    return team.api.operation(operation_of(answer))


def remove_image(team, answer):
    assert ended(team, team.api.delete(f"/images/{answer.json['id']}", 202))["status"] == "done"


def test_private_images_count(fake_system, team, label):
    admin, data = fake_system.admin(), tar()
    a = upload(team.api, f"name={label}", data)
    assert a.json["sizeBytes"] == len(data), "counted before the engine has it"
    assert ended(team, a)["status"] == "done"
    size = team.api.get(f"/images/{a.json['id']}").json["sizeBytes"]
    assert size > 0 and storage_used(team) == size
    limit(fake_system, team, storage=size + len(data) - 1)
    for body in (data, chunks(data)):  # one that says its length, and one that does not
        refusal(upload(team.api, f"name={label}-two", body, 403), "storage", size + len(data) - 1, size, len(data))
    until("no file stays", lambda: not os.listdir(f"{fake_system.state}/uploads"))
    admin.put(f"/images/{a.json['id']}", {"public": True}, 200)
    assert storage_used(team) == 0, "what everybody may use counts for nobody"
    admin.put(f"/images/{a.json['id']}", {"public": False}, 200)
    assert storage_used(team) == size
    remove_image(team, a)
    assert storage_used(team) == 0


def test_a_pull_is_admitted_when_its_size_is_known(fake_system, team, label):
    """Its operation fails with the quota's error and the engine keeps nothing, but for what another tenant has."""
    other = Tenant(fake_system.tenant(f"other-{label}"))
    ref = f"registry.test/{label}:1"
    pull = lambda t: t.api.post("/images", {"reference": ref}, 202)

    def refused(kept):
        a = pull(other)
        o = ended(other, a)
        assert o["status"] == "failed" and o["error"]["code"] == "RESOURCE_LIMIT_EXCEEDED" and "storage" in o["error"]["message"], o
        image = other.api.get(f"/images/{a.json['id']}").json
        assert (image["state"], image["sizeBytes"]) == ("error", 0) and storage_used(other) == 0
        assert in_engine(fake_system, ref) == kept
        remove_image(other, a)

    first = pull(team)
    assert ended(team, first)["status"] == "done"
    size = storage_used(team)
    assert size == team.api.get(f"/images/{first.json['id']}").json["sizeBytes"] > 0
    limit(fake_system, other, storage=size - 1)
    refused(kept=True)
    remove_image(team, first)
    assert storage_used(team) == 0 and not in_engine(fake_system, ref)
    refused(kept=False)
    limit(fake_system, other, storage=size)
    a = pull(other)
    assert ended(other, a)["status"] == "done" and storage_used(other) == size
    remove_image(other, a)


def test_every_dialect_is_kept_to_it(fake_system, team):
    limit(fake_system, team, instances=0)
    slug = team.api.tenant["slug"]
    refusal(team.api.request("POST", "/compute/containers", {"name": "cloud"}), "instances", 0, 0, 1)
    refusal(team.api.request("POST", "/api/v1/compute/instances", {"name": "tenant", "type": "container"}, {"X-Tenant-ID": slug}),
            "instances", 0, 0, 1)


def test_a_change_names_what_it_saw(fake_system, team):
    admin = fake_system.admin()
    assert admin.put(path(team), {"instances": 1}, 428).error == "PRECONDITION_REQUIRED"
    first = admin.get(path(team)).header("ETag")
    admin.put(path(team), {"instances": 1}, 200, If_Match=first)
    assert admin.put(path(team), {"instances": 2}, 412, If_Match=first).error == "PRECONDITION_FAILED"
    now = admin.get(path(team))
    assert now.json["quota"]["instances"] == 1 and now.json["version"] == 1
    same = admin.request("GET", "/api/v1" + path(team), None, {"If-None-Match": now.header("ETag")})
    assert same.status == 304 and not same.body and same.header("ETag") == now.header("ETag")
    admin.put(path(team), {"memory": 5}, 200, If_Match='W/"1", "1"')
    assert admin.get(path(team)).json["quota"] == {**dict.fromkeys(AMOUNTS + CEILINGS), "memory": 5}, "all of it at once"
    admin.put(path(team), {"memory": 5}, 412, If_Match='W/"2"')
    admin.put(path(team), {}, 200, If_Match="*")


def test_ceilings_of_code_are_kept_with_the_rest(fake_system, team):
    """What they do to a run is tried in tests/repl; here they are set, read by members, and unset by what does not name them."""
    limit(fake_system, team, codeTimeMs=5000, codeMemory=64 << 20, codeOutput=1000)
    q = team.api.get(path(team)).json
    assert q["quota"] == {**dict.fromkeys(AMOUNTS), "codeTimeMs": 5000, "codeMemory": 64 << 20, "codeOutput": 1000}
    assert not set(CEILINGS) & set(q["used"])
    assert limit(fake_system, team, instances=3)["quota"] == {**dict.fromkeys(AMOUNTS + CEILINGS), "instances": 3}
    team.api.put(path(team), {"codeTimeMs": 60000}, 403, If_Match="*")


def test_who_may(fake_system, team, red):
    team.api.put(path(team), {"instances": 1}, 403, If_Match="*")
    red.api.get(path(team), 404)
    red.api.put(path(team), {"instances": 1}, 403, If_Match="*")
    fake_system.admin().get("/tenants/nowhere/quota", 404)
    fake_system.admin().put("/tenants/nowhere/quota", {}, 404, If_Match="*")
    fake_system.anonymous().get(path(team), 401)


@pytest.mark.parametrize("body, field", [
    ({"instances": -1}, "instances"), ({"instances": 1.5}, "instances"), ({"cpu": "2"}, "cpu"), ({"disk": 1}, "disk"),
    ({"memory": 10 ** 17}, "memory"), ({"tokens": True}, "tokens"),
    ({"codeTimeMs": 0}, "codeTimeMs"), ({"codeMemory": 1 << 20}, "codeMemory"), ({"codeOutput": 0}, "codeOutput"), ({"codeOutput": "1k"}, "codeOutput")])
def test_bad_input(fake_system, team, body, field):
    a = fake_system.admin().put(path(team), body, 400, If_Match="*")
    assert a.json["error"]["details"]["field"] == field


def test_it_is_in_the_audit_record(fake_system, team):
    limit(fake_system, team, instances=3)
    line = fake_system.admin().get("/audit?pageSize=1").json["audit"][0]
    assert (line["action"], line["subject"], line["tenant"]) == ("tenant.quota", team.api.tenant["id"], team.api.tenant["slug"])


def test_it_goes_with_its_tenant(fake_system, label):
    admin = fake_system.admin()
    t = admin.post("/tenants", {"slug": label}, 201).json
    admin.put(f"/tenants/{t['id']}/quota", {"instances": 1}, 200, If_Match="*")
    admin.delete(f"/tenants/{t['id']}", 204)
    assert not fake_system.query("SELECT 1 FROM tenant_quota WHERE tenant_id = ?", t["id"])
