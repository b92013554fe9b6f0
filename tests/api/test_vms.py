"""Virtual machines on the fake engine: what a create may say, what only they can be asked, and the printed commands."""
import base64
import glob
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest_names import engine_has, nothing_begins
from lodge_client import Api, operation_of
from lodge_system import until

BASE = "/compute/instances"
MIB, GIB = 1 << 20, 1 << 30
USER_DATA = "#cloud-config\npackages:\n  - nginx\n"
KEY, OWN_KEY = ("ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(n, n + 32))).decode() for n in (0, 40))

COMMANDS = [
    ("unified", "POST example: Create a KVM Virtual Machine", "test_unified_example"),
    ("unified", "GET backends/kvm/info", "test_backend_info"),
    ("unified", "GET cluster/status, kvm", "test_backend_info"),
    ("tenant", "POST web-server, medium, ubuntu-22.04", "test_tenant_commands"),
    ("tenant", "POST nginx-web, medium, nginx-1.24", "test_tenant_commands"),
    ("tenant", "POST postgres-db, large, postgresql-15", "test_tenant_commands"),
    ("tenant", "POST test-vm, small, ubuntu-22.04", "test_tenant_commands"),
    ("tenant", "POST integration-vm, medium", "test_tenant_commands"),
    ("tenant", "POST tenant-a-vm, tenant-b-vm, small", "test_tenant_commands"),
    ("tenant", "POST test-$flavor for each flavor", "test_tenant_flavors"),
]


def test_every_command_has_its_test():
    assert not [c for c in COMMANDS if c[2] not in globals()]


def body(name, **more):
    return {"name": name, "type": "vm", "resources": {"cpu": {"cores": 1}, "memory": {"limit": 128 * MIB}}, **more}


@pytest.fixture
def vm(green, label):
    i = green.api.until(green.post(body(label)).json["id"], "running")
    yield i
    green.drop(i["id"])


# --- create -----------------------------------------------------------------------------------------------------------

def test_unified_example(green):
    a = green.api.post(BASE, {"name": "ubuntu-vm", "backend": "kvm",
                              "config": {"image": "ubuntu-22.04", "diskFormat": "qcow2",
                                         "cloudInit": {"userData": USER_DATA}},
                              "resources": {"cpu": {"cores": 2}, "memory": {"limit": 2147483648},
                                            "storage": {"totalSpace": 21474836480}}}, 201)
    i = a.json
    assert i["type"] == "vm" and i["backend"] == "kvm" and i["state"] == "creating"
    assert i["config"]["image"] == "ubuntu-22.04" and i["config"]["diskFormat"] == "qcow2"
    assert i["resources"]["storage"]["totalSpace"] == 21474836480
    i = green.api.until(i["id"], "running")
    assert i["network"]["address"] and i["config"]["networkType"] == "bridge"
    green.drop(i["id"])


def test_everything_reaches_the_engine(vms, green, label):
    own = green.api.request("POST", "/compute/ssh-keys", {"name": "own", "public_key": OWN_KEY})
    assert own.status in (200, 201), own
    meta = '{"role": "<db>&\\"quoted\\""}'
    i = green.post(body(label, config={"image": "tiny", "diskFormat": "raw", "networkType": "bridge", "networkSource": "green",
                                       "cloudInit": {"userData": USER_DATA, "metaData": meta}, "sshKeys": [KEY + " me@here"]},
                        resources={"cpu": {"cores": 2}, "memory": {"limit": 256 * MIB}, "storage": {"totalSpace": 3 * GIB}})).json
    green.api.until(i["id"], "running")
    e = engine_has(vms, i["id"])
    assert e["user_data"] == USER_DATA and json.loads(e["meta_data"]) == json.loads(meta) and e["ssh_keys"] == [KEY, OWN_KEY]
    assert e["disk_bytes"] == 3 * GIB and e["memory_bytes"] == 256 * MIB and e["cpu_millis"] == 2000
    assert e["memory_max_bytes"] >= 256 * MIB and e["vcpus_max"] >= 2
    green.drop(i["id"])


META = """# NoCloud's usual form
instance-id: mine
local-hostname: "db 1"
count: 3
roles: [db, 'true', true]
nested:
  key: |
    two
    lines
"""


def test_meta_data_is_yaml(vms, green, label):
    i = green.post(body(label, config={"cloudInit": {"metaData": META, "userData": "\n  #Cloud-Config\n{}\n"}})).json
    green.api.until(i["id"], "running")
    assert json.loads(engine_has(vms, i["id"])["meta_data"]) == {
        "instance-id": "mine", "local-hostname": "db 1", "count": 3, "roles": ["db", "true", True], "nested": {"key": "two\nlines\n"}}
    green.drop(i["id"])


BOMB = "a: &a [x, x]\n" + "".join(f"{c}: &{c} [*{p}, *{p}, *{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi"))


