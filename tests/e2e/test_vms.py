"""Virtual machines end to end, on real tiny guests: made through the API, reached by SSH, seen and typed to on both
consoles, put to sleep, grown, stopped, deleted; and nothing left."""
import json
import os
import signal
import subprocess
import threading
import time

import pytest
import websocket

from lodge_client import Api
from lodge_system import System, until

BASE = "/compute/instances"
MIB, GIB = 1 << 20, 1 << 30
TINY = {"cpu": {"cores": 1}, "memory": {"limit": 128 * MIB}, "storage": {"totalSpace": GIB}}

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def host():
    """A Lodge with libvirt, and its tiny image; of containers it has the fake alone."""
    s = System(drivers="fake,kvm", sign_in_per_minute=1000, reconcile_ms=1000, sample_ms=1000, vm_accelerator="tcg")
    try:
        s.start()
        admin = s.admin()
        until("the tiny image is there", lambda: any(i["kind"] == "vm" and i["default"] and i["state"] == "ready"
                                                     for i in admin.get("/images").json["images"]), timeout=180)
        yield s
    finally:
        s.close()


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("ssh") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return str(path)


@pytest.fixture(scope="module")
def owner(host, key):
    api = host.tenant("ada")
    with open(key + ".pub") as f:
        a = api.request("POST", "/compute/ssh-keys", {"name": "laptop", "public_key": f.read().strip()})
    assert a.status in (200, 201), a
    return api


def reachable(address):
    """Only through a bridge of ours: never by the default route."""
    out = subprocess.run(["ip", "-j", "route", "get", address], capture_output=True, text=True, check=True).stdout
    return json.loads(out)[0]["dev"].startswith("lg")


def ssh(key, address, command):
    """A guest in software on a busy host may take its time to sign anybody in."""
    assert reachable(address)
    return subprocess.run(["ssh", "-i", key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                           "-o", "BatchMode=yes", "-o", "ConnectTimeout=30", f"root@{address}", command], capture_output=True, text=True,
                          timeout=120, stdin=subprocess.DEVNULL)


def until_ssh(key, address, timeout=120):
    until("SSH answers", lambda: reachable(address) and ssh(key, address, "true").returncode == 0, timeout=timeout, step=0.5)


def console(api, ident, query):
    return api.websocket(f"/api/v1{BASE}/{ident}/console?{query}", timeout=60)


def read(ws, mark, got=b""):
    while mark not in got:
        op, data = ws.recv_data()
        assert op == websocket.ABNF.OPCODE_BINARY, (op, data, got[-500:])
        got += data
    return got


@pytest.fixture(scope="module")
def guest(owner, key):
    """One guest, made as the tenant's documentation prints it but for its size, that most tests share."""
    i = owner.post(BASE, {"name": "ubuntu-vm", "backend": "kvm", "resources": TINY,
                          "config": {"image": "ubuntu-22.04", "diskFormat": "qcow2",
                                     "cloudInit": {"userData": "#cloud-config\nhostname: ubuntu-vm\nruncmd:\n  - echo from-cloud-init > /root/marker\n"}}},
                   201).json
    i = owner.until(i["id"], "running", timeout=120)
    until_ssh(key, i["network"]["address"])
    yield i
    owner.remove(i["id"])


def test_it_is_what_was_asked_for(owner, key, guest):
    address = guest["network"]["address"]
    out = ssh(key, address, "hostname; nproc; ip -4 addr show; cat /root/marker; df -k / | tail -1").stdout
    assert "ubuntu-vm" in out and f"{address}/24" in out and "from-cloud-init" in out
    usage = until("a sample", lambda: (lambda u: u if u["at"] and u["memory"]["used"] else None)(owner.get(f"{BASE}/{guest['id']}/usage").json))
    assert usage["cpu"]["cores"] == 1


def test_the_serial_console(owner, key, guest):
    ws = console(owner, guest["id"], "type=serial")
    read(ws, b"tiny: ready")  # the boot is in the scroll-back
    ws.send_binary(b"\r")
    eye = console(owner, guest["id"], "type=serial&readonly=true")
    read(eye, b"tiny: ready")
    ws.send_binary(b"\r")
    read(ws, b"login:")
    read(eye, b"login:")
    ws.close()
    eye.close()


