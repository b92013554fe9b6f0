"""Volumes on the real engine: data outlives instances, the size is a hard limit, nothing is left mounted."""
import os
import signal
import subprocess
import time

import pytest

from e2e_names import FOREVER, program
from lodge_client import operation_of
from lodge_system import until

MIB = 1 << 20


@pytest.fixture
def volume(admin):
    """volume("name", 64) makes one of 64 MiB; all are deleted afterwards."""
    made = []

    def make(name, mib=64, api=admin, **more):
        v = api.post("/volumes", {"name": name, "size": mib * MIB, **more}, 201, Prefer="wait=60").json
        made.append((api, v["id"]))
        return v
    yield make
    for api, ident in made:
        for a in api.get(f"/volumes/{ident}").json["attachments"] if api.get(f"/volumes/{ident}", None).status == 200 else []:
            api.post(f"/volumes/{ident}/detach", {"instance": a["instance"]}, (200, 202))
        api.delete(f"/volumes/{ident}", (200, 202, 404), Prefer="wait=60")


def sh(system, ident, script):
    return system.engine.exec(ident, "sh", "-c", script)


def files(system):
    d = f"{system.state}/volumes/files"
    return sorted(os.listdir(d)) if os.path.isdir(d) else []


def loops(system):
    found = []
    for name in os.listdir("/sys/block"):
        try:
            with open(f"/sys/block/{name}/loop/backing_file") as f:
                backing = f.read().strip()
        except OSError:
            continue
        if backing.startswith(system.state + "/"):
            found.append(backing)
    return found


def test_data_outlives_the_instance(system, admin, name):
    one = admin.create(name, FOREVER, volumes=[f"/{name}-d:/data"])
    assert one["config"]["volumes"] == [f"/{name}-d:/data"]
    (v,) = one["volumes"]
    assert v["name"] == f"{name}-d" and v["path"] == "/data" and v["kind"] == "filesystem" and not v["readOnly"]
    assert sh(system, one["id"], "ls -A /data; echo kept > /data/f; sync") == (0, "")
    code, text = sh(system, one["id"], "grep ' /data ' /proc/mounts")
    assert code == 0 and "ext4" in text and "nosuid" in text and "nodev" in text
    assert admin.delete(f"/volumes/{v['id']}", None).error == "CONFLICT"
    admin.remove(one["id"])
    assert not system.mounts() or not any("/volumes/" in m for m in system.mounts())
    two = admin.create(name + "b", FOREVER, volumes=[f"{name}-d:/other:ro"])
    assert sh(system, two["id"], "cat /other/f")[1].strip() == "kept"
    assert sh(system, two["id"], "echo x > /other/f")[0] != 0, "read-only"
    admin.remove(two["id"])
    got = admin.get(f"/volumes/{v['id']}").json
    assert got["attachments"] == [] and got["sizeBytes"] == 1024 * MIB and got["state"] == "ready"
    assert f"{v['id']}.ext4" in files(system)
    gone = admin.delete(f"/volumes/{v['id']}", 200, Prefer="wait=60").json
    assert gone["state"] == "deleted" and f"{v['id']}.ext4" not in files(system)
    until("its loop device clears itself", lambda: not loops(system))


def test_the_size_is_a_hard_limit_and_grows_offline(system, admin, name, volume):
    v = volume(name, 32)
    i = admin.create(name, FOREVER, volumes=[f"{name}:/data"])
    other = admin.create(name + "o", FOREVER)
    code, text = sh(system, i["id"], "dd if=/dev/zero of=/data/big bs=1M count=64 2>&1; stat -c %s /data/big")
    assert "No space left" in text, text
    assert admin.instance(i["id"])["state"] == "running" and sh(system, other["id"], "echo x > /tmp/x")[0] == 0
    assert sh(system, i["id"], "rm /data/big && echo again > /data/small")[0] == 0
    assert admin.put(f"/volumes/{v['id']}", {"size": 128 * MIB}, None).error == "CONFLICT", "it is running"
    assert admin.put(f"/volumes/{v['id']}", {"size": 16 * MIB}, None).error in ("CONFLICT", "INVALID_REQUEST")
    admin.power(i["id"], "stop", {"timeout": 1})
    grown = admin.put(f"/volumes/{v['id']}", {"size": 128 * MIB}, 200).json
    assert grown["sizeBytes"] == 128 * MIB
    admin.power(i["id"], "start")
    code, text = sh(system, i["id"], "cat /data/small; dd if=/dev/zero of=/data/big bs=1M count=80 2>&1")
    assert code == 0 and text.startswith("again"), text
    admin.remove(i["id"])
    admin.remove(other["id"])


