"""The whole life of an instance on the real engine, through nginx."""
import json
import os
import signal
import time

import pytest

from e2e_names import FOREVER, page_with, program
from lodge_client import Http, operation_of
from lodge_system import free_port, until


def cgroup(pid, controller):
    """The cgroup folder of a process: v1 by controller, or the unified one."""
    with open(f"/proc/{pid}/cgroup") as f:
        lines = [line.rstrip("\n").split(":", 2) for line in f]
    for _, controllers, path in lines:
        if controller in controllers.split(","):
            base = next(p for p in (f"/sys/fs/cgroup/{controllers}", f"/sys/fs/cgroup/{controller}") if os.path.isdir(p))
            return base + path
    return "/sys/fs/cgroup" + lines[0][2]


def read(folder, *names):
    for n in names:
        if os.path.exists(f"{folder}/{n}"):
            with open(f"{folder}/{n}") as f:
                return f.read().strip()
    raise AssertionError(f"none of {names} in {folder}")


def limits_in_force(pid):
    """(memory bytes, CPU quota of a period, most processes) as the kernel has them; None when it has just ended."""
    try:
        return read_limits(pid)
    except OSError:
        return None


def read_limits(pid):
    memory = int(read(cgroup(pid, "memory"), "memory.limit_in_bytes", "memory.max"))
    cpu = cgroup(pid, "cpu")
    if os.path.exists(f"{cpu}/cpu.cfs_quota_us"):
        share = int(read(cpu, "cpu.cfs_quota_us")) / int(read(cpu, "cpu.cfs_period_us"))
    else:
        quota, period = read(cpu, "cpu.max").split()
        share = int(quota) / int(period)
    return memory, share, int(read(cgroup(pid, "pids"), "pids.max"))


def pid_of(system, ident):
    return system.engine.inspect(ident)["State"]["Pid"]


def test_create_to_page_to_deletion(system, admin, tail, name):
    a = admin.post("/compute/instances", {"name": name, "labels": {"tier": "web"}}, 201)
    inst, op = a.json, operation_of(a)
    ident = inst["id"]
    assert inst["state"] == "creating" and a.header("Location").endswith(ident)
    created = tail.wait(lambda e: e["kind"] == "instance.created" and e["subject"]["id"] == ident)
    running = tail.wait(lambda e: e["kind"] == "instance.state" and e["subject"]["id"] == ident
                        and e["data"]["state"] == "running")
    done = tail.wait(lambda e: e["kind"] == "operation.done" and e["data"]["operation"]["id"] == op)
    assert created["id"] < running["id"] and done["data"]["operation"]["status"] == "done"
    assert running["subject"]["name"] == name
    o = admin.operation(op)
    assert o["status"] == "done" and o["kind"] == "instance.create" and o["instance"] == ident and o["requestedBy"]
    assert o["createdAt"] <= o["startedAt"] <= o["endedAt"] and o["error"] is None

    inst = admin.instance(ident)
    assert admin.get(f"/compute/instances/name/{name}").json["id"] == ident
    assert inst["state"] == "running" and inst["startedAt"] and inst["labels"] == {"tier": "web"}
    assert [i["id"] for i in admin.get("/compute/instances?label=tier=web").json["instances"]] == [ident]
    real = system.engine.inspect(ident)
    net = next(iter(real["NetworkSettings"]["Networks"].values()))
    assert real["State"]["Running"] and net["IPAddress"] == inst["network"]["address"]

    rule = admin.post(f"/compute/instances/{ident}/ingress", {"port": 443, "targetPort": 80}, 201).json
    assert rule["host"] == name and rule["url"] == f"https://{name}.apps.localhost:{system.https_port}/"
    page_with(system, name, 200, text="Your instance is running")

    gone = admin.remove(ident)
    assert gone["id"] == ident
    tail.wait(lambda e: e["kind"] == "instance.deleted" and e["subject"]["id"] == ident)
    admin.get(f"/compute/instances/{ident}", 404)
    assert system.engine.inspect(ident) is None
    assert not system.query("SELECT 1 FROM instance WHERE id = ?", ident)
    assert not system.query("SELECT 1 FROM ingress WHERE instance_id = ?", ident)
    until("its monitor has ended", lambda: not [p for p in system.own_processes() if ident in " ".join(p.argv)])
    states = [e["data"]["state"] for e in tail.events if e["kind"] == "instance.state" and e["subject"]["id"] == ident]
    assert states[0] == "running" and "deleting" in states