def rfb(api, ident, query=""):
    """A viewer past its handshake: (socket, width, height)."""
    ws = console(api, ident, "type=vnc" + query)
    got = read(ws, b"\n")
    assert got.startswith(b"RFB 003.008")
    ws.send_binary(b"RFB 003.008\n")
    got = got[12:]
    while len(got) < 2:
        got += ws.recv_data()[1]
    assert 1 in got[1:1 + got[0]], "no password is asked for"
    ws.send_binary(b"\1")
    got = got[1 + got[0]:]
    while len(got) < 4:
        got += ws.recv_data()[1]
    assert got[:4] == b"\0\0\0\0"
    ws.send_binary(b"\1")
    got = got[4:]
    while len(got) < 24:
        got += ws.recv_data()[1]
    return ws, int.from_bytes(got[0:2], "big"), int.from_bytes(got[2:4], "big")


def first_update(ws, width, height):
    ws.send_binary(b"\3\0\0\0\0\0" + width.to_bytes(2, "big") + height.to_bytes(2, "big"))
    got = b""
    while len(got) < 16:
        got += ws.recv_data()[1]
    return got


def test_the_screen(owner, guest):
    for query in ("", "&readonly=true"):
        ws, width, height = rfb(owner, guest["id"], query)
        assert width >= 320 and height >= 200
        assert first_update(ws, width, height)[0] == 0
        ws.send_binary(b"\4\1\0\0\0\0\xff\x0d" + b"\4\0\0\0\0\0\xff\x0d")  # Return
        assert first_update(ws, width, height)[0] == 0
        ws.close()


def test_no_port_is_open_for_it(guest):
    out = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in out.splitlines() if any(f":{port} " in line for port in range(5900, 6000))]


def test_sleep_and_wake_go_on_where_it_was(owner, key, guest):
    address = guest["network"]["address"]
    ssh(key, address, "echo $$ > /tmp/before; (sleep 1000 &) ; date > /tmp/when")
    begun = time.monotonic()
    assert owner.power(guest["id"], "suspend")["state"] == "asleep"
    slept = time.monotonic()
    assert owner.power(guest["id"], "start")["state"] == "running"
    woke = time.monotonic()
    until_ssh(key, address, 60)
    assert "sleep 1000" in ssh(key, address, "ps; cat /tmp/when").stdout
    print(f"sleep {slept - begun:.2f} s, wake {woke - slept:.2f} s")


def test_pause_reset_restart(owner, key, guest):
    assert owner.power(guest["id"], "pause")["state"] == "paused"
    assert owner.power(guest["id"], "unpause")["state"] == "running"
    before = ssh(key, guest["network"]["address"], "cat /proc/sys/kernel/random/boot_id").stdout
    assert owner.power(guest["id"], "reset")["state"] == "running"
    until("another boot", lambda: ssh(key, guest["network"]["address"], "cat /proc/sys/kernel/random/boot_id").stdout not in ("", before),
          timeout=120, step=1)


