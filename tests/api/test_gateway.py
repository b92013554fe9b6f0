"""Gateway mode: the tenant API's printed commands, as they are printed but for the port, without credentials."""
import json
import os
import re
import socket
import subprocess

import pytest

from lodge_client import Http
from lodge_system import System, free_port

SERVICES = {"8081": "compute-service", "8082": "storage-service", "8083": "network-service", "8085": "monitoring-service"}

HELPERS = """
export API=http://localhost:8081/api/v1/compute/instances
until_status() { # tenant id status
  for _ in $(seq 300); do
    STATUS=$(curl -s -H "X-Tenant-ID: $1" $API/$2 | jq -r .status)
    [ "$STATUS" = "$3" ] && return
    sleep 0.1
  done
  echo "stays $STATUS"; exit 1
}
until_available() { # tenant id
  for _ in $(seq 300); do
    STATUS=$(curl -s -H "X-Tenant-ID: $1" http://localhost:8082/api/v1/storage/volumes/$2 | jq -r .status)
    [ "$STATUS" = available ] && return
    sleep 0.1
  done
  echo "stays $STATUS"; exit 1
}
set -eu
"""

LIFE = """
curl http://localhost:8081/health
curl http://localhost:8081/api/v1/compute/flavors
INSTANCE_ID=$(curl -X POST http://localhost:8081/api/v1/compute/instances \\
  -H "X-Tenant-ID: test-tenant" \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "test-vm",
    "type": "vm",
    "flavor": "medium",
    "imageId": "ubuntu-22.04"
  }' | jq -r '.id')
until_status test-tenant $INSTANCE_ID running
curl -H "X-Tenant-ID: test-tenant" \\
  http://localhost:8081/api/v1/compute/instances/$INSTANCE_ID
curl -X POST http://localhost:8081/api/v1/compute/instances/$INSTANCE_ID/stop \\
  -H "X-Tenant-ID: test-tenant"
curl -X POST http://localhost:8081/api/v1/compute/instances/$INSTANCE_ID/restart \\
  -H "X-Tenant-ID: test-tenant"
until_status test-tenant $INSTANCE_ID running
curl -X POST http://localhost:8081/api/v1/compute/instances/$INSTANCE_ID/stop \\
  -H "X-Tenant-ID: test-tenant"
curl -X DELETE http://localhost:8081/api/v1/compute/instances/$INSTANCE_ID \\
  -H "X-Tenant-ID: test-tenant"
curl -H "X-Tenant-ID: test-tenant" \\
  http://localhost:8081/api/v1/compute/instances
"""

ISOLATION = """
TENANT_A=$(curl -s -X POST http://localhost:8081/api/v1/compute/instances \\
  -H "X-Tenant-ID: tenant-a" \\
  -H "Content-Type: application/json" \\
  -d '{"name":"tenant-a-vm", "flavor":"small", "type":"vm"}' | jq -r '.id')
TENANT_B=$(curl -s -X POST http://localhost:8081/api/v1/compute/instances \\
  -H "X-Tenant-ID: tenant-b" \\
  -H "Content-Type: application/json" \\
  -d '{"name":"tenant-b-vm", "flavor":"small", "type":"vm"}' | jq -r '.id')
echo "Tenant A instances:"
curl -H "X-Tenant-ID: tenant-a" http://localhost:8081/api/v1/compute/instances | jq
echo "Tenant B instances:"
curl -H "X-Tenant-ID: tenant-b" http://localhost:8081/api/v1/compute/instances | jq
echo "Tenant A trying to access Tenant B's instance:"
curl -H "X-Tenant-ID: tenant-a" http://localhost:8081/api/v1/compute/instances/$TENANT_B
"""

FLAVORS = """
curl http://localhost:8081/api/v1/compute/flavors | jq
for flavor in small medium large xlarge; do
  echo "Testing flavor: $flavor"
  INST=$(curl -s -X POST http://localhost:8081/api/v1/compute/instances \\
    -H "X-Tenant-ID: flavor-test" \\
    -H "Content-Type: application/json" \\
    -d "{\\"name\\":\\"test-$flavor\\", \\"flavor\\":\\"$flavor\\", \\"type\\":\\"vm\\"}" | jq -r '.id')
  echo "Created instance $INST with flavor $flavor"
  [ "$INST" = null ] || until_status flavor-test $INST running
  curl -X POST http://localhost:8081/api/v1/compute/instances/$INST/stop \\
    -H "X-Tenant-ID: flavor-test"
  curl -X DELETE http://localhost:8081/api/v1/compute/instances/$INST \\
    -H "X-Tenant-ID: flavor-test"
done
"""