def test_address_and_limits_survive_every_restart(system, admin, name):
    inst = admin.create(name, FOREVER, memory=64 << 20, cores=0.5, restartPolicy="always")
    ident, address = inst["id"], inst["network"]["address"]
    want = (64 << 20, 0.5, 512)
    assert limits_in_force(pid_of(system, ident)) == want
    for verb, state in (("stop", "stopped"), ("start", "running"), ("restart", "running"), ("pause", "paused"),
                        ("unpause", "running"), ("restart", "running")):
        got = admin.power(ident, verb)
        assert got["state"] == state, f"after {verb}: {got}"
        assert got["network"]["address"] in (address, "" if state == "stopped" else address)
        if state == "running":
            real = system.engine.inspect(ident)
            assert next(iter(real["NetworkSettings"]["Networks"].values()))["IPAddress"] == address, verb
            assert limits_in_force(real["State"]["Pid"]) == want, f"after {verb}"
            assert admin.instance(ident)["network"]["address"] == address
    admin.remove(ident)


def test_restart_policy_revives_what_died_with_limits_and_address(system, admin, name):
    inst = admin.create(name, ["sleep", "100000"], memory=64 << 20, restartPolicy="always")
    ident, pid = inst["id"], pid_of(system, inst["id"])
    for _ in range(2):
        os.kill(pid, signal.SIGKILL)
        pid = until("it was started again", lambda: (p := pid_of(system, ident)) and p != pid and p, timeout=60)
        admin.until(ident, "running")
        until("its limits are in force again", lambda: (limits_in_force(pid_of(system, ident)) or [0])[0] == 64 << 20)
        assert next(iter(system.engine.inspect(ident)["NetworkSettings"]["Networks"].values()))["IPAddress"] == \
            inst["network"]["address"]
        pid = pid_of(system, ident)
    stopped = admin.power(ident, "stop", {"force": True})
    assert stopped["state"] == "stopped"
    time.sleep(3)  # a policy that revives what was stopped on purpose would show within this
    assert admin.instance(ident)["state"] == "stopped" and not system.engine.inspect(ident)["State"]["Running"]
    admin.remove(ident)


def test_limits_that_were_changed_hold_after_the_engines_own_restart(system, admin, name):
    """Podman goes back to those of the create; nobody asks Lodge for this start."""
    ident = admin.create(name, ["sleep", "100000"], memory=64 << 20, cores=0.5, restartPolicy="always")["id"]
    admin.put(f"/compute/instances/{ident}", {"resources": {"memory": {"limit": 96 << 20}, "cpu": {"cores": 0.25}}}, 200)
    pid = pid_of(system, ident)
    assert limits_in_force(pid)[:2] == (96 << 20, 0.25)
    os.kill(pid, signal.SIGKILL)
    pid = until("it was started again", lambda: (p := pid_of(system, ident)) and p != pid and p, timeout=60)
    until("the changed limits are in force", lambda: (limits_in_force(pid_of(system, ident)) or [0])[:2] == (96 << 20, 0.25))
    admin.remove(ident)


def test_without_a_policy_an_ended_process_is_seen(system, admin, tail, name):
    inst = admin.create(name, ["sleep", "100000"])
    os.kill(pid_of(system, inst["id"]), signal.SIGKILL)
    e = tail.wait(lambda e: e["kind"] == "instance.state" and e["subject"]["id"] == inst["id"]
                  and e["data"]["state"] in ("stopped", "error"))
    assert e["data"]["reason"]["exitCode"] == 137
    assert admin.instance(inst["id"])["reason"]["exitCode"] == 137
    admin.remove(inst["id"])


