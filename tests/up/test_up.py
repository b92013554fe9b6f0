"""`lodge up` from the outside: what it makes, what it says, what it leaves. Real nginx; the other programs are stubs."""
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
import time

import pytest

from lodge_system import free_port

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = "build-asan" if os.environ.get("SAN") else "build"


def processes(state):
    """pid → command line of everything that was started with this state directory."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                mine = f"LODGE_STATE={state}\0".encode() in f.read()
            with open(f"/proc/{pid}/stat") as f:
                dead = f.read().rsplit(")", 1)[1].split()[0] == "Z"
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                line = f.read().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if not dead and (mine or f"{state}/nginx" in line):
            found[int(pid)] = line
    return found


def until(what, seconds=60):
    """Polls; the deadline only ends a test that would hang."""
    end = time.monotonic() + seconds
    while not (got := what()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)
    return got


class Host:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="lodge-up-")
        os.chmod(self.dir, 0o755)
        self.state = f"{self.dir}/s"
        os.mkdir(f"{self.dir}/bin")
        shutil.copy(f"{ROOT}/{BUILD}/bin/lodge", f"{self.dir}/bin/lodge")
        for name in ("lodge-api", "lodge-stream", "lodge-runner"):
            shutil.copy(f"{ROOT}/tests/up/stub", f"{self.dir}/bin/{name}")
        os.makedirs(f"{self.dir}/share/static")
        shutil.copytree(f"{ROOT}/nginx", f"{self.dir}/share/nginx")
        with open(f"{self.dir}/share/static/index.html", "w") as f:
            f.write("dashboard")
        self.https, self.http = free_port(), free_port()
        env = {k: v for k, v in os.environ.items() if not k.startswith(("LODGE_", "SUDO_"))}
        self.env = {**env, "LODGE_STATE": self.state, "LODGE_SHARE": f"{self.dir}/share", "LODGE_HTTPS_PORT": str(self.https),
                    "LODGE_HTTP_PORT": str(self.http), "LODGE_ENGINE_SOCKET": "/nonexistent.sock", "LODGE_LIBVIRT_URI": "test:///default",
                    "LODGE_TEST_BACKENDS": f"{ROOT}/tests/nginx"}
        self.started = []
        self.monitors = set()

    def up(self, **env):
        log = f"{self.dir}/out.{len(self.started)}"
        with open(log, "wb") as f:
            p = subprocess.Popen([f"{self.dir}/bin/lodge", "up"], env={**self.env, **env}, stdout=f, stderr=f)
        p.said = lambda: open(log).read()
        self.started.append(p)
        return p

    def ready(self, **env):
        p = self.up(**env)
        until(lambda: "Lodge is up" in p.said() or p.poll() is not None)
        assert p.poll() is None, p.said()
        self.monitors.add(int(until(lambda: os.path.exists(f"{self.state}/monitor.pid") and open(f"{self.state}/monitor.pid").read())))
        return p

    def get(self, path):
        tls = ssl.create_default_context(cafile=f"{self.state}/tls/cert.pem")
        with tls.wrap_socket(socket.create_connection(("127.0.0.1", self.https), 10), server_hostname="localhost") as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            out = b""
            while got := s.recv(65536):
                out += got
        return out

    def child(self, word):
        return [pid for pid, line in processes(self.state).items() if word in line]

    def close(self):
        for p in self.started:
            if p.poll() is None:
                p.terminate()
                p.wait(60)
        left = processes(self.state)
        for pid in [*left, *self.monitors]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                if pid in self.monitors:
                    left[pid] = "an instance's monitor was ended"
        for port in (self.https, self.http):  # nginx's workers overwrite their environment: their sockets tell
            with socket.socket() as s:
                if not s.connect_ex(("127.0.0.1", port)):
                    left[port] = "still listens"
        shutil.rmtree(self.dir)
        return left


@pytest.fixture
def host():
    h = Host()
    yield h
    assert not h.close()


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_a_first_start_makes_everything(host):
    p = host.ready()
    assert f"https://localhost:{host.https}/" in p.said() and "credentials" in p.said()
    with open(f"{host.state}/credentials") as f:
        given = dict(line.strip().split("=", 1) for line in f)
    assert set(given) == {"url", "user", "password", "token"} and given["url"] == f"https://localhost:{host.https}/"
    assert given["token"].startswith("lg_") and len(given["password"]) >= 20
    assert given["password"] not in p.said() and given["token"] not in p.said()
    assert mode(f"{host.state}/credentials") == 0o600 == mode(f"{host.state}/tls/key.pem")
    assert mode(f"{host.state}/keys") == 0o700 and sorted(os.listdir(f"{host.state}/keys")) == [
        "context.key", "cookie.key", "env.key", "token.key"]
    assert b"dashboard" in host.get("/") and b'"status":"ok"' in host.get("/health")
    text = subprocess.run(["openssl", "x509", "-in", f"{host.state}/tls/cert.pem", "-noout", "-text"], capture_output=True,
                          text=True, check=True).stdout
    for name in ("DNS:localhost", "DNS:apps.localhost", "DNS:*.apps.localhost", "IP Address:127.0.0.1", "prime256v1"):
        assert name in text
    if os.geteuid() == 0:
        assert os.stat(f"{host.state}/db/lodge.db").st_uid != 0
        # What is open to the world ends there: the run user may connect, and put nothing in the place of root's files.
        assert os.stat(f"{host.state}/run").st_uid == 0 and mode(f"{host.state}/run") == 0o750
        master = host.child("nginx: master")[0]
        with open(f"/proc/{master}/task/{master}/children") as f:
            workers = f.read().split()
        assert workers and all(os.stat(f"/proc/{pid}").st_uid != 0 for pid in workers)


def test_ctrl_c_ends_everything_and_a_second_start_finds_all(host):
    p = host.ready()
    kept = {f: open(f"{host.state}/{f}", "rb").read() for f in ("credentials", "keys/token.key", "tls/cert.pem", "lodge.conf")}
    assert len(processes(host.state)) > 5
    p.send_signal(signal.SIGINT)
    assert p.wait(60) == 0
    assert not processes(host.state) and "instances go on" in p.said()
    host.ready()
    assert kept == {f: open(f"{host.state}/{f}", "rb").read() for f in kept}


def test_one_at_a_time(host):
    first = host.ready()
    second = host.up()
    assert second.wait(60) == 1
    assert f"already runs on {host.state} (process {first.pid})" in second.said()
    assert b'"status":"ok"' in host.get("/health")


@pytest.mark.parametrize("which,setting", [("https", "https_port"), ("http", "http_port")])
def test_a_taken_port_is_named_before_anything_starts(host, which, setting):
    with socket.socket() as s:
        s.bind(("127.0.0.1", getattr(host, which)))
        s.listen()
        p = host.up()
        assert p.wait(60) == 1
    assert str(getattr(host, which)) in p.said() and setting in p.said() and "in use" in p.said()
    assert not os.path.exists(f"{host.state}/log/api.log") and not processes(host.state)


@pytest.mark.parametrize("env,words", [
    ({"LODGE_STATE": "/tmp/" + "x" * 100}, "too long"), ({"LODGE_SHARE": "/nonexistent"}, "LODGE_SHARE"),
    ({"LODGE_DOMAIN": "a;b"}, "domain"), ({"LODGE_HTTPS_PORT": "99999"}, "https_port"),
    ({"LODGE_LISTEN_ADDRESS": "nowhere"}, "listen_address"), ({"LODGE_STATE": "/proc/nothing"}, "/proc/nothing")])
def test_what_is_wrong_is_said(host, env, words):
    p = host.up(**env)
    assert p.wait(60) == 1 and words in p.said() and len(p.said().splitlines()) == 1, p.said()
    if env.get("LODGE_STATE", "").startswith("/tmp/"):
        shutil.rmtree(env["LODGE_STATE"], ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_a_place_that_the_user_cannot_enter(host):
    os.mkdir(f"{host.dir}/closed", 0o700)
    p = host.up(LODGE_STATE=f"{host.dir}/closed/s")
    assert p.wait(60) == 1 and "cannot enter" in p.said()
    p = host.up(LODGE_RUN_USER="nosuchuser")
    assert p.wait(60) == 1 and "nosuchuser" in p.said() and "make setup" in p.said()


@pytest.mark.parametrize("victim", ["lodge-api", "lodge-stream", "lodge-runner", "nginx: master"])
def test_a_killed_child_comes_back(host, victim):
    p = host.ready()
    pids = host.child(victim)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    new = until(lambda: [x for x in host.child(victim) if x not in pids])
    assert new
    until(lambda: "ended by signal 9" in p.said())
    until(lambda: answers(host))


def answers(host):
    try:
        return b'"status":"ok"' in host.get("/health")
    except OSError:
        return False


def test_what_a_killed_child_leaves_is_ended(host):
    host.ready()
    worker = until(lambda: host.child("lodge-job"))
    os.kill(host.child("lodge-runner")[0], signal.SIGKILL)
    until(lambda: not os.path.exists(f"/proc/{worker[0]}") or worker[0] not in processes(host.state))
    until(lambda: host.child("lodge-job"))


def test_a_killed_supervisor_leaves_nothing_and_starts_again(host):
    for _ in range(3):
        p = host.ready()
        p.kill()
        p.wait()
        again = host.ready()
        assert b'"status":"ok"' in host.get("/health")
        again.kill()
        again.wait()
        until(lambda: not processes(host.state))


def test_a_supervisor_and_its_guard_killed(host):
    p = host.ready()
    guard = [pid for pid in host.child("lodge up") if pid != p.pid]
    assert len(guard) == 1
    for pid in (guard[0], p.pid):
        os.kill(pid, signal.SIGKILL)
    p.wait()
    host.ready()
    assert len(host.child("lodge-api")) == 1 and b'"status":"ok"' in host.get("/health")


def test_a_child_that_ignores_the_end_is_killed(host):
    os.makedirs(host.state)
    open(f"{host.state}/deaf", "w").close()
    p = host.ready()
    p.terminate()
    assert p.wait(60) == 0
    assert "is killed" in p.said() and not processes(host.state)


def test_an_own_certificate_is_kept(host):
    host.ready().terminate()
    host.started[-1].wait(60)
    os.unlink(f"{host.state}/tls/made-for")
    with open(f"{host.state}/tls/cert.pem", "rb") as f:
        own = f.read()
    host.ready()
    with open(f"{host.state}/tls/cert.pem", "rb") as f:
        assert f.read() == own


def test_another_domain_gets_another_certificate(host):
    host.ready().terminate()
    host.started[-1].wait(60)
    subprocess.run([f"{host.dir}/bin/lodge", "prepare"], env={**host.env, "LODGE_DOMAIN": "lodge.example",
                                                              "LODGE_APPS_DOMAIN": "apps.example"}, check=True)
    text = subprocess.run(["openssl", "x509", "-in", f"{host.state}/tls/cert.pem", "-noout", "-text"], capture_output=True,
                          text=True, check=True).stdout
    assert "DNS:lodge.example" in text and "DNS:*.apps.example" in text
