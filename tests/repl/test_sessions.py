"""Sessions: state between snippets, files, leases, limits."""
import contextlib
import json
import os
import pty
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

from lodge_cli import LODGE, Cli
from lodge_system import until
from repl_names import children, connect, events, init_of, listen, read


# Short naps: a signal just before a long one would be seen at its end.
NAPS = "import time\nfor _ in range(600): time.sleep(0.1)"

# What says that it has begun and would go on for a minute or for ever, and what is said when it is interrupted. (A signal in the
# very moment in which JavaScript goes over to waiting may be lost.)
WAITS = "(async () => { await null; console.log('begun'); await new Promise((r) => setTimeout(r, 60000)); })()"
ENDLESS = {
    "python": ("python", "print('begun', flush=True)\n" + NAPS, "KeyboardInterrupt"),
    "javascript loop": ("javascript", "console.log('begun'); for (;;);", "interrupted"),
    "javascript promise": ("javascript", WAITS, "interrupted"),
    "javascript with a listener": ("javascript", f"process.on('SIGINT', () => console.error('heard')); {WAITS}", "heard"),
    "bash loop": ("bash", "echo begun; while :; do :; done; echo on", ""),
    "bash program": ("bash", "echo begun; f() { while :; do sleep 60; done; }; for i in 1 2 3; do f; done; echo on", ""),
    "bash builtin": ("bash", "echo begun; sleep 60 & wait; echo on", ""),
}
KEPT = {"python": ("x = 1", "x"), "javascript": ("x = 1", "x"), "bash": ("x=1", "echo $x")}
endless = pytest.mark.parametrize("language, code, said", ENDLESS.values(), ids=ENDLESS)


@pytest.fixture
def session(repl):
    made = []

    def make(language, **more):
        until("a sandbox is ready", lambda: repl.status()["ready"] > 0)
        a = repl.call("POST", "/sessions", {"language": language, **more})
        assert a.status == 201, a
        made.append(a.json["id"])

        def run(code, expect=200, **more):
            a = repl.call("POST", f"{run.at}/execute", {"code": code, **more})
            assert a.status == expect, a
            return a.json

        run.id = a.json["id"]
        run.at = f"/sessions/{run.id}"
        return run

    yield make
    for i in made:
        repl.call("DELETE", f"/sessions/{i}")


def test_python(session):
    run = session("python")
    assert run("x = 20\ndef f(n): return n + 1")["success"]
    a = run("print('in')\nf(x)")
    assert a["stdout"] == "in\n21\n" and a["success"] and a["exitCode"] == 0
    a = run("1/0")
    assert not a["success"] and a["stderr"].splitlines()[-1] == "ZeroDivisionError: division by zero" and "lodge" not in a["stderr"]
    assert run("x")["stdout"] == "20\n"
    assert not run("x ===")["success"]
    assert run("import sys; sys.argv[1]", args=["a b"])["stdout"] == "'a b'\n"


def test_the_limits_of_a_snippet(session):
    run = session("python")
    for of_a_process in ("cpuSeconds", "processes", "fileBytes", "compileTimeMs"):
        a = run("1", 400, limits={of_a_process: 5})
        assert a["error"]["details"]["field"] == f"limits.{of_a_process}", a
    a = run("print('x' * 100)", limits={"outputBytes": 10})
    assert a["limit"] == "output" and a["stdout"] == "x" * 10, a


def test_a_limit_that_one_snippet_hit_is_not_the_next_one_s(session):
    run = session("python")
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'len(bytes([1]) * (1 << 30))']).returncode"
    a = run(child, limits={"memoryBytes": 96 << 20})
    assert a["limit"] == "memory" and a["stdout"] == "-9\n", a
    a = run("1", limits={"memoryBytes": 96 << 20})
    assert a["success"] and a["limit"] is None, a
    assert run(child, limits={"memoryBytes": 96 << 20})["limit"] == "memory"