def test_it_grows_while_it_runs(owner, key, guest):
    address = guest["network"]["address"]
    i = owner.post(f"{BASE}/{guest['id']}/resize", {"resources": {"cpu": {"cores": 2}, "storage": {"totalSpace": 2 * GIB}}}, 200).json
    assert i["resources"]["cpu"]["cores"] == 2 and i["resources"]["storage"]["totalSpace"] == 2 * GIB
    until("the larger disk", lambda: ssh(key, address, "cat /sys/block/vda/size").stdout.strip() == str(2 * GIB // 512), step=1)
    assert i["resources"]["pending"] == []
    until("the second CPU", lambda: "2" in ssh(key, address, "ls -d /sys/devices/system/cpu/cpu[0-9]* | wc -l").stdout, step=1)
    i = owner.post(f"{BASE}/{guest['id']}/resize", {"resources": {"cpu": {"cores": 1}}}, 200).json
    assert i["resources"]["cpu"]["cores"] == 1 and i["resources"]["pending"] == ["cpu"], "never fewer while it runs"


def test_a_guest_that_powers_off_is_seen(owner, key, guest):
    tail = owner.events()
    asked = time.monotonic()
    ssh(key, guest["network"]["address"], "poweroff")
    tail.wait(lambda e: e["kind"] == "instance.state" and e["subject"]["id"] == guest["id"] and e["data"]["state"] == "stopped", timeout=150)
    print(f"seen {time.monotonic() - asked:.1f} s after it was asked")
    tail.stop()
    i = owner.instance(guest["id"])
    assert i["state"] == "stopped" and i["reason"]["text"]
    assert owner.power(guest["id"], "start")["state"] == "running"
    until_ssh(key, guest["network"]["address"])
    assert owner.instance(guest["id"])["resources"]["pending"] == []
    assert ssh(key, guest["network"]["address"], "nproc").stdout == "1\n"


def test_tenant_commands(host, owner, key):
    """Without an image and as printed, but for what a small host cannot give."""
    api = Api(host, owner.token, headers={"X-Tenant-ID": "ada"})
    a = api.post(BASE, {"name": "tenant-a-vm", "flavor": "small", "type": "vm"}, 201).json
    end = time.monotonic() + 120
    while api.get(f"{BASE}/{a['id']}").json["status"] != "running":
        assert time.monotonic() < end
        time.sleep(0.2)
    address = owner.instance(a["id"])["network"]["address"]
    until_ssh(key, address)
    # A guest that does not listen to its power button: an error for whoever did not force it, off in this dialect.
    ssh(key, address, "killall acpid")
    deaf = owner.post(f"{BASE}/{a['id']}/stop", {"timeout": 1}, 504).json["error"]
    assert deaf["code"] == "TIMEOUT" and "force" in deaf["message"] and owner.until(a["id"], "running")
    assert api.post(f"{BASE}/{a['id']}/stop", None, 200).json["status"] == "stopped"
    api.delete(f"{BASE}/{a['id']}", 204)


def test_a_tenants_stop_ends_a_guest_that_does_not_listen(host, owner):
    """Printed there: create, wait three seconds, stop, delete; such a guest is still in its boot and hears no button."""
    api = Api(host, owner.token, headers={"X-Tenant-ID": "ada"})
    a = api.post(BASE, {"name": "early", "flavor": "small", "type": "vm"}, 201).json
    owner.until(a["id"], "running", timeout=120)
    assert api.post(f"{BASE}/{a['id']}/stop", None, 200).json["status"] == "stopped"
    api.delete(f"{BASE}/{a['id']}", 204)


def is_disk(path):
    try:
        with open(path, "rb") as f:
            return os.path.getsize(path) > 5 * MIB and f.read(4) == b"QFI\xfb"
    except OSError:
        return False  # a socket, or gone by now


def test_an_uploaded_image_boots(host, owner, key, tmp_path):
    """The disk of the host's own image, as a stranger would bring it; what is no disk is refused with a reason."""
    name = {i["name"]: i for i in host.admin().get("/images?kind=vm").json["images"]}["tiny"]["digest"]
    disk = next((os.path.join(d, f) for d, _, files in os.walk(host.state) for f in files
                 if is_disk(os.path.join(d, f))), None)
    assert disk, name
    with open(disk, "rb") as f:
        a = owner.call("POST", "/images/upload?name=mine&kind=vm&format=qcow2&minMemoryBytes=100663296", f.read(), 202,
                       Content_Type="application/octet-stream")
    o = owner.operation(a.header("Operation-Location").rsplit("/", 1)[1])
    assert o["status"] == "done", o
    i = owner.post(BASE, {"name": "from-mine", "type": "vm", "resources": TINY, "config": {"image": "mine"}}, 201).json
    until_ssh(key, owner.until(i["id"], "running", timeout=120)["network"]["address"])
    mine = next(x for x in owner.get("/images?kind=vm").json["images"] if x["name"] == "mine")
    assert os.path.exists(f"{host.state}/vm/images/{mine['digest'].removeprefix('sha256:')}.qcow2"), "kept by less than its whole checksum"
    assert owner.delete(f"/images/{mine['id']}", 409).error == "CONFLICT", "a template stays while a disk is an overlay of it"
    owner.remove(i["id"])
    evil = tmp_path / "evil.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/shadow", "-F", "raw", str(evil), "64M"], check=True)
    a = owner.call("POST", "/images/upload?name=evil&kind=vm", evil.read_bytes(), 202, Content_Type="application/octet-stream")
    o = owner.operation(a.header("Operation-Location").rsplit("/", 1)[1])
    assert o["status"] == "failed" and o["error"]["code"] == "INVALID_REQUEST", o


