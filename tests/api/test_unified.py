"""The unified API: every request its documentation prints, as it prints it, with credentials.

COMMANDS lists them with the test that runs them. Where a request asks for more than this host has, the refusal must say so.
"""
import pytest

from conftest_names import SMALL

BASE = "/compute/instances"
COMMANDS = [
    ("GET", f"{BASE}?backend=&state=&page=&pageSize=", "test_list"),
    ("POST", BASE, "test_create_as_printed"),
    ("GET", f"{BASE}/:id", "test_get"),
    ("PUT", f"{BASE}/:id", "test_update"),
    ("DELETE", f"{BASE}/:id?force=true", "test_delete"),
    ("PUT", f"{BASE}/:id/start", "test_power"),
    ("PUT", f"{BASE}/:id/stop", "test_power"),
    ("PUT", f"{BASE}/:id/restart", "test_power"),
    ("PUT", f"{BASE}/:id/pause", "test_power"),
    ("PUT", f"{BASE}/:id/unpause", "test_power"),
    ("GET", f"{BASE}/:id/usage", "test_usage"),
    ("GET", f"{BASE}/name/:name", "test_get"),
    ("GET", "/compute/cluster/status", "test_cluster"),
    ("GET", "/compute/backends/:backend/info", "test_backend"),
    ("POST", f"{BASE} example: a Docker container", "test_docker_example"),
    ("POST", f"{BASE} example: a KVM virtual machine", "test_kvm_example"),
    ("GET", f"{BASE}?state=running example", "test_list"),
    ("PUT", f"{BASE}/instance-123/stop example", "test_stop_example"),
    ("", "the six error codes", "test_error_codes"),
]


def test_every_command_has_its_test():
    assert not [c for c in COMMANDS if c[2] not in globals()]


def test_list(red, instance):
    a = red.api.get(f"{BASE}?backend=docker&state=running&page=1&pageSize=50").json
    assert {"instances", "total", "page", "pageSize"} <= set(a) and a["page"] == 1 and a["pageSize"] == 50
    assert instance["id"] in [i["id"] for i in a["instances"]] and a["total"] >= 1
    assert all(i["backend"] == "docker" and i["state"] == "running" for i in a["instances"])
    assert red.api.get(f"{BASE}?backend=kvm").json["instances"] == []
    assert instance["id"] in [i["id"] for i in red.api.get(f"{BASE}?state=running").json["instances"]]


def test_create_as_printed(red):
    """All of its fields."""
    body = {"name": "my-instance", "backend": "docker",
            "config": {"image": "ubuntu:22.04", "env": ["KEY=value"], "volumes": ["/data:/data"]},
            "resources": {"cpu": {"cores": 2}, "memory": {"limit": 2147483648}, "storage": {"totalSpace": 10737418240}},
            "metadata": {"labels": {"app": "web", "env": "prod"}}}
    i = red.api.post(BASE, body, 201).json
    assert i["config"]["volumes"] == ["/data:/data"] and [(v["name"], v["path"]) for v in i["volumes"]] == [("data", "/data")]
    assert i["name"] == "my-instance" and i["config"]["env"] == ["KEY=value"] and i["metadata"]["labels"] == {"app": "web", "env": "prod"}
    assert i["resources"]["cpu"]["cores"] == 2 and i["resources"]["memory"]["limit"] == 2147483648
    assert i["resources"]["storage"]["totalSpace"] == 10737418240
    red.api.until(i["id"], "running")
    red.drop(i["id"])


def test_get(red, instance):
    i = red.api.get(f"{BASE}/{instance['id']}").json
    assert {"id", "name", "uuid", "type", "backend", "state", "status", "config", "resources", "createdAt", "updatedAt"} <= set(i)
    assert red.api.get(f"{BASE}/name/{i['name']}").json == i


def test_update(red, instance):
    """Four cores, as printed, of however small a host."""
    a = red.api.put(f"{BASE}/{instance['id']}", {"resources": {"cpu": {"cores": 4}, "memory": {"limit": 4294967296}}}, 200)
    assert a.json["resources"]["cpu"]["cores"] == 4
    assert a.json["resources"]["memory"]["limit"] == 4294967296
    red.verb(instance["id"], "restart")
    assert red.api.instance(instance["id"])["resources"]["memory"]["limit"] == 4294967296


