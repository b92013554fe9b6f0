"""Consoles end to end on the fake engine: through nginx, lodge-stream, and the runner's keeper of a serial line."""
import glob
import os
import time

import pytest
import websocket

from lodge_client import Api, read_until
from lodge_system import until

BASE = "/compute/instances"


@pytest.fixture
def vm(green, label):
    i = green.post({"name": label, "type": "vm", "resources": {"memory": {"limit": 128 << 20}}}).json
    yield green.api.until(i["id"], "running")
    green.drop(i["id"])


def console(api, ident, query="type=serial"):
    return api.websocket(f"/api/v1{BASE}/{ident}/console?{query}", timeout=20)


def refused(api, ident, query, status):
    with pytest.raises(websocket.WebSocketBadStatusException) as e:
        console(api, ident, query)
    assert e.value.status_code == status
    return e.value


def test_serial(green, vm):
    ws = console(green.api, vm["id"])
    read_until(ws, b"login: ")
    ws.send_binary(b"root\r")
    assert read_until(ws, b"root\r") == b"root\r"
    ws.close()


def test_several_share_one_line_and_later_ones_see_what_was(green, vm):
    first = console(green.api, vm["id"])
    read_until(first, b"login: ")
    first.send_binary(b"one\n")
    read_until(first, b"one\n")
    second = console(green.api, vm["id"])
    assert b"fake serial console\r\nlogin: one\n" in read_until(second, b"one\n")
    second.send_binary(b"two\n")
    assert read_until(first, b"two\n") == b"two\n" and read_until(second, b"two\n") == b"two\n"
    first.close()
    second.send_binary(b"three\n")
    assert read_until(second, b"three\n") == b"three\n"
    second.close()
    again = console(green.api, vm["id"])  # within the keeper's patience
    assert b"three\n" in read_until(again, b"three\n")
    again.close()


def test_looking_only(green, vm):
    ws, eye = console(green.api, vm["id"]), console(green.api, vm["id"], "type=serial&readonly=true")
    read_until(ws, b"login: ")
    read_until(eye, b"login: ")
    eye.send_binary(b"halt\n")
    ws.send_binary(b"ls\n")
    assert read_until(ws, b"ls\n") == b"ls\n" and read_until(eye, b"ls\n") == b"ls\n"
    ws.close()
    eye.close()


def test_vnc(green, vm):
    ws = console(green.api, vm["id"], "type=vnc")
    assert read_until(ws, b"\n") == b"RFB 003.008\n"
    ws.send_binary(b"RFB 003.008\n")
    assert read_until(ws, b"\n") == b"RFB 003.008\n"
    ws.close()


def test_the_screen_is_what_is_meant_without_a_type(green, vm):
    ws = console(green.api, vm["id"], "")
    assert read_until(ws, b"\n").startswith(b"RFB")
    ws.close()


def test_who_may_not(vms, green, vm, label):
    assert refused(vms.tenant("plum"), vm["id"], "type=serial", 404)
    assert refused(vms.anonymous(), vm["id"], "type=serial", 401)
    assert refused(green.api, vm["id"], "type=telnet", 400)
    assert refused(green.api, vm["id"], "readonly=perhaps", 400)
    container = green.make(label + "c")
    assert refused(green.api, container["id"], "type=vnc", 400)
    green.drop(container["id"])
    green.verb(vm["id"], "stop", {"force": True})
    assert refused(green.api, vm["id"], "type=vnc", 409)
    assert green.api.get(f"{BASE}/{vm['id']}/console", 409).error == "INVALID_STATE"


def test_without_a_websocket(green, vm):
    assert green.api.get(f"{BASE}/{vm['id']}/console?type=vnc", 400).error == "INVALID_REQUEST"


def test_another_sites_page_is_refused(vms, green, vm):
    session = vms.session(green.api.username, green.api.password)
    session.headers["Lodge-Tenant"] = "green"
    with pytest.raises(websocket.WebSocketBadStatusException) as e:
        websocket.create_connection(f"wss://localhost:{session.port}/api/v1{BASE}/{vm['id']}/console", timeout=20,
                                    origin="https://evil.example", header=[f"Cookie: {session.headers['Cookie']}"],
                                    sslopt={"context": session.context})
    assert e.value.status_code == 403


def test_a_revoked_token_ends_it(vms, green, vm):
    session = vms.session(green.api.username, green.api.password)
    session.headers["Lodge-Tenant"] = "green"
    made = session.post("/tokens", {"name": "console"}, 201).json
    ws = console(Api(vms, made["token"]), vm["id"])
    read_until(ws, b"login: ")
    session.delete(f"/tokens/{made['id']}", 204)
    while True:
        op, data = ws.recv_data()
        if op == websocket.ABNF.OPCODE_CLOSE:
            assert int.from_bytes(data[:2], "big") == 4401
            break


def test_a_line_that_is_held_elsewhere_is_told(vms, green, vm):
    with open(f"{vms.state}/fake-vm/faults", "w") as f:
        f.write("console_open fail 1\n")
    assert refused(green.api, vm["id"], "type=serial", 502)
    ws = console(green.api, vm["id"])
    read_until(ws, b"login: ")
    ws.close()


def test_nothing_is_left_when_the_runner_dies(vms, green, vm):
    """The keeper goes with it; a viewer comes back to a new one."""
    ws = console(green.api, vm["id"])
    read_until(ws, b"login: ")
    assert os.path.exists(f"{vms.state}/consoles/{vm['id']}.sock")
    vms.kill("runner")
    with pytest.raises((websocket.WebSocketException, OSError, AssertionError)):
        while True:
            read_until(ws, b"\0never")
    end = time.monotonic() + 60
    while True:
        try:
            again = console(green.api, vm["id"])
            break
        except websocket.WebSocketBadStatusException as e:
            assert e.status_code in (502, 503) and time.monotonic() < end
            time.sleep(0.2)
    read_until(again, b"login: ")
    again.close()


def test_the_keeper_ends_with_its_line(vms, green, label):
    i = green.post({"name": label, "type": "vm", "resources": {"memory": {"limit": 128 << 20}}}).json
    green.api.until(i["id"], "running")
    ws = console(green.api, i["id"])
    read_until(ws, b"login: ")
    ws.close()
    green.drop(i["id"])
    until("the keeper is gone", lambda: not glob.glob(f"{vms.state}/consoles/{i['id']}*"), timeout=60)
