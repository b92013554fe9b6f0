"""Commands the published APIs print, run by a shell as they are printed: only ports are others, and a token is at hand where one is asked for.

The ones that are scripts (life, isolation, flavors, integration) are in test_gateway.py; which is where, README.md lists.
"""
import json
import os
import subprocess

import pytest
from lodge_system import System, free_port

UNIFIED = {
    "docker": """
curl -X POST http://localhost:8080/api/v1/compute/instances \\
  -H "Content-Type: application/json" \\
  -H "Authorization: Bearer $TOKEN" \\
  -d '{
    "name": "nginx-web",
    "backend": "docker",
    "config": {
      "image": "nginx:alpine",
      "ports": ["8080:80"],
      "env": ["NGINX_HOST=example.com"]
    },
    "resources": {
      "cpu": {"cores": 1},
      "memory": {"limit": 536870912}
    }
  }'
""",
    "kvm": """
curl -X POST http://localhost:8080/api/v1/compute/instances \\
  -H "Content-Type: application/json" \\
  -H "Authorization: Bearer $TOKEN" \\
  -d '{
    "name": "ubuntu-vm",
    "backend": "kvm",
    "config": {
      "image": "ubuntu-22.04",
      "diskFormat": "qcow2",
      "cloudInit": {
        "userData": "#cloud-config\\npackages:\\n  - nginx\\n"
      }
    },
    "resources": {
      "cpu": {"cores": 2},
      "memory": {"limit": 2147483648},
      "storage": {"totalSpace": 21474836480}
    }
  }'
""",
    "list": """
curl -X GET "http://localhost:8080/api/v1/compute/instances?state=running" \\
  -H "Authorization: Bearer $TOKEN"
""",
    "stop": """
curl -X PUT http://localhost:8080/api/v1/compute/instances/instance-123/stop \\
  -H "Content-Type: application/json" \\
  -H "Authorization: Bearer $TOKEN" \\
  -d '{
    "force": false,
    "timeout": 60
  }'
""",
}


def create(tenant, body):
    return f"""
curl -X POST http://localhost:8081/api/v1/compute/instances \\
  -H "X-Tenant-ID: {tenant}" \\
  -H "Content-Type: application/json" \\
  -d '{body}'
"""


# name → (tenant, body), each as it is printed
MACHINES = {
    "tenant-a-web": ("tenant-a", """{
    "name": "tenant-a-web",
    "type": "vm",
    "flavor": "medium",
    "imageId": "ubuntu-22.04"
  }"""),
    "tenant-b-database": ("tenant-b", """{
    "name": "tenant-b-database",
    "type": "vm",
    "flavor": "large",
    "imageId": "postgresql-15"
  }"""),
    "nginx-web": ("production", """{
    "name": "nginx-web",
    "type": "vm",
    "flavor": "medium",
    "imageId": "nginx-1.24",
    "metadata": {
      "role": "web-server",
      "application": "frontend"
    }
  }"""),
    "postgres-db": ("production", """{
    "name": "postgres-db",
    "type": "vm",
    "flavor": "large",
    "imageId": "postgresql-15",
    "metadata": {
      "role": "database",
      "database": "postgresql"
    }
  }"""),
}
CONTAINER = """{
    "name": "api-service",
    "type": "container",
    "flavor": "small",
    "imageId": "myapp:latest",
    "metadata": {
      "role": "microservice",
      "service": "api"
    }
  }"""


class Printed:
    def __init__(self):
        self.tenant_port = free_port()
        # The printed machines are larger than a small host; room for them is not what is tested here.
        self.system = System(drivers="fake", pool="127.89.0.0/16", compat_listeners=1, compat_ports=str(self.tenant_port), repl_ports=str(free_port()))
        self.system.start()

    def run(self, script, token=""):
        script = script.replace("localhost:8080", f"localhost:{self.system.http_port}").replace("localhost:8081", f"localhost:{self.tenant_port}")
        p = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=120, env={"PATH": os.environ["PATH"], "TOKEN": token})
        assert p.returncode == 0, p.stdout + p.stderr
        return json.loads(p.stdout)