def test_delete_leaves_nothing(host, owner):
    i = owner.post(BASE, {"name": "brief", "type": "vm", "resources": TINY}, 201).json
    owner.until(i["id"], "running", timeout=120)
    owner.remove(i["id"])
    owner.get(f"{BASE}/{i['id']}", 404)
    left = [os.path.join(d, f) for d, _, files in os.walk(host.state) for f in files if i["id"] in f]
    assert not left
    assert not [p for p in host.own_processes() if i["id"] in " ".join(p.argv)]


# --- what comes and goes while it runs; bad input; a libvirtd that hangs and dies ---------------------------------------

@pytest.fixture
def data(owner):
    """A raw volume and a network of the tenant's own, taken from whoever has them at the end."""
    v = owner.post("/volumes", {"name": "vm-data", "size": 32 * MIB, "kind": "block"}, 201).json
    n = owner.post("/networks", {"name": "vm-back", "cidr": "10.77.0.0/24"}, 201).json
    yield v, n
    for path in (f"/volumes/{v['id']}", f"/networks/{n['id']}"):
        for a in owner.get(path).json["attachments"]:
            owner.post(f"{path}/detach", {"instance": a["instance"]}, None)
        owner.delete(path, None, Prefer="wait=30")


def test_a_disk_and_a_card_come_and_go(owner, key, guest, data):
    volume, network = data
    address = guest["network"]["address"]
    until_ssh(key, address)
    look = "cat /sys/block/vdc/size /sys/class/net/eth1/address 2>/dev/null; echo looked"
    assert ssh(key, address, look).stdout == "looked\n"
    got = owner.post(f"/volumes/{volume['id']}/attach", {"instance": guest["id"]}, 200).json
    assert [a["instance"] for a in got["attachments"]] == [guest["id"]]
    owner.post(f"/networks/{network['id']}/attach", {"instance": guest["id"]}, 200)
    card = owner.instance(guest["id"])["networks"][0]
    until("the guest has both", lambda: ssh(key, address, look).stdout.split() == ["65536", card["mac"], "looked"], timeout=90)
    assert ssh(key, address, "echo kept > /dev/vdc && sync").returncode == 0
    with open(f"{host_volume(owner, volume)}", "rb") as f:
        assert f.read(4) == b"kept"
    assert owner.delete(f"/volumes/{volume['id']}", None).error == "CONFLICT"
    # A paused guest cannot let go: it keeps its disk, and the answer says what to do.
    owner.power(guest["id"], "pause")
    refused = owner.post(f"/volumes/{volume['id']}/detach", {"instance": guest["id"]}, 409).json["error"]
    assert refused["code"] == "INVALID_STATE" and "unpause" in refused["message"]
    owner.power(guest["id"], "unpause")
    assert owner.post(f"/volumes/{volume['id']}/detach", {"instance": guest["id"]}, 200).json["attachments"] == []
    assert owner.post(f"/networks/{network['id']}/detach", {"instance": guest["id"]}, 200).json["attachments"] == []
    until("the guest has neither", lambda: ssh(key, address, look).stdout == "looked\n", timeout=90)
    assert owner.instance(guest["id"])["volumes"] == [] and owner.instance(guest["id"])["state"] == "running"


def host_volume(owner, volume):
    return next(os.path.join(d, f) for d, _, files in os.walk(f"{owner.system.state}/volumes") for f in files if volume["id"] in f)


def test_its_agent_is_seen_to_come_and_go(owner, key, guest):
    """Whatever opens the agent's port in the guest is an agent to libvirt."""
    address = guest["network"]["address"]
    until_ssh(key, address)
    assert owner.instance(guest["id"])["status"] == "unknown"
    port = ssh(key, address, "grep -l org.qemu.guest_agent.0 /sys/class/virtio-ports/*/name").stdout.split("/")[-2]
    ssh(key, address, f"(exec 3<>/dev/{port}; exec sleep 1000) >/dev/null 2>&1 </dev/null & echo $! > /tmp/agent")
    until("it answers", lambda: owner.instance(guest["id"])["status"] == "healthy", timeout=90)
    ssh(key, address, "kill $(cat /tmp/agent)")
    until("it is gone", lambda: owner.instance(guest["id"])["status"] == "unknown", timeout=90)