def test_stop_with_timeout_and_force(system, admin, name):
    deaf = ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"]
    ident = admin.create(name, deaf)["id"]
    long_stop = operation_of(admin.post(f"/compute/instances/{ident}/stop", {"timeout": 300}, 202, Prefer="wait=0"))
    until("the stop is at work", lambda: admin.get(f"/operations/{long_stop}").json["status"] == "running")
    assert admin.instance(ident)["state"] == "stopping"
    assert admin.power(ident, "stop", {"force": True})["state"] == "stopped"
    assert admin.operation(long_stop)["status"] in ("cancelled", "done", "failed")
    admin.power(ident, "start")
    got = admin.power(ident, "stop", {"timeout": 1})  # TERM is ignored, so KILL after a second
    assert got["state"] == "stopped"
    admin.remove(ident)


def test_delete_wants_force_while_running_and_states_are_guarded(admin, name):
    ident = admin.create(name, FOREVER)["id"]
    assert admin.delete(f"/compute/instances/{ident}", 409).error
    assert admin.post(f"/compute/instances/{ident}/unpause", {}, 409).error
    admin.power(ident, "pause")
    assert admin.post(f"/compute/instances/{ident}/start", {}, 409).error
    admin.power(ident, "unpause")
    admin.power(ident, "stop")
    admin.remove(ident, force=False)
    admin.get(f"/compute/instances/{ident}", 404)


def test_hardening_as_the_kernel_sees_it(system, admin, name):
    ident = admin.create(name, FOREVER)["id"]
    with open(f"/proc/{program(system, ident, 'sh')}/status") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    for kind in ("CapEff", "CapPrm", "CapBnd"):
        caps = int(status[kind], 16)
        # chown dac_override fowner fsetid kill setgid setuid net_bind_service: 0 1 3 4 5 6 7 10
        assert caps & ~0b10011111011 == 0, f"{kind} {status[kind]}"
    real = system.engine.inspect(ident)
    assert real["HostConfig"]["PidsLimit"] == 512 and not real["HostConfig"]["Privileged"]
    assert not real["HostConfig"].get("Binds")
    admin.remove(ident)


def test_what_a_process_inside_may_not_do(admin, name):
    tries = ["mount -t tmpfs none /tmp", "echo x > /proc/sys/kernel/hostname", "mknod /tmp/sda b 8 0", "ip addr add 10.0.0.9/24 dev eth0",
             "chroot / true", "dmesg -n 1", "hostname other", "ip link set eth0 down"]
    script = "; ".join(f"if {t}; then echo 'COULD {t}'; fi" for t in tries) + "; echo finished; exec sleep 100000"
    ident = admin.create(name, ["sh", "-c", script])["id"]
    text = until("it has tried", lambda: "finished" in (t := admin.get(f"/compute/instances/{ident}/logs?tail=200").text) and t)
    assert "COULD" not in text, text
    admin.remove(ident)


def test_logs_as_text_sse_and_websocket(system, admin, name):
    script = "for i in 1 2 3 4 5; do echo line $i; done; echo problem >&2; trap 'exit 0' TERM; " \
             "n=0; while :; do n=$((n+1)); echo tick $n; sleep 1 & wait $!; done"
    ident = admin.create(name, ["sh", "-c", script])["id"]
    path = f"/compute/instances/{ident}/logs"
    until("the first lines are there", lambda: (t := admin.get(path + "?tail=100").text) and "line 5" in t and "problem" in t)
    last = admin.get(path + "?tail=2")
    assert last.header("Content-Type").startswith("text/plain") and len(last.text.splitlines()) == 2
    whole = admin.get(path + "?tail=1000").text
    assert "line 1\n" in whole and "problem\n" in whole

    ws = admin.websocket("/api/v1" + path + "?tail=100&follow=true")
    frames = []
    while not any("tick 3" in f.get("text", "") for f in frames) or not any(f["stream"] == "stderr" for f in frames):
        frames.append(json.loads(ws.recv()))
    text = "".join(f["text"] for f in frames if f["stream"] == "stdout")
    assert text.startswith("line 1\nline 2\n") and {"stdout", "stderr"} == {f["stream"] for f in frames}

    admin.power(ident, "stop")
    while "end" not in (f := json.loads(ws.recv())):
        frames.append(f)
    ws.close()
    sse = admin.call("GET", path + "?tail=100&follow=true", expect=200, Accept="text/event-stream")
    assert sse.header("Content-Type").startswith("text/event-stream")
    assert "event: log" in sse.text and "line 1" in sse.text and "event: end" in sse.text
    followed = admin.get(path + "?tail=100&follow=true").text  # of a stopped one it ends by itself
    assert "line 1\n" in followed and "tick 3\n" in followed
    admin.remove(ident)