@pytest.mark.parametrize("member,text", [
    ("metaData", "[1]"), ("metaData", "just text"), ("metaData", "..."), ("metaData", "a: 1\n---\nb: 2"), ("metaData", "a: 'open"),
    ("metaData", "{a: b"), ("metaData", "[a]: b"), ("metaData", BOMB), ("metaData", "a: " + "[" * 40 + "]" * 40), ("metaData", "a:\tb\n\tc"),
    ("metaData", "a: !!binary"), ("userData", "hello"), ("userData", "Content-Type: text/plain\n\nx"), ("userData", "\nMIME-Version: 1.0\n")])
def test_cloud_init_that_no_guest_would_take(green, label, member, text):
    if text == "a: !!binary":  # a tag changes nothing
        return green.drop(green.post(body(label, config={"cloudInit": {member: text}})).json["id"])
    a = green.post(body(label, config={"cloudInit": {member: text}}), 400)
    assert a.json["error"]["details"]["field"] == f"config.cloudInit.{member}", a


def test_each_gpu_is_one_machines(make_system, common_path, label):
    """Cards that the kernel lists, as it lists them; whether a guest gets on with one needs a host that has some."""
    for address, kind, group in (("0000:01:00.0", "0x030000", True), ("0000:02:00.0", "0x030200", True), ("0000:03:00.0", "0x030000", False),
                                 ("0000:04:00.0", "0x020000", True)):
        os.makedirs(common_path / address / ("iommu_group" if group else "power"))
        (common_path / address / "class").write_text(f"{kind}\n")
    s = make_system(drivers="fake,fake-vm", pool="127.90.0.0/16", pci_devices=str(common_path)).start()
    s.add_machine_image()
    api = s.admin()
    assert "gpu" in [f["name"] for f in api.get("/compute/flavors").json["flavors"]]
    api.put("/compute/flavors/gpu", {"vcpus": 1, "ramGB": 1, "diskGB": 1, "gpus": 1}, 200)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda i: s.admin().call("POST", BASE, {"name": f"{label}-{i}", "type": "vm", "flavor": "gpu"}), range(4)))
    made = [a.json["id"] for a in answers if a.status == 201]
    refused = [a for a in answers if a.status != 201]
    assert len(made) == 2 and all(a.status == 403 and a.error == "RESOURCE_LIMIT_EXCEEDED" for a in refused), answers
    assert refused[0].json["error"]["details"]["limit"] == "gpus"
    assert {engine_has(s, i)["gpu"] for i in made if api.until(i, "running")} == {"0000:01:00.0", "0000:02:00.0"}
    api.remove(made[0])
    again = api.post(BASE, {"name": f"{label}-again", "type": "vm", "flavor": "gpu"}, 201).json["id"]
    assert api.until(again, "running")


def test_how_long_a_stop_waits_when_nobody_says(vms, green, label):
    i = green.api.until(green.post(body(label)).json["id"], "running")
    for asked, grace in (({}, 60), ({"timeout": 7}, 7)):
        green.verb(i["id"], "stop", asked, 200)
        assert engine_has(vms, i["id"])["grace_s"] == grace
        green.verb(i["id"], "start", {}, 200)
    green.drop(i["id"])


