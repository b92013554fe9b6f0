"""Containers of the repl dialect: run to their end and removed, whole or as a stream, on a real engine; on its own port too."""
import json
import os
import signal
import socket
import subprocess
import threading

import pytest

from e2e_names import *  # noqa: F401,F403
from lodge_client import Http
from lodge_system import System, free_port, until


def oneshots(system):
    """What the engine has of them."""
    return [c["Names"][0] for c in system.engine.list(lodge_oneshot=system.site)]


@pytest.fixture(scope="module")
def image(system):
    return next(i["name"] for i in system.admin().get("/images").json["images"] if i["default"] and i["kind"] == "container")


@pytest.fixture(autouse=True)
def nothing_left(system):
    yield
    until("every container is removed", lambda: not oneshots(system), 60)
    until("every run has ended", lambda: system.query("SELECT count(*) FROM oneshot WHERE state <> 'ended'") == [(0,)], 60)  # one that nobody came for ends by itself


def create(api, image, command, expect=200):
    a = api.request("POST", "/api/containers/create", {"image": image, "command": command})
    assert a.status == expect, a
    return a.json


class Stream(threading.Thread):
    """The streaming form over plain HTTP, closed when told to."""

    def __init__(self, system, token, image, command, query=""):
        super().__init__(daemon=True)
        body = json.dumps({"image": image, "command": command}).encode()
        self.sock = socket.create_connection(("127.0.0.1", system.http_port))
        self.sock.sendall(f"POST /api/containers/create/stream{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
                          f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        self.text, self.ended = b"", threading.Event()
        self.start()

    def run(self):
        try:
            while chunk := self.sock.recv(65536):
                self.text += chunk
                if self.text.endswith(b"\r\n0\r\n\r\n"):  # the last chunk, whoever broke off behind nginx
                    break
        except OSError:
            pass
        self.ended.set()

    def lines(self):
        return [x.decode() for x in self.text.replace(b"\r\n", b"\n").split(b"\n")]

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.join(5)
        self.sock.close()


def test_runs_and_is_removed(system, admin, image):
    a = create(admin, image, ["/bin/sh", "-c", "echo out; echo err >&2; exit 0"])
    assert set(a) >= {"id", "message", "output"}
    assert sorted(a["output"].split()) == ["err", "out"] and a["exitCode"] == 0 and a["success"] is True
    assert not oneshots(system)
    a = create(admin, image, "echo a text is for the shell; exit 3")
    assert a["output"] == "a text is for the shell\n" and a["exitCode"] == 3 and a["success"] is False and "3" in a["message"]


def test_hardened(admin, image):
    script = """
    id -u; grep -E 'CapEff|NoNewPrivs' /proc/self/status; touch /etc/x 2>&1; touch /tmp/x && echo tmp works
    ls /sys/class/net; mount -t tmpfs x /mnt 2>&1; cat /proc/1/cgroup >/dev/null; echo "env $HOME"
    (exec 3<>/dev/tcp/1.1.1.1/80) 2>/dev/null && echo reached; ls /var/run/docker.sock /run/podman 2>/dev/null; echo end
    """
    out = create(admin, image, ["/bin/sh", "-c", script])["output"]
    lines = out.split("\n")
    assert int(lines[0]) >= 2200000, out
    assert "CapEff:\t0000000000000000" in out and "NoNewPrivs:\t1" in out, out
    assert "tmp works" in out and "lo" in lines and "eth0" not in out and "reached" not in out and "docker.sock" not in out, out
    assert "ead-only" in out and "env /tmp" in out, out


@pytest.mark.parametrize("body, field", [
    ({}, "image"), ({"image": ""}, "image"), ({"image": 5}, "image"), ({"image": "../x", "command": ["a"]}, "image"),
    ({"image": "a b"}, "image"), ({"image": "IMAGE", "command": [1]}, "command"), ({"image": "IMAGE", "command": [""]}, "command"),
    ({"image": "IMAGE", "command": {"a": 1}}, "command"), ({"image": "IMAGE", "command": ["x"] * 257}, "command"),
    ({"image": "IMAGE", "command": ["x" * 140000]}, "command")])
def test_bad_input(admin, image, body, field):
    body = {k: image if v == "IMAGE" else v for k, v in body.items()}
    for path in ("create", "create/stream"):
        a = admin.request("POST", f"/api/containers/{path}", body)
        assert a.status == 400 and a.json["error"]["details"]["field"] == field, a


def test_what_cannot_run(admin, image):
    a = admin.request("POST", "/api/containers/create", {"image": image, "command": ["/no/such/program"]})
    assert a.status == 500 and a.json["error"]["message"], a
    a = admin.request("POST", "/api/containers/create", {"image": "localhost/no-such-image:1", "command": ["true"]})
    assert a.status == 404, a
    assert admin.request("GET", "/api/containers/create").status == 405
    assert admin.system.anonymous().request("POST", "/api/containers/create", {"image": image}).status == 401


def test_an_image_that_no_registry_has(admin):
    a = admin.request("POST", "/api/containers/create", {"image": "127.0.0.1:9/nobody/there:1", "command": ["true"]})
    assert a.status == 500 and a.json["error"]["message"], a


def go_on(system, n):
    """Lets the one that runs go on: it waits for this file, so what it said before was sent while it ran."""
    (c,) = system.engine.list(lodge_oneshot=system.site)
    pid = system.engine.call("GET", f"/containers/{c['Id']}/json").json["State"]["Pid"]
    subprocess.run(["nsenter", "-t", str(pid), "-m", "touch", f"/tmp/go{n}"], check=True)


def test_streams_as_it_comes(system, admin, image):
    hold = "until [ -e /tmp/go%d ]; do sleep 0.1; done; "
    s = Stream(system, admin.token, image, ["/bin/sh", "-c", "echo one; " + hold % 1 + "echo two >&2; " + hold % 2 + "printf three"])
    until("the first line", lambda: b"data: one" in s.text)
    go_on(system, 1)
    until("the second", lambda: b"data: ERROR: two" in s.text)
    assert b"three" not in s.text
    go_on(system, 2)
    assert s.ended.wait(60)
    assert "data: three" in s.lines() and "event: done" in s.lines(), s.text
    done = json.loads(s.lines()[s.lines().index("event: done") + 1][6:])
    assert done["exitCode"] == 0 and done["success"] is True and done["id"]
    ids = [int(x[4:]) for x in s.lines() if x.startswith("id: ")]
    assert ids == list(range(1, len(ids) + 1))


def test_a_stream_that_fails_says_so(system, admin, image):
    s = Stream(system, admin.token, image, ["/no/such/program"])
    assert s.ended.wait(60)
    assert any(x.startswith("data: ERROR: ") for x in s.lines()) and "event: done" in s.lines(), s.text


def test_its_life_is_told_as_events(system, admin, tenants, image):
    other = tenants[1].events()
    tail = admin.events()
    a = create(admin, image, ["sh", "-c", "exit 3 # secret-word"])
    tail.wait(lambda e: e["kind"] == "container.ended" and e["subject"]["id"] == a["id"])
    mine = [e for e in tail.events if e.get("subject", {}).get("id") == a["id"]]
    tail.stop()
    other.stop()
    assert [e["kind"] for e in mine] == ["container.created", "container.running", "container.ended"], mine
    assert [e["data"]["container"]["state"] for e in mine] == ["queued", "running", "ended"] and mine[-1]["data"]["container"]["exitCode"] == 3
    assert "secret-word" not in json.dumps(mine)
    assert not [e for e in other.events if e["kind"].startswith("container.")]


def test_a_client_that_leaves(system, admin, image):
    s = Stream(system, admin.token, image, ["/bin/sh", "-c", "trap '' TERM INT; echo begun; while :; do sleep 1; done"])
    until("it runs", lambda: b"begun" in s.text)
    assert len(oneshots(system)) == 1
    s.close()
    until("it is removed", lambda: not oneshots(system))  # it would go on for five minutes, and hears no signal
    until("it is noted", lambda: system.query("SELECT state FROM oneshot ORDER BY seq DESC LIMIT 1") == [("ended",)])


def test_delete_ends_it(system, admin, image):
    s = Stream(system, admin.token, image, ["/bin/sh", "-c", "echo begun; sleep 600"])
    until("it runs", lambda: b"begun" in s.text)
    rows = admin.request("GET", "/api/containers/list").json
    assert all(isinstance(r, list) and all(isinstance(x, str) for x in r) for r in rows)
    ident = next(r[1] for r in rows if r[0].startswith("run-"))
    assert admin.request("DELETE", f"/api/containers/{ident}").json == {"id": ident, "message": "the container is ended and removed"}
    assert s.ended.wait(60)
    assert b"somebody asked" in s.text or b"stopped" in s.text
    assert admin.request("DELETE", f"/api/containers/{ident}").status == 404


def test_instances_are_listed_and_deleted(admin, name):
    i = admin.create(name)
    assert [name, i["id"], i["config"]["image"], "running"] in admin.request("GET", "/api/containers/list").json
    a = admin.request("DELETE", f"/api/containers/{i['id']}")
    assert a.status == 200 and a.json == {"id": i["id"], "message": "the container is removed"}, a
    assert admin.request("DELETE", f"/api/containers/{i['id']}").status == 404
    assert admin.request("DELETE", "/api/containers/nonsense").status == 404


def test_tenants_do_not_see_each_other(system, tenants, image):
    a, b = tenants
    s = Stream(system, a.token, image, ["/bin/sh", "-c", "echo begun; sleep 600"])
    until("it runs", lambda: b"begun" in s.text)
    ident = next(r[1] for r in a.request("GET", "/api/containers/list").json)
    assert b.request("GET", "/api/containers/list").json == []
    assert b.request("DELETE", f"/api/containers/{ident}").status == 404
    assert len(oneshots(system)) == 1
    s.close()


def test_bombs(admin, image):
    a = create(admin, image, ["/bin/sh", "-c", "yes x"])
    assert a["limit"] == "output" and len(a["output"]) == 4096 * 1024 and a["success"] is False
    a = create(admin, image, ["/bin/sh", "-c", "dd if=/dev/zero of=/tmp/x bs=1M count=500 2>&1; exit 7"])
    assert a["limit"] == "memory" or a["exitCode"] == 7
    a = create(admin, image, ["/bin/sh", "-c", "f() { f | f & }; f; sleep 1; echo survived"])
    assert a["id"]
    a = create(admin, image, ["/bin/sh", "-c", "printf 'a\\000\\377b'"])
    assert a["output"].startswith("a\x00") and a["output"].endswith("b")
    a = create(admin, image, ["/bin/sh", "-c", "exec >&- 2>&-; sleep 1; exit 9"])
    assert a["exitCode"] == 9


def test_too_many_are_told_when_to_come_back(system, tenants, image):
    """Eight of a tenant; others are served meanwhile."""
    a, b = tenants
    streams = [Stream(system, a.token, image, ["/bin/sh", "-c", "echo begun; sleep 600"]) for _ in range(8)]
    until("all run", lambda: all(b"begun" in s.text for s in streams), 60)
    refused = a.request("POST", "/api/containers/create", {"image": image, "command": ["true"]})
    assert refused.status == 429 and int(refused.header("Retry-After")) >= 1, refused
    assert create(b, image, ["/bin/sh", "-c", "echo mine"])["output"] == "mine\n"
    assert system.healthy()
    for s in streams:
        s.close()


@pytest.mark.parametrize("victim", ["stream", "runner", "engine", "api"])
def test_killed_processes_leave_nothing(system, admin, image, victim):
    s = Stream(system, admin.token, image, ["/bin/sh", "-c", "echo begun; sleep 600"])
    until("it runs", lambda: b"begun" in s.text)
    assert system.kill(victim)
    if victim == "api":
        s.close()
    system.wait_ready()
    until("it is removed", lambda: not oneshots(system), 60)
    assert s.ended.wait(60)
    until("it runs again", lambda: admin.request("POST", "/api/containers/create", {"image": image, "command": "echo again"}).status == 200, 60)


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return ""  # it has just ended


def test_the_process_of_one_run_is_killed(system, admin, image):
    s = Stream(system, admin.token, image, ["/bin/sh", "-c", "echo begun; sleep 600"])
    until("it runs", lambda: b"begun" in s.text)
    (pid,) = [pid for pid in system.tree() if comm(pid) == "lodge-oneshot"]
    os.kill(pid, signal.SIGKILL)
    until("it is removed", lambda: not oneshots(system), 60)
    assert s.ended.wait(60)


PRINTED = """
set -eu
curl -sf http://localhost:3001/api/containers/list
echo
curl -sf -X POST http://localhost:3001/api/containers/create -H "Content-Type: application/json" \\
  -d '{"image":"IMAGE","command":["/bin/sh","-c","echo hello"]}'
echo
curl -sfN -X POST http://localhost:3001/api/containers/create/stream -H "Content-Type: application/json" \\
  -d '{"image":"IMAGE","command":["/bin/sh","-c","echo hello; echo oops >&2"]}'
ID=$(curl -sf -X POST http://localhost:PORT/api/v1/compute/instances -H "Content-Type: application/json" \\
  -d '{"name":"printed","type":"container","flavor":"small"}' | jq -r .id)
for _ in $(seq 600); do
  curl -sf http://localhost:3001/api/containers/list | jq -e '.[] | select(.[3] == "running")' >/dev/null && break
  sleep 0.1
done
curl -sf -X DELETE http://localhost:3001/api/containers/$ID
"""


def test_as_printed_and_ended_with_lodge(image):
    """On the dialect's own port, without credentials; what runs when Lodge is stopped is removed before it ends."""
    ports, compat = [free_port() for _ in range(3)], free_port()
    s = System(drivers="container", compat_listeners=1, compat_ports=str(compat), repl_ports=",".join(map(str, ports)), oneshot_time_s=8)
    try:
        s.start()
        script = PRINTED.replace("localhost:3001", f"localhost:{ports[0]}").replace("IMAGE", image).replace("PORT", str(compat))
        p = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120)
        assert p.returncode == 0, p.stdout + p.stderr
        lines = p.stdout.splitlines()
        assert lines[0] == "[]" and json.loads(lines[1])["output"] == "hello\n"
        assert "data: hello" in lines and "data: ERROR: oops" in lines and "event: done" in lines
        assert json.loads(lines[-1])["message"] == "the container is removed"
        a = Http(ports[0], None).request("POST", "/api/containers/create", {"image": image, "command": "sleep 60"})
        assert a.status == 200 and a.json["limit"] == "time" and a.json["success"] is False, a
    finally:
        s.close()
