"""The repl dialect's commands as printed, on its own port without credentials; and `lodge run` and `lodge language`."""
import json
import signal
import subprocess

import pytest

from lodge_cli import LODGE, Cli
from lodge_client import Http
from lodge_system import System, free_port, until
from repl_names import Repl, events

PRINTED = """
set -eu
curl -sf http://localhost:3002/api/repl/languages
echo
curl -sf -X POST http://localhost:3002/api/repl/execute -H "Content-Type: application/json" -d '{"language":"python","code":"print(6 * 7)"}'
echo
curl -sfN -X POST http://localhost:3002/api/repl/execute/stream -H "Content-Type: application/json" \\
  -d '{"language":"python","code":"import sys; print(1); print(2, file=sys.stderr)"}'
"""


@pytest.fixture(scope="module")
def gateway():
    ports = [free_port() for _ in range(3)]
    s = System(drivers="container", compat_listeners=1, compat_ports=str(free_port()), repl_ports=",".join(map(str, ports)))
    try:
        s.start()
        Repl(s.admin()).prepare()
        s.repl_port = ports[1]
        yield s
    finally:
        s.close()


def test_as_printed(gateway):
    p = subprocess.run(["bash", "-c", PRINTED.replace("localhost:3002", f"localhost:{gateway.repl_port}")], capture_output=True, text=True, timeout=120)
    assert p.returncode == 0, p.stdout + p.stderr
    languages, run, stream = p.stdout.split("\n", 2)
    assert "python" in json.loads(languages)["languages"]
    assert json.loads(run)["result"] == "42\n" and json.loads(run)["success"] is True
    said = events(stream)
    text = [d for _, e, d in said if e == "message"]
    errors = [d.removeprefix("ERROR: ") for d in text if d.startswith("ERROR: ")]  # Python may write its line in two
    assert "".join(d for d in text if not d.startswith("ERROR: ")) == "1\n" and "".join(errors) == "2\n" and said[-1][1] == "done", said
    assert json.loads(said[-1][2])["success"] is True


def test_tenants_that_begin_here_do_not_see_each_other(gateway):
    """A tenant is made by the first code it runs: until then it has nothing, and afterwards nobody else has what is its own."""
    http = Http(gateway.repl_port, None, name="localhost")

    def ask(tenant, method, path, body=None):
        a = http.request(method, f"/api/repl{path}", json.dumps(body) if body else None,
                         {"X-Tenant-ID": tenant, "Content-Type": "application/json"})
        return a.status, json.loads(a.body or "null")

    status, mine = ask("newcomer-a", "POST", "/sessions", {"language": "bash"})
    assert status == 201, mine
    assert ask("newcomer-b", "GET", "/sessions") == (200, {"sessions": []})
    assert ask("newcomer-b", "POST", f"/sessions/{mine['id']}/execute", {"code": "echo"})[0] == 404
    assert [s["id"] for s in ask("newcomer-a", "GET", "/sessions")[1]["sessions"]] == [mine["id"]]
    assert ask("newcomer-b", "POST", "/execute", {"language": "bash", "code": "echo mine"})[1]["stdout"] == "mine\n"
    until("its run is in its history", lambda: ask("newcomer-b", "GET", "/runs")[1]["total"] == 1)
    assert ask("newcomer-a", "GET", "/runs")[1]["total"] == 0
    assert ask("newcomer-a", "DELETE", f"/sessions/{mine['id']}")[0] == 204


# The command line -----------------------------------------------------------------------------------------------------


@pytest.fixture
def cli(system, repl):
    return Cli(system)


def lodge(cli, *args, stdin=subprocess.DEVNULL, text=None):
    return subprocess.run([LODGE, *args], env=cli.environment(), capture_output=True, text=True, timeout=60, cwd="/",
                          **({"input": text} if text is not None else {"stdin": stdin}))


