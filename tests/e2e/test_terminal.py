"""A terminal in a real container: a shell with a size, its end, and what is left when its viewer goes away; `lodge exec`."""
import json
import os
import pty
import select
import subprocess
import time
import urllib.parse

import pytest
import websocket

from lodge_client import read_until
from lodge_system import BUILD, until

BASE = "/compute/instances"


@pytest.fixture
def box(admin, name):
    i = admin.create(name, ["sh", "-c", "while :; do sleep 1; done"])
    yield i
    admin.remove(i["id"])


def terminal(api, ident, query="type=exec"):
    return api.websocket(f"/api/v1{BASE}/{ident}/console?{query}", timeout=60)


def running(system, ident, text):
    return text in system.engine.exec(ident, "sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")[1]


def test_a_shell(admin, box):
    ws = terminal(admin, box["id"], "type=exec&columns=97&rows=31")
    ws.send_binary(b"stty size; echo $((6*7))-$TERM\r")
    got = read_until(ws, b"42-xterm-256color")
    assert b"31 97" in got
    ws.send('{"resize":[120,40]}')
    ws.send_binary(b"sleep 0.2; stty size\r")
    read_until(ws, b"40 120")
    ws.send_binary(b"exit\r")
    while True:
        op, data = ws.recv_data()
        if op == websocket.ABNF.OPCODE_CLOSE:
            assert int.from_bytes(data[:2], "big") == 1000 and data[2:] == b"exit 0", data
            break


def test_nothing_runs_on_when_its_viewer_goes(system, admin, box):
    ws = terminal(admin, box["id"], "type=exec&command=" + urllib.parse.quote(json.dumps(["sh", "-c", "echo begun; sleep 4321"])))
    read_until(ws, b"begun")
    assert running(system, box["id"], "sleep 4321")
    ws.sock.close()  # without a word, as a laptop that is shut
    until("its program is gone", lambda: not running(system, box["id"], "sleep 4321"), timeout=60)
    assert admin.instance(box["id"])["state"] == "running"


def test_nothing_runs_on_when_the_runner_is_killed(system, admin, box):
    ws = terminal(admin, box["id"], "type=exec&command=" + urllib.parse.quote(json.dumps(["sh", "-c", "echo begun; sleep 4322"])))
    read_until(ws, b"begun")
    other = terminal(admin, box["id"])
    system.kill("runner-workers")
    system.kill("runner")
    until("its program is gone", lambda: not running(system, box["id"], "sleep 4322"), timeout=60)
    until("nothing stands for it any more", lambda: not os.listdir(f"{system.state}/run/terminals"), timeout=60)
    for w in (ws, other):
        w.close()
    assert admin.instance(box["id"])["state"] == "running"
    ws = terminal(admin, box["id"])
    ws.send_binary(b"echo $((6*8))\r")
    read_until(ws, b"48")
    ws.close()


def test_what_cannot_be_run_is_told(admin, box):
    """Podman says so at once, Docker in the terminal."""
    try:
        ws = terminal(admin, box["id"], "type=exec&command=" + urllib.parse.quote(json.dumps(["/nonexistent"])))
    except websocket.WebSocketBadStatusException as e:
        assert e.status_code in (400, 404, 502)
        return
    op, data = ws.recv_data()
    assert op == websocket.ABNF.OPCODE_CLOSE or b"nonexistent" in data


def test_lodge_exec(system, admin, box):
    env = {k: v for k, v in os.environ.items() if not k.startswith("LODGE_")} | {"LODGE_STATE": system.state}
    a = subprocess.run([f"{BUILD}/bin/lodge", "exec", box["name"], "--", "echo", "a  b", "$HOME"], env=env, capture_output=True, stdin=subprocess.DEVNULL,
                       timeout=60)
    assert a.returncode == 0 and a.stdout.strip() == b"a  b $HOME", a
    a = subprocess.run([f"{BUILD}/bin/lodge", "exec", "-i", box["name"], "--", "sh"], env=env, capture_output=True, input=b"echo $((40+2))x\n", timeout=60)
    assert a.returncode == 0 and b"42x" in a.stdout, a
    for code in (0, 3, 255):
        a = subprocess.run([f"{BUILD}/bin/lodge", "exec", box["name"], "--", "sh", "-c", f"echo said; exit {code}"], env=env, capture_output=True,
                           stdin=subprocess.DEVNULL, timeout=60)
        assert a.returncode == code and b"said" in a.stdout, a
    primary, replica = pty.openpty()
    p = subprocess.Popen([f"{BUILD}/bin/lodge", "exec", "-it", box["name"]], env=env, stdin=replica, stdout=replica, stderr=subprocess.DEVNULL)
    os.close(replica)
    try:
        got, end = b"", time.monotonic() + 60
        os.write(primary, b"echo $((40+2))y; exit\r")
        while p.poll() is None and time.monotonic() < end:
            if select.select([primary], [], [], 0.2)[0]:
                try:
                    got += os.read(primary, 4096)
                except OSError:
                    break
        assert p.wait(60) == 0 and b"42y" in got, got
    finally:
        p.kill()
        p.wait()
        os.close(primary)
