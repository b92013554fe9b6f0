"""Code in, result out: the languages, files, input, arguments, limits, and the shape of every answer."""
import time

import pytest

from lodge_system import until

LANGUAGES = {
    "python": ("import sys\nprint('hello', sys.argv[1], sys.stdin.read())", "hello a b in\n"),
    "javascript": ("console.log('hello', process.argv[2], require('fs').readFileSync(0, 'utf8'))", "hello a b in\n"),
    "bash": ("echo \"hello $1 $(cat)\"", "hello a b in\n"),
    "c": ("#include <stdio.h>\nint main(int n, char **v) { char b[9] = \"\"; fgets(b, 9, stdin); printf(\"hello %s %s\\n\", v[1], b); }",
          "hello a b in\n"),
    "ruby": ("puts \"hello #{ARGV[0]} #{STDIN.read}\"", "hello a b in\n"),
    "perl": ("my $i = <STDIN>; print \"hello $ARGV[0] $i\\n\"", "hello a b in\n"),
}


def test_the_spec_s_words(repl):
    a = repl.run("python", "print(1)")
    assert a["result"] == "1\n" and a["success"] is True
    assert a["stdout"] == "1\n" and a["stderr"] == "" and a["exitCode"] == 0 and a["signal"] is None and a["limit"] is None
    assert 0 < a["timeMs"] <= 10000 and a["memoryBytes"] > 1 << 20


def test_languages(repl):
    l = repl.languages()
    assert {"python", "javascript", "bash", "c", "ruby", "perl", "sql"} <= set(l["languages"])
    for d in l["details"]:
        assert d["state"] == "ready" and d["version"][0].isdigit() and d["example"], d
        assert repl.run(d["name"], d["example"])["success"], d["name"]
    assert repl.run("py", "print(2)")["stdout"] == "2\n"


@pytest.mark.parametrize("language", LANGUAGES)
def test_arguments_and_input(repl, language):
    code, says = LANGUAGES[language]
    a = repl.run(language, code, args=["a b"], stdin="in")
    assert a["stdout"] == says and a["success"], a


def test_sql(repl):
    a = repl.run("sql", "CREATE TABLE t (n); INSERT INTO t VALUES (41); SELECT n + 1 AS answer FROM t;")
    assert a["success"] and "42" in a["stdout"] and "answer" in a["stdout"]
    assert not repl.run("sql", "SELECT * FROM nowhere;")["success"]


def test_files(repl):
    a = repl.run("python", "import glob\nfor f in sorted(glob.glob('/box/**/*.txt', recursive=True)): print(f, open(f).read())",
                 files=[{"path": "a.txt", "content": "one"}, {"path": "d/e/b.txt", "content": "zwei ü"}])
    assert a["stdout"] == "/box/a.txt one\n/box/d/e/b.txt zwei ü\n"


def test_a_failing_program_is_an_answer(repl):
    a = repl.run("python", "import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.exit(3)")
    assert (a["success"], a["exitCode"], a["stdout"], a["stderr"]) == (False, 3, "out\n", "err\n")
    assert "out\n" in a["result"] and "err\n" in a["result"]
    a = repl.run("python", "1/0")
    assert a["exitCode"] == 1 and a["stderr"].splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert '"main.py", line 1' in a["stderr"] and "lodge" not in a["stderr"]
    a = repl.run("bash", "kill -SEGV $$")
    assert a["signal"] == "SIGSEGV" and a["exitCode"] is None and not a["success"]


def test_compile_step_is_apart(repl):
    a = repl.run("c", "int main(void) { return 4; }")
    assert a["compile"]["success"] and a["exitCode"] == 4 and a["compile"]["timeMs"] > 0
    a = repl.run("c", "int main(void) { return x; }")
    assert not a["success"] and not a["compile"]["success"] and a["compile"]["exitCode"] == 1 and a["exitCode"] is None
    assert "undeclared" in a["compile"]["stderr"] and "undeclared" in a["result"] and a["stdout"] == ""


def test_main_module_is_the_program(repl):
    a = repl.run("python", "import __main__, sys\nx = 5\nprint(__name__, __main__.x, sys.argv, '__file__' in globals())")
    assert a["stdout"] == "__main__ 5 ['main.py'] True\n", a


