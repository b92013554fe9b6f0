"""From a key to the screen it changes: a viewer through nginx, lodge-stream and the runner's descriptor, against one that
speaks to a bare QEMU's own VNC socket. Both guests are the tiny one at its login, under the same accelerator."""
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

from lodge_system import System, until

TURNS = int(os.environ.get("BENCH_KEYS", "60"))


class Viewer:
    """RFB 3.8 without a password over send(bytes) and recv() → bytes."""

    def __init__(self, send, recv):
        self.send, self.recv, self.buf = send, recv, b""
        assert self.exactly(12) == b"RFB 003.008\n"
        send(b"RFB 003.008\n")
        self.exactly(self.exactly(1)[0])
        send(b"\1")
        assert self.exactly(4) == b"\0\0\0\0"
        send(b"\1")
        head = self.exactly(24)
        self.width, self.height = int.from_bytes(head[:2], "big"), int.from_bytes(head[2:4], "big")
        self.exactly(int.from_bytes(head[20:24], "big"))
        self.pixel = head[4] // 8
        send(b"\2\0\0\1\0\0\0\0")  # raw rectangles alone
        self.ask(False)
        self.update()

    def exactly(self, n):
        while len(self.buf) < n:
            more = self.recv()
            assert more, "the screen is gone"
            self.buf += more
        got, self.buf = self.buf[:n], self.buf[n:]
        return got

    def ask(self, incremental=True):
        self.send(b"\3" + bytes([incremental]) + b"\0\0\0\0" + self.width.to_bytes(2, "big") + self.height.to_bytes(2, "big"))

    def update(self):
        """Reads one FramebufferUpdate to its end."""
        while True:
            kind = self.exactly(1)[0]
            if kind == 0:
                break
            assert kind == 2, kind  # a bell
        for _ in range(int.from_bytes(self.exactly(3)[1:], "big")):
            r = self.exactly(12)
            assert r[8:] == b"\0\0\0\0"
            self.exactly(int.from_bytes(r[4:6], "big") * int.from_bytes(r[6:8], "big") * self.pixel)

    def key(self, sym):
        """Seconds from the key to the first change of the screen."""
        self.ask()
        begun = time.perf_counter()
        self.send(b"\4\1\0\0" + sym.to_bytes(4, "big") + b"\4\0\0\0" + sym.to_bytes(4, "big"))
        self.update()
        return time.perf_counter() - begun



def through_lodge(api, ident):
    ws = api.websocket(f"/api/v1/compute/instances/{ident}/console?type=vnc", timeout=60)
    ws.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Viewer(ws.send_binary, lambda: ws.recv())


def direct(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(path)
    return Viewer(s.sendall, lambda: s.recv(1 << 20))


class Bare:
    """The tiny image under QEMU with nothing around it."""

    def __init__(self, disk):
        self.folder = tempfile.mkdtemp(prefix="bench-vnc-")
        copy = f"{self.folder}/disk"
        shutil.copy(disk, copy)
        self.vnc = f"{self.folder}/vnc"
        self.p = subprocess.Popen(["qemu-system-x86_64", "-machine", "q35,accel=tcg", "-m", "128", "-display", "none", "-vga", "std", "-vnc",
                                   f"unix:{self.vnc}", "-drive", f"file={copy},if=virtio,snapshot=on", "-serial", f"file:{self.folder}/serial",
                                   "-net", "none"], stdin=subprocess.DEVNULL)
        until("the bare guest is up", lambda: "login:" in self.serial(), timeout=120)

    def serial(self):
        try:
            with open(f"{self.folder}/serial", errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def close(self):
        self.p.terminate()
        self.p.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


def template(s):
    found = [os.path.join(d, f) for d, _, files in os.walk(f"{s.state}/vm/images") for f in files]
    return max(found, key=os.path.getsize)


def run(_, report):
    s = System(drivers="fake,kvm", vm_accelerator="tcg")
    bare = None
    try:
        s.start()
        api = s.tenant("bench")
        until("the tiny image", lambda: any(i["kind"] == "vm" and i["state"] == "ready" for i in api.get("/images").json["images"]), timeout=300)
        i = api.post("/compute/instances", {"name": "screen", "type": "vm", "resources": {"memory": {"limit": 128 << 20}}}, 201).json
        api.until(i["id"], "running", timeout=120)
        bare = Bare(template(s))
        until("its login", lambda: "login:" in api.get(f"/compute/instances/{i['id']}/logs").text, timeout=120)
        time.sleep(3)
        viewers = {"lodge": through_lodge(api, i["id"]), "direct": direct(bare.vnc)}
        taken = {k: [] for k in viewers}
        for n in range(TURNS + 4):
            for name, v in viewers.items():
                seconds = v.key(0x61 if n % 2 == 0 else 0xff08)  # a, then backspace
                if n >= 4:
                    taken[name].append(seconds * 1e3)
                time.sleep(0.05)
        lodge, plain = statistics.median(taken["lodge"]), statistics.median(taken["direct"])
        report("console key -> screen update, through Lodge, median", f"{lodge:.1f}", "ms")
        report("console key -> screen update, bare QEMU's VNC, median", f"{plain:.1f}", "ms")
        report("console key -> screen update / direct VNC", f"{lodge / plain:.2f}", "")
        api.remove(i["id"])
    finally:
        if bare:
            bare.close()
        s.close(verify=False)
