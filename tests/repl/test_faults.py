"""What strangers' code may try. Each attempt is contained, gets a clear answer, and leaves others alone and nothing behind."""
import http.client
import json
import socket
import subprocess
import threading
import time

import pytest

from lodge_system import until
from repl_names import Repl

PATIENT = {"timeMs": 60000}  # so that on a busy host, too, it is not the time that ends it
FORK_BOMB = "f() { f | f & }; f; wait; sleep 60"
MIB = 1 << 20


@pytest.fixture
def others(neighbour):
    """Somebody of another tenant who goes on working; how long each of their runs took."""
    friend, took, stop = neighbour, [], threading.Event()

    def work():
        while not stop.is_set():
            t = time.monotonic()
            a = friend.call("POST", "/execute", {"language": "bash", "code": "echo fine"})
            took.append((time.monotonic() - t, a.status, a.json.get("stdout")))
            stop.wait(0.2)

    t = threading.Thread(target=work, daemon=True)
    t.start()
    yield took
    stop.set()
    t.join(60)
    assert took and all(s == 200 and out == "fine\n" for _, s, out in took), took[-5:]
    assert max(d for d, _, _ in took) < 20, took


def test_fork_bomb(repl, others):
    a = repl.run("bash", FORK_BOMB, limits={"timeMs": 10000})
    assert not a["success"] and a["limit"] == "processes", a


def test_own_process_limit(repl):
    fork = "import os, time\nfor i in range(%d):\n    if not os.fork(): time.sleep(2); os._exit(0)\nprint('made')"
    a = repl.run("python", fork % 12, limits={"processes": 10})
    assert a["limit"] == "processes" and not a["success"] and "BlockingIOError" in a["stderr"], a
    a = repl.run("python", fork % 5, limits={"processes": 10})
    assert a["limit"] is None and a["stdout"] == "made\n", a
    a = repl.run("python", "import os\ntry:\n    while True: os.fork() or os._exit(0)\nexcept OSError: print('dealt with')")
    assert a["success"] and a["limit"] is None, a
    a = repl.run("python", "raise SystemExit(3)")
    assert a["exitCode"] == 3 and a["limit"] is None, a


def test_memory_bomb(repl, others):
    a = repl.run("python", "x = []\nwhile True: x.append(bytearray(1 << 20))", limits=PATIENT)
    assert a["limit"] == "memory" and not a["success"], a
    assert a["memoryBytes"] <= 257 * MIB


def test_own_memory_limit(repl):
    a = repl.run("python", "x = bytearray(100 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint('had it')", limits={"memoryBytes": 48 * MIB, **PATIENT})
    assert a["limit"] == "memory" and "had it" not in a["stdout"], a
    a = repl.run("python", "x = bytearray(350 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint('had it')", limits={"memoryBytes": 450 * MIB, **PATIENT})
    assert a["success"], a


@pytest.mark.parametrize("where", ["/box", "/tmp", "/dev/shm", "/run", "/var/tmp", "/", "/usr/lib/lodge", "/etc"])
def test_disk_filler(repl, where):
    a = repl.run("python", f"import os\nn = 0\ntry:\n    with open('{where}/big', 'wb', 0) as f:\n        while True: n += f.write(bytes(1 << 20))\n"
                           "except OSError as e: print(e.strerror, n)", limits=PATIENT)
    assert a["stdout"].split()[-1].isdigit() or a["limit"] in ("memory", "disk", "fileSize"), a
    if a["stdout"]:
        assert int(a["stdout"].split()[-1]) <= 64 * MIB, a


def test_a_gigabyte_of_output(repl, others):
    a = repl.run("bash", "yes | head -c 1073741824", limits=PATIENT)
    assert a["limit"] == "output" and not a["success"] and len(a["stdout"]) == MIB
    said = repl.stream("bash", "yes | head -c 1073741824", limits=PATIENT)
    assert sum(len(d) for _, e, d in said if e == "message" and "ERROR" not in d) <= MIB + 64
    assert '"limit":"output"' in said[-1][2]


def test_output_without_line_end(repl):
    a = repl.run("python", "print('x' * 300000, end='')")
    assert a["success"] and a["stdout"] == "x" * 300000
    said = repl.stream("python", "print('y' * 300000, end='')")
    assert "".join(d for _, e, d in said if e == "message") == "y" * 300000