def test_javascript(session):
    run = session("javascript")
    assert run("const x = 20; function f(n) { return n + 1; }")["success"]
    assert run("console.log('in'); f(x)")["stdout"] == "in\n21\n"
    assert not run("throw new Error('no')")["success"]
    assert run("await_ = Promise.resolve(5)")["stdout"] == "5\n"
    assert run("require('fs').writeFileSync('a', 'b'); x")["stdout"] == "20\n"


def test_long_output_of_javascript(session):
    run = session("javascript")
    assert run("console.log('x'.repeat(400000))")["stdout"] == "x" * 400000 + "\n"
    assert run("1")["stdout"] == "1\n"


def test_bash(session):
    run = session("bash")
    run("x=20; f() { echo $((x + $1)); }; cd /tmp")
    assert run("f 1; pwd")["stdout"] == "21\n/tmp\n"
    assert run("false")["exitCode"] == 1
    assert run("echo $x $1", args=["a b"])["stdout"] == "20 a b\n"
    assert run("read n; echo got $n", stdin="5\n")["stdout"] == "got 5\n"


ALL_INPUT = {"python": ["import sys; print(sys.stdin.read(), end='')", "print(open(0, closefd=False).read(), end='')"],
             "javascript": ["process.stdout.write(require('fs').readFileSync(0, 'utf8')), undefined",
                            "(async () => { for await (const piece of process.stdin) process.stdout.write(piece); })()"],
             "bash": ["cat", "while IFS= read -r line; do echo \"$line\"; done"]}
ONE_LINE = {"python": "print(input())", "javascript": "require('readline').createInterface({ input: process.stdin }).on('line', console.log); new Promise((r) => setTimeout(r, 300))",
            "bash": "read line; echo $line"}
NOTHING = {"python": "None", "javascript": "undefined", "bash": ":"}


@pytest.mark.parametrize("language", ALL_INPUT)
def test_standard_input_is_a_snippet_s_own_and_ends(session, language):
    run = session(language)
    for _ in range(2):
        for code in ALL_INPUT[language]:
            a = run(code, stdin="a\nü\n")
            assert a["stdout"] == "a\nü\n" and a["stdinBytes"] == 5, a
            a = run(code)
            assert a["success"] and a["stdout"] == "" and a["stdinBytes"] == 0, a
            assert run(code, stdin="line\n" * 50000)["stdout"] == "line\n" * 50000
    assert run(ONE_LINE[language], stdin="b\nc\nd\n")["stdout"].startswith("b\n")
    assert run(code)["stdout"] == "", "what one left unread came to the next"
    for many in (100, 2_000_000):
        a = run(NOTHING[language], stdin="x" * many)
        assert a["success"] and a["stdinBytes"] == 0, a
        assert run(code, stdin="y\n")["stdout"] == "y\n"


ASKING = {"python": "for _ in range(2):\n    print('hello', input('name? '), flush=True)\nimport sys\nprint('rest', len(sys.stdin.buffer.read()))",
          "javascript": "(async () => { let n = 0; await null; process.stdout.write('name? '); for await (const line of require('readline').createInterface({ input: process.stdin }))"
                        "  process.stdout.write([() => `hello ${line}\\nname? `, () => `hello ${line}\\n`, () => `rest ${line.length}\\n`][n++]()); })()",
          "bash": "for i in 1 2; do printf 'name? '; read -r n; echo \"hello $n\"; done; echo rest $(wc -c)"}


