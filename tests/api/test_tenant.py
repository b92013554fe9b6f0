"""The tenant dialect: every command its documentation prints, and what it promises beside them.

COMMANDS lists the commands one by one with the test that runs them; a test at the end sees to it that the list holds.
"""
import time

import pytest

import test_gateway
from lodge_client import Api

COMMANDS = [
    # (method, path, body's distinguishing part, test)
    ("GET", "/health", "", "test_gateway.test_health_names_the_service"),
    ("script", "8081", "manual testing with curl", "test_gateway.test_life_as_printed"),
    ("script", "8081", "multi-tenancy testing", "test_gateway.test_isolation_as_printed"),
    ("script", "8081", "flavor testing", "test_gateway.test_flavors_as_printed"),
    ("script", "8081 8082 8083", "integration testing", "test_gateway.test_integration_as_printed"),
    ("GET", "/api/v1/compute/instances", "", "test_list"),
    ("GET", "/api/v1/compute/instances/{id}", "", "test_life"),
    ("GET", "/api/v1/compute/instances/{id}", "foreign", "test_foreign_is_403"),
    ("POST", "/api/v1/compute/instances", "vm web-server", "test_vm_says_why_not"),
    ("POST", "/api/v1/compute/instances", "vm nginx-web", "test_vm_says_why_not"),
    ("POST", "/api/v1/compute/instances", "vm postgres-db", "test_vm_says_why_not"),
    ("POST", "/api/v1/compute/instances", "vm without imageId", "test_vm_says_why_not"),
    ("POST", "/api/v1/compute/instances", "container api-service", "test_life"),
    ("DELETE", "/api/v1/compute/instances/{id}", "", "test_life"),
    ("POST", "/api/v1/compute/instances/{id}/stop", "", "test_life"),
    ("POST", "/api/v1/compute/instances/{id}/start", "", "test_life"),
    ("POST", "/api/v1/compute/instances/{id}/restart", "", "test_life"),
    ("GET", "/api/v1/compute/flavors", "", "test_flavors_are_public"),
    ("POST", "/api/v1/compute/instances", "each flavor", "test_each_flavor"),
    ("POST", "/api/v1/network/networks", "", "test_gateway.test_integration_as_printed"),
    ("POST", "/api/v1/storage/volumes", "", "test_gateway.test_integration_as_printed"),
    ("POST", "/api/v1/storage/volumes/{id}/attach", "", "test_gateway.test_integration_as_printed"),
    ("POST", "/api/v1/monitoring/metrics", "", "test_metrics_are_kept"),
]
FIELDS = {"id", "name", "tenantId", "type", "flavor", "status", "imageId", "networkIds", "volumeIds", "createdAt", "updatedAt",
          "metadata"}
INSTANCES = "/compute/instances"


def test_every_command_has_its_test():
    known = set(globals()) | {f"test_gateway.{name}" for name in vars(test_gateway)}
    missing = [c for c in COMMANDS if c[3] not in known]
    assert not missing


def speaker(system, api):
    return Api(system, api.token, headers={"X-Tenant-ID": api.tenant["slug"]})


@pytest.fixture(scope="module")
def tenant(fake_system, red):
    return speaker(fake_system, red.api)


@pytest.fixture(scope="module")
def other(fake_system, blue):
    return speaker(fake_system, blue.api)


def until_status(api, ident, *wanted):
    end = time.monotonic() + 60
    while True:
        i = api.get(f"{INSTANCES}/{ident}").json
        if i["status"] in wanted:
            return i
        assert time.monotonic() < end and i["status"] != "error", i
        time.sleep(0.05)


def make(api, name, **more):
    i = api.post(INSTANCES, {"name": name, "type": "container", "flavor": "small", **more}, 201).json
    return until_status(api, i["id"], "running")


def remove(api, ident):
    """As its documentation tells: stop, then delete."""
    api.post(f"{INSTANCES}/{ident}/stop", None, (200, 400))
    api.delete(f"{INSTANCES}/{ident}", 204)


@pytest.fixture
def made(tenant, label):
    i = make(tenant, label)
    yield i
    if tenant.get(f"{INSTANCES}/{i['id']}", (200, 404)).status == 200:
        remove(tenant, i["id"])


def refused(answer, code, message):
    assert answer.error == code and answer.json["error"]["message"] == message, answer