def test_usage_is_measured(system, admin, name):
    ident = admin.create(name, ["sh", "-c", "while :; do :; done"], memory=64 << 20, cores=0.2)["id"]

    def sample():
        a = admin.get(f"/compute/instances/{ident}/usage", (200, 404))
        return a.status == 200 and a.json
    usage = until("a sample shows work", lambda: (u := sample()) and "0" != json.dumps(u) and
                  any(isinstance(v, (int, float)) and v > 0 for v in flat(u)) and u, timeout=60)
    assert usage
    until("memory is shown", lambda: (admin.instance(ident)["resources"]["memory"]["used"] or 0) > 0, timeout=60)
    assert admin.instance(ident)["resources"]["memory"]["limit"] == 64 << 20
    admin.remove(ident)


def flat(value):
    if isinstance(value, dict):
        for v in value.values():
            yield from flat(v)
    else:
        yield value


def test_published_port(system, admin, name):
    port = free_port()
    ident = admin.create(name, ports=[f"{port}:80"])["id"]
    assert admin.instance(ident)["network"]["ports"][0] == {"hostAddress": "127.0.0.2", "hostPort": port,
                                                            "port": 80, "protocol": "tcp"}
    http = Http(port, None, name="127.0.0.2", address="127.0.0.2")
    until("it answers", lambda: answers(http))
    taken = admin.post("/compute/instances", {"name": name + "b", "config": {"ports": [f"{port}:80"]}}, 409)
    assert taken.error
    admin.power(ident, "restart")
    until("it answers after a restart", lambda: answers(http))
    admin.remove(ident)


def answers(http):
    try:
        return http.request("GET", "/").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("script,code", [("echo out; echo err >&2; exit 7", 7), ("exit 0", 0),
                                         ("i=0; while [ $i -lt 80 ]; do i=$((i+1)); echo row $i; done; exit 3", 3)])
def test_one_that_exits_at_once_tells_why(admin, name, script, code):
    i = admin.create(name, ["sh", "-c", script], expect_state=None)
    ended = until("it is seen to have ended", lambda: (n := admin.instance(i["id"]))["state"] in ("stopped", "error") and n)
    assert ended["reason"]["exitCode"] == code and ended["reason"]["at"]
    log = ended["reason"]["log"]
    log = "\n".join(log) if isinstance(log, list) else log
    if "row" in script:
        rows = [r for r in log.splitlines() if r.startswith("row")]
        assert rows[-1] == "row 80" and len(rows) == 50, "the last 50 lines are kept"
    elif "out" in script:
        assert "out" in log and "err" in log
    admin.remove(i["id"])


def test_out_of_memory_is_told(admin, name):
    grow = "x=x; while :; do x=$x$x; done"
    i = admin.create(name, ["sh", "-c", grow], memory=16 << 20, expect_state=None)
    ended = until("it is seen to have died", lambda: (n := admin.instance(i["id"]))["state"] in ("stopped", "error")
                  and n["reason"] and n)
    assert ended["reason"]["exitCode"] == 137 and ended["reason"]["oomKilled"] is True, ended["reason"]
    admin.remove(i["id"])


def test_a_command_that_does_not_exist(system, admin, name):
    i = admin.create(name, ["/no/such/program"], expect_state=None)
    failed = until("it failed", lambda: (n := admin.instance(i["id"]))["state"] == "error" and not n["operation"] and n)
    assert "no such" in failed["reason"]["text"].lower() or "not found" in failed["reason"]["text"].lower(), failed
    admin.remove(i["id"])
    assert system.engine.inspect(i["id"]) is None
