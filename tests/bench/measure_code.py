"""Code in sandboxes: against the host's own interpreter, against create + start + wait on the same engine, against bare runc."""
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "repl"))
from common import percentile  # noqa: E402
from lodge_system import processes, until  # noqa: E402
from repl_names import Repl  # noqa: E402

RUNS = int(os.environ.get("BENCH_CODE_RUNS", "60"))
SECONDS = float(os.environ.get("BENCH_CODE_SECONDS", "6"))
CODE = {"python": "print(1)", "javascript": "console.log(1)", "bash": "echo 1"}
HOST = {"python": ["/usr/bin/python3", "-I", "-c", "print(1)"], "javascript": ["node", "-e", "console.log(1)"], "bash": ["bash", "-c", "echo 1"]}


def timed(fn):
    t = time.perf_counter()
    fn()
    return time.perf_counter() - t


def rested(repl):
    until("the pool is full", lambda: (s := repl.status()) and not s["running"] and not s["making"] and not s["ending"] and s["ready"] >= 4, step=0.02)


def spec(image):
    return {"Image": image, "Entrypoint": ["python3", "-I", "-c", "print(1)"], "Cmd": [], "User": "2190000:2190000", "NetworkDisabled": True,
            "HostConfig": {"NetworkMode": "none", "ReadonlyRootfs": True, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"],
                           "Memory": 256 << 20, "MemorySwap": 256 << 20, "PidsLimit": 64, "Tmpfs": {"/tmp": "size=16m", "/run": "size=1m", "/var/tmp": "size=1m"}}}


def by_engine(s, image, n):
    name = f"bench-code-{n}"
    assert s.engine.call("POST", f"/containers/create?name={name}", spec(image)).status == 201
    assert s.engine.call("POST", f"/containers/{name}/start").status == 204
    assert s.engine.call("POST", f"/containers/{name}/wait").status == 200


def latency(s, repl, image, report):
    ours, host, engine = [], [], []
    for n in range(RUNS):
        rested(repl)
        ours.append(timed(lambda: repl.run("python", "print(1)")))
        host.append(timed(lambda: subprocess.run(HOST["python"], stdout=subprocess.DEVNULL, check=True)))
        if n % 6 == 0:
            engine.append(timed(lambda: by_engine(s, image, n)))
            s.engine.call("DELETE", f"/containers/bench-code-{n}?force=1")
    for p, most in ((50, 2), (95, None), (99, 5)):
        a, b = percentile(ours, p), percentile(host, p)
        report(f"print(1) over TLS / python3 -I -c on the host, p{p}", f"{a / b:.2f}", "", f"<= {most}" if most else "", a / b <= most if most else None)
        report("", f"{1000 * a:.1f}", "ms", f"host {1000 * b:.1f}")
    report("create + start + wait on the engine / print(1) over TLS, p50", f"{percentile(engine, 50) / percentile(ours, 50):.1f}", "times")