def test_stream(repl):
    said = repl.stream("python", "import array, fcntl, os, sys, termios, time\n"
                       "for fd, text in ((1, b'a\\n'), (2, b'b\\n'), (1, b'c')):\n"
                       "    os.write(fd, text)\n"
                       "    left = array.array('i', [1])\n"
                       "    while left[0]:  # so that it is read before the other stream has something\n"
                       "        time.sleep(0.02)\n"
                       "        fcntl.ioctl(fd, termios.FIONREAD, left)\n"
                       "sys.exit(3)")
    assert [i for i, _, _ in said] == list(range(1, len(said) + 1))
    assert [d for _, e, d in said if e == "message"] == ["a\n", "ERROR: b\n", "c"]
    assert said[-1][1] == "done" and '"exitCode":3' in said[-1][2]


def test_stream_comes_as_it_is_said(system, repl):
    import http.client
    import json
    c = http.client.HTTPSConnection("localhost", system.https_port, context=system.tls)
    t = time.monotonic()
    c.request("POST", "/api/repl/execute/stream", json.dumps({"language": "bash", "code": "echo now; sleep 50; echo later", "limits": {"timeMs": 60000}}),
              {"Content-Type": "application/json", **repl.api.headers})
    r = c.getresponse()
    first = r.read1(65536)
    assert b"data: now" in first and time.monotonic() - t < 50
    c.close()


def test_bad_requests(repl):
    for body, field in (({}, "language"), ({"language": "python"}, "code"), ({"language": "python", "code": 1}, "code"),
                        ({"language": "python", "code": "", "files": [{"path": "../x", "content": ""}]}, "files.path"),
                        ({"language": "python", "code": "", "files": [{"path": "/x", "content": ""}]}, "files.path"),
                        ({"language": "python", "code": "", "limits": {"timeMs": 0}}, "limits.timeMs"),
                        ({"language": "python", "code": "", "limits": {"timeoutMs": 5}}, "limits.timeoutMs")):
        a = repl.call("POST", "/execute", body)
        assert a.status == 400 and a.json["error"]["details"].get("field") == field, (body, a)
    a = repl.call("POST", "/execute", {"language": "cobol", "code": ""})
    assert a.status == 400 and "cobol" in a.json["error"]["message"]
    assert repl.run("python", "print(1)", unknown="field")["success"]


def test_time_limit(repl):
    t = time.monotonic()
    a = repl.run("bash", "trap '' TERM INT HUP; echo begun; while :; do :; done", limits={"timeMs": 700})
    assert a["limit"] == "time" and not a["success"] and a["stdout"] == "begun\n" and time.monotonic() - t < 10  # what names none has ten


def test_history(repl, neighbour):
    a = repl.run("python", "print('for history')\nraise SystemExit(5)")
    until("it is written", lambda: any(r["id"] == a["id"] for r in repl.call("GET", "/runs?pageSize=50").json["runs"]), timeout=60)
    l = repl.call("GET", "/runs?pageSize=50").json
    r = next(r for r in l["runs"] if r["id"] == a["id"])
    assert (r["language"], r["exitCode"], r["success"], r["output"]) == ("python", 5, False, "for history\n")
    assert r["code"].startswith("print('for") and r["codeBytes"] == len(r["code"]) and r["timeMs"] >= 0 and r["createdAt"]
    assert l["total"] >= len(l["runs"]) > 0
    assert a["id"] not in {r["id"] for r in neighbour.call("GET", "/runs?pageSize=500").json["runs"]}


@pytest.fixture
def ceilings(system, neighbour):
    """Sets the neighbour's, and takes them away in the end."""
    at = f"/tenants/{neighbour.api.tenant['id']}/quota"
    yield lambda **limits: system.admin().put(at, limits, 200, If_Match="*")
    system.admin().put(at, {}, 200, If_Match="*")


def refused(answer, limit, field, total, requested):
    d = answer.json["error"]["details"]
    assert answer.status == 403 and answer.error == "RESOURCE_LIMIT_EXCEEDED", answer
    assert d == {"limit": limit, "field": f"limits.{field}", "total": str(total), "requested": str(requested), "scope": "tenant", "raisedBy": "administrator"}
    assert all(str(word) in answer.json["error"]["message"] for word in (limit, field, total, requested, "administrator"))


