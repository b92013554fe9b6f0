"""Any process of Lodge, and the engine, killed in the middle of runs: a clear answer, nothing left, the next run works."""
import json
import os
import signal
import threading

import pytest

from lodge_system import until
from repl_names import Repl, children, lodge_for_code


@pytest.fixture(scope="module")
def system():
    with lodge_for_code() as s:
        yield s


@pytest.fixture(scope="module")
def repl(system):
    return Repl(system.admin())


def in_the_middle(repl, kill):
    """Answers of runs in whose middle something is killed."""
    answers = []

    def ask():
        try:
            answers.append(Repl(repl.api.system.admin()).call("POST", "/execute", {"language": "bash", "code": "sleep 8; echo whole"}))
        except OSError as e:
            answers.append(e)

    crowd = [threading.Thread(target=ask) for _ in range(3)]
    for t in crowd:
        t.start()
    until("they run", lambda: repl.status()["running"] == 3, timeout=60, step=0.05)
    kill()
    for t in crowd:
        t.join(120)
    return answers


def works_again(system, repl):
    def fine():
        a = repl.call("POST", "/execute", {"language": "python", "code": "print(6 * 7)"})
        return a.status == 200 and a.json["stdout"] == "42\n"

    until("code runs again", fine, timeout=120, step=0.3)
    until("nothing is left over", lambda: (s := repl.status()) and s["running"] == 0 and s["ending"] == 0 and s["making"] == 0
          and len(boxes(system)) == s["ready"], timeout=120, step=0.3)


def boxes(system):
    return [c for c in json.loads(system.podman("ps", "-a", "--format", "json").stdout or "[]") if "lodge.sandbox" in (c.get("Labels") or {})]


@pytest.mark.parametrize("name", ["lodge-sandbox", "lodge-maker", "lodge-scribe"])
def test_a_process_of_the_pool(system, repl, name):
    def kill():
        victims = children(system, name)
        assert victims
        for pid in victims:
            os.kill(pid, signal.SIGKILL)

    answers = in_the_middle(repl, kill)
    if name == "lodge-sandbox":
        assert all(not isinstance(a, OSError) and a.status == 503 and a.json["error"]["message"] for a in answers), answers
    else:
        assert all(a.status == 200 and a.json["stdout"] == "whole\n" for a in answers), answers
    works_again(system, repl)


@pytest.mark.parametrize("what", ["runner", "stream", "api", "engine"])
def test_a_program(system, repl, what):
    answers = in_the_middle(repl, lambda: system.kill(what))
    assert len(answers) == 3
    for a in answers:
        if not isinstance(a, OSError) and a.status != 200:
            assert a.status in (500, 502, 503) and a.json["error"]["message"], a
    until("Lodge is up", system.well, timeout=120, step=0.3)
    works_again(system, repl)


def test_a_stop_leaves_no_sandbox_in_the_engine(system, repl):
    """Not for the next start to find: nobody knows when that is."""
    before = repl.call("GET", "/runs").json["total"]
    answers = in_the_middle(repl, system.stop)
    assert all(isinstance(a, OSError) or a.status in (200, 502, 503) for a in answers), answers
    left = boxes(system)
    system.start()
    repl.api = system.admin()  # its connection is of the time before
    assert left == []
    works_again(system, repl)
    assert repl.call("GET", "/runs").json["total"] >= before + 3, "their history is lost"


OWN = [{"name": "shout", "title": "Shout", "aliases": ["caps"], "image": "run", "file": "main.txt", "version": "7", "example": "hello\n",
        "run": ["sh", "-c", "tr a-z A-Z < main.txt; echo \"$@\"", "shout"]},
       {"name": "nap", "image": "run", "run": ["sleep", "30"], "timeMs": 300}, {"name": "py", "image": "run", "run": ["echo", "mine"]}]


def new_table(system, repl, text):
    """The administrator's table, and a pool that reads it."""
    with open(f"{system.state}/languages.json", "w") as f:
        f.write(text)
    for pid in children(system, "lodge-sandbox"):
        os.kill(pid, signal.SIGKILL)
    works_again(system, repl)


def test_an_administrator_s_languages(system, repl):
    try:
        new_table(system, repl, json.dumps(OWN))
        d = repl.details("shout")
        assert (d["title"], d["aliases"], d["version"], d["example"], d["state"]) == ("Shout", ["caps"], "7", "hello\n", "ready"), d
        a = repl.run("CAPS", "hello", args=["a", "b"])
        assert a["stdout"] == "HELLOa b\n" and a["language"] == "shout", a
        assert repl.run("nap", "")["limit"] == "time"
        assert repl.run("py", "")["stdout"] == "mine\n", "a name is more than another's alias"
        assert repl.languages()["notice"] is None
        new_table(system, repl, json.dumps([*OWN, {"name": "../evil", "run": ["x"]}, {"name": "after", "run": ["x"]}]))
        all_of_them = repl.languages()
        assert "../evil" in all_of_them["notice"] and "shout" in all_of_them["languages"] and "after" not in all_of_them["languages"]
        new_table(system, repl, "{")
        assert "languages.json" in repl.languages()["notice"]
    finally:
        os.unlink(f"{system.state}/languages.json")