INTEGRATION = """
INSTANCE_ID=$(curl -X POST http://localhost:8081/api/v1/compute/instances \\
  -H "X-Tenant-ID: integration-test" \\
  -H "Content-Type: application/json" \\
  -d '{"name": "integration-vm", "flavor": "medium", "type": "vm"}' | jq -r '.id')
until_status integration-test $INSTANCE_ID running
curl -X POST http://localhost:8083/api/v1/network/networks \\
  -H "X-Tenant-ID: integration-test" \\
  -H "Content-Type: application/json" \\
  -d '{"name": "vm-network", "cidr": "10.0.1.0/24"}' | jq -c .
VOLUME_ID=$(curl -X POST http://localhost:8082/api/v1/storage/volumes \\
  -H "X-Tenant-ID: integration-test" \\
  -H "Content-Type: application/json" \\
  -d '{"name": "vm-disk", "sizeGB": 50}' | jq -r '.id')
until_available integration-test $VOLUME_ID
curl -X POST http://localhost:8082/api/v1/storage/volumes/$VOLUME_ID/attach \\
  -H "X-Tenant-ID: integration-test" \\
  -H "Content-Type: application/json" \\
  -d "{\\"instanceId\\": \\"$INSTANCE_ID\\"}"
echo
curl -H "X-Tenant-ID: integration-test" \\
  http://localhost:8081/api/v1/compute/instances/$INSTANCE_ID
"""


def of_kind(script, kind):
    """As printed, of machines; or the same of containers, in tenants of their own."""
    if kind == "vm":
        return script
    script = re.sub(r'(\\?"type\\?": ?\\?")vm', r"\1container", script).replace(',\n    "imageId": "ubuntu-22.04"', "")
    return re.sub(r"(X-Tenant-ID: |until_status )([a-z-]+)", r"\1\2-c", script)


class Gateway:
    def __init__(self):
        self.ports = {p: free_port() for p in SERVICES}
        self.system = System(drivers="fake,fake-vm", pool="127.98.0.0/16", compat_listeners=1, cpu_overcommit=16,  # the default
                             compat_ports=",".join(str(self.ports[p]) for p in SERVICES))

    def http(self, service="8081", name="localhost", **headers):
        return Http(self.ports[service], None, name=name, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def run(self, script):
        script = HELPERS + script
        for printed, port in self.ports.items():
            script = script.replace(f"localhost:{printed}", f"localhost:{port}")
        p = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120,
                           env={"PATH": os.environ["PATH"]})
        assert p.returncode == 0, p.stdout + p.stderr
        return p.stdout


@pytest.fixture(scope="module")
def gateway():
    g = Gateway()
    try:
        g.system.start()
        g.system.add_machine_image()
        yield g
    finally:
        g.system.close()


def test_health_names_the_service(gateway):
    for port, service in SERVICES.items():
        a = gateway.http(port).request("GET", "/health")
        assert a.status == 200 and a.json == {"status": "healthy", "service": service}


KINDS = pytest.mark.parametrize("kind", ["vm", "container"])


@KINDS
def test_life_as_printed(gateway, kind):
    out = gateway.run(of_kind(LIFE, kind))
    assert '"status":"stopped"' in out and '"status":"restarting"' in out and out.endswith('{"instances":[]}')


@KINDS
def test_isolation_as_printed(gateway, kind):
    out = gateway.run(of_kind(ISOLATION, kind))
    a, b = out.split("Tenant B instances:")
    assert "tenant-a-vm" in a and "tenant-b-vm" not in a
    assert "tenant-b-vm" in b and "tenant-a-vm" not in b and "Access denied" in b


@KINDS
def test_flavors_as_printed(gateway, kind):
    """Every one, also on a host with fewer cores; but for those that alone have more memory than it."""
    out = gateway.run(of_kind(FLAVORS, kind))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert out.count("Created instance") == 4
    assert out.count("Created instance null") == sum(gb << 30 > memory for gb in (1, 4, 8, 16))


def test_integration_as_printed(gateway):
    network, volume, instance = [json.loads(line) for line in gateway.run(INTEGRATION).splitlines()]
    assert network["name"] == "vm-network" and network["cidr"] == "10.0.1.0/24" and network["status"] == "active"
    assert volume["status"] == "in-use" and volume["sizeGB"] == 50 and volume["attachedTo"] == instance["id"]
    assert instance["name"] == "integration-vm" and instance["volumeIds"] == [volume["id"]]