@pytest.mark.parametrize("language", ASKING)
def test_a_conversation_with_a_snippet(system, repl, session, language):
    run = session(language)
    for _ in range(2):
        ws = connect(system, repl, begin(repl, run, ASKING[language], interactive=True))
        assert read(ws, "name? ")[0] == "name? "
        ws.send(json.dumps({"stdin": "Ada ü\n"}))
        assert read(ws, "name? ")[0] == "hello Ada ü\nname? "
        ws.send(json.dumps({"stdin": "Bob\n"}))
        assert read(ws, "\n")[0] == "hello Bob\n"
        ws.send_binary(bytes(256))
        ws.send(json.dumps({"eof": True}))
        said, end = read(ws)
        assert said == "rest 256\n" and end["done"]["success"] and end["done"]["stdinBytes"] == len("Ada ü\nBob\n".encode()) + 256, (said, end)
        ws = connect(system, repl, begin(repl, run, ASKING[language], interactive=True))
        read(ws, "name? ")
        ws.send(json.dumps({"interrupt": True}))
        said, end = read(ws)
        assert end["done"]["exitCode"] == 1 and end["done"]["limit"] is None, end
    ws = connect(system, repl, begin(repl, run, ALL_INPUT[language][0], stdin="given\n"))
    ws.send(json.dumps({"stdin": "typed\n"}))
    assert read(ws)[0] == "given\n"


def test_files(repl, session):
    run = session("python")
    data = bytes(range(256)) * 1000
    a = repl.call("PUT", f"{run.at}/file?path=d/in.bin", data, **{"Content-Type": "application/octet-stream"})
    assert a.status == 200 and [f["path"] for f in a.json["files"]] == ["d/in.bin"], a
    assert run("d = open('d/in.bin', 'rb').read()\nopen('out', 'wb').write(d[::-1])\nlen(d)")["success"]
    files = {f["path"]: f["size"] for f in repl.call("GET", f"{run.at}/files").json["files"]}
    assert files == {"d/in.bin": 256000, "out": 256000}
    assert repl.call("GET", f"{run.at}/file?path=out").body == data[::-1]
    run("import os\nos.symlink('/etc/passwd', 'p'); os.symlink('/', 'r'); os.mkfifo('fifo')")
    for path, status in (("p", 404), ("r/etc/passwd", 404), ("fifo", 404), ("nowhere", 404), ("../etc/passwd", 400), ("", 400)):
        assert repl.call("GET", f"{run.at}/file?path={path}").status == status, path
    assert repl.call("PUT", f"{run.at}/file?path=r/tmp/x", b"x", **{"Content-Type": "application/octet-stream"}).status == 400


def test_the_largest_file(repl, session):
    run, largest, binary = session("python"), 8 << 20, {"Content-Type": "application/octet-stream"}
    data = os.urandom(largest)
    assert repl.call("PUT", f"{run.at}/file?path=a", data, **binary).status == 200
    assert repl.call("GET", f"{run.at}/file?path=a").body == data
    for larger in (largest + 1, 60 << 20):
        assert run(f"import os; os.truncate('a', {larger})")["success"]
        a = repl.call("GET", f"{run.at}/file?path=a")
        assert a.status == 413 and a.error == "BODY_TOO_LARGE" and str(largest) in a.json["error"]["message"], a
    assert [f["size"] for f in repl.call("GET", f"{run.at}/files").json["files"]] == [60 << 20]


@endless
def test_a_snippet_that_takes_too_long_is_interrupted(session, language, code, said):
    run = session(language)
    put, get = KEPT[language]
    run(put)
    for _ in range(2):
        a = run(code, limits={"timeMs": 500})
        assert a["limit"] == "time" and a["exitCode"] == 1 and said in a["stderr"] and a["stdout"] == "begun\n", a
    assert run(get)["stdout"] == "1\n"


def test_a_snippet_that_listens_to_no_interrupt_ends_its_session(repl, session):
    run = session("python")
    a = run("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", limits={"timeMs": 500})
    assert a["limit"] == "time"
    assert repl.call("POST", f"{run.at}/execute", {"code": "x"}).status == 404