def test_a_network_of_the_tenants_own(vms, green, label):
    """networkSource names it: the machine has a card there beside the tenant's first network."""
    n = green.api.post("/networks", {"name": f"net-{label}", "cidr": "10.7.0.0/24"}, (201, 202)).json
    i = green.post(body(label, config={"networkSource": n["name"]})).json
    i = green.api.until(i["id"], "running")
    assert i["config"]["networkSource"] == n["name"]
    assert n["name"] in json.dumps({k: v for k, v in i.items() if k != "config"})
    assert vms.tenant("sepia").post(BASE, body(label, config={"networkSource": n["name"]}), 404).error == "NOT_FOUND"
    green.drop(i["id"])


def test_cloud_init_is_nowhere_in_clear(vms, green, label):
    secret = f"hunter2-{label}-7f3a"
    i = green.post(body(label, config={"cloudInit": {"userData": f"#cloud-config\npassword: {secret}\n",
                                                     "metaData": f"note: {secret}"}})).json
    green.api.until(i["id"], "running")
    assert secret not in json.dumps(green.api.instance(i["id"])) and i["config"]["cloudInit"]["userDataBytes"] > 20
    for path in (f"{vms.state}/db/lodge.db", f"{vms.state}/db/lodge.db-wal"):
        with open(path, "rb") as f:
            assert secret.encode() not in f.read(), path
    assert secret not in vms.logs()
    green.drop(i["id"])


def test_defaults(green, label):
    """A name and a type suffice: the default image, its least memory or the usual one, ten GiB."""
    i = green.post({"name": label, "type": "vm"}).json
    assert i["config"]["image"] == "tiny" and i["resources"]["cpu"]["cores"] == 1
    assert i["resources"]["memory"]["limit"] == 256 * MIB and i["resources"]["storage"]["totalSpace"] == 10 * GIB
    green.api.until(i["id"], "running")
    green.drop(i["id"])


def test_a_flavor_is_a_size(green, label):
    i = green.post({"name": label, "backend": "kvm", "flavor": "small"}).json
    assert i["flavor"] == "small" and i["resources"]["memory"]["limit"] == GIB
    assert i["resources"]["storage"]["totalSpace"] == 10 * GIB
    green.api.until(i["id"], "running")
    green.drop(i["id"])


HOSTILE = "'\"><x a='&amp;]]><!--"


@pytest.mark.parametrize("more,code,field", [
    ({"config": {"diskFormat": "vmdk"}}, "INVALID_REQUEST", "config.diskFormat"),
    ({"config": {"diskFormat": HOSTILE}}, "INVALID_REQUEST", "config.diskFormat"),
    ({"config": {"networkType": "user"}}, "INVALID_REQUEST", "config.networkType"),
    ({"config": {"networkSource": "host"}}, "INVALID_REQUEST", "config.networkSource"),
    ({"config": {"networkSource": "virbr0"}}, "NOT_FOUND", "config.networks"),
    ({"config": {"networkSource": HOSTILE}}, "INVALID_REQUEST", "config.networkSource"),
    ({"config": {"image": HOSTILE}}, "INVALID_REQUEST", "config.image"),
    ({"config": {"firmware": HOSTILE}}, "INVALID_REQUEST", "config.firmware"),
    ({"config": {"sshKeys": [HOSTILE]}}, "INVALID_REQUEST", "config.sshKeys"),
    ({"config": {"sshKeys": [1]}}, "INVALID_REQUEST", "config.sshKeys"),
    ({"config": {"cloudInit": "text"}}, "INVALID_REQUEST", "config.cloudInit"),
    ({"config": {"cloudInit": {"userData": 7}}}, "INVALID_REQUEST", "config.cloudInit.userData"),
    ({"config": {"cloudInit": {"userData": HOSTILE}}}, "INVALID_REQUEST", "config.cloudInit.userData"),
    ({"config": {"cloudInit": {"userData": "#cloud-config\n" + "x" * 70000}}}, "INVALID_REQUEST", "config.cloudInit.userData"),
    ({"config": {"cloudInit": {"other": ""}}}, "INVALID_REQUEST", "config.cloudInit.other"),
    ({"config": {"command": ["sh"]}}, "INVALID_REQUEST", "config.command"),
    ({"config": {"env": ["A=b"]}}, "INVALID_REQUEST", "config.env"),
    ({"config": {"ports": ["18080:80"]}}, "INVALID_REQUEST", "config.ports"),
    ({"config": {"restartPolicy": "always"}}, "INVALID_REQUEST", "config.restartPolicy"),
    ({"flavor": "none"}, "INVALID_REQUEST", "flavor"),
    ({"flavor": "gpu"}, "OPERATION_NOT_SUPPORTED", "flavor"),
    ({"resources": {"memory": {"limit": 64 * MIB}}}, "INVALID_REQUEST", "resources.memory.limit"),
    ({"resources": {"storage": {"totalSpace": 1 * MIB}}}, "INVALID_REQUEST", "resources.storage.totalSpace"),
    ({"config": {"image": "absent"}}, "NOT_FOUND", "config.image"),
    ({"config": {"image": "docker.io/library/nginx:latest"}}, "NOT_FOUND", "config.image")])