EAT = "x = bytearray(%d << 20)\nprint(len(x) >> 20)"


def test_a_tenants_own_ceilings(repl, neighbour, ceilings):
    ceilings(codeTimeMs=1500, codeMemory=64 << 20, codeOutput=1000)
    for path in ("/execute", "/execute/stream", "/runs"):
        for field, limit, total, over in (("timeMs", "codeTimeMs", 1500, 1501), ("compileTimeMs", "codeTimeMs", 1500, 60000),
                                          ("memoryBytes", "codeMemory", 64 << 20, 65 << 20), ("outputBytes", "codeOutput", 1000, 1001)):
            refused(neighbour.call("POST", path, {"language": "bash", "code": "echo", "limits": {field: over}}), limit, field, total, over)
    # What names no limit is kept to them as well.
    assert neighbour.run("bash", "sleep 30")["limit"] == "time"
    ceilings(codeMemory=64 << 20, codeOutput=1000)
    assert neighbour.run("bash", "echo in", limits={"memoryBytes": 64 << 20, "outputBytes": 1000})["stdout"] == "in\n"
    assert neighbour.run("bash", "head -c 5000 /dev/zero | tr '\\0' x")["stdout"] == "x" * 1000
    assert neighbour.run("python", EAT % 100, limits={"timeMs": 60000})["limit"] == "memory"
    assert repl.run("python", EAT % 100, limits={"timeMs": 60000})["stdout"] == "100\n", "another tenant has its own"
    ceilings(codeTimeMs=3600000, codeMemory=1 << 40)
    assert neighbour.run("python", EAT % 100, limits={"timeMs": 3600000})["stdout"] == "100\n"
    assert neighbour.run("python", EAT % 600, limits={"memoryBytes": 10 ** 12, "timeMs": 60000})["limit"] == "memory", "the host's setting holds beside it"


def test_sessions_are_kept_to_the_ceilings(repl, neighbour, ceilings):
    ceilings(codeTimeMs=1500, codeMemory=64 << 20, codeOutput=1000)
    until("a sandbox is ready", lambda: repl.status()["ready"] > 0)
    s = neighbour.call("POST", "/sessions", {"language": "python"})
    assert s.status == 201, s
    at = f"/sessions/{s.json['id']}"
    for path in ("/execute", "/execute/stream", "/runs"):
        refused(neighbour.call("POST", at + path, {"code": "1", "limits": {"timeMs": 2000}}), "codeTimeMs", "timeMs", 1500, 2000)
    assert neighbour.call("POST", f"{at}/execute", {"code": "import time\ntime.sleep(30)"}).json["limit"] == "time"
    ceilings(codeMemory=64 << 20, codeOutput=1000)
    until("a sandbox is ready", lambda: repl.status()["ready"] > 0)
    at = f"/sessions/{neighbour.call('POST', '/sessions', {'language': 'python'}).json['id']}"
    assert neighbour.call("POST", f"{at}/execute", {"code": EAT % 30, "limits": {"memoryBytes": 64 << 20}}).json["stdout"] == "30\n"
    a = neighbour.call("POST", f"{at}/execute", {"code": EAT % 100, "limits": {"timeMs": 60000}})
    assert a.json["limit"] == "memory", a
    neighbour.call("DELETE", at)
    until("a sandbox is ready", lambda: repl.status()["ready"] > 0)
    at = f"/sessions/{neighbour.call('POST', '/sessions', {'language': 'python'}).json['id']}"
    assert neighbour.call("POST", f"{at}/execute", {"code": "print('x' * 5000)"}).json["limit"] == "output"
    neighbour.call("DELETE", at)


def test_a_snippets_own_memory_is_its_own(repl, neighbour):
    """It is lowered for one snippet and as it was for the next."""
    until("a sandbox is ready", lambda: repl.status()["ready"] > 0)
    at = f"/sessions/{neighbour.call('POST', '/sessions', {'language': 'python'}).json['id']}"
    a = neighbour.call("POST", f"{at}/execute", {"code": "print('little')", "limits": {"memoryBytes": 64 << 20}})
    assert a.json["stdout"] == "little\n", a
    assert neighbour.call("POST", f"{at}/execute", {"code": EAT % 100}).json["stdout"] == "100\n"
    assert neighbour.call("DELETE", at).status == 204