@endless
def test_interrupt(system, repl, neighbour, session, language, code, said):
    run = session(language)
    put, get = KEPT[language]
    run(put)
    assert repl.call("POST", f"{run.at}/interrupt").status == 409  # nothing runs
    assert neighbour.call("POST", f"{run.at}/interrupt").status == 404
    snippet = repl.call("POST", f"{run.at}/runs", {"code": code, "limits": {"timeMs": 60000}}).json
    stream = listen(system, repl, snippet)
    while b"begun" not in stream.readline():
        assert not stream.isclosed(), "it ended before it had begun"
    assert repl.call("GET", run.at).json["state"] == "running"
    assert repl.call("POST", f"{run.at}/interrupt").status == 204
    rest = stream.read()
    assert said.encode() in rest and b'"exitCode":1' in rest and b'"limit":null' in rest, rest
    assert run(get)["stdout"] == "1\n"


@contextlib.contextmanager
def silent(system, run):
    """Its lodge-box neither reads nor says anything meanwhile."""
    box = init_of(system, run("import os; os.getuid()")["stdout"])
    os.kill(box, signal.SIGSTOP)
    yield
    with contextlib.suppress(ProcessLookupError):
        os.kill(box, signal.SIGCONT)


def test_a_sandbox_that_takes_nothing_any_more_harms_only_itself(system, repl, session):
    """What is put waits, and neither the pool nor the next who asks gets to feel it; nor is a session kept that nobody can use."""
    pool, run, binary = children(system, "lodge-sandbox"), session("python"), {"Content-Type": "application/octet-stream"}
    with silent(system, run):
        a = repl.call("PUT", f"{run.at}/file?path=f", b"z" * 20_000_000, **binary)
        assert a.status == 504 and a.error == "TIMEOUT", a
        assert repl.call("PUT", f"{run.at}/file?path=f", b"z", **binary).status == 404
        assert repl.call("GET", run.at).status == 404
    assert children(system, "lodge-sandbox") == pool, "the pool was started again"
    assert repl.call("POST", "/execute", {"language": "python", "code": "print(1)"}).json["stdout"] == "1\n"


def test_who_waits_for_silent_sandboxes_does_not_hold_the_api(system, repl, session):
    """Each question that waits holds a worker of lodge-api: a tenant gets a quarter of them, and the next one is told to come again."""
    runs, answers = [session("python") for _ in range(3)], []

    def ask(run):
        answers.append(repl.call("GET", f"{run.at}/files"))
    with contextlib.ExitStack() as stack:
        for run in runs:
            stack.enter_context(silent(system, run))
        threads = [threading.Thread(target=ask, args=(run,)) for run in runs]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
    assert sorted(a.status for a in answers) == [429, 504, 504], answers
    refused = next(a for a in answers if a.status == 429)
    assert refused.error == "RATE_LIMITED" and int(refused.header("Retry-After")) >= 1
    assert sorted(repl.call("DELETE", run.at).status for run in runs) == [204, 404, 404]  # who did not answer has ended
    assert repl.call("POST", "/execute", {"language": "python", "code": "print(1)"}).json["stdout"] == "1\n"


def test_what_a_snippet_leaves_behind_rests_until_the_next(repl, session):
    """Processes and threads, however busy; files are there all the while."""
    run = session("bash")
    a = run("(while :; do echo x >> beats; sleep 0.02; done) &\nyes > /dev/null &\nwhile [ ! -s beats ]; do sleep 0.02; done; echo begun")
    assert a["stdout"] == "begun\n" and a["success"], a

    def beats():
        return len(repl.call("GET", f"{run.at}/file?path=beats").body)
    before = beats()
    assert repl.run("bash", "sleep 2; echo elsewhere")["stdout"] == "elsewhere\n"
    assert beats() == before, "it went on"
    a = run("read n < <(wc -l < beats); while [ $(wc -l < beats) = $n ]; do sleep 0.02; done; echo goes on; jobs | grep -c Running")
    assert a["stdout"] == "goes on\n2\n", a
    run("kill %1 %2; wait")
    run = session("python")
    assert run("n = 0\ndef count():\n    global n\n    while True: n += 1\nimport threading, time\nthreading.Thread(target=count, daemon=True).start()")["success"]
    first = int(run("print(n)")["stdout"])
    assert repl.run("bash", "sleep 2; echo elsewhere")["stdout"] == "elsewhere\n"
    a = run("began = n\ntime.sleep(0.5)\nprint(began, n)")
    began, later = map(int, a["stdout"].split())
    assert began - first < later - began, "it counted in between as much as in half a second of its own"