def test_bad_create(green, label, more, code, field):
    a = green.api.post(BASE, body(label) | more, (400, 404))
    assert a.error == code and a.json["error"]["details"]["field"] == field, a
    green.api.get(f"{BASE}/name/{label}", 404)


def test_memory_below_the_images_minimum_says_how_much(green, label):
    a = green.post(body(label) | {"resources": {"memory": {"limit": 64 * MIB}}}, 400)
    assert a.json["error"]["details"]["minimum"] == str(96 * MIB)


def test_cloud_init_of_ten_megabytes(green, label):
    a = green.post(body(label, config={"cloudInit": {"userData": "#cloud-config\n" + "x" * (10 * MIB)}}), (400, 413))
    assert a.error in ("BODY_TOO_LARGE", "INVALID_REQUEST")


@pytest.mark.parametrize("config,field", [({"diskFormat": "qcow2"}, "config.diskFormat"),
                                          ({"cloudInit": {"userData": USER_DATA}}, "config.cloudInit"),
                                          ({"networkSource": "default"}, "config.networkSource")])
def test_a_container_has_none_of_this(green, label, config, field):
    a = green.post({"name": label, "config": config}, 400)
    assert a.error == "INVALID_REQUEST" and a.json["error"]["details"]["field"] == field


def test_xml_in_a_name_is_no_name(green):
    assert green.post(body("a<b>"), 400).json["error"]["details"]["field"] == "name"


# --- life -------------------------------------------------------------------------------------------------------------

def test_power(green, vm):
    def verb(name, expect=200, sent=None):
        return green.verb(vm["id"], name, sent, expect).json

    assert verb("pause")["state"] == "paused" and verb("unpause")["state"] == "running"
    assert verb("reset")["state"] == "running"
    assert verb("suspend")["state"] == "asleep"
    assert green.verb(vm["id"], "suspend", None, 409).error == "INVALID_STATE"
    assert green.verb(vm["id"], "stop", None, 409).error == "INVALID_STATE"
    assert verb("wake")["state"] == "running"
    assert green.verb(vm["id"], "wake", None, 409).error == "INVALID_STATE"
    assert verb("suspend")["state"] == "asleep" and verb("start")["state"] == "running"
    assert verb("suspend")["state"] == "asleep" and verb("stop", 200, {"force": True})["state"] == "stopped"
    assert green.verb(vm["id"], "reset", None, 409).error == "INVALID_STATE"
    assert verb("start")["state"] == "running" and verb("restart")["state"] == "running"


def test_sleep_is_told_as_it_goes(vms, green, vm):
    tail = green.api.events()
    green.verb(vm["id"], "suspend")
    green.verb(vm["id"], "start")
    for state in ("suspending", "asleep", "waking", "running"):
        tail.wait(lambda e, s=state: e["kind"] == "instance.state" and e["subject"]["id"] == vm["id"] and e["data"]["state"] == s)
    tail.stop()