def test_two_resizes_at_once(owner, key, guest):
    before = owner.instance(guest["id"])["resources"]["storage"]["totalSpace"]
    sizes = [before + GIB, before + 2 * GIB]
    answers = []
    threads = [threading.Thread(target=lambda s=s: answers.append(
        owner.post(f"{BASE}/{guest['id']}/resize", {"resources": {"storage": {"totalSpace": s}}}, None))) for s in sizes]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert any(a.status == 200 for a in answers), answers
    assert all(a.status == 200 or a.error in ("CONFLICT", "INVALID_STATE", "INVALID_REQUEST") for a in answers), answers
    now = owner.instance(guest["id"])["resources"]["storage"]["totalSpace"]
    assert now in sizes
    until("the row and the disk agree", lambda: ssh(key, guest["network"]["address"], "cat /sys/block/vda/size").stdout.strip() == str(now // 512), step=1)


def test_what_cannot_be_made_is_refused_and_leaves_nothing(owner, guest):
    before = {i["id"] for i in owner.get(f"{BASE}?pageSize=500").json["instances"]}
    small = owner.post(BASE, {"name": "too-small", "type": "vm", "resources": {"memory": {"limit": 16 * MIB}}}, 400)
    assert small.error == "INVALID_REQUEST" and "memory" in small.text
    large = owner.post(BASE, {"name": "too-large", "type": "vm", "config": {"cloudInit": {"userData": "#!/bin/sh\n" + "x" * (10 * MIB)}}}, None)
    assert large.status in (400, 413), large.status
    for name in ("a<b>", "a&b", "a'b", 'a"b', "a]]>b"):
        assert owner.post(BASE, {"name": name, "type": "vm"}, 400).error == "INVALID_REQUEST"
    assert {i["id"] for i in owner.get(f"{BASE}?pageSize=500").json["instances"]} == before
    assert owner.instance(guest["id"])["state"] == "running"


def libvirtd(host):
    return until("libvirtd runs", lambda: next((p.pid for p in host.tree().values() if p.name == "libvirtd"), None))


def test_libvirtd_hangs_and_dies(host, owner, key, guest):
    address = guest["network"]["address"]
    boot = ssh(key, address, "cat /proc/sys/kernel/random/boot_id").stdout
    assert boot
    pid = libvirtd(host)
    os.kill(pid, signal.SIGSTOP)
    try:
        i = owner.post(BASE, {"name": "hung", "type": "vm", "resources": TINY}, 201).json
        until("its create is at work", lambda: owner.get(f"/operations?instance={i['id']}").json["operations"][0]["status"] == "running")
        assert owner.instance(guest["id"])["state"] == "running", "the API goes on answering"
        short = owner.create("short", ["sh", "-c", "sleep 3"], memory=4 * MIB, wait=False)
        owner.until(short["id"], "stopped", timeout=20)  # libvirt is waited for longer
        until("that alone is told", lambda: dict(host.query("SELECT backend, healthy FROM engine_state")) == {"docker": 1, "kvm": 0}, timeout=20)
    finally:
        os.kill(pid, signal.SIGCONT)
    owner.until(i["id"], "running", timeout=120)
    owner.remove(short["id"])
    owner.delete(f"{BASE}/{i['id']}?force=true", (200, 202), Prefer="wait=0")
    os.kill(pid, signal.SIGKILL)
    until("it is deleted all the same", lambda: owner.get(f"{BASE}/{i['id']}", None).status == 404, timeout=120)
    assert until("another libvirtd", lambda: libvirtd(host)) != pid
    assert owner.instance(guest["id"])["state"] == "running"
    assert ssh(key, address, "cat /proc/sys/kernel/random/boot_id").stdout == boot, "the guest noticed nothing"
    left = [os.path.join(d, f) for d, _, files in os.walk(host.state) for f in files if i["id"] in f]
    assert not left