def test_what_is_printed_between_snippets_is_told_with_the_next(repl, session):
    run = session("bash")
    run("(while :; do timeout 50 yes; done) &", limits={"outputBytes": 8 << 20, "timeMs": 60000})
    assert repl.run("bash", "sleep 1; echo elsewhere")["stdout"] == "elsewhere\n"
    assert repl.call("GET", run.at).json["state"] == "idle"
    a = run("sleep 5", limits={"outputBytes": 1000})
    assert a["limit"] == "output" and a["stdout"] == "y\n" * 500, a
    assert repl.call("GET", run.at).status == 404


ESCAPE = """
import ctypes, signal, threading
class Event(ctypes.Structure):
    _fields_ = [("value", ctypes.c_void_p), ("signo", ctypes.c_int), ("notify", ctypes.c_int), ("pad", ctypes.c_char * 48)]
class Times(ctypes.Structure):
    _fields_ = [(n, ctypes.c_long) for n in ("every_s", "every_ns", "first_s", "first_ns")]
def spin():
    while True: pass
libc, timer = ctypes.CDLL(None), ctypes.c_void_p()
threading.Thread(target=spin, daemon=True).start()
assert not libc.timer_create(1, ctypes.byref(Event(signo=signal.SIGCONT, notify=0)), ctypes.byref(timer))
assert not libc.timer_settime(timer, 0, ctypes.byref(Times(0, 1000000, 0, 1000000)), None)
"""


def test_who_does_not_rest_between_snippets_is_ended(repl, session):
    """A timer of the kernel wakes a process that was stopped: then the session is over, and says so. A stop that comes while
    the timer's signal is on its way is the timer's end, so it is tried again."""
    run = session("python")
    assert run("x = 1")["success"]

    def ended():
        a = repl.call("GET", run.at)
        if a.status != 404:
            repl.call("POST", f"{run.at}/execute", {"code": ESCAPE})
        return a.status == 404 and a

    a = until("the session has ended", ended, step=4)
    assert "went on computing between snippets" in a.json["error"]["message"], a
    assert "went on computing" in repl.call("POST", f"{run.at}/execute", {"code": "x"}).json["error"]["message"]


def test_a_flood_of_snippets_waits_its_turn(system, repl, neighbour, session):
    """They are the tenant's code like its runs: half of the host's turns and no more, so that others are served meanwhile."""
    flood = [session("python") for _ in range(8)]
    snippets = [begin(repl, run, "x = 1\nwhile True: pass", limits={"timeMs": 60000}) for run in flood]
    half = 2 * os.cpu_count()
    assert repl.status()["running"] <= half, "more than half of all turns"
    for _ in range(3):
        a = neighbour.call("POST", "/execute", {"language": "bash", "code": "echo served"})
        assert a.status == 200 and a.json["stdout"] == "served\n", a
    waiting = [(run, s) for run, s in zip(flood, snippets) if s["state"] == "queued"]
    assert len(waiting) == max(0, len(flood) - half), snippets
    for run, s in waiting[:1]:
        assert repl.call("POST", f"{run.at}/runs", {"code": "1"}).status == 409
        assert repl.call("DELETE", run.at).status == 204  # and its snippet with it
        assert told(listen(system, repl, s))[-1][1]["error"]["code"] == "GONE"
    for run, s in waiting[1:]:
        assert repl.call("POST", f"{run.at}/interrupt").status == 204  # it is not begun any more
        assert told(listen(system, repl, s))[-1][1]["limit"] == "stopped"
    for run, s in zip(flood, snippets):
        if s["state"] == "running":
            assert repl.call("DELETE", run.at).status == 204
    for run, _ in waiting[1:]:
        assert run("x = 2\nx")["stdout"] == "2\n", "a session ended with a snippet that had not begun"