def test_what_sleeps_stays_asleep(green, vm):
    """The reconciler takes it for what it is."""
    green.verb(vm["id"], "suspend")
    time.sleep(6)
    assert green.api.instance(vm["id"])["state"] == "asleep"


@pytest.mark.parametrize("verb", ["reset", "suspend", "wake"])
def test_a_container_has_no_such_verb(green, label, verb):
    i = green.make(label)
    a = green.verb(i["id"], verb, None, 400)
    assert a.error == "OPERATION_NOT_SUPPORTED"
    assert green.verb(i["id"], "resize", {"flavor": "small"}, 400).error == "OPERATION_NOT_SUPPORTED"
    green.drop(i["id"])


def test_resize(vms, green, vm):
    a = green.verb(vm["id"], "resize", {"resources": {"cpu": {"cores": 2}, "memory": {"limit": 192 * MIB},
                                                      "storage": {"totalSpace": 12 * GIB}}}).json
    assert a["resources"]["cpu"]["cores"] == 2 and a["resources"]["memory"]["limit"] == 192 * MIB
    assert a["resources"]["storage"]["totalSpace"] == 12 * GIB
    e = engine_has(vms, vm["id"])
    assert e["cpu_millis"] == 2000 and e["memory_bytes"] == 192 * MIB and e["disk_bytes"] == 12 * GIB
    a = green.verb(vm["id"], "resize", {"resources": {"storage": {"totalSpace": 11 * GIB}}}, 400)
    assert a.json["error"]["details"]["field"] == "resources.storage.totalSpace"
    a = green.verb(vm["id"], "resize", {"resources": {"memory": {"limit": 64 * MIB}}}, 400)
    assert a.json["error"]["details"]["field"] == "resources.memory.limit"
    assert green.verb(vm["id"], "resize", {"flavor": "gpu"}, 400).error == "OPERATION_NOT_SUPPORTED"
    assert green.verb(vm["id"], "resize", {}, 400).error == "INVALID_REQUEST"
    a = green.verb(vm["id"], "resize", {"flavor": "small"}).json
    assert a["resources"]["memory"]["limit"] == GIB and a["resources"]["storage"]["totalSpace"] == 12 * GIB
    assert a["flavor"] is None, "its disk is larger than that of a small one"


def test_a_flavor_stays_while_its_sizes_do(green, vm):
    resize = lambda **what: green.verb(vm["id"], "resize", what).json["flavor"]
    assert vm["flavor"] is None
    assert resize(flavor="small", resources={"cpu": {"cores": 2}}) is None
    assert resize(flavor="small") == "small"
    assert resize(resources={"memory": {"limit": GIB}}) == "small"
    assert resize(resources={"storage": {"totalSpace": 11 * GIB}}) is None


def test_a_stopped_one_is_resized_too(vms, green, vm):
    green.verb(vm["id"], "stop", {"force": True})
    green.api.put(f"{BASE}/{vm['id']}", {"resources": {"storage": {"totalSpace": 20 * GIB}}}, 200)
    assert engine_has(vms, vm["id"])["disk_bytes"] == 20 * GIB


def test_two_resizes_at_once(vms, green, vm):
    """One wins, the other is told so and changes nothing."""
    with open(f"{vms.state}/fake-vm/faults", "w") as f:
        f.write("update held 1\n")
    hold, answers = f"{vms.state}/fake-vm/hold", []
    open(hold, "w").close()

    def ask(cores):
        answers.append((cores, green.verb(vm["id"], "resize", {"resources": {"cpu": {"cores": cores}}}, (200, 202, 409))))

    threads = [threading.Thread(target=ask, args=(n,)) for n in (1.5, 2)]
    for t in threads:
        t.start()
    try:
        until("one of them is told", lambda: answers)  # while the other is at work
    finally:
        os.unlink(hold)
    for t in threads:
        t.join()
    won = [c for c, a in answers if a.status != 409]
    lost = [a for _, a in answers if a.status == 409]
    assert len(won) == 1 and lost[0].error == "CONFLICT"
    assert green.api.instance(vm["id"])["resources"]["cpu"]["cores"] == won[0]


