"""Terminals in containers on the fake engine: through nginx, lodge-stream and the runner's child that stands between."""
import glob
import json
import urllib.parse

import pytest
import websocket

from lodge_client import read_until
from lodge_system import until

BASE = "/compute/instances"


def terminal(api, ident, query="type=exec"):
    return api.websocket(f"/api/v1{BASE}/{ident}/console?{query}", timeout=20)


def refused(api, ident, query="type=exec"):
    with pytest.raises(websocket.WebSocketBadStatusException) as e:
        terminal(api, ident, query)
    return e.value.status_code


def opened(system):
    """What the fake engine knows of open terminals."""
    found = []
    for path in glob.glob(f"{system.state}/fake/exec*"):
        try:
            with open(path) as f:
                found.append(json.load(f))
        except (OSError, ValueError):
            continue
    return found


def test_typed_to_and_ended(fake_system, red, instance):
    ws = terminal(red.api, instance["id"], "")
    assert b"/bin/sh" in read_until(ws, b"# ")
    ws.send_binary(b"uptime\r")
    assert read_until(ws, b"uptime\r") == b"uptime\r"
    large = b"x" * 60000 + b"!"
    ws.send_binary(large)
    assert read_until(ws, b"!") == large
    ws.close()
    until("what ran there is ended", lambda: not [t for t in opened(fake_system) if t["id"] == instance["id"]])


def test_who_had_one_is_on_record(red, instance):
    terminal(red.api, instance["id"]).close()
    found = red.api.get(f"/audit?q={instance['id']}").json["audit"]
    assert [a["action"] for a in found if a["action"] == "instance.terminal"] == ["instance.terminal"], found


def test_its_size(fake_system, red, instance):
    def size():
        return [(t["columns"], t["rows"]) for t in opened(fake_system) if t["id"] == instance["id"]]
    ws = terminal(red.api, instance["id"], "type=exec&columns=100&rows=30")
    read_until(ws, b"# ")
    until("the first size", lambda: size() == [(100, 30)])
    for nonsense in ("{", "[]", '{"resize":[0,5]}', '{"resize":["a",5]}', '{"resize":[5]}', '{"resize":[99999,5]}', '{"other":1}'):
        ws.send(nonsense)
    ws.send('{"resize":[300,50]}')
    until("the new size", lambda: size() == [(300, 50)])
    ws.send_binary(b"still here\r")
    assert read_until(ws, b"here\r") == b"still here\r"
    ws.close()


def test_a_command(red, instance):
    words = ["ls", "-l", "a b", "<&'\">$(reboot)", "ü"]
    ws = terminal(red.api, instance["id"], "type=exec&command=" + urllib.parse.quote(json.dumps(words)))
    assert read_until(ws, b"# ") == (" ".join(words) + " \r\n# ").encode()
    ws.close()


@pytest.mark.parametrize("query", [
    "type=exec&command=ls", "type=exec&command=[]", "type=exec&command=[1]", "type=exec&command={}", 'type=exec&command=[""]',
    "type=exec&columns=0", "type=exec&rows=5000", "type=exec&readonly=true", "type=serial", "type=vnc", "type=telnet",
    "type=exec&command=" + urllib.parse.quote(json.dumps(["x"] * 33)), "type=exec&command=" + urllib.parse.quote(json.dumps(["x" * 2100]))])
def test_bad_questions(red, instance, query):
    assert refused(red.api, instance["id"], query) == 400


def test_who_may_not(fake_system, red, blue, instance):
    assert refused(blue.api, instance["id"]) == 404
    assert refused(fake_system.anonymous(), instance["id"]) == 401
    assert red.api.get(f"{BASE}/{instance['id']}/console?type=exec", 400).error == "INVALID_REQUEST"


def test_one_that_does_not_run(red, instance):
    red.verb(instance["id"], "pause")
    assert refused(red.api, instance["id"]) == 409
    red.verb(instance["id"], "unpause")
    red.verb(instance["id"], "stop")
    assert refused(red.api, instance["id"]) == 409


def test_an_engine_that_cannot(red, instance, faults):
    faults("exec_open fail 1")
    assert refused(red.api, instance["id"]) == 502
    ws = terminal(red.api, instance["id"])
    read_until(ws, b"# ")
    ws.close()