class Terminal:
    """`lodge repl python` at a terminal of its own."""

    def __init__(self, system):
        self.master, slave = pty.openpty()
        self.p = subprocess.Popen(["setsid", "--ctty", LODGE, "repl", "python"], stdin=slave, stdout=slave, stderr=slave, env=Cli(system).environment())
        os.close(slave)
        self.said = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.kill()
        self.p.wait()
        os.close(self.master)

    def types(self, text):
        os.write(self.master, text)

    def reads(self, mark, patience=60, must=True):
        end = time.monotonic() + patience
        while mark not in self.said:
            if time.monotonic() > end or self.p.poll() is not None:
                assert not must, self.said
                return False
            if select.select([self.master], [], [], 0.2)[0]:
                self.said += os.read(self.master, 4096)
        self.said = self.said[self.said.index(mark) + len(mark):]
        return True


def test_ctrl_c_in_the_command(system):
    with Terminal(system) as t:
        t.reads(b">>> ")
        t.types(b"half a li\x03")
        t.reads(b">>> ")
        # Short naps: a signal just before a long one would be seen at its end.
        t.types(b"import time; print('be' + 'gun', flush=True); [time.sleep(0.1) for _ in range(600)]\n")
        t.reads(b"begun")
        t.types(b"\x03")
        t.reads(b"KeyboardInterrupt")
        t.reads(b">>> ")
        t.types(b"print('still ' + 'here')\n")
        t.reads(b"still here")
        t.reads(b">>> ")
        t.types(b"\x04")
        assert t.p.wait(60) == 0


def test_typing_to_a_snippet(system):
    with Terminal(system) as t:
        t.reads(b">>> ")
        t.types(b"print('hello ' + input('na' + 'me? '))\n")
        t.reads(b"name? ")
        t.types(b"Ada\n")
        t.reads(b"hello Ada")
        t.reads(b">>> ")
        # What it does not read is the next line.
        t.types(b"import time; print('be' + 'gun', flush=True); time.sleep(1)\n")
        t.reads(b"begun")
        t.types(b"print('typed ' + 'ahead')\nprint('and ' + 'more')\n")
        t.reads(b"typed ahead")
        t.reads(b"and more")
        t.types(b"x = 20\ndef f():\n    return x + 1\n\nprint('pas' + 'ted', f())\n")
        t.reads(b"pasted 21")
        t.types(b"import sys; print(len(sys.stdin.read()), 'by' + 'tes')\nabc\n\x04")
        t.reads(b"4 bytes")
        t.types(b"input('mo' + 're? ')\n")
        t.reads(b"more? ")
        t.types(b"\x03")
        t.reads(b"KeyboardInterrupt")
        t.reads(b">>> ")
        t.types(b"\x04")
        assert t.p.wait(60) == 0


def test_a_second_ctrl_c_ends_a_session_that_listens_to_none(system):
    with Terminal(system) as t:
        t.reads(b">>> ")
        t.types(b"import signal; a = signal.signal(signal.SIGINT, lambda *a: print('not ' + 'me', flush=True))\n")
        t.reads(b">>> ")
        t.types(b"exec(\"print('be' + 'gun', flush=True)\\nwhile True: pass\")\n")
        t.reads(b"begun")
        t.types(b"\x03")
        t.reads(b"not me")
        t.types(b"\x03")
        while not t.reads(b"the session is ended", 3, must=False):  # a press so soon after the first counts as the same
            t.types(b"\x03")
        assert t.p.wait(60) == 1


def begin(repl, run, code, **more):
    a = repl.call("POST", f"{run.at}/runs", {"code": code, **more})
    assert a.status == 201, a
    return a.json


