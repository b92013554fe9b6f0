"""Ctrl-C leaves instances alone; the next start finds everything as it was."""
import os
import signal
import socket
import subprocess

from e2e_names import FOREVER
from lodge_system import BUILD, until


def test_ctrl_c_and_a_second_start(system, name):
    admin = system.admin()
    running = admin.create(name, restartPolicy="always")
    stopped = admin.create(name + "-s", FOREVER)
    admin.power(stopped["id"], "stop")
    admin.post(f"/compute/instances/{running['id']}/ingress", {"port": 443, "targetPort": 80}, 201)
    before, pid = system.credentials(), system.engine.inspect(running["id"])["State"]["Pid"]
    ours = {pid for what in ("api", "api-workers", "runner", "runner-workers", "stream", "engine", "nginx", "nginx-workers")
            for pid in system.pids(what)}
    assert len(ours) > 15
    assert system.stop() == 0
    left = [p for p in system.own_processes() if p.pid in ours]
    assert not left, f"processes that Ctrl-C left: {left}"
    assert os.path.exists(f"/proc/{pid}"), "the instance goes on"

    system.start()
    assert system.credentials() == before
    after = admin.instance(running["id"])
    assert after["state"] == "running" and after["network"]["address"] == running["network"]["address"]
    assert system.engine.inspect(running["id"])["State"]["Pid"] == pid, "it was not started anew"
    assert admin.instance(stopped["id"])["state"] == "stopped"
    until("the page is served", lambda: system.app(name).request("GET", "/").status == 200)
    admin.remove(running["id"])
    admin.remove(stopped["id"])


def test_what_ended_or_vanished_while_lodge_was_away(system, name):
    admin = system.admin()
    died = admin.create(name + "-d", ["sleep", "100000"])
    vanished = admin.create(name + "-v", FOREVER)
    kept = admin.create(name + "-k", ["sleep", "100000"], restartPolicy="always")
    pid = system.engine.inspect(died["id"])["State"]["Pid"]
    system.stop()
    os.kill(pid, signal.SIGKILL)
    assert system.podman("rm", "--force", "--time=0", f"lodge-{vanished['id']}").returncode == 0
    assert system.podman("stop", "--time=0", f"lodge-{kept['id']}").returncode == 0
    system.start()
    seen = until("its end is seen", lambda: (i := admin.instance(died["id"]))["state"] in ("stopped", "error") and i)
    assert seen["reason"]["exitCode"] == 137
    # What should run runs again: by its policy, or because the engine lost it.
    again = until("it runs again", lambda: (i := admin.instance(kept["id"]))["state"] == "running"
                  and system.engine.inspect(kept["id"])["State"]["Running"] and i)
    assert again["network"]["address"] == kept["network"]["address"]
    lost = until("its loss is seen", lambda: (i := admin.instance(vanished["id"]))
                 and (i["state"] != "running" or system.engine.inspect(vanished["id"])) and i)
    assert lost["reason"] or lost["state"] == "running"
    for i in (died, vanished, kept):
        admin.remove(i["id"])


def test_half_an_archive_that_a_killed_engine_left(system):
    place = f"{system.state}/engine/tmp"
    with socket.socket(socket.AF_UNIX) as engine:
        engine.connect(f"{system.state}/run/podman.sock")
        engine.sendall(b"POST /v1.41/images/load HTTP/1.1\r\nHost: engine\r\nContent-Type: application/x-tar\r\nContent-Length: 1000000000\r\n\r\n" + bytes(100000))
        until("the engine keeps what it is sent", lambda: os.listdir(place))
        system.kill("engine")
    system.stop()
    assert os.listdir(place)
    system.start()
    assert not os.listdir(place)


def test_a_foreign_thing_of_our_site_is_quarantined_never_deleted(system, name):
    """As after a restored database: the engine has a machine that the database does not know."""
    label = f"lodge.site={system.site}"
    unknown = "00000000-0000-4000-8000-00000000beef"
    base = next(i for i in system.admin().get("/images").json["images"] if i["default"])["reference"]
    made = system.podman("create", "--name", f"lodge-{unknown}", "--label", label, "--label", f"lodge.instance={unknown}",
                         "--network", "none", base, "sleep", "1")
    assert made.returncode == 0, made.stderr
    until("it is quarantined", lambda: system.query("SELECT 1 FROM quarantine WHERE instance_id = ?", unknown))
    assert system.engine.inspect(unknown)
    assert system.podman("rm", "--force", f"lodge-{unknown}").returncode == 0
    until("it is forgotten", lambda: not system.query("SELECT 1 FROM quarantine WHERE instance_id = ?", unknown))


def test_a_second_lodge_on_the_same_state_is_refused(system):
    second = subprocess.run([f"{BUILD}/bin/lodge", "up"], env=system.environment(), capture_output=True, text=True, timeout=120)
    assert second.returncode != 0 and "already" in second.stderr
    assert system.admin().get("/session").status == 200