def storage_used(green):
    return green.api.get(f"/tenants/{green.api.tenant['id']}/quota").json["used"]["storage"]


def engine_faults(vms, lines):
    with open(f"{vms.state}/fake-vm/faults", "w") as f:
        f.write(lines)


def test_a_resize_that_fails_changes_nothing(vms, green, vm):
    was, used = vm["resources"], storage_used(green)
    engine_faults(vms, "update fail 1\n")
    more = {"cpu": {"cores": 2}, "memory": {"limit": 192 * MIB}, "storage": {"totalSpace": 12 * GIB}}
    assert green.verb(vm["id"], "resize", {"resources": more}, 502).error == "BACKEND_ERROR"
    now = green.api.instance(vm["id"])["resources"]
    assert (now["cpu"], now["memory"]["limit"], now["storage"]["totalSpace"], now["pending"]) == (
        was["cpu"], was["memory"]["limit"], was["storage"]["totalSpace"], []) and storage_used(green) == used
    green.verb(vm["id"], "resize", {"resources": {"storage": {"totalSpace": 11 * GIB}}})
    assert engine_has(vms, vm["id"])["disk_bytes"] == 11 * GIB and storage_used(green) == used + GIB


def test_a_disk_that_grew_in_a_resize_that_failed_stays(vms, green, label):
    """It never shrinks: the instance says what the machine has, and with it no flavor's name."""
    vm = green.api.until(green.post({"name": label, "type": "vm", "flavor": "small"}).json["id"], "running")
    used = storage_used(green)
    engine_faults(vms, "update lost\n")
    try:
        green.verb(vm["id"], "resize", {"resources": {"cpu": {"cores": 2}, "storage": {"totalSpace": 12 * GIB}}}, 503)
    finally:
        engine_faults(vms, "")
    now, e = green.api.instance(vm["id"]), engine_has(vms, vm["id"])
    assert (now["resources"]["cpu"]["cores"], now["resources"]["storage"]["totalSpace"], now["flavor"]) == (1, 12 * GIB, None)
    assert (e["cpu_millis"], e["disk_bytes"]) == (1000, 12 * GIB) and storage_used(green) == used + 2 * GIB
    assert green.verb(vm["id"], "resize", {"resources": {"cpu": {"cores": 2}}}).json["resources"]["cpu"]["cores"] == 2
    green.drop(vm["id"])


def test_a_resize_of_a_stopped_one_that_was_cancelled(vms, green, vm):
    green.verb(vm["id"], "stop", {"force": True})
    with nothing_begins(vms):
        a = green.verb(vm["id"], "resize", {"resources": {"storage": {"totalSpace": 12 * GIB}}}, 202, Prefer="wait=0")
        green.api.delete(f"/operations/{operation_of(a)}", 202)
    assert green.api.operation(operation_of(a))["status"] == "cancelled"
    assert green.api.instance(vm["id"])["resources"]["storage"]["totalSpace"] == 10 * GIB


def test_the_engines_refusal_is_told(vms, green, vm):
    with open(f"{vms.state}/fake-vm/faults", "w") as f:
        f.write("suspend fail 1\n")
    assert green.verb(vm["id"], "suspend", None, 502).error == "BACKEND_ERROR"
    assert green.api.until(vm["id"], "running")


# --- the host ---------------------------------------------------------------------------------------------------------

def test_backend_info(green, vm):
    b = green.api.get("/compute/backends/kvm/info").json
    assert b["type"] == "kvm" and b["status"] == "running" and b["supportedTypes"] == ["vm"] and b["healthCheck"]["notice"] is None
    c = green.api.get("/compute/cluster/status").json["backends"]["kvm"]
    assert c["status"] == "healthy" and c["instances"] >= 1 and c["resources"]["cpu"]["used"] >= 1
    assert c["resources"]["memory"]["used"] >= 128 * MIB
    assert vm["id"] in [i["id"] for i in green.api.get(f"{BASE}?backend=kvm").json["instances"]]


