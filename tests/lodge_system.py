"""A whole Lodge for tests: `lodge up` with a state directory, ports and a subnet pool of its own.

Every process is stopped by its pid. What is left over after that is found by name of the state directory and of the
site, reported, and only then swept away.
"""
import fcntl
import http.client
import ipaddress
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

from lodge_client import Api, Engine, Http, operation_of, tls_context

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build-asan" if os.environ.get("SAN") else "build")
USER = os.environ.get("LODGE_RUN_USER", "lodge")
READY_S = 180  # the first start builds the base image


held_ports = []


def free_port():
    """A port that nobody has, for this process alone as long as it lives. It is below those that the kernel gives to whoever
    connects, so that no connection takes it before it is listened at."""
    for port in random.sample(range(20000, 32000), 1000):
        held = socket.socket(socket.AF_UNIX)
        try:
            held.bind(f"\0lodge-test-port-{port}")
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("", port))
        except OSError:
            held.close()
            continue
        held_ports.append(held)
        return port
    raise RuntimeError("no port is free")


def until(what, condition, timeout=60, step=0.1):
    """Waits for a condition; a limit and no measurement: it only bounds a failing test."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {timeout} s in vain until {what}"
        time.sleep(step)


def routed(part):
    """Whether this host has a way of its own into these addresses, say by a bridge that a killed run left."""
    out = subprocess.run(["ip", "-j", "-4", "route"], capture_output=True, text=True, check=True).stdout
    ways = [ipaddress.ip_network(r["dst"], strict=False) for r in json.loads(out) if r["dst"] != "default"]
    return any(w.overlaps(part) for w in ways)


class Pool:
    """Addresses that nothing else on this host uses: those given, or 16 networks of LODGE_TEST_POOL held by a lock."""

    def __init__(self, text=None):
        self.lock, self.text = None, text
        if text:
            return
        whole = ipaddress.ip_network(os.environ.get("LODGE_TEST_POOL", "10.96.0.0/16"))
        for part in whole.subnets(new_prefix=20):
            self.lock = os.open(f"/tmp/lodge-pool-{part.network_address}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not routed(part):
                    self.text = str(part)
                    return
            except BlockingIOError:
                pass
            self.close()
        raise RuntimeError(f"every part of {whole} is in use by other tests")

    def close(self):
        if self.lock is not None:
            os.close(self.lock)
        self.lock = None


class Process:
    def __init__(self, pid):
        self.pid = pid
        with open(f"/proc/{pid}/stat") as f:
            rest = f.read().rsplit(")", 1)[1].split()
        self.state, self.parent = rest[0], int(rest[1])
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            self.argv = f.read().decode("utf-8", "replace").split("\0")[:-1]
        self.name = os.path.basename(self.argv[0]) if self.argv else ""

    def __repr__(self):
        return f"{self.pid} {' '.join(self.argv)[:200]}"


def processes():
    all_of_them = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                p = Process(int(name))
            except (OSError, IndexError):
                continue
            if p.state != "Z":
                all_of_them[p.pid] = p
    return all_of_them


def user_can_enter(path):
    if os.geteuid() != 0 or not USER:
        return True
    return subprocess.run(["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "test", "-x", path],
                          stderr=subprocess.DEVNULL).returncode == 0


def share_dir(state):
    """What Lodge's unprivileged processes read: the checkout, or a copy where they cannot enter it."""
    if user_can_enter(ROOT):
        return ROOT
    share = os.path.join(state, "share")
    for part in ("nginx", "static", "db", "fcgi/driver/images"):
        if os.path.isdir(os.path.join(ROOT, part)):
            shutil.copytree(os.path.join(ROOT, part), os.path.join(share, part))
    subprocess.run(["chmod", "-R", "go+rX", share], check=True)
    return share


