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
                        ({"language": "python", "code": "", "limits": {"timeMs": 0}}, "limits.timeMs")):
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