def test_delete(red, label):
    i = red.make(label)
    assert red.api.delete(f"{BASE}/{i['id']}", 409).error == "INVALID_STATE"
    red.api.delete(f"{BASE}/{i['id']}?force=true", 200, Prefer="wait=60")
    assert red.api.get(f"{BASE}/{i['id']}", 404).error == "INSTANCE_NOT_FOUND"


def test_power(red, instance):
    def verb(name, body=None):
        return red.api.put(f"{BASE}/{instance['id']}/{name}", body, 200).json["state"]

    assert verb("pause") == "paused" and verb("unpause") == "running"
    assert verb("stop", {"force": False, "timeout": 30}) == "stopped"
    assert verb("start") == "running" and verb("restart") == "running"
    assert verb("stop") == "stopped" and verb("start") == "running"


def test_stop_example(red, instance):
    assert red.api.put(f"{BASE}/instance-123/stop", {"force": False, "timeout": 60}, 404).error == "INSTANCE_NOT_FOUND"
    assert red.api.put(f"{BASE}/{instance['id']}/stop", {"force": False, "timeout": 60}, 200).json["state"] == "stopped"


def test_usage(red, instance):
    u = red.api.get(f"{BASE}/{instance['id']}/usage").json
    assert {"usage", "cores"} <= set(u["cpu"]) and {"used", "limit", "percentage"} <= set(u["memory"])
    assert {"used", "total"} <= set(u["storage"]) and {"rxBytes", "txBytes"} <= set(u["network"])


def test_cluster(red):
    c = red.api.get("/compute/cluster/status").json
    assert {"backends", "totalInstances", "health"} <= set(c)
    docker = c["backends"]["docker"]
    assert {"status", "instances", "resources"} <= set(docker)
    for kind in ("cpu", "memory"):
        assert {"used", "total"} <= set(docker["resources"][kind])


def test_backend(red):
    b = red.api.get("/compute/backends/docker/info").json
    assert {"type", "version", "apiVersion", "status", "capabilities", "supportedTypes", "healthCheck"} <= set(b)
    assert {"containers", "images", "networks", "volumes"} <= set(b["capabilities"])
    assert b["supportedTypes"] == ["container"] and {"status", "lastCheck"} <= set(b["healthCheck"])


def test_docker_example(red):
    a = red.api.post(BASE, {"name": "nginx-web", "backend": "docker",
                            "config": {"image": "nginx:alpine", "ports": ["8080:80"], "env": ["NGINX_HOST=example.com"]},
                            "resources": {"cpu": {"cores": 1}, "memory": {"limit": 536870912}}}, 201)
    assert a.json["state"] == "creating" and a.json["config"]["ports"] == ["8080:80"]
    red.api.until(a.json["id"], "running")
    red.drop(a.json["id"])


def test_kvm_example(red):
    a = red.api.post(BASE, {"name": "ubuntu-vm", "backend": "kvm",
                            "config": {"image": "ubuntu-22.04", "diskFormat": "qcow2",
                                       "cloudInit": {"userData": "#cloud-config\npackages:\n  - nginx\n"}},
                            "resources": {"cpu": {"cores": 2}, "memory": {"limit": 2147483648},
                                          "storage": {"totalSpace": 21474836480}}}, 503)
    e = a.json["error"]
    assert e["code"] == "BACKEND_UNAVAILABLE" and e["details"]["backend"] == "kvm" and e["details"]["reason"]


@pytest.mark.parametrize("body,status,code", [
    ({"backend": "kvm"}, 503, "BACKEND_UNAVAILABLE"),
    ({"backend": "lxc"}, 400, "INVALID_BACKEND"),
    ({"resources": {"cpu": {"cores": 99999}}}, 403, "RESOURCE_LIMIT_EXCEEDED"),
    ({"config": {"networkMode": "host"}}, 400, "OPERATION_NOT_SUPPORTED")])
def test_error_codes(red, body, status, code):
    a = red.post({"name": "refused", **body}, status)
    assert a.error == code and a.json["error"]["message"]


def test_the_engines_own_errors(red, faults, label):
    assert red.api.get(f"{BASE}/00000000-0000-4000-8000-000000000000", 404).error == "INSTANCE_NOT_FOUND"
    faults("create fail")
    assert red.post({"name": label, "resources": SMALL}, 502, Prefer="wait=60").error == "BACKEND_ERROR"
    faults()
    red.drop(red.api.get(f"{BASE}/name/{label}").json["id"])