class System:
    """start(), stop(), and everything a test wants to know of the processes in between."""

    def __init__(self, drivers="container", pool=None, state=None, **settings):
        self.state = state or tempfile.mkdtemp(prefix="lodge-", dir=os.environ.get("LODGE_TEST_DIR", "/tmp"))
        os.chmod(self.state, 0o755)
        self.drivers = drivers
        self.pool = Pool(pool)
        self.https_port, self.http_port = free_port(), free_port()
        self.settings = {"https_port": self.https_port, "http_port": self.http_port, "drivers": drivers,
                         "subnet_pool": self.pool.text, "run_user": USER, "cpu_overcommit": 64, **settings}
        if settings.get("compat_listeners"):  # never the ports that another Lodge of this host may have
            self.settings.setdefault("repl_ports", ",".join(str(free_port()) for _ in range(3)))
        self.share = share_dir(self.state)
        self.up = None
        self.site = ""
        self.tls = None
        self.engine = Engine(settings.get("engine_socket") or f"{self.state}/run/podman.sock")

    # Life -----------------------------------------------------------------------------------------------------
    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("LODGE_")}
        env |= {"LODGE_STATE": self.state, "LODGE_SHARE": self.share}
        env |= {f"LODGE_{k.upper()}": str(v) for k, v in self.settings.items()}
        return env

    def start(self, ready=True):
        with open(f"{self.state}/up.out", "ab") as out:
            self.up = subprocess.Popen([f"{BUILD}/bin/lodge", "up"], env=self.environment(), cwd=self.state,
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        if ready:
            self.wait_ready()
        return self

    def healthy(self):
        """The parts of /health; none when nobody answers."""
        if self.tls is None and os.path.exists(f"{self.state}/tls/cert.pem"):
            self.tls = tls_context(f"{self.state}/tls/cert.pem")
        if self.tls is None:
            return {}
        c = Http(self.https_port, self.tls, timeout=30)
        try:
            a = c.request("GET", "/health")
            return a.json.get("parts", {}) if a.status in (200, 503) else {}
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        finally:
            c.close()

    def well(self):
        """Every part answers, and says that it is well."""
        parts = self.healthy()
        return bool(parts) and all(v in ("ok", "up", True) for v in parts.values())

    def wait_ready(self):
        end = time.monotonic() + READY_S
        while True:
            assert self.up.poll() is None, f"lodge up ended with {self.up.returncode}:\n{self.said()}"
            if self.well() and self._images_ready():
                break
            assert time.monotonic() < end, f"not ready: {self.healthy()}\n{self.said()}\n{self.logs()}"
            time.sleep(0.1)
        self.site = self.query("SELECT value FROM meta WHERE key = 'site'")[0][0]

    def _images_ready(self):
        if self.drivers != "container" or not os.path.exists(f"{self.state}/credentials"):
            return self.drivers != "container"
        a = Api(self, self.credentials()["token"]).get("/images", expect=None)
        return a.status == 200 and any(i["default"] and i["state"] == "ready" for i in a.json["images"])

    def add_machine_image(self):
        """One for virtual machines of the fake engine, everybody's default."""
        admin = self.admin()
        a = admin.call("POST", "/images/upload?name=tiny&kind=vm&format=raw&minMemoryBytes=100663296&defaultUser=lodge",
                       os.urandom(4096), 202, Content_Type="application/octet-stream")
        assert admin.operation(operation_of(a))["status"] == "done"
        admin.put(f"/images/{a.json['id']}", {"public": True, "default": True, "aliases": ["ubuntu-22.04", "nginx-1.24", "postgresql-15"]}, 200)

    def stop(self, sig=signal.SIGINT, timeout=120):
        """As Ctrl-C does. Returns the exit code."""
        if not self.up:
            return None
        if self.up.poll() is None:
            self.up.send_signal(sig)
        try:
            return self.up.wait(timeout)
        except subprocess.TimeoutExpired:
            self.up.kill()
            self.up.wait()
            raise AssertionError(f"lodge up did not end:\n{self.said()}")
        finally:
            self.up = None

    def said(self):
        try:
            with open(f"{self.state}/up.out", errors="replace") as f:
                return f.read()[-6000:]
        except OSError:
            return ""

    def log(self, name):
        try:
            with open(f"{self.state}/log/{name}.log", errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def logs(self):
        return "\n".join(f"--- {n}\n{self.log(n)[-3000:]}" for n in ("api", "runner", "stream", "engine", "nginx"))

    def sanitizer_reports(self):
        """What ASan or UBSan found in any process."""
        found = []
        for n in ("api", "runner", "stream"):
            for mark in ("ERROR: AddressSanitizer", "runtime error:", "ERROR: LeakSanitizer"):
                at = self.log(n).find(mark)
                if at >= 0:
                    found.append(f"{n}: {self.log(n)[at:at + 3000]}")
        return found

    # Identity -------------------------------------------------------------------------------------------------
    def credentials(self):
        with open(f"{self.state}/credentials") as f:
            return dict(line.rstrip("\n").split("=", 1) for line in f)

    def admin(self, **kw):
        return Api(self, self.credentials()["token"], **kw)

    def anonymous(self, **kw):
        return Api(self, **kw)

    def session(self, username=None, password=None):
        """A client with the dashboard's cookie."""
        cred = self.credentials()
        api = Api(self)
        a = api.post("/session", {"username": username or cred["user"], "password": password or cred["password"]}, 200)
        api.headers |= {"Cookie": f"__Host-lodge={a.cookies()['__Host-lodge']}", "Lodge-CSRF": "1",
                        "Origin": f"https://localhost:{self.https_port}"}
        return api

    def tenant(self, slug):
        """A new tenant with a new user who owns it; a client with that user's token."""
        admin = self.admin()
        user, password = f"user-{slug}", f"correct horse {slug}"
        tenant = admin.post("/tenants", {"slug": slug, "name": slug}, 201).json
        admin.post("/users", {"username": user, "password": password, "role": "user"}, 201)
        admin.post(f"/tenants/{tenant['id']}/members", {"username": user, "role": "owner"}, (200, 201))
        token = self.session(user, password).post("/tokens", {"name": "tests"}, 201).json["token"]
        api = Api(self, token)
        api.tenant, api.username, api.password = tenant, user, password
        return api

    def app(self, label, timeout=30):
        """A visitor of https://<label>.apps.localhost."""
        return Http(self.https_port, self.tls, name=f"{label}.apps.localhost", timeout=timeout)

    # What really is -------------------------------------------------------------------------------------------
    def query(self, sql, *values):
        """Reads the database beside Lodge; never writes."""
        db = sqlite3.connect(f"file:{self.state}/db/lodge.db?mode=ro", uri=True, timeout=10)
        try:
            return db.execute(sql, values).fetchall()
        finally:
            db.close()

    def containers(self):
        return self.engine.list(lodge_site=self.site)

    def tree(self):
        """Our processes by pid: descendants of `lodge up`."""
        every = processes()
        ours, grown = {self.up.pid}, True
        while grown:
            more = {p.pid for p in every.values() if p.parent in ours} - ours
            grown = bool(more)
            ours |= more
        return {pid: every[pid] for pid in ours if pid in every}

    def pids(self, what):
        """`api`, `runner`, `stream`, `nginx`, `engine`: the process itself; `<name>-workers`: its children."""
        every = self.tree()
        name, workers = (what[:-8], True) if what.endswith("-workers") else (what, False)
        program = {"engine": "podman", "nginx": "nginx:"}.get(name, f"lodge-{name}")
        masters = {p.pid for p in every.values() if p.parent == self.up.pid and
                   (p.name.startswith(program) or (p.argv and p.argv[0].startswith(program)))}
        return sorted(p.pid for p in every.values() if p.parent in masters) if workers else sorted(masters)

    def kill(self, what, sig=signal.SIGKILL, share=1):
        """Sends a signal to all processes of that kind, or to a random share of them; returns how many there were.
        Those it kills have been waited for by their parent when this returns, if it lives."""
        pids, hit = self.pids(what), []
        for pid in random.sample(pids, round(len(pids) * share)):
            try:
                os.kill(pid, sig)
                hit.append(pid)
            except ProcessLookupError:
                pass
        end = time.monotonic() + 30
        while sig == signal.SIGKILL and any(self._lingers(pid) for pid in hit) and time.monotonic() < end:
            time.sleep(0.005)
        return len(hit)

    @staticmethod
    def _lingers(pid):
        """Not ended yet, or not waited for by a parent that can."""
        try:
            p = Process(pid)
            return p.state != "Z" or Process(p.parent).state not in "ZTt" and p.parent != 1
        except (OSError, IndexError):
            return False

    def engine_run_dir(self):
        h = 2166136261
        for byte in self.state.encode():
            h = (h ^ byte) * 16777619 & 0xffffffff
        return f"/run/lodge-engine-{h:08x}"

    def bridges(self):
        return sorted(n for n in os.listdir("/sys/class/net") if self.site and n.startswith(f"lg{self.site[:4]}"))

    def nft_tables(self):
        if not self.site:
            return []
        out = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
        return [line.split(None, 1)[1] for line in out.splitlines() if line.endswith((f" lodge_{self.site[:8]}", f" lodge_{self.site[:8]}x"))]

    def mounts(self):
        with open("/proc/self/mounts") as f:
            return [line.split()[1] for line in f
                    if line.split()[1].startswith((self.state + "/", self.engine_run_dir() + "/"))]

    def own_processes(self):
        """Running processes that mention our state directory in command or environment, containers' monitors too."""
        marks = (self.state.encode(), self.engine_run_dir().encode())
        found = []
        for p in processes().values():
            if p.pid == os.getpid() or p.name == "aardvark-dns":
                continue  # one name server answers for all engines of the host, whoever started it
            try:
                with open(f"/proc/{p.pid}/cmdline", "rb") as f, open(f"/proc/{p.pid}/environ", "rb") as g:
                    text = f.read() + g.read()
            except OSError:
                continue
            if any(m in text for m in marks):
                found.append(p)
        return found

    def leftovers(self):
        """What is still there though Lodge is stopped and all its instances and tenants are deleted."""
        return ([f"process {p}" for p in self.own_processes()] + [f"bridge {b}" for b in self.bridges()] +
                [f"nft table {t}" for t in self.nft_tables()] + [f"mount {m}" for m in self.mounts()])

    # End ------------------------------------------------------------------------------------------------------
    def empty(self):
        """Deletes every instance, tenant by tenant, as their users would."""
        admin = self.admin()
        session = None
        for t in admin.get("/tenants?pageSize=500").json["tenants"]:
            if t["slug"] == "default":
                admin.remove_all()
                continue
            session = session or self.session()  # a token stays with its tenant
            session.headers["Lodge-Tenant"] = t["slug"]
            session.remove_all()

    def close(self, verify=True):
        """Stops everything and removes the state directory. `verify`: nothing may be left that Lodge made."""
        problems = []
        try:
            if self.up and self.up.poll() is None and verify:
                self.empty()
                problems += self.sanitizer_reports()
                problems += [f"container {c['Names']}" for c in self.containers()] if self.site and "container" in self.drivers else []
            self.stop()
            if verify:
                allowed = self._networks_of_tenants()
                problems += [f"process {p} of {p.parent}, parent of {[c for c in processes().values() if c.parent == p.pid]}, "
                             f"instance {self._instance_of(p)}" for p in self._after_end()]
                if not allowed:
                    problems += [f"bridge {b}" for b in self.bridges()] + [f"nft table {t}" for t in self.nft_tables()]
        except (AssertionError, OSError) as e:
            problems.append(str(e))
        finally:
            self._sweep()
        assert not problems, "left over:\n" + "\n".join(problems)
        return problems

    def _instance_of(self, monitor):
        """What the database knows of the instance that a monitor's command line names."""
        found = re.search(r"lodge-([0-9a-f-]{36})", " ".join(monitor.argv))
        return found and self.query("SELECT kind, status, attempts, error_text, log FROM operation WHERE instance_id = ?", found[1])

    def _networks_of_tenants(self):
        """Tenants keep their network until they are deleted."""
        try:
            return bool(self.query("SELECT 1 FROM tenant"))
        except sqlite3.Error:
            return True

    def _after_end(self):
        """Monitors of containers end a moment after these."""
        end = time.monotonic() + 60
        while self.own_processes() and time.monotonic() < end:
            time.sleep(0.1)
        return self.own_processes()

    def podman(self, *argv):
        """The private engine's command line, also when its service is down."""
        conf = f"{self.state}/engine"
        env = {"PATH": os.environ["PATH"], "HOME": "/root", "CONTAINERS_CONF": f"{conf}/containers.conf",
               "CONTAINERS_STORAGE_CONF": f"{conf}/storage.conf", "CONTAINERS_REGISTRIES_CONF": f"{conf}/registries.conf"}
        return subprocess.run(["podman", "--log-level=error", *argv], env=env, capture_output=True, text=True, timeout=120)

    def _sweep(self):
        if os.path.exists(f"{self.state}/engine/containers.conf"):
            self.podman("rm", "--all", "--force", "--time=0")
            for line in self.podman("network", "ls", "--format", "{{.Name}}").stdout.split():
                if line.startswith("lodge-"):
                    self.podman("network", "rm", "--force", line)
        for p in self.own_processes():
            try:
                os.kill(p.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for t in self.nft_tables():
            subprocess.run(["nft", "delete", "table", *t.split()], check=False)
        for b in self.bridges():
            subprocess.run(["ip", "link", "delete", b], check=False, stderr=subprocess.DEVNULL)
        for m in sorted(self.mounts(), reverse=True):
            subprocess.run(["umount", m], check=False)
        shutil.rmtree(self.engine_run_dir(), ignore_errors=True)
        shutil.rmtree(self.engine_run_dir().replace("lodge-engine", "lodge-vm"), ignore_errors=True)
        self.pool.close()
        if not os.environ.get("LODGE_TEST_KEEP"):
            shutil.rmtree(self.state, ignore_errors=True)