def test_binary_output(repl):
    a = repl.run("python", "import sys\nsys.stdout.buffer.write(bytes(range(256)) * 4)")
    assert a["success"] and a["binary"] and "\ufffd" in a["stdout"] and "\x00" in a["stdout"]
    said = repl.stream("python", "import sys\nsys.stdout.buffer.write(bytes(range(256)))", query="?format=json")
    assert said[-1][1] == "done"


def test_output_that_is_long_to_tell(repl):
    """As a whole answer it would be a hundred megabytes of JSON."""
    code, limits = "head -c 8388608 /dev/zero | tr '\\0' '\\1'", {"outputBytes": 8 * MIB, **PATIENT}
    a = repl.call("POST", "/execute", {"language": "bash", "code": code, "limits": limits})
    assert a.status == 413 and "/execute/stream" in a.json["error"]["message"], a
    said = repl.stream("bash", code, query="?format=json", limits=limits)
    assert said[-1][1] == "done" and '"success":true' in said[-1][2]


def test_a_long_answer_is_told_to_who_reads_slowly(system, repl):
    c = http.client.HTTPSConnection("localhost", system.https_port, context=system.tls, timeout=120)
    c.request("POST", "/api/repl/execute", json.dumps({"language": "bash", "code": "head -c 8388608 /dev/zero | tr '\\0' x",
                                                       "limits": {"outputBytes": 8 * MIB, **PATIENT}}),
              {"Content-Type": "application/json", **repl.api.headers})
    r = c.getresponse()
    time.sleep(8)  # a slow line
    assert json.loads(r.read())["stdout"] == "x" * 8 * MIB
    c.close()


def test_code_that_is_long_to_write_down_is_in_the_history(repl):
    """Each of its bytes takes six as JSON, on the way to whoever keeps it."""
    code = "print('\\x01' * 5000)\n#" + "\x01" * 20000
    a = repl.run("python", code)
    assert a["success"] and a["stdout"] == "\x01" * 5000 + "\n", a
    entry = until("it is written", lambda: next((r for r in repl.call("GET", "/runs").json["runs"] if r["id"] == a["id"]), None))
    assert entry["code"] == code[:16384] and entry["codeBytes"] == len(code) and entry["output"] == "\x01" * 4096


def test_unicode_everywhere(repl):
    text = "ü €  😀 \u0000".replace("\u0000", "") + "‮ עברית 中文"
    a = repl.run("python", f"import sys\nprint('{text}', sys.argv[1], input(), open('{text.replace(' ', '_')}.txt').read())", args=[text], stdin=text,
                 files=[{"path": text.replace(" ", "_") + ".txt", "content": text}])
    assert a["stdout"] == " ".join([text] * 4) + "\n", a
    said = repl.stream("python", "import sys, time\nfor b in '😀€'.encode(): sys.stdout.buffer.write(bytes([b])); sys.stdout.flush(); time.sleep(0.02)")
    assert "".join(d for _, e, d in said if e == "message") == "😀€"


def test_a_loop_that_ignores_signals_ends_at_once(repl, others):
    t = time.monotonic()
    a = repl.run("python", "import signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except OSError: pass\nwhile True: pass",
                 limits={"timeMs": 1000})
    assert a["limit"] == "time" and time.monotonic() - t < 10  # what names none has ten


def test_zombies_and_orphans(repl):
    a = repl.run("python", "import os, time\nfor i in range(2000):\n    try:\n        if not os.fork(): os._exit(0)\n    except OSError:\n        os.wait()\nprint('made')", limits=PATIENT)
    assert a["success"] and a["stdout"] == "made\n", a
    a = repl.run("bash", "for i in $(seq 200); do (sleep 0.01 &) ; done; wait; echo made", limits=PATIENT)
    assert "made" in a["stdout"], a
    a = repl.run("bash", "(setsid sleep 300 &) ; nohup sleep 300 >/dev/null 2>&1 & echo gone", limits=PATIENT)
    assert a["success"] and a["stdout"] == "gone\n"


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", ".", "..", "", "a//b", "./x", "a/..", "x" * 600])
def test_paths_that_lead_out(repl, path):
    a = repl.call("POST", "/execute", {"language": "bash", "code": "ls", "files": [{"path": path, "content": ""}]})
    assert a.status == 400 and "path" in a.json["error"]["details"]["field"], a