def test_the_default_tenant(gateway):
    http = gateway.http()
    a = http.request("POST", "/api/v1/compute/instances", {"name": "of-nobody"})
    assert a.status == 201 and a.json["tenantId"] == "default"
    assert a.json["id"] in http.request("GET", "/api/v1/compute/instances").text


def test_an_administrator_reaches_what_the_gateway_made(gateway):
    """Nobody is a member of such a tenant; an administrator sees and changes it all the same, with a token and in the dashboard."""
    http = gateway.http(X_Tenant_ID="nobodys")
    made = http.request("POST", "/api/v1/compute/instances", {"name": "of-the-gateway"}).json["id"]
    token, session = gateway.system.admin(), gateway.system.session()
    session.put("/session/tenant", {"tenant": "nobodys"}, 200)
    for api, headers in ((token, {"Lodge_Tenant": "nobodys"}), (session, {})):
        assert [i["id"] for i in api.get("/compute/instances", 200, **headers).json["instances"]] == [made]
    key = token.post("/tokens", {"name": "theirs"}, 201, Lodge_Tenant="nobodys").json
    assert key["tenant"] == "nobodys"
    token.delete(f"/compute/instances/{made}?force=true", (200, 202), Lodge_Tenant="nobodys", Prefer="wait=30")
    token.get(f"/compute/instances/{made}", 404, Lodge_Tenant="nobodys")


def test_reading_makes_no_tenant(gateway):
    http = gateway.http(X_Tenant_ID="only-looked-at")
    assert http.request("GET", "/api/v1/compute/instances").json == {"instances": []}
    assert http.request("POST", "/api/v1/compute/instances", {"name": "x", "flavor": "none"}).status == 400
    assert not gateway.system.query("SELECT 1 FROM tenant WHERE slug = 'only-looked-at'")
    assert http.request("POST", "/api/v1/monitoring/metrics", {"name": "x", "value": 1}).status == 201
    assert gateway.system.query("SELECT 1 FROM tenant WHERE slug = 'only-looked-at'")
    assert gateway.http(X_Tenant_ID="No Name").request("GET", "/api/v1/compute/instances").status == 400


def test_who_did_it_is_in_the_record(gateway):
    http = gateway.http(X_Tenant_ID="recorded")
    made = http.request("POST", "/api/v1/compute/instances", {"name": "noted"}).json
    rows = gateway.system.query("SELECT username, action, result FROM audit WHERE subject = ?", made["id"])
    assert rows == [("gateway", "instance.create", "ok")]


def test_nothing_else_is_served(gateway):
    http = gateway.http()
    for path in ("/api/v1/users", "/api/v1/tokens", "/api/v1/session", "/api/v1/tenants", "/api/v1/audit", "/api/v1/events",
                 "/api/v1/images", "/", "/index.html", "/compute/containers", "/render", "/api/v1/ingress"):
        a = http.request("GET", path)
        assert a.status == 404 and a.error == "NOT_FOUND", path


def test_only_for_this_host_and_no_page(gateway):
    with pytest.raises(OSError):
        gateway.http(name="evil.example").request("GET", "/health")
    path = "/api/v1/compute/instances"
    page = gateway.http(Origin="https://evil.example")
    assert page.request("GET", path).status == 403
    assert page.request("POST", path, {"name": "x"}).status == 403
    assert gateway.http().request("POST", path, b'{"name":"x"}', {"Content-Type": "text/plain"}).status == 415


def test_the_normal_listener_wants_credentials(gateway):
    s = gateway.system
    for http in (Http(s.https_port, s.tls), Http(s.http_port, None)):
        a = http.request("GET", "/api/v1/compute/instances", headers={"X-Tenant-ID": "default"})
        assert a.status == 401


def test_a_taken_port_is_left_alone(make_system):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        other = free_port()
        s = make_system(drivers="fake", pool="127.99.0.0/16", compat_listeners=1, compat_ports=f"{port},{other}").start()
        assert f"port {port} is in use" in s.said()
        assert Http(other, None).request("GET", "/health").json["service"] == "storage-service"


def test_the_start_says_what_it_opens(gateway, fake_system):
    """Whoever starts it reads that every local user may act in any tenant; and nothing of the kind when it is off."""
    said = gateway.system.said()
    assert "Gateway mode is on" in said and "every local user may act in any" in said
    assert gateway.system.settings["compat_ports"] in said
    assert "Gateway mode" not in fake_system.said()
