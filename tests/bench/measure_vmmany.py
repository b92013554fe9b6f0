"""The runner's share of a core with 200 machines of libvirt's test driver. They live in a libvirtd (another Lodge's), as the test
driver's state is its process's, and a runner is many processes."""
import os
import time

from lodge_system import System, until
from measure_vm import BASE, ticks

MANY, SECONDS = int(os.environ.get("BENCH_MACHINES", "200")), 20
MIB = 1 << 20


def upload(api):
    """A disk that asks for the least memory there is."""
    disk = bytearray(MIB)
    disk[510:512] = b"\x55\xaa"
    a = api.call("POST", "/images/upload?name=none&kind=vm&format=raw&minMemoryBytes=0", bytes(disk), 202, Content_Type="application/octet-stream")
    assert api.operation(a.header("Operation-Location").rsplit("/", 1)[1])["status"] == "done"


def machines(api):
    upload(api)
    size = {"cpu": {"cores": 0.5}, "memory": {"limit": 64 * MIB}, "storage": {"totalSpace": MIB}}
    for n in range(MANY):
        api.post(BASE, {"name": f"m{n}", "type": "vm", "resources": size, "config": {"image": "none"}}, 201, Prefer="wait=0")
    until("all run", lambda: api.get(f"{BASE}?pageSize=1&state=running").json["total"] == MANY, timeout=300, step=1)


def run(_, report):
    other, s = System(drivers="fake,kvm", vm_accelerator="tcg"), None
    try:
        other.start()
        run_dir = other.engine_run_dir().replace("lodge-engine-", "lodge-vm-")
        s = System(drivers="fake,kvm", libvirt_uri=f"test+unix:///default?socket={run_dir}/libvirt/libvirt-sock", cpu_overcommit=64)
        s.start()
        machines(s.tenant("bench"))
        time.sleep(2)
        before, begun = ticks(s.pids("runner") + s.pids("runner-workers")), time.monotonic()
        time.sleep(SECONDS)
        share = (ticks(s.pids("runner") + s.pids("runner-workers")) - before) / (time.monotonic() - begun) * 100
        report(f"runner's share of a core, {MANY} machines of the test driver", f"{share:.2f}", "%", "<= 1", share <= 1)
    finally:
        if s:
            s.close(verify=False)
        other.close(verify=False)
