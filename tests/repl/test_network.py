"""A tenant whose code has a network: its own instances, and neither the host, nor metadata, nor anybody else."""
import socket

import pytest

from lodge_system import until
from repl_names import Repl

SERVER = ["sh", "-c", "mkdir -p /tmp/w && echo near > /tmp/w/index.html && exec httpd -f -p 8080 -h /tmp/w"]

TRY = """
import socket
for at, port in {where}:
    try:
        s = socket.create_connection((at, port), {patience})
        s.sendall(b'GET /index.html HTTP/1.0\\r\\n\\r\\n')
        print(at, port, 'near' if b'near' in s.makefile('rb').read() else 'REACHED')
    except OSError as e:
        print(at, port, e.strerror)
"""


def attempt(where, patience=2):
    return TRY.format(where=where, patience=patience)


@pytest.fixture(scope="module")
def wired(system):
    """A tenant of its own with a server; the setting is as at first."""
    api = system.tenant("wired")
    made = api.create("near", command=SERVER)
    until("its server answers", lambda: answers(made["network"]["address"]))
    api.server = made["network"]
    yield Repl(api)
    api.remove(made["id"])


def answers(address):
    try:
        socket.create_connection((address, 8080), 1).close()
        return True
    except OSError:
        return False


def allow(system, tenant, on, api=None, expect=200):
    return (api or system.admin()).put(f"/tenants/{tenant['id']}", {"codeNetwork": on}, expect)


@pytest.fixture
def allowed(system, wired):
    assert allow(system, wired.api.tenant, True).json["codeNetwork"] is True
    yield wired
    allow(system, wired.api.tenant, False)


def test_an_administrator_allows_it(system, wired):
    assert wired.api.get(f"/tenants/{wired.api.tenant['id']}").json["codeNetwork"] is False
    allow(system, wired.api.tenant, True, wired.api, 403)
    assert system.admin().put(f"/tenants/{wired.api.tenant['id']}", {}, 400).json["error"]["details"]["field"] == "name"
    a = wired.run("python", attempt([(wired.api.server["address"], 8080)]))
    assert a["success"] and "near" not in a["stdout"] and "REACHED" not in a["stdout"], a


def test_it_reaches_its_tenant_s_instances_and_nobody_else(system, allowed, neighbour):
    near, gateway = allowed.api.server["address"], allowed.api.server["gateway"]
    far = neighbour.api.create("far", command=SERVER)
    try:
        until("the other tenant's server answers", lambda: answers(far["network"]["address"]))
        with socket.create_server(("0.0.0.0", 0)) as host:
            port = host.getsockname()[1]
            where = [(far["network"]["address"], 8080), (far["network"]["gateway"], port), (gateway, port),
                     (gateway, system.https_port), ("169.254.169.254", 80)]
            a = allowed.run("python", attempt([(near, 8080)], 30) + attempt(where), limits={"timeMs": 60000})
        lines = a["stdout"].splitlines()
        assert len(lines) == 1 + len(where) and lines[0].endswith("near"), a
        assert not [x for x in lines[1:] if x.endswith(("near", "REACHED"))], a
        assert neighbour.run("python", attempt([(near, 8080), (far["network"]["address"], 8080)]))["stdout"].count("near") == 0
    finally:
        neighbour.api.remove(far["id"])


def test_its_address_is_its_own_and_its_name_resolves(allowed):
    a = allowed.run("python", "import socket\ns = socket.create_connection(('near', 8080), 30)\nprint(s.getsockname()[0])", limits={"timeMs": 60000})
    net, _, host = a["stdout"].strip().rpartition(".")
    assert net == allowed.api.server["address"].rpartition(".")[0] and 239 <= int(host) <= 246, a


def test_sessions_and_containers_of_one_command_too(system, allowed):
    near = allowed.api.server["address"]
    made = allowed.call("POST", "/sessions", {"language": "python"})
    assert made.status == 201, made
    try:
        a = allowed.call("POST", f"/sessions/{made.json['id']}/execute", {"code": attempt([(near, 8080)], 30), "limits": {"timeMs": 60000}})
        assert a.json["stdout"].strip().endswith("near"), a
    finally:
        allowed.call("DELETE", f"/sessions/{made.json['id']}")
    image = next(i["name"] for i in system.admin().get("/images").json["images"] if i["default"] and i["kind"] == "container")
    body = {"image": image, "command": ["sh", "-c", f"printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc -w 30 {near} 8080"]}
    a = allowed.api.request("POST", "/api/containers/create", body)
    assert a.status == 200 and "near" in a.json["output"], a
    allow(system, allowed.api.tenant, False)
    a = allowed.api.request("POST", "/api/containers/create", body)
    assert a.status == 200 and a.json["exitCode"] != 0 and "near" not in a.json["output"], a
    a = allowed.run("python", attempt([(near, 8080)]))
    assert "near" not in a["stdout"] and "REACHED" not in a["stdout"], a


def test_the_command_line_allows_it(system, wired):
    from lodge_cli import Cli
    cli = Cli(system)
    assert cli.json("tenant", "code-network", "wired", "on")["codeNetwork"] is True
    assert cli.json("tenant", "code-network", "wired", "off")["codeNetwork"] is False
    cli("tenant", "code-network", "wired", "perhaps", code=2)
