"""A whole Lodge on a Docker daemon: what test_life.py asks of the private Podman, as far as the engine has a part in it."""
import json
import os
import signal
import subprocess

import pytest

from e2e_names import FOREVER, page_with
from lodge_docker import Dockerd, installed
from lodge_system import System, free_port, until
from test_life import limits_in_force

pytestmark = pytest.mark.skipif(not installed(), reason="needs root, dockerd and containerd")


def rules():
    """Tables and chains of the host's firewall that are not a test's own Lodge's."""
    out = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    return [line.strip() for line in out.splitlines() if "DOCKER" in line]


@pytest.fixture(scope="module")
def docker():
    before = rules()
    d = Dockerd()
    yield d
    d.close()
    assert rules() == before and not os.path.exists("/sys/class/net/docker0")


@pytest.fixture(scope="module")
def on_docker(docker):
    s = System(drivers="container", engine_socket=docker.socket, sign_in_per_minute=1000, reconcile_ms=1000, sample_ms=1000)
    try:
        s.start()
        yield s
    finally:
        s.close()


@pytest.fixture
def admin(on_docker):
    return on_docker.admin()


@pytest.fixture
def name(request):
    return request.node.name.replace("_", "-")[:40].strip("-")


def test_it_says_so(on_docker, admin):
    info = admin.get("/compute/backends/docker/info").json
    assert info["version"].startswith("20.10") or int(info["version"].split(".")[0]) > 20, info
    assert "docker" in json.dumps(info)
    assert on_docker.query("SELECT type FROM engine_state WHERE backend = 'docker'") == [("docker",)]
    assert 'lodge_engine_up{backend="docker",engine="docker"} 1' in admin.request("GET", "/metrics").text
    assert on_docker.pids("engine") == []  # no private engine beside it


def test_create_to_page_to_deletion(on_docker, admin, name):
    port = free_port()
    inst = admin.create(name, ports=[f"{port}:80"])
    ident = inst["id"]
    real = on_docker.engine.inspect(ident)
    net = next(iter(real["NetworkSettings"]["Networks"].values()))
    assert real["State"]["Running"] and net["IPAddress"] == inst["network"]["address"]
    admin.post(f"/compute/instances/{ident}/ingress", {"port": 443, "targetPort": 80}, 201)
    page_with(on_docker, name, 200, text="Your instance is running")
    published = until("the published port answers", lambda: subprocess.run(["curl", "-sf", "--max-time", "10", f"http://127.0.0.2:{port}/"],
                                                                           capture_output=True, text=True).stdout)
    assert "Your instance is running" in published
    admin.remove(ident)
    assert on_docker.engine.inspect(ident) is None


def test_address_limits_and_policy_survive(on_docker, admin, name):
    inst = admin.create(name, FOREVER, memory=64 << 20, cores=0.5, restartPolicy="always")
    ident, address = inst["id"], inst["network"]["address"]
    want = (64 << 20, 0.5, 512)
    for verb in ("stop", "start", "restart", "pause", "unpause"):
        admin.power(ident, verb)
    real = on_docker.engine.inspect(ident)
    assert next(iter(real["NetworkSettings"]["Networks"].values()))["IPAddress"] == address
    assert limits_in_force(real["State"]["Pid"]) == want
    os.kill(real["State"]["Pid"], signal.SIGKILL)
    until("it was started again", lambda: (p := on_docker.engine.inspect(ident)["State"]["Pid"]) and p != real["State"]["Pid"])
    admin.until(ident, "running")
    until("its limits are in force again", lambda: limits_in_force(on_docker.engine.pid(ident)) == want)
    assert admin.power(ident, "stop", {"force": True})["state"] == "stopped"
    admin.remove(ident)


def test_a_killed_daemon_is_survived(on_docker, docker, admin, name):
    inst = admin.create(name, FOREVER)
    ident = inst["id"]
    pid = on_docker.engine.inspect(ident)["State"]["Pid"]
    docker.kill()
    until("its absence shows", lambda: on_docker.healthy().get("engine") == "down")
    assert admin.instance(ident)["state"] == "running"
    os.kill(pid, 0)  # it never noticed
    docker.start()
    until("the engine is back", lambda: on_docker.healthy().get("engine") == "ok")
    assert admin.instance(ident)["state"] == "running" and on_docker.engine.inspect(ident)["State"]["Pid"] == pid
    assert admin.power(ident, "restart")["state"] == "running"
    admin.remove(ident)


def test_logs_exit_and_reason(on_docker, admin, name):
    inst = admin.create(name, ["sh", "-c", "echo last words; exit 3"], expect_state=None)
    until("the reason is known", lambda: (admin.instance(inst["id"])["reason"] or {}).get("exitCode") == 3)
    assert "last words" in admin.instance(inst["id"])["reason"]["log"]
    assert "last words" in admin.get(f"/compute/instances/{inst['id']}/logs?tail=10").text
    admin.remove(inst["id"])


def test_code_in_a_sandbox(on_docker, admin):
    """The pool on Docker: a run, its output apart, its limits, and nothing left of it; a container of one command beside it."""
    until("the languages' image is there", lambda: prepared(admin), timeout=300, step=0.5)
    run = lambda code, **more: admin.request("POST", "/api/repl/execute", {"language": "python", "code": code, **more})  # noqa: E731
    a = run("import sys\nprint(6 * 7)\nprint('e', file=sys.stderr)")
    assert a.status == 200 and a.json["stdout"] == "42\n" and a.json["stderr"] == "e\n" and a.json["success"], a
    assert run("while True: pass", limits={"timeMs": 500}).json["limit"] == "time"
    assert run("x = 'x' * (1 << 30)").json["limit"] == "memory"
    assert "Network is unreachable" in run("import socket; socket.create_connection(('10.0.0.1', 80), 1)").json["stderr"]
    image = next(i["name"] for i in admin.get("/images").json["images"] if i["default"] and i["kind"] == "container")
    a = admin.request("POST", "/api/containers/create", {"image": image, "command": ["echo", "once"]})
    assert a.status == 200 and a.json["output"] == "once\n", a
    until("only those that wait are left", lambda: (s := admin.request("GET", "/api/repl/status").json) and not s["ending"] and not s["making"]
          and len(on_docker.engine.list(lodge_sandbox=on_docker.site)) == s["ready"], timeout=60)


def prepared(admin):
    state = next(d for d in admin.request("GET", "/api/repl/languages").json["details"] if d["name"] == "python")
    assert state["state"] != "error", state
    if state["state"] == "absent":
        admin.request("POST", "/api/repl/languages/python/prepare")
    return state["state"] == "ready" and admin.request("GET", "/api/repl/status").json["ready"]


def test_a_terminal(on_docker, admin, name):
    i = admin.create(name, FOREVER)
    ws = admin.websocket(f"/api/v1/compute/instances/{i['id']}/console?type=exec&columns=90&rows=20", timeout=60)
    ws.send_binary(b"stty size; echo $((6*7))x; exec sleep 4321\r")
    got = b""
    while b"42x" not in got:
        got += ws.recv_data()[1]
    assert b"20 90" in got

    def sleeping():
        return "sleep 4321" in on_docker.engine.exec(i["id"], "sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")[1]
    until("it sleeps", sleeping)
    ws.sock.close()
    until("what ran there is ended", lambda: not sleeping(), timeout=60)
    admin.remove(i["id"])