@pytest.fixture(scope="module")
def printed():
    p = Printed()
    try:
        yield p
    finally:
        p.system.close()


@pytest.fixture(scope="module")
def admin(printed):
    return printed.system.admin()


def refused(answer, *codes):
    """Told in one sentence, by a code that is one of these."""
    assert answer["error"]["code"] in codes and answer["error"]["message"], answer
    return answer["error"]


def test_unified_docker_container(printed, admin):
    a = printed.run(UNIFIED["docker"], admin.token)
    assert a["name"] == "nginx-web" and a["state"] == "creating" and a["config"]["ports"] == ["8080:80"] and a["backend"] == "docker"
    admin.until(a["id"], "running")
    running = printed.run(UNIFIED["list"], admin.token)
    assert [i["name"] for i in running["instances"]] == ["nginx-web"] and {"total", "page", "pageSize"} <= set(running)
    admin.remove(a["id"])


def test_unified_kvm_machine(printed, admin):
    """This host has no backend for it, and says so; tests/api/test_vms.py has one."""
    e = refused(printed.run(UNIFIED["kvm"], admin.token), "BACKEND_UNAVAILABLE")
    assert e["details"]["backend"] == "kvm" and e["details"]["reason"]


def test_unified_list_running(printed, admin):
    assert printed.run(UNIFIED["list"], admin.token)["instances"] == []


def test_unified_stop_gracefully(printed, admin):
    refused(printed.run(UNIFIED["stop"], admin.token), "INSTANCE_NOT_FOUND")
    i = admin.create("instance")
    stopped = printed.run(UNIFIED["stop"].replace("instance-123", i["id"]), admin.token)
    assert stopped["state"] == "stopped"
    admin.remove(i["id"])


@pytest.mark.parametrize("name", UNIFIED)
def test_unified_without_the_token(printed, name):
    refused(printed.run(UNIFIED[name], "lg_wrong"), "UNAUTHENTICATED")


@pytest.mark.parametrize("name", MACHINES)
def test_tenant_machines(printed, name):
    """A machine that this host cannot run is refused with the reason, and nothing is left of it."""
    tenant, body = MACHINES[name]
    refused(printed.run(create(tenant, body)), "BACKEND_UNAVAILABLE")
    assert printed.run(f'curl -H "X-Tenant-ID: {tenant}" http://localhost:8081/api/v1/compute/instances') == {"instances": []}


def test_tenant_container(printed):
    a = printed.run(create("development", CONTAINER))
    assert a["status"] == "creating" and a["flavor"] == "small" and a["tenantId"] == "development" and a["imageId"] == "myapp:latest"
    assert a["metadata"] == {"role": "microservice", "service": "api"}


def test_tenant_troubleshooting(printed):
    """Is it running? Stop it first. Which flavors are there?"""
    made = printed.run(create("tenant", '{"name": "trouble", "type": "container", "flavor": "small"}'))
    ask = 'curl -H "X-Tenant-ID: tenant" \\\n  http://localhost:8081/api/v1/compute/instances/{instance-id}'.replace("{instance-id}", made["id"])
    for _ in range(300):
        if printed.run(ask)["status"] == "running":
            break
    assert printed.run(ask)["status"] == "running"
    stop = 'curl -X POST http://localhost:8081/api/v1/compute/instances/{id}/stop \\\n  -H "X-Tenant-ID: tenant"'.replace("{id}", made["id"])
    assert printed.run(stop)["status"] == "stopped"
    flavors = printed.run("curl http://localhost:8081/api/v1/compute/flavors")["flavors"]
    assert [f["name"] for f in flavors] == ["small", "medium", "large", "xlarge"]