def test_life(tenant, red, label):
    before = int(time.time())
    a = tenant.post(INSTANCES, {"name": label, "type": "container", "flavor": "small", "imageId": "base",
                                "metadata": {"role": "microservice", "service": "api"}, "unknown": [1]}, 201)
    i = a.json
    path = f"{INSTANCES}/{i['id']}"
    assert set(i) == FIELDS and a.header("Location") == "/api/v1" + path
    assert i["status"] == "creating" and i["type"] == "container" and i["flavor"] == "small" and i["imageId"] == "base"
    assert i["tenantId"] == "red" and i["networkIds"] == [] and i["volumeIds"] == []
    assert i["metadata"] == {"role": "microservice", "service": "api"}
    assert before <= i["createdAt"] <= i["updatedAt"] <= before + 600
    until_status(tenant, i["id"], "running")
    refused(tenant.delete(path, 400), "INVALID_STATE", "Cannot delete running instance")
    refused(tenant.post(path + "/start", None, 400), "INVALID_STATE", "Instance is not stopped")
    refused(tenant.post(path + "/restart", None, 400), "INVALID_STATE", "Instance is not stopped")
    s = tenant.post(path + "/stop", None, 200).json
    assert set(s) == {"id", "status", "updatedAt"} and s["id"] == i["id"] and s["status"] == "stopped"
    refused(tenant.post(path + "/stop", None, 400), "INVALID_STATE", "Instance is not running")
    s = tenant.post(path + "/restart", None, 200).json
    assert set(s) == {"id", "status", "updatedAt"} and s["status"] == "restarting"
    until_status(tenant, i["id"], "running")
    tenant.post(path + "/stop", {"anything": True}, 200)
    assert tenant.post(path + "/start", None, 200).json["status"] == "running"
    native = red.api.instance(i["id"])
    assert native["labels"] == i["metadata"] and native["resources"]["memory"]["limit"] == 1 << 30
    assert native["resources"]["cpu"]["cores"] == 1 and native["state"] == "running"
    tenant.post(path + "/stop", None, 200)
    gone = tenant.delete(path, 204)
    assert gone.body == b""
    refused(tenant.get(path, 404), "INSTANCE_NOT_FOUND", "Instance not found")
    for verb in ("start", "stop", "restart"):
        refused(tenant.post(f"{path}/{verb}", None, 404), "INSTANCE_NOT_FOUND", "Instance not found")
    refused(tenant.delete(path, 404), "INSTANCE_NOT_FOUND", "Instance not found")


def test_list(tenant, other, made):
    mine = tenant.get(INSTANCES).json
    assert set(mine) == {"instances"} and all(set(i) == FIELDS for i in mine["instances"])
    assert made["id"] in [i["id"] for i in mine["instances"]]
    assert made["id"] not in [i["id"] for i in other.get(INSTANCES).json["instances"]]


def test_foreign_is_403(other, made):
    path = f"{INSTANCES}/{made['id']}"
    refused(other.get(path, 403), "FORBIDDEN", "Access denied")
    refused(other.delete(path, 403), "FORBIDDEN", "Access denied")
    for verb in ("start", "stop", "restart"):
        refused(other.post(f"{path}/{verb}", None, 403), "FORBIDDEN", "Access denied")


def test_the_header_selects_but_never_grants(fake_system, red, made):
    stranger = Api(fake_system, red.api.token, headers={"X-Tenant-ID": "blue"})
    assert stranger.get(INSTANCES, 403).error == "FORBIDDEN"
    assert stranger.post(INSTANCES, {"name": "nope"}, 403).error == "FORBIDDEN"
    nobody = Api(fake_system, headers={"X-Tenant-ID": "red"})
    assert nobody.get(INSTANCES, 401).error == "UNAUTHENTICATED"
    assert nobody.post(f"{INSTANCES}/{made['id']}/stop", None, 401).error == "UNAUTHENTICATED"


def test_paused_is_stopped_here(tenant, red, made):
    red.verb(made["id"], "pause")
    assert tenant.get(f"{INSTANCES}/{made['id']}").json["status"] == "stopped"
    assert tenant.post(f"{INSTANCES}/{made['id']}/start", None, 200).json["status"] == "running"
    red.verb(made["id"], "pause")
    tenant.delete(f"{INSTANCES}/{made['id']}", 204)


def test_the_native_view_stays(red, made):
    i = red.api.instance(made["id"])
    assert i["state"] == "running" and "status" in i and "tenantId" not in i
    red.api.get(f"{INSTANCES}?state=running", 200)


@pytest.mark.parametrize("body", [
    {"name": "web-server", "type": "vm", "flavor": "medium", "imageId": "ubuntu-22.04",
     "metadata": {"application": "nginx", "environment": "production"}},
    {"name": "nginx-web", "type": "vm", "flavor": "medium", "imageId": "nginx-1.24",
     "metadata": {"role": "web-server", "application": "frontend"}},
    {"name": "postgres-db", "type": "vm", "flavor": "large", "imageId": "postgresql-15",
     "metadata": {"role": "database", "database": "postgresql"}},
    {"name": "tenant-a-vm", "flavor": "small", "type": "vm"}])