def first_byte(s, repl, report):
    took = []
    for _ in range(RUNS // 3):
        rested(repl)
        c = http.client.HTTPSConnection("localhost", s.https_port, context=s.tls)
        c.connect()
        t = time.perf_counter()
        c.request("POST", "/api/repl/execute/stream", json.dumps({"language": "bash", "code": "echo 1; sleep 0.2"}),
                  {"Content-Type": "application/json", **repl.api.headers})
        r = c.getresponse()
        while b"data: 1" not in r.read1(4096):
            pass
        took.append(time.perf_counter() - t)
        r.read()
        c.close()
    report("first streamed byte, Bash, p50", f"{1000 * percentile(took, 50):.1f}", "ms")


def rate(clients, fn):
    """Calls a second by so many threads; fn returns whether the call counts."""
    done, end, lock = [0], time.perf_counter() + SECONDS, threading.Lock()

    def work(k):
        while time.perf_counter() < end:
            if fn(k):
                with lock:
                    done[0] += 1

    crowd = [threading.Thread(target=work, args=(k,)) for k in range(clients)]
    t = time.perf_counter()
    for c in crowd:
        c.start()
    for c in crowd:
        c.join()
    return done[0] / (time.perf_counter() - t)


class Runc:
    """Bare `runc run` of the same root file system."""

    def __init__(self, s, image):
        self.folder = tempfile.mkdtemp(prefix="bench-runc-", dir="/tmp")
        self.s, self.image, self.n = s, image, 0
        rootfs = s.podman("image", "mount", image).stdout.strip()
        subprocess.run(["runc", "spec"], cwd=self.folder, check=True)
        with open(f"{self.folder}/config.json") as f:
            self.config = json.load(f)
        self.config["root"] = {"path": rootfs, "readonly": True}
        self.config["process"] |= {"terminal": False, "user": {"uid": 2190000, "gid": 2190000}}
        for k in self.config["process"]["capabilities"]:
            self.config["process"]["capabilities"][k] = []
        self.config["process"]["rlimits"] = []

    def run(self, language):
        folder = f"{self.folder}/{language}"
        if not os.path.exists(folder):
            os.makedirs(f"{folder}.new")
            argv = ["/usr/bin/" + os.path.basename(HOST[language][0]), *HOST[language][1:]]
            with open(f"{folder}.new/config.json", "w") as f:
                json.dump(self.config | {"process": self.config["process"] | {"args": argv}}, f)
            os.rename(f"{folder}.new", folder)
        self.n += 1
        r = subprocess.run(["runc", "--root", f"{self.folder}/state", "run", "-b", folder, f"r{self.n}-{threading.get_ident()}"], capture_output=True, text=True)
        assert r.stdout == "1\n", r
        return True

    def close(self):
        self.s.podman("image", "unmount", self.image)
        shutil.rmtree(self.folder, ignore_errors=True)


def throughput(s, repl, image, report):
    bare = Runc(s, image)
    try:
        for language in CODE:
            bare.run(language)
            for clients in (1, 8, 64):
                def ask(_):
                    a = repl.call("POST", "/execute", {"language": language, "code": CODE[language]})
                    assert a.status in (200, 429), a
                    if a.status == 429:
                        time.sleep(0.2)
                    return a.status == 200
                rested(repl)
                a = rate(clients, ask)
                b = rate(min(clients, 8), lambda _: bare.run(language))
                report(f"{language}, {clients} clients: runs / bare runc run", f"{a / b:.2f}", "", f"{a:.1f} and {b:.1f} a second")
    finally:
        bare.close()


def refill(repl, report):
    rested(repl)
    full = repl.status()["ready"]
    crowd = [threading.Thread(target=lambda: repl.run("bash", "sleep 0.1")) for _ in range(4)]
    for t in crowd:
        t.start()
    for t in crowd:
        t.join()
    t = time.perf_counter()
    low = repl.status()["ready"]
    until("it is full again", lambda: repl.status()["ready"] >= full, step=0.005)
    report("refill, a sandbox", f"{1000 * (time.perf_counter() - t) / max(1, full - low):.0f}", "ms")


def pss(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def memory(repl, report):
    rested(repl)
    ready = repl.status()["ready"]
    time.sleep(1)
    every = processes()
    boxes = [p for p in every.values() if p.argv[:1] == ["/usr/lib/lodge/box"]]
    inside = {p.pid for p in boxes}
    total = sum(pss(p.pid) for p in boxes) + sum(pss(p.pid) for p in every.values() if p.parent in inside)
    monitors = sum(pss(p) for p in {b.parent for b in boxes})
    report("memory (PSS) of an idle sandbox, interpreters that wait included", f"{total / 1024 / max(1, ready):.1f}", "MB", f"+ monitor {monitors / 1024 / max(1, ready):.1f}")


def fairness(s, repl, report):
    friend = Repl(s.tenant("bench-friend"))

    def feel():
        took = []
        for _ in range(RUNS // 2):
            took.append(timed(lambda: friend.run("python", "print(1)")))
            time.sleep(0.15)
        return percentile(took, 50), percentile(took, 95)

    rested(repl)
    alone = feel()
    stop = threading.Event()

    def flood():
        while not stop.is_set():
            if repl.call("POST", "/execute", {"language": "python", "code": "print(1)"}).status == 429:
                time.sleep(0.1)

    crowd = [threading.Thread(target=flood, daemon=True) for _ in range(32)]
    for t in crowd:
        t.start()
    time.sleep(2)
    crowded = feel()
    stop.set()
    for t in crowd:
        t.join()
    for name, a, b in (("p50", alone[0], crowded[0]), ("p95", alone[1], crowded[1])):
        report(f"another tenant's print(1) beside a flood of 32 / alone, {name}", f"{b / a:.2f}", "", "<= 2", b / a <= 2)
        report("", f"{1000 * b:.1f}", "ms", f"alone {1000 * a:.1f}")


def run(s, report):
    repl = Repl(s.admin())
    image = repl.prepare()["image"]
    parts = os.environ.get("BENCH_CODE", "latency first_byte throughput refill memory fairness").split()
    for name, fn in (("latency", lambda: latency(s, repl, image, report)), ("first_byte", lambda: first_byte(s, repl, report)),
                     ("refill", lambda: refill(repl, report)), ("memory", lambda: memory(repl, report)), ("fairness", lambda: fairness(s, repl, report)),
                     ("throughput", lambda: throughput(s, repl, image, report))):
        if name in parts:
            fn()