def test_ten_megabytes_of_code(repl):
    code = "x = '" + "a" * (10 * MIB - 40) + "'\nprint(len(x))"
    assert repl.run("python", code)["stdout"] == f"{10 * MIB - 40}\n"
    a = repl.call("POST", "/execute", {"language": "python", "code": "#" * (10 * MIB + 1)})
    assert a.status == 400 and a.json["error"]["details"]["field"] == "code"
    a = repl.call("POST", "/execute", {"language": "python", "code": "#" * (25 * MIB)})
    assert a.status == 413 and a.json["error"]["code"] == "BODY_TOO_LARGE"


def test_code_with_nul(repl):
    a = repl.call("POST", "/execute", {"language": "python", "code": "print(1)\u0000print(2)"})
    assert a.status == 400 and a.json["error"]["code"] == "INVALID_REQUEST"


C_TRIES = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#define TRY(what, call) do { errno = 0; long r = (long)(call); printf("%s %s\n", what, r < 0 ? strerror(errno) : "WORKED"); } while (0)
int main(void)
{
    TRY("ptrace", ptrace(PTRACE_ATTACH, 1, 0, 0));
    TRY("traceme", ptrace(PTRACE_TRACEME, 0, 0, 0));
    TRY("mount", mount("none", "/box", "tmpfs", 0, 0));
    TRY("umount", umount2("/proc", MNT_DETACH));
    TRY("userns", unshare(CLONE_NEWUSER));
    TRY("netns", unshare(CLONE_NEWNET));
    TRY("clone", syscall(SYS_clone, CLONE_NEWUSER | 17, 0, 0, 0, 0));
    TRY("raw", socket(AF_INET, SOCK_RAW, 1));
    TRY("packet", socket(AF_PACKET, SOCK_RAW, 0));
    TRY("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
    TRY("bpf", syscall(SYS_bpf, 0, 0, 0));
    TRY("uring", syscall(SYS_io_uring_setup, 1, 0));
    TRY("keyctl", syscall(SYS_keyctl, 0, -3, 0));
    TRY("chroot", chroot("/box"));
    TRY("setuid", setuid(0));
    TRY("mem", open("/proc/1/mem", 2));
    TRY("fd", open("/proc/1/fd/1", 1));
    TRY("environ", open("/proc/1/environ", 0));
    TRY("kmsg", open("/dev/kmsg", 0));
    TRY("sysrq", open("/proc/sysrq-trigger", 1));
    TRY("core", open("/proc/sys/kernel/core_pattern", 1));
    TRY("root", open("/usr/evil", 0102, 0644));
    TRY("kill", kill(1, 9));
    puts("alive");
}
""".replace("#include <errno.h>", "#include <errno.h>\n#include <fcntl.h>\n#include <signal.h>", 1)


def test_what_needs_rights_is_refused(repl):
    a = repl.run("c", C_TRIES)
    lines = dict(l.split(" ", 1) for l in a["stdout"].splitlines() if " " in l)
    worked = {k for k, v in lines.items() if v == "WORKED"}
    assert len(lines) == 23 and worked <= {"kill"}, a  # a KILL to process 1 is taken and ignored by the kernel
    assert a["stdout"].endswith("alive\n") and a["success"]


def test_no_network(system, repl):
    """Neither the host, nor metadata services, nor other sandboxes: only a loopback of its own. The host listens all the while."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        a = repl.run("python", f"""
import os, socket
print(sorted(os.listdir('/sys/class/net')) if os.path.isdir('/sys/class/net') else ['lo'])
for at in ('127.0.0.1', '10.0.2.2', '169.254.169.254', '172.17.0.1', '{system.pool.text.split('/')[0]}'):
    try:
        socket.create_connection((at, {port}), 1)
        print(at, 'REACHED')
    except OSError as e:
        print(at, e.strerror)
try: print(socket.getaddrinfo('localhost.localdomain', 80) and 'REACHED')
except OSError as e: print('no names')
""")
    assert "REACHED" not in a["stdout"] and "['lo']" in a["stdout"], a


@pytest.fixture
def gateway():
    """A bridge of this test, as tenants' networks have; its address."""
    name, at = "lgtrepl0", "10.213.77.1"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "addr", "add", f"{at}/24", "dev", name], check=True)
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        yield at
    finally:
        subprocess.run(["ip", "link", "del", name], check=True)


TRY = """
import socket
for at, port in {where}:
    try:
        socket.create_connection((at, port), 1)
        print(at, port, 'REACHED')
    except OSError as e:
        print(at, port, e.strerror)
"""