def test_vm_says_why_not(tenant, body):
    a = tenant.post(INSTANCES, body, 503)
    assert a.error == "BACKEND_UNAVAILABLE"
    assert a.json["error"]["details"]["backend"] == "kvm" and a.json["error"]["details"]["reason"]


@pytest.mark.parametrize("body,code,field", [
    ({}, "INVALID_REQUEST", "name"),
    ({"name": "x", "flavor": "tiny"}, "INVALID_REQUEST", "flavor"),
    ({"name": "x", "flavor": 1}, "INVALID_REQUEST", "flavor"),
    ({"name": "Not A Name"}, "INVALID_REQUEST", "name"),
    ({"name": "x", "type": "box"}, "INVALID_REQUEST", "type"),
    ({"name": "x", "metadata": {"a": 1}}, "INVALID_REQUEST", "metadata"),
    ({"name": "x", "metadata": []}, "INVALID_REQUEST", "metadata")])
def test_bad_create(tenant, body, code, field):
    a = tenant.post(INSTANCES, body, 400)
    assert a.error == code and a.json["error"]["details"]["field"] == field
    if field == "flavor" and isinstance(body["flavor"], str):
        assert a.json["error"]["message"] == "Invalid flavor"


def test_a_taken_name_is_a_bad_request(tenant, made):
    a = tenant.post(INSTANCES, {"name": made["name"]}, 400)
    assert a.error == "CONFLICT" and a.json["error"]["details"]["field"] == "name"


def test_what_the_dialect_lacks_is_answered_natively(tenant, made):
    tenant.post(f"{INSTANCES}/{made['id']}/stop", None, 200)
    assert tenant.post(f"{INSTANCES}/{made['id']}/pause", None, 409).error == "INVALID_STATE"
    assert "rxBytes" in tenant.get(f"{INSTANCES}/{made['id']}/usage").json["network"]


def test_flavors_are_public(fake_system, tenant):
    f = fake_system.anonymous().get("/compute/flavors").json
    assert f == tenant.get("/compute/flavors").json
    assert [(x["name"], x["vcpus"], x["ramGB"], x["diskGB"]) for x in f["flavors"]] == [
        ("small", 1, 1, 10), ("medium", 2, 4, 40), ("large", 4, 8, 80), ("xlarge", 8, 16, 160)]
    assert all(set(x) == {"name", "vcpus", "ramGB", "diskGB", "description"} and x["description"] for x in f["flavors"])


@pytest.mark.parametrize("flavor", ["small", "medium", "large", "xlarge"])
def test_each_flavor(tenant, flavor, label):
    """Made, or refused by a host with less memory than it."""
    a = tenant.post(INSTANCES, {"name": label, "flavor": flavor}, (201, 403))
    if a.status == 403:
        assert a.error == "RESOURCE_LIMIT_EXCEEDED" and a.json["error"]["details"]["limit"] == "memory"
        return
    assert a.json["flavor"] == flavor
    until_status(tenant, a.json["id"], "running")
    remove(tenant, a.json["id"])


def test_an_instance_made_natively_shows(tenant, red, instance):
    i = tenant.get(f"{INSTANCES}/{instance['id']}").json
    assert i["flavor"] == "custom" and i["status"] == "running" and i["imageId"] == "base"


def test_metrics_are_kept(tenant, other):
    body = {"name": "instance_created", "type": "counter", "value": 1,
            "labels": {"service": "compute", "type": "vm", "flavor": "medium"}}
    m = tenant.post("/monitoring/metrics", body, 201).json
    assert {k: m[k] for k in body} == body and m["timestamp"]
    tenant.post("/monitoring/metrics", {"name": "load", "value": 0.5}, 201)
    found = tenant.get("/monitoring/metrics?name=instance_created&limit=1").json["metrics"]
    assert [{k: f[k] for k in body} for f in found] == [body]
    assert tenant.get("/monitoring/metrics").json["metrics"][0]["name"] == "load"
    assert other.get("/monitoring/metrics").json["metrics"] == []
    for bad in ({}, {"name": "x"}, {"name": "", "value": 1}, {"name": "x", "value": "1"}, {"name": "x", "value": 1, "type": "t"},
                {"name": "x", "value": 1, "labels": {"a": 1}}):
        assert tenant.post("/monitoring/metrics", bad, 400).error == "INVALID_REQUEST"