def test_run_a_file(cli, tmp_path):
    f = tmp_path / "x.py"
    f.write_text("import sys\nprint('out', sys.argv[1:], sys.stdin.read())\nprint('err', file=sys.stderr)\nsys.exit(3)\n")
    p = lodge(cli, "run", str(f), "--", "a", "b c", text="grüße")
    assert (p.stdout, p.stderr, p.returncode) == ("out ['a', 'b c'] grüße\n", "err\n", 3)


def test_run_from_standard_input(cli):
    p = lodge(cli, "run", "-l", "py", "-", text="print('from a pipe')")
    assert (p.stdout, p.returncode) == ("from a pipe\n", 0)


def test_what_ends_it_is_said(cli, tmp_path):
    f = tmp_path / "x.py"
    f.write_text("x = 'x' * 10000\nwhile True: print(x)\n")
    p = lodge(cli, "run", str(f))
    assert p.returncode == 1 and "output" in p.stderr
    (tmp_path / "x.c").write_text("int main(void) { return }\n")
    p = lodge(cli, "run", str(tmp_path / "x.c"))
    assert p.returncode == 1 and "error" in p.stderr


def test_ctrl_c_stops_it(cli, repl, tmp_path):
    f = tmp_path / "x.sh"
    f.write_text("echo begun; sleep 60\n")
    p = subprocess.Popen([LODGE, "run", str(f)], env=cli.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert p.stdout.readline() == "begun\n"
        p.send_signal(signal.SIGINT)
        said = p.communicate(timeout=20)[1]
        assert p.returncode == 130 and "stopped" in said, said
    finally:
        p.kill()
    newest = until("it is written", lambda: next((r for r in repl.call("GET", "/runs").json["runs"] if "begun; sleep 60" in r["code"]), None))
    assert newest["limit"] == "stopped", newest


def test_a_session_keeps_its_state(cli):
    p = lodge(cli, "repl", "python", text="x = 20\nfor i in range(2):\n    x += 11\nprint(x)\n")
    assert (p.stdout, p.returncode) == ("42\n", 0), p.stderr
    p = lodge(cli, "repl", "python", text="import sys\nsys.exit(4)\n")
    assert p.returncode != 0
    assert lodge(cli, "repl", "c", text="x").returncode != 0


def test_a_session_typed_at_a_terminal(cli):
    """Snippet after snippet in one interpreter, a block ended by an empty line."""
    p = subprocess.run(["script", "-qec", f"{LODGE} repl python", "/dev/null"], env=cli.environment(), capture_output=True, text=True,
                       timeout=60, cwd="/", input="x = 20\nfor i in range(2):\n    x += 11\n\nprint('x is', x)\n\x04")
    assert p.returncode == 0 and "x is 42" in p.stdout and ">>> " in p.stdout and "... " in p.stdout, p.stdout


def test_wrong_usage(cli, tmp_path):
    assert lodge(cli, "run").returncode == 2
    assert lodge(cli, "run", "/no/such/file.py").returncode == 1
    (tmp_path / "x").write_text("print(1)")
    p = lodge(cli, "run", str(tmp_path / "x"))
    assert p.returncode == 2 and "-l is missing" in p.stderr
    p = lodge(cli, "run", "-l", "cobol", str(tmp_path / "x"))
    assert p.returncode in (1, 3) and "cobol" in p.stderr
    (tmp_path / "b.py").write_bytes(b"print('\xff')")
    assert lodge(cli, "run", str(tmp_path / "b.py")).returncode == 2


def test_languages(cli):
    out = lodge(cli, "language", "ls").stdout
    assert "python" in out and "ready" in out
    assert {"python", "bash", "c"} <= {d["name"] for d in json.loads(lodge(cli, "language", "ls", "--json").stdout)["languages"]}
    p = lodge(cli, "language", "build", "python")
    assert p.returncode == 0 and "python is ready" in p.stdout
    assert lodge(cli, "language", "build", "cobol").returncode in (1, 3)