def test_attach_and_detach_a_running_container(system, admin, name, volume):
    v = volume(name)
    i = admin.create(name, FOREVER)
    got = admin.post(f"/volumes/{v['id']}/attach", {"instance": name}, 200).json
    assert [(a["instance"], a["path"]) for a in got["attachments"]] == [(i["id"], f"/mnt/{name}")]
    assert sh(system, i["id"], f"echo live > /mnt/{name}/f; grep -c ' /mnt/{name} ext4' /proc/mounts") == (0, "1\n")
    assert admin.post(f"/volumes/{v['id']}/attach", {"instance": name}, None).error == "CONFLICT"
    # It is there again after a restart, though the engine was never told of it.
    admin.power(i["id"], "restart", {"timeout": 1})
    assert sh(system, i["id"], f"cat /mnt/{name}/f") == (0, "live\n")
    busy = subprocess.Popen(["nsenter", "-t", str(system.engine.inspect(i["id"])["State"]["Pid"]), "-m", "sleep", "1000"],
                            cwd="/", stdin=subprocess.DEVNULL)
    busy.kill()
    busy.wait()
    got = admin.post(f"/volumes/{v['id']}/detach", {"instance": i["id"]}, 200).json
    assert got["attachments"] == []
    assert sh(system, i["id"], f"ls -A /mnt/{name}; grep -c ' /mnt/{name} ' /proc/mounts")[1] == "0\n"
    assert admin.instance(i["id"])["volumes"] == []
    until("its loop device clears itself", lambda: not loops(system))
    admin.remove(i["id"])


def test_what_is_in_use_is_not_torn_out(system, admin, name, volume):
    v = volume(name)
    i = admin.create(name, ["sh", "-c", "cd /data && exec sleep 100000"], volumes=[f"{name}:/data"])
    program(system, i["id"], "sleep")  # so it has gone there
    a = admin.post(f"/volumes/{v['id']}/detach", {"instance": i["id"]}, None)
    assert a.status == 409 and a.error == "CONFLICT" and "stop the instance" in a.text
    assert len(admin.get(f"/volumes/{v['id']}").json["attachments"]) == 1
    admin.power(i["id"], "stop", {"timeout": 0})
    admin.post(f"/volumes/{v['id']}/detach", {"instance": i["id"]}, 200)
    # The engine still names the place: nothing is there now, and nobody can fill the host's disk through it.
    admin.power(i["id"], "start")
    assert sh(system, i["id"], "ls -A /data; echo x > /data/x")[0] != 0
    assert sh(system, i["id"], "ls -A /data") == (0, "")
    admin.remove(i["id"])
    assert admin.delete(f"/volumes/{v['id']}", 200, Prefer="wait=60").json["state"] == "deleted"


def test_two_tenants_same_name(system, tenants, name):
    alpha, beta = tenants
    a = alpha.create(name, FOREVER, volumes=["shared:/data"])
    b = beta.create(name, FOREVER, volumes=["shared:/data"])
    assert sh(system, a["id"], "echo alpha > /data/f")[0] == 0
    assert sh(system, b["id"], "ls -A /data") == (0, "")
    va, vb = a["volumes"][0]["id"], b["volumes"][0]["id"]
    assert va != vb and beta.get(f"/volumes/{va}", None).status == 404
    alpha.remove(a["id"])
    beta.remove(b["id"])
    alpha.delete(f"/volumes/{va}", 200, Prefer="wait=60")
    beta.delete(f"/volumes/{vb}", 200, Prefer="wait=60")


def test_links_in_a_volume_lead_nowhere(system, admin, name, volume):
    """What a tenant puts into a volume, or in the way of a mount, stays in the container."""
    v = volume(name)
    i = admin.create(name, FOREVER, volumes=[f"{name}:/data"])
    assert sh(system, i["id"], "ln -s /etc /data/etc; ln -s / /data/root; rm -rf /srv; ln -s /data/etc /srv")[0] == 0
    w = volume(name + "-w")
    admin.post(f"/volumes/{w['id']}/attach", {"instance": i["id"], "path": "/srv/evil"}, (200, 409, 502))
    assert not os.path.exists("/etc/evil") and not os.path.ismount("/srv/evil")
    assert sh(system, i["id"], "ls /data/root/volumes 2>/dev/null")[1] == "", "the link shows the container's own root"
    admin.remove(i["id"])
    assert v["id"] and not any(m.startswith("/etc/") or m.startswith("/srv/") for m in system.mounts())


