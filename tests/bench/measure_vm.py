"""A virtual machine's create against virsh define and start of the very description that Lodge made, on the same libvirtd;
sleep and wake; the runner's share of a core with idle guests. All guests are the tiny one, in software emulation."""
import os
import re
import statistics
import subprocess
import time

from lodge_system import System, until

TURNS = int(os.environ.get("BENCH_VMS", "5"))
IDLE_GUESTS, IDLE_SECONDS = 5, 10
SIZE = {"cpu": {"cores": 1}, "memory": {"limit": 128 << 20}, "storage": {"totalSpace": 1 << 30}}
BASE = "/compute/instances"


def until_state(api, ident, state):
    end = time.monotonic() + 120
    while api.get(f"{BASE}/{ident}").json["state"] != state:
        assert time.monotonic() < end
        time.sleep(0.01)


def make(api, name):
    """(id, seconds from the request to running)"""
    begun = time.perf_counter()
    ident = api.post(BASE, {"name": name, "type": "vm", "resources": SIZE}, 201).json["id"]
    until_state(api, ident, "running")
    return ident, time.perf_counter() - begun


def virsh(s, *words):
    run = s.engine_run_dir().replace("lodge-engine-", "lodge-vm-")
    return subprocess.run(["virsh", "-q", "-c", f"qemu+unix:///system?socket={run}/libvirt/libvirt-sock", *words], check=True,
                          capture_output=True, text=True).stdout


def plain(s, ident):
    """Seconds that virsh takes to define and start the stopped instance's machine under a name of its own."""
    xml = re.sub(r"<metadata>.*?</metadata>", "", virsh(s, "dumpxml", "--inactive", f"lodge-{ident}"), flags=re.S)
    xml = re.sub(r"<uuid>.*?</uuid>", "", re.sub(r"<name>.*?</name>", "<name>bench</name>", xml))
    path = f"{s.state}/bench.xml"
    with open(path, "w") as f:
        f.write(xml)
    begun = time.perf_counter()
    virsh(s, "define", path)
    virsh(s, "start", "bench")
    taken = time.perf_counter() - begun
    virsh(s, "destroy", "bench")
    virsh(s, "undefine", "bench")
    os.unlink(path)
    return taken


def ticks(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def created(s, api, report):
    taken = {"lodge": [], "virsh": []}
    for n in range(TURNS + 1):
        ident, seconds = make(api, f"made-{n}")
        api.post(f"{BASE}/{ident}/stop", {"force": True}, 200)
        other = plain(s, ident)
        api.remove(ident)
        if n:  # the first is the warm-up
            taken["lodge"].append(seconds)
            taken["virsh"].append(other)
    lodge, other = (statistics.median(taken[k]) for k in ("lodge", "virsh"))
    report("vm create -> running, median", f"{lodge * 1e3:.0f}", "ms")
    report("virsh define + start of the same description, median", f"{other * 1e3:.0f}", "ms")
    report("vm create -> running / virsh define + start", f"{lodge / other:.2f}", "", "<= 1.15", lodge / other <= 1.15)


def slept(api, ident, report):
    for what, path, state in (("sleep", "suspend", "asleep"), ("wake", "start", "running")):
        begun = time.perf_counter()
        api.post(f"{BASE}/{ident}/{path}", None, 200)
        seconds = time.perf_counter() - begun
        until_state(api, ident, state)
        report(f"vm {what}, tiny guest", f"{seconds:.2f}", "s", "<= 2", seconds <= 2)


def run(_, report):
    s = System(drivers="fake,kvm", vm_accelerator="tcg")
    try:
        s.start()
        api = s.tenant("bench")
        until("the tiny image", lambda: any(i["kind"] == "vm" and i["state"] == "ready" for i in api.get("/images").json["images"]), timeout=300)
        created(s, api, report)
        idents = [make(api, f"idle-{n}")[0] for n in range(IDLE_GUESTS)]
        for ident in idents:
            until("its login", lambda i=ident: "login:" in api.get(f"{BASE}/{i}/logs").text, timeout=180)
        slept(api, idents[0], report)
        before = ticks(s.pids("runner") + s.pids("runner-workers"))
        time.sleep(IDLE_SECONDS)
        share = (ticks(s.pids("runner") + s.pids("runner-workers")) - before) / IDLE_SECONDS * 100
        report(f"runner's share of a core, {IDLE_GUESTS} idle guests", f"{share:.1f}", "%", "<= 1", share <= 1)
        for ident in idents:
            api.remove(ident)
    finally:
        s.close(verify=False)
