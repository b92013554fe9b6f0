"""Runs one can talk to: WebSocket, input, interrupt, stop; whoever goes away leaves nothing running."""
import http.client
import json
import socket
import time

import pytest
import websocket

from lodge_system import until
from repl_names import connect, events, listen, read


PATIENT = {"timeMs": 60000}  # so that it is not the time that ends it


def start(repl, language, code, **more):
    a = repl.call("POST", "/runs", {"language": language, "code": code, **more})
    assert a.status == 201, a
    return a.json


def test_conversation(system, repl):
    ws = connect(system, repl, start(repl, "python", "n = input('name? ')\nprint('hello', n)\nimport sys\nprint(len(sys.stdin.buffer.read()))", interactive=True))
    assert read(ws, "name? ")[0] == "name? "
    ws.send(json.dumps({"stdin": "Ada ü\n"}))
    assert read(ws, "\n")[0] == "hello Ada ü\n"
    ws.send_binary(bytes(range(256)))
    ws.send(json.dumps({"eof": True}))
    said, end = read(ws)
    assert said == "256\n" and end["done"]["exitCode"] == 0 and end["done"]["success"]
    with pytest.raises((websocket.WebSocketConnectionClosedException, TimeoutError)):
        ws.recv() or ws.recv()
        raise TimeoutError


def test_interrupt_and_stop(system, repl):
    ws = connect(system, repl, start(repl, "python", "import time\ntry:\n    print('in', flush=True)\n    for _ in range(500): time.sleep(0.1)  # in short naps: a signal just before a long one would be seen at its end\nexcept KeyboardInterrupt:\n    print('out', flush=True)\n    time.sleep(50)", interactive=True, limits=PATIENT))
    read(ws, "in")
    ws.send(json.dumps({"interrupt": True}))
    read(ws, "out")
    ws.send(json.dumps({"stop": True}))
    _, end = read(ws)
    assert end["done"]["limit"] == "stopped" and not end["done"]["success"]


def test_stop_by_request(system, repl, neighbour):
    run = start(repl, "bash", "echo in; sleep 50", limits=PATIENT)
    ws = connect(system, repl, run)
    read(ws, "in")
    assert neighbour.call("DELETE", f"/runs/{run['id']}").status == 404
    assert repl.call("DELETE", f"/runs/{run['id']}").status == 204
    assert read(ws)[1]["done"]["limit"] == "stopped"
    assert repl.call("DELETE", f"/runs/{run['id']}").status == 404


def test_a_run_is_its_tenant_s_and_listened_to_once(system, repl, neighbour):
    run = start(repl, "bash", "echo in; sleep 50", limits=PATIENT)
    assert neighbour.call("GET", f"/runs/{run['id']}/stream").status == 404
    ws = connect(system, repl, run)
    read(ws, "in")
    assert repl.call("GET", f"/runs/{run['id']}/stream").status == 404
    ws.close()


@pytest.mark.parametrize("how", ["websocket", "sse", "whole"])
def test_nothing_goes_on_without_its_client(system, repl, how):
    if how == "websocket":
        c = connect(system, repl, start(repl, "bash", "trap '' TERM; echo in; while :; do :; done", limits=PATIENT))
        sock = c.sock
        read(c, "in")
    else:
        c = http.client.HTTPSConnection("localhost", system.https_port, context=system.tls)
        c.request("POST", "/api/repl/execute" + ("/stream" if how == "sse" else ""), json.dumps({"language": "bash", "code": "echo in; while :; do :; done", "limits": PATIENT}),
                  {"Content-Type": "application/json", **repl.api.headers})
        sock = c.sock
        if how == "sse":
            assert c.getresponse().read1(100)
        else:
            until("it runs", lambda: repl.status()["running"] == 1, step=0.02)
    assert repl.status()["running"] == 1
    sock.shutdown(socket.SHUT_RDWR)
    sock.close()
    until("it has ended", lambda: repl.status()["running"] == 0, timeout=30, step=0.02)  # it had a minute


def test_a_lost_connection_is_taken_up_again(system, repl, neighbour):
    """A browser whose network blinks comes back: before the loss is noticed, or just after the end."""
    run = start(repl, "bash", "echo one; echo two >&2; read -t 5 < <(sleep 9); echo three")
    first = listen(system, repl, run)
    head = first.read1(65536).decode()
    while "two" not in head:
        head += first.read1(65536).decode()
    assert f'"id":"{run["id"]}"' in head
    assert neighbour.call("GET", f"/runs/{run['id']}/stream?again=true").status == 404
    whole = [(name, json.loads(data)) for _, name, data in events(listen(system, repl, run, "&again=true").read().decode())]
    assert "".join(d["text"] for name, d in whole if name == "output" and d["stream"] == "stdout") == "one\nthree\n"
    assert [d["text"] for name, d in whole if name == "output" and d["stream"] == "stderr"] == ["two\n"]
    assert whole[-1][0] == "done" and whole[-1][1]["success"]
    assert "the runner ended" in first.read().decode()
    assert [(name, json.loads(data)) for _, name, data in events(listen(system, repl, run).read().decode())] == whole
    assert repl.call("DELETE", f"/runs/{run['id']}").status == 404


def test_what_was_asked_to_end_reads_stopped_in_the_history(system, repl):
    run = start(repl, "bash", "echo in; sleep 50", limits=PATIENT)
    r = listen(system, repl, run)
    while b"in\\n" not in r.read1(65536):
        pass
    assert repl.call("DELETE", f"/runs/{run['id']}").status == 204
    assert '"limit":"stopped"' in r.read().decode()
    entry = until("it is written", lambda: next((x for x in repl.call("GET", "/runs").json["runs"] if x["id"] == run["id"]), None))
    assert entry["limit"] == "stopped" and entry["output"] == "in\n", entry


def test_a_slow_reader_holds_up_its_own_run_alone(system, repl):
    c = http.client.HTTPSConnection("localhost", system.https_port, context=system.tls)
    c.request("POST", "/api/repl/execute/stream", json.dumps({"language": "bash", "code": "yes | head -c 7000000", "limits": {"outputBytes": 8000000, **PATIENT}}),
              {"Content-Type": "application/json", **repl.api.headers})
    r = c.getresponse()
    time.sleep(1.5)
    assert repl.run("python", "print(1)")["success"]
    text = r.read().decode()
    assert text.count("y") > 3000000 and '"success":true' in text[-600:]