def test_neither_a_gateway_nor_another_sandbox_is_reached(repl, neighbour, gateway):
    """Somebody answers at each of these addresses: to us at the bridge's, to itself in the other sandbox."""
    a = neighbour.call("POST", "/sessions", {"language": "python"})
    assert a.status == 201, a
    at = f"/sessions/{a.json['id']}"
    try:
        said = neighbour.call("POST", f"{at}/execute", {"code": "import socket\ns = socket.create_server(('0.0.0.0', 4711))\n"
                              "socket.create_connection(('127.0.0.1', 4711), 1) and print('listens')"})
        assert "listens" in said.json["stdout"], said
        with socket.create_server((gateway, 0)) as s:
            port = s.getsockname()[1]
            socket.create_connection((gateway, port), 1).close()
            a = repl.run("python", TRY.format(where=[(gateway, port), (gateway, 4711), ("127.0.0.1", 4711), ("10.213.77.2", 4711)]))
        assert a["success"] and "REACHED" not in a["stdout"] and len(a["stdout"].splitlines()) == 4, a
    finally:
        neighbour.call("DELETE", at)


def test_nothing_of_the_host_is_in_there(system, repl):
    a = repl.run("bash", "id -u; cat /proc/1/comm; ls /proc | grep -c '^[0-9]'; env | cut -d= -f1 | sort | tr '\\n' ' '; find / -xdev -name '*.sock' 2>/dev/null;"
                         " cat /proc/self/status | grep -E '^(CapEff|NoNewPrivs|Seccomp):'; ls -la /root 2>&1 | tail -1; mount | grep -v -E ' on (/proc|/sys|/dev|/box|/tmp|/run|/var/tmp|/etc|/)'")
    said = a["stdout"]
    uid = int(said.splitlines()[0])
    assert 2130000 <= uid < 2190000
    assert "CapEff:\t0000000000000000" in said and "NoNewPrivs:\t1" in said and "Seccomp:\t2" in said
    for secret in (system.state, "lodge-runner", "TOKEN", "LODGE", ".sock"):
        assert secret not in said, said


def test_every_run_has_a_user_and_a_box_of_its_own(repl):
    seen = set()
    for _ in range(3):
        a = repl.run("bash", "id -u; hostname; ls -A /box /tmp /dev/shm; echo x > /box/left; echo x > /tmp/left; echo x > /dev/shm/left")
        seen.add(a["stdout"].splitlines()[0])
        assert "left" not in a["stdout"]
    assert len(seen) == 3


def test_symlinks_of_a_program_lead_nowhere(repl):
    a = repl.run("bash", "ln -s / root; ln -s /etc/passwd p; cat root/etc/shadow; echo x > root/etc/x; ls -la root/proc/1/root/ 2>&1; echo done")
    assert "done" in a["stdout"] and "daemon:*" not in a["stdout"], a


def test_file_size_and_cpu_limits(repl):
    a = repl.run("python", "import signal\nwith open('f', 'wb', 0) as f:\n    while True: f.write(bytes(65536))", limits={"fileBytes": 200000, **PATIENT})
    assert not a["success"] and (a["limit"] == "fileSize" or "File too large" in a["stderr"]), a
    a = repl.run("bash", "while :; do :; done", limits={"cpuSeconds": 1, **PATIENT})
    assert a["limit"] == "cpu", a


def test_a_thousand_at_once(system, repl, others):
    """Some are served, the rest is told when to come back; nothing else happens to them, and nobody else suffers."""
    answers, lock = [], threading.Lock()

    def ask(n):
        for _ in range(n):
            a = Repl(system.admin()).call("POST", "/execute", {"language": "bash", "code": "echo 1"})
            with lock:
                answers.append(a)

    crowd = [threading.Thread(target=ask, args=(4,)) for _ in range(250)]
    for t in crowd:
        t.start()
    for t in crowd:
        t.join(200)
    assert len(answers) == 1000
    by = {s: [a for a in answers if a.status == s] for s in {a.status for a in answers}}
    assert set(by) <= {200, 429}, {k: (len(v), v[0]) for k, v in by.items()}
    assert by.get(200) and all(a.json["stdout"] == "1\n" for a in by[200])
    for a in by.get(429, []):
        assert 1 <= int(a.header("Retry-After")) <= 60 and a.json["error"]["code"] == "RATE_LIMITED"