def test_host_paths_are_refused(tenants, admin, name):
    alpha, _ = tenants
    body = {"name": name, "config": {"volumes": ["/etc/ssl:/in"]}}
    assert alpha.post("/compute/instances", body, None).error == "FORBIDDEN"
    assert admin.post("/compute/instances", body, None).error == "FORBIDDEN", "no root is allowed"
    for source in ("../etc", "/..", "..", "/etc/../x", "a//b", "Data", "-x", "a_b", "", "/", "x:y:z"):
        a = alpha.post("/compute/instances", {"name": name, "config": {"volumes": [f"{source}:/in"]}}, None)
        assert a.error in ("INVALID_REQUEST", "FORBIDDEN"), (source, a)
    for path in ("", "/", "in", "/proc", "/proc/1", "/sys/fs", "/dev/shm", "/a/../b", "/a//b", "/a/.", "/a\nb", "/" + "x" * 300):
        a = alpha.post("/compute/instances", {"name": name, "config": {"volumes": [f"data:{path}"]}}, None)
        assert a.error == "INVALID_REQUEST", (path, a)
    assert alpha.get("/volumes").json["total"] == 0, "nothing was made on the way"


def test_reconciler_brings_mounts_back(system, admin, name, volume):
    v = volume(name)
    i = admin.create(name, FOREVER)
    admin.post(f"/volumes/{v['id']}/attach", {"instance": i["id"], "path": "/data"}, 200)
    assert sh(system, i["id"], "echo x > /data/f")[0] == 0
    pid = system.engine.inspect(i["id"])["State"]["Pid"]
    for kind in ("runner", "runner-workers"):
        system.kill(kind, signal.SIGSTOP)  # else its reconciler mounts while this unmounts
        until("they stand still", lambda: all(p.state == "T" for pid, p in system.tree().items() if pid in system.pids(kind)))
    subprocess.run(["nsenter", "-t", str(pid), "-m", "umount", "/data"], check=True)
    for m in sorted((m for m in system.mounts() if "/volumes/live" in m), reverse=True):
        subprocess.run(["umount", m], check=True)
    until("no loop device is left", lambda: not loops(system))
    kill_all(system, True)
    until("it is mounted again", lambda: sh(system, i["id"], "cat /data/f") == (0, "x\n"), timeout=60)
    admin.remove(i["id"])


def test_a_runner_killed_at_any_time_loses_and_leaks_nothing(system, admin, name):
    """kill -9 of every process of the runner during create, attach, detach and delete."""
    kept = admin.create(name, FOREVER)
    for round_ in range(6):
        vol = admin.post("/volumes", {"name": f"{name}-{round_}", "size": 64 * MIB, "kind": "filesystem"}, 201)
        time.sleep(0.02 * round_)
        kill_all(system, round_ == 1)
        v = vol.json
        until("the volume is ready", lambda: admin.get(f"/volumes/{v['id']}").json["state"] == "ready")
        op = admin.post(f"/volumes/{v['id']}/attach", {"instance": kept["id"], "path": "/data"}, 202, Prefer="wait=0")
        time.sleep(0.015 * round_)
        kill_all(system, round_ == 2)
        assert admin.operation(operation_of(op))["status"] == "done"
        assert sh(system, kept["id"], f"echo {round_} > /data/f; cat /data/f") == (0, f"{round_}\n")
        op = admin.post(f"/volumes/{v['id']}/detach", {"instance": kept["id"]}, 202, Prefer="wait=0")
        time.sleep(0.015 * round_)
        kill_all(system, round_ == 3)
        assert admin.operation(operation_of(op))["status"] == "done"
        assert sh(system, kept["id"], "grep -c ' /data ' /proc/mounts")[1] == "0\n"
        op = admin.delete(f"/volumes/{v['id']}", 202)
        time.sleep(0.01 * round_)
        kill_all(system, round_ == 4)
        assert admin.operation(operation_of(op))["status"] == "done"
        assert admin.get(f"/volumes/{v['id']}", None).status == 404
    admin.remove(kept["id"])
    until("nothing is left", lambda: not loops(system) and not any("/volumes/" in m for m in system.mounts()), timeout=90)
    assert not [f for f in files(system) if f.endswith(".new")]


def kill_all(system, master):
    """The runner's children, and with `master` the runner: the site waits longer each time before it starts that again."""
    for pid in system.pids("runner-workers"):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    if master:
        system.kill("runner")