def told(response):
    return [(name, json.loads(data)) for _, name, data in events(response.read().decode())]


def test_a_lost_connection_is_taken_up_again(system, repl, neighbour, session):
    """As that of a run of its own: before the loss is noticed, after it, and just after the end; the session lives on."""
    run = session("bash")
    snippet = begin(repl, run, "x=kept; echo one; echo two >&2; read -t 3 < <(sleep 9); echo three")
    assert neighbour.call("POST", f"{run.at}/runs", {"code": "echo"}).status == 404
    assert repl.call("POST", f"{run.at}/runs", {"code": "echo"}).status == 409  # one at a time
    first = listen(system, repl, snippet)
    head = ""
    while "two" not in head:
        head += first.read1(65536).decode()
    assert neighbour.call("GET", f"/runs/{snippet['id']}/stream?again=true").status == 404
    second = listen(system, repl, snippet, "&again=true")
    while b"two" not in second.read1(65536):
        pass
    second.fp.raw._sock.shutdown(socket.SHUT_RDWR)
    whole = told(listen(system, repl, snippet, "&again=true"))
    assert "".join(d["text"] for name, d in whole if name == "output" and d["stream"] == "stdout") == "one\nthree\n"
    assert [d["text"] for name, d in whole if name == "output" and d["stream"] == "stderr"] == ["two\n"]
    assert whole[-1][0] == "done" and whole[-1][1]["success"]
    assert told(listen(system, repl, snippet)) == whole
    assert run("echo $x")["stdout"] == "kept\n"


def test_whoever_stays_away_ends_the_session(system, repl, session):
    run = session("bash")
    snippet = begin(repl, run, "echo in; while :; do :; done")
    r = listen(system, repl, snippet)
    while b"in" not in r.read1(65536):
        pass
    r.fp.raw._sock.shutdown(socket.SHUT_RDWR)
    until("it has ended", lambda: repl.status()["running"] == 0, timeout=10)
    assert repl.call("GET", run.at).status == 404
    assert repl.call("GET", f"/runs/{snippet['id']}/stream?again=true").status == 404


class Wire:
    """A way to Lodge's plain port whose connections can be cut."""

    def __init__(self, port):
        self.port, self.server, self.open = port, socket.create_server(("127.0.0.1", 0)), []
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                near, far = self.server.accept()[0], socket.create_connection(("127.0.0.1", self.port))
                self.open += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self.copy, args=ends, daemon=True).start()

    @staticmethod
    def copy(source, to):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)

    def cut(self):
        for s in self.open:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
        self.open = []

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.cut()


def test_the_command_goes_on_after_a_lost_connection(system):
    wire = Wire(system.http_port)
    try:
        cli = Cli(system, LODGE_URL=wire.url, LODGE_TOKEN=system.admin().token)
        p = subprocess.Popen([LODGE, "repl", "bash"], env=cli.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        p.stdin.write("echo one; read -t 3 < <(sleep 9); echo two\n")
        p.stdin.close()
        assert p.stdout.readline() == "one\n"
        wire.cut()
        assert p.stdout.read() == "two\n"
        assert p.wait(20) == 0
    finally:
        wire.close()


def test_it_ends_with_its_interpreter_and_its_lease(repl, neighbour, session):
    run = session("python", ttlSeconds=10)
    assert neighbour.call("GET", run.at).status == 404 and neighbour.call("POST", f"{run.at}/execute", {"code": ""}).status == 404
    assert run.id in [s["id"] for s in repl.call("GET", "/sessions").json["sessions"]]
    for _ in range(3):
        time.sleep(4)
        run("1")  # use renews
    until("the lease runs out", lambda: repl.call("GET", run.at).status == 404)
    run = session("python")
    assert run("import sys; sys.exit(4)")["exitCode"] == 4
    assert repl.call("GET", run.at).status == 404
    assert repl.call("POST", "/sessions", {"language": "c"}).status == 400