# --- the tenant dialect -----------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def speaker(vms, green):
    return Api(vms, green.api.token, headers={"X-Tenant-ID": "green"})


def until_status(api, ident, *wanted):
    end = time.monotonic() + 60
    while True:
        i = api.get(f"{BASE}/{ident}").json
        if i["status"] in wanted:
            return i
        assert time.monotonic() < end and i["status"] != "error", i
        time.sleep(0.05)


@pytest.mark.parametrize("sent", [
    {"name": "web-server", "type": "vm", "flavor": "medium", "imageId": "ubuntu-22.04",
     "metadata": {"application": "nginx", "environment": "production"}},
    {"name": "nginx-web", "type": "vm", "flavor": "medium", "imageId": "nginx-1.24",
     "metadata": {"role": "web-server", "application": "frontend"}},
    {"name": "postgres-db", "type": "vm", "flavor": "large", "imageId": "postgresql-15",
     "metadata": {"role": "database", "database": "postgresql"}},
    {"name": "test-vm", "type": "vm", "flavor": "small", "imageId": "ubuntu-22.04"},
    {"name": "integration-vm", "flavor": "medium", "type": "vm"},
    {"name": "tenant-a-vm", "flavor": "small", "type": "vm"},
    {"name": "tenant-b-vm", "flavor": "small", "type": "vm"}], ids=lambda b: b["name"])
def test_tenant_commands(speaker, sent):
    """Made, or refused by a host with less memory than it; then through its life as that documentation tells it."""
    a = speaker.post(BASE, sent, (201, 403))
    if a.status == 403:
        assert a.error == "RESOURCE_LIMIT_EXCEEDED" and a.json["error"]["details"]["limit"] == "memory"
        return
    i = a.json
    assert i["status"] == "creating" and i["type"] == "vm" and i["flavor"] == sent["flavor"]
    assert i["imageId"] == sent.get("imageId", "tiny") and i["metadata"] == sent.get("metadata", {})
    path = f"{BASE}/{i['id']}"
    until_status(speaker, i["id"], "running")
    assert speaker.delete(path, 400).json["error"]["message"] == "Cannot delete running instance"
    assert speaker.post(path + "/stop", None, 200).json["status"] == "stopped"
    assert speaker.post(path + "/restart", None, 200).json["status"] == "restarting"
    until_status(speaker, i["id"], "running")
    speaker.post(path + "/stop", None, 200)
    assert speaker.post(path + "/start", None, 200).json["status"] == "running"
    speaker.post(path + "/stop", None, 200)
    speaker.delete(path, 204)


@pytest.mark.parametrize("flavor", ["small", "medium", "large", "xlarge"])
def test_tenant_flavors(speaker, flavor):
    a = speaker.post(BASE, {"name": f"test-{flavor}", "flavor": flavor, "type": "vm"}, (201, 403))
    if a.status == 403:
        assert a.error == "RESOURCE_LIMIT_EXCEEDED" and a.json["error"]["details"]["limit"] == "memory"
        return
    until_status(speaker, a.json["id"], "running")
    speaker.post(f"{BASE}/{a.json['id']}/stop", None, 200)
    speaker.delete(f"{BASE}/{a.json['id']}", 204)


def test_a_stop_there_ends_one_that_does_not_listen(vms, speaker, green, vm):
    """The native stop is an error then; this dialect has no other word, so the machine is switched off."""
    path = f"{vms.state}/fake-vm/faults"
    with open(path, "w") as f:
        f.write("stop hang 1\n")
    assert speaker.post(f"{BASE}/{vm['id']}/stop", None, 200).json["status"] == "stopped"
    assert green.api.instance(vm["id"])["state"] == "stopped"


def test_asleep_is_stopped_there_and_a_start_wakes_it(speaker, green, vm):
    green.verb(vm["id"], "suspend")
    assert speaker.get(f"{BASE}/{vm['id']}").json["status"] == "stopped"
    assert speaker.post(f"{BASE}/{vm['id']}/start", None, 200).json["status"] == "running"


