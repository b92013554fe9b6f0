"""Runs Lodge as its units say, where there is no systemd: each unit's user, capabilities, sockets, credentials,
and the kinds of namespaces and files it may make, from the installed files. What systemd itself enforces beyond that,
`systemd-analyze` judges in test_install.py."""
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys

from lodge_system import BUILD, ROOT, System

ORDER = ("engine", "vm-engine", "runner", "stream", "api", "nginx")
STATE = "/var/lib/lodge"
LAUNCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launch.py")
# CLONE_NEW* of clone(2), by the words of RestrictNamespaces=.
NAMESPACES = {"mnt": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000, "pid": 0x20000000,
              "net": 0x40000000}


def install(prefix):
    """`make install` of the build under test."""
    san = ["SAN=1"] if BUILD.endswith("-asan") else []
    p = subprocess.run(["make", "-s", "-C", ROOT, "install", f"prefix={prefix}", *san], capture_output=True, text=True,
                       env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "SAN")})
    assert p.returncode == 0, p.stdout + p.stderr
    return f"{prefix}/lib/systemd/system"


def read_unit(path):
    """(key, value) pairs in their order."""
    with open(path) as f:
        return [tuple(line.strip().split("=", 1)) for line in f if "=" in line and line[0] not in "#["]


def values(unit, key):
    return [v for k, v in unit if k == key]


class Units(System):
    def __init__(self, prefix, **kw):
        super().__init__(**kw)
        self.units = install(prefix)
        shutil.rmtree(f"{self.state}/share", ignore_errors=True)
        self.share = f"{prefix}/share/lodge"
        self.running, self.sockets = {}, []

    def unit(self, name):
        return [(k, v.replace(STATE, self.state)) for k, v in read_unit(f"{self.units}/{name}")]

    def open_sockets(self, name):
        opened = []
        unit = self.unit(f"lodge-{name}.socket") if os.path.exists(f"{self.units}/lodge-{name}.socket") else []
        for key, path in unit:
            kind = {"ListenStream": socket.SOCK_STREAM, "ListenDatagram": socket.SOCK_DGRAM}.get(key)
            if kind:
                if os.path.lexists(path):
                    os.unlink(path)
                s = socket.socket(socket.AF_UNIX, kind)
                s.bind(path)
                os.chown(path, pwd.getpwnam(*values(unit, "SocketUser")).pw_uid, grp.getgrnam(*values(unit, "SocketGroup")).gr_gid)
                os.chmod(path, int(*values(unit, "SocketMode"), 8))
                if kind == socket.SOCK_STREAM:
                    s.listen(4096)
                opened.append(s)
        return opened

    def credentials_of(self, name, unit, user):
        folder = f"{self.state}/credentials-{name}"
        for given in values(unit, "LoadCredential"):
            os.makedirs(folder, exist_ok=True)
            key, path = given.split(":")
            shutil.copy(path, f"{folder}/{key}")
            os.chown(f"{folder}/{key}", pwd.getpwnam(user).pw_uid, -1)
            os.chmod(f"{folder}/{key}", 0o400)
        return {"CREDENTIALS_DIRECTORY": folder} if os.path.isdir(folder) else {}

    def command(self, unit, *program):
        """The unit's program, or another, with the rights that the unit gives."""
        argv = ["setpriv"]
        caps = values(unit, "CapabilityBoundingSet")
        if caps:
            keep = [c[4:].lower() for c in caps[0].split()]
            argv += ["--bounding-set", ",".join(["-all"] + [f"+{c}" for c in keep]), "--inh-caps=-all"]
        if "yes" in values(unit, "NoNewPrivileges"):
            argv += ["--no-new-privs"]
        for user in values(unit, "User"):
            argv += [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        return argv + (list(program) or values(unit, "ExecStart")[0].split())

    @staticmethod
    def forbidden(unit):
        """Flags of the namespaces that RestrictNamespaces= does not leave it."""
        words = values(unit, "RestrictNamespaces")
        allowed = set(NAMESPACES) if not words or words == ["no"] else set() if words == ["yes"] else set(words[0].split())
        return sum(flag for name, flag in NAMESPACES.items() if name not in allowed)

    def launch(self, unit, fds=(), program=()):
        """The command line of it, shut in by launch.py."""
        return [sys.executable, LAUNCH, ",".join(str(s.fileno()) for s in fds), str(self.forbidden(unit)),
                str(int("yes" not in values(unit, "RestrictSUIDSGID"))), *self.command(unit, *program)]

    def run_unit(self, name, wait=False):
        unit = self.unit(f"lodge-{name}.service")
        fds = self.open_sockets(name)
        env = {**self.environment(), **self.credentials_of(name, unit, *(values(unit, "User") or ["root"]))}
        os.makedirs(f"{self.state}/log", exist_ok=True)
        with open(f"{self.state}/log/{name}.log", "ab") as out:
            p = subprocess.Popen(self.launch(unit, fds), env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                 pass_fds=[s.fileno() for s in fds])
        for s in fds:
            s.close()
        if wait:
            assert p.wait(300) == 0, self.log(name)
        else:
            self.running[name] = p

    def start(self, ready=True):
        self.run_unit("prepare", wait=True)
        for name in ORDER:
            self.run_unit(name)
        self.up = self.running["api"]
        self.run_unit("vm-image", wait=True)
        if ready:
            self.wait_ready()
        return self

    def stop(self, sig=signal.SIGTERM, timeout=120):
        for name in reversed(ORDER):
            p = self.running.pop(name, None)
            if p and p.poll() is None:
                p.send_signal(sig)
                p.wait(timeout)
        self.up = None
        return 0
