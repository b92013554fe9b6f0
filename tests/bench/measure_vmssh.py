"""From a create to the guest's SSH, against a bare QEMU with the same image, seed and card, turn about; and how soon the end
of a guest is known. All guests are the tiny one, in software emulation."""
import os
import re
import select
import signal
import socket
import statistics
import subprocess
import tempfile
import time

from lodge_system import System, until
from measure_vm import BASE, SIZE, make, virsh

TURNS = int(os.environ.get("BENCH_VMS", "5"))


def until_ssh(address):
    """The first words of its SSH server. The address is on a bridge of ours: it is asked for before anything is sent."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        route = subprocess.run(["ip", "-o", "route", "get", address], capture_output=True, text=True, check=True).stdout
        assert " dev lg" in route, route
        try:
            with socket.create_connection((address, 22), 1) as s:
                s.settimeout(10)
                if s.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.02)
    raise AssertionError("no SSH")


class Bare:
    """A stopped machine's image, seed and card under a QEMU that nobody manages."""

    def __init__(self, s, ident):
        xml = virsh(s, "dumpxml", "--inactive", f"lodge-{ident}")
        card = re.search(r"<interface .*?</interface>", xml, re.S).group(0)
        self.mac, self.bridge, self.tap = (re.search(p, card).group(1) for p in (r"mac address='([^']*)'", r"bridge='([^']*)'", r"target dev='([^']*)'"))
        self.seed = re.search(r"<source file='([^']*seed.iso)'", xml).group(1)
        folder = f"{s.state}/vm/images"
        self.template = max((f"{folder}/{f}" for f in os.listdir(folder) if f.endswith(".qcow2")), key=os.path.getsize)
        self.memory = int(re.search(r"<memory unit='KiB'>(\d+)<", xml).group(1)) // 1024
        self.cpus = re.search(r"<vcpu [^>]*>(\d+)<", xml).group(1)
        self.ports = xml.count("model='pcie-root-port'")
        self.folder = tempfile.mkdtemp(prefix="bench-bare-")

    def hardware(self):
        """What Lodge's machine has besides: room to grow, ports for what comes later, balloon, agent, tablet, panic."""
        ports = [w for n in range(self.ports) for w in ("-device", f"pcie-root-port,id=p{n},chassis={n + 1},bus=pcie.0,addr=0x{8 + n // 8:x}.{n % 8}" +
                                                        (",multifunction=on" if n % 8 == 0 else ""))]
        return ["-m", str(self.memory), "-smp", f"1,maxcpus={self.cpus}", *ports, "-device", "virtio-balloon-pci,bus=p0", "-device", "virtio-serial-pci,bus=p1",
                "-device", "virtio-tablet-pci,bus=p2", "-device", "pvpanic"]

    def run(self, address, whole):
        """Seconds from making its disk to its SSH; `whole`: with all the hardware that Lodge's machine has."""
        disk = f"{self.folder}/disk"
        begun = time.perf_counter()
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", self.template, "-F", "qcow2", disk, "1G"], check=True)
        for words in (["tuntap", "add", self.tap, "mode", "tap"], ["link", "set", self.tap, "master", self.bridge, "up"]):
            subprocess.run(["ip", *words], check=True)
        p = subprocess.Popen(["qemu-system-x86_64", "-machine", "q35,accel=tcg", *(self.hardware() if whole else ["-m", "128"]), "-display", "none", "-vga", "std", "-vnc", "none", "-serial",
                              f"file:{self.folder}/serial", "-drive", f"file={disk},if=virtio,discard=unmap", "-drive",
                              f"file={self.seed},if=virtio,format=raw,readonly=on", "-netdev", f"tap,id=n,ifname={self.tap},script=no,downscript=no",
                              "-device", f"virtio-net-pci,netdev=n,mac={self.mac}", "-device", "virtio-rng-pci"], stdin=subprocess.DEVNULL)
        try:
            until_ssh(address)
            return time.perf_counter() - begun
        finally:
            p.kill()
            p.wait()
            subprocess.run(["ip", "link", "del", self.tap], check=False)
            os.unlink(disk)


def reached(s, api, report):
    taken = {"lodge": [], "bare": [], "whole": []}
    for n in range(TURNS + 1):
        begun = time.perf_counter()
        ident, _ = make(api, f"ssh-{n}")
        address = api.instance(ident)["network"]["address"]
        until_ssh(address)
        lodge = time.perf_counter() - begun
        api.post(f"{BASE}/{ident}/stop", {"force": True}, 200)
        other = Bare(s, ident)
        bare, whole = other.run(address, False), other.run(address, True)
        api.remove(ident)
        if n:  # the first is the warm-up
            taken["lodge"].append(lodge)
            taken["bare"].append(bare)
            taken["whole"].append(whole)
    lodge, bare, whole = (statistics.median(v) for v in taken.values())
    report("vm create -> SSH, median", f"{lodge:.2f}", "s")
    report("bare QEMU -> SSH, same image, seed and card, median", f"{bare:.2f}", "s")
    report("bare QEMU -> SSH with the same hardware, median", f"{whole:.2f}", "s")
    report("vm create -> SSH / bare QEMU with the same hardware", f"{lodge / whole:.2f}", "", "<= 1.15", lodge / whole <= 1.15)
    report("vm create -> SSH / bare QEMU with a disk and a card alone", f"{lodge / bare:.2f}", "")


def qemu_of(s, ident):
    return next(p.pid for p in s.own_processes() if p.name.startswith("qemu-system") and f"lodge-{ident}" in " ".join(p.argv))


def seen_after(api, s, ident, end):
    """Seconds from QEMU's end, by whatever `end` does, to the event at a WebSocket client."""
    tail = api.events()
    until("the events are followed", lambda: tail.connects)
    gone = os.pidfd_open(qemu_of(s, ident))
    end()
    poll = select.poll()
    poll.register(gone)
    assert poll.poll(60000)
    ended = time.time()
    os.close(gone)
    tail.wait(lambda e: e["kind"] == "instance.state" and e["subject"]["id"] == ident and e["data"]["state"] == "stopped")
    arrived = time.time()
    tail.stop()
    return arrived - ended


def ends(s, api, report):
    ident, _ = make(api, "ends")
    ways = {"killed": lambda: os.kill(qemu_of(s, ident), signal.SIGKILL), "destroyed by virsh": lambda: virsh(s, "destroy", f"lodge-{ident}"),
            "powered off by its guest": lambda: virsh(s, "shutdown", "--mode", "acpi", f"lodge-{ident}")}
    for what, end in ways.items():
        taken = []
        for _ in range(3):
            until("its login", lambda: "login:" in api.get(f"{BASE}/{ident}/logs").text, timeout=180)
            taken.append(seen_after(api, s, ident, end))
            api.post(f"{BASE}/{ident}/start", None, 200)
        seconds = statistics.median(taken)
        report(f"QEMU's end ({what}) -> event at a client", f"{seconds:.2f}", "s", "<= 1", seconds <= 1)
    api.remove(ident)


def run(_, report):
    s = System(drivers="fake,kvm", vm_accelerator="tcg")
    try:
        s.start()
        api = s.tenant("bench")
        until("the tiny image", lambda: any(i["kind"] == "vm" and i["state"] == "ready" for i in api.get("/images").json["images"]), timeout=300)
        ends(s, api, report)
        reached(s, api, report)
    finally:
        s.close(verify=False)