def test_foreign_machines_are_none(vms, vm):
    other = vms.tenant("olive")
    for verb in ("suspend", "wake", "reset"):
        other.post(f"{BASE}/{vm['id']}/{verb}", None, 404)
    other.post(f"{BASE}/{vm['id']}/resize", {"flavor": "small"}, 404)


def test_operations_are_named_for_what_they_do(green, vm):
    a = green.api.post(f"{BASE}/{vm['id']}/suspend", None, 202, Prefer="wait=0")
    assert green.api.operation(operation_of(a))["kind"] == "instance.suspend"


# --- disks and cards that come and go ------------------------------------------------------------------------------------

def devices(vms, ident):
    """What the fake engine has plugged into the machine."""
    for path in glob.glob(f"{vms.state}/fake-vm/inst*{ident}*"):
        with open(path) as f:
            return json.load(f).get("devices", [])
    return None


@pytest.fixture
def disk(green, label):
    v = green.api.post("/volumes", {"name": f"d-{label}", "size": 16 * MIB, "kind": "block"}, 201).json
    yield v
    for a in green.api.get(f"/volumes/{v['id']}").json["attachments"]:
        green.api.post(f"/volumes/{v['id']}/detach", {"instance": a["instance"]}, None)
    green.api.delete(f"/volumes/{v['id']}", None, Prefer="wait=30")


def test_a_disk_while_it_runs(vms, green, vm, disk):
    path = f"/volumes/{disk['id']}"
    green.api.post(f"{path}/attach", {"instance": vm["id"]}, 200)
    assert devices(vms, vm["id"]) == [disk["id"]]
    green.verb(vm["id"], "suspend")
    asleep = green.api.post(f"{path}/detach", {"instance": vm["id"]}, 409)
    assert asleep.error == "INVALID_STATE" and "wake" in asleep.text
    assert green.api.instance(vm["id"])["volumes"][0]["id"] == disk["id"], "it keeps what its memory knows"
    green.verb(vm["id"], "wake")
    assert green.api.post(f"{path}/detach", {"instance": vm["id"]}, 200).json["attachments"] == []
    assert devices(vms, vm["id"]) == []


def test_an_engine_that_takes_no_disk(vms, green, vm, disk):
    """An attach that failed is none; a detach that failed leaves it attached."""
    path = f"/volumes/{disk['id']}"
    with open(f"{vms.state}/fake-vm/faults", "w") as f:
        f.write("devices fail 1\n")
    assert green.api.post(f"{path}/attach", {"instance": vm["id"]}, None).error == "BACKEND_ERROR"
    assert green.api.get(path).json["attachments"] == []
    green.api.post(f"{path}/attach", {"instance": vm["id"]}, 200)
    with open(f"{vms.state}/fake-vm/faults", "w") as f:
        f.write("devices fail 1\n")
    assert green.api.post(f"{path}/detach", {"instance": vm["id"]}, None).error == "BACKEND_ERROR"
    assert [a["instance"] for a in green.api.get(path).json["attachments"]] == [vm["id"]]


def test_made_with_a_disk_and_a_network(green, label):
    n = green.api.post("/networks", {"name": f"b-{label}", "cidr": "10.8.0.0/24"}, 201).json
    i = green.post(body(label, config={"volumes": [f"e-{label}:ro"], "networks": [n["name"]]})).json
    i = green.api.until(i["id"], "running")
    assert [(v["name"], v["kind"], v["readOnly"]) for v in i["volumes"]] == [(f"e-{label}", "block", True)]
    assert [c["name"] for c in i["networks"]] == [n["name"]]
    for wrong in ("..", "a b", ":ro", f"e-{label}:rw:ro", "/etc:/x/y/z:rx", ""):
        assert green.post(body(label + "x", config={"volumes": [wrong]}), 400).error == "INVALID_REQUEST"
    green.drop(i["id"])
    green.api.delete(f"/volumes/{i['volumes'][0]['id']}", None, Prefer="wait=30")
    green.api.delete(f"/networks/{n['id']}", None)
