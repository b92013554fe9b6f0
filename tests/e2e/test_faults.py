"""The engine or the disk fails: clear errors, and recovery by itself when the cause ends."""
import errno
import os
import signal
import subprocess

import pytest

from e2e_names import FOREVER
from lodge_client import operation_of
from lodge_system import System, until


def test_engine_that_hangs(system, admin, tail, name):
    """Stopped in the middle of its work; everything that needs no engine goes on."""
    ident = admin.create(name, FOREVER)["id"]
    pid = system.pids("engine")[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        a = admin.post("/compute/instances", {"name": name + "-h"}, 201)
        waiting, op = a.json["id"], operation_of(a)
        assert admin.instance(ident)["id"] == ident
        until("health tells", lambda: system.healthy().get("engine", "ok") != "ok", timeout=60)
        assert system.anonymous().request("GET", "/health").status == 503
        assert admin.instance(waiting)["state"] == "creating"
    finally:
        os.kill(pid, signal.SIGCONT)
    assert admin.operation(op)["status"] == "done"
    assert admin.until(waiting, "running")
    until("health is back", lambda: system.healthy().get("engine") in ("ok", True))
    admin.remove(waiting)
    admin.remove(ident)


def test_engine_killed_in_the_middle_of_creates(system, admin, name):
    made = [admin.create(f"{name}-{k}", FOREVER, wait=False) for k in range(6)]
    for _ in range(3):
        until("the engine is there to be killed", lambda: system.kill("engine"))
    for i in made:
        end = until("it settles", lambda: (n := admin.instance(i["id"]))["operation"] is None and n, timeout=90)
        if end["state"] == "error":  # the engine stayed away for longer than a create waits; it says so and can be started
            assert end["reason"]["code"] == "backend_unavailable", end
            until("the engine is back", lambda: system.healthy().get("engine") == "ok")
            admin.power(i["id"], "start")
        end = admin.until(i["id"], "running")
        assert len([c for c in system.containers() if c["Labels"]["lodge.instance"] == i["id"]]) == 1, end
    for i in made:
        admin.remove(i["id"])


def test_engine_socket_missing():
    """A setting that names no engine: Lodge starts, says so, refuses nothing it can do."""
    s = System(engine_socket="/tmp/no-such-engine.sock", reconcile_ms=500)
    try:
        s.start(ready=False)
        parts = until("health answers", s.healthy)
        until("it tells that the engine is missing", lambda: s.healthy().get("engine", "ok") != "ok")
        assert parts["database"] in ("ok", True)
        s.site = s.query("SELECT value FROM meta WHERE key = 'site'")[0][0]
        admin = s.admin()
        assert admin.get("/session").json["user"]["username"] == "admin"
        a = admin.post("/compute/instances", {"name": "nowhere"}, None)
        assert a.status in (201, 400, 404, 409, 503), a
        if a.status == 201:
            o = admin.operation(operation_of(a))
            assert o["status"] == "failed" and o["error"]["code"] == "BACKEND_UNAVAILABLE", o
            assert "no-such-engine" in o["error"]["message"]
        else:
            assert a.error in ("BACKEND_UNAVAILABLE", "NOT_FOUND", "INVALID_REQUEST"), a
    finally:
        s.close(verify=False)


@pytest.fixture
def small_disk():
    """A Lodge whose database lives on a file system of 6 MB."""
    s = System(drivers="fake")
    os.mkdir(f"{s.state}/db")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "lodge-test", f"{s.state}/db"], check=True)
    try:
        yield s.start()
    finally:
        s.stop()
        until("nobody has it open", lambda: subprocess.run(["umount", f"{s.state}/db"], stderr=subprocess.DEVNULL).returncode == 0)
        s.close(verify=False)


def test_disk_full_for_the_database(small_disk):
    s, admin = small_disk, small_disk.admin()
    kept = admin.post("/compute/instances", {"name": "before"}, 201)
    filler = f"{s.state}/db/filler"
    fd = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(fd, b"x" * 4096):
            pass
    except OSError as e:
        assert e.errno == errno.ENOSPC
    finally:
        os.close(fd)
    refused = None
    for k in range(400):  # what is allocated already may still take a few
        a = admin.post("/compute/instances", {"name": f"full-{k}"}, None)
        if a.status != 201:
            refused = a
            break
    assert refused is not None and refused.status in (503, 507) and refused.error == "STORAGE_UNAVAILABLE", refused
    assert "full" in refused.json["error"]["message"].lower() or "space" in refused.json["error"]["message"].lower()
    assert admin.get("/compute/instances").status == 200, "reading goes on"
    admin.get(f"/compute/instances/name/{refused and 'full-' + str(k)}", 404)
    os.unlink(filler)
    back = until("writing works again", lambda: (a := admin.post("/compute/instances", {"name": "after"}, None)).status == 201 and a)
    assert admin.get(f"/compute/instances/{back.json['id']}").json["name"] == "after"
    assert admin.get(f"/compute/instances/{kept.json['id']}").status == 200
    for n in ("api", "runner", "stream"):
        assert len(s.pids(n)) == 1
