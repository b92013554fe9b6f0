"""The size of a container's own layer, on the real engine: seen, warned of, and its end."""
import json

from e2e_names import FOREVER
from lodge_system import until

MIB = 1 << 20
# Writes up to 40, 52 and 90 MiB in all, and waits before each more until it is let on.
WRITER = ["sh", "-c", "trap 'exit 0' TERM; n=0; for m in 40 52 90; do dd if=/dev/zero of=/srv/f$m bs=1M count=$((m - n)) 2>/dev/null;"
          "n=$m; echo wrote $m; while [ ! -e /tmp/go$m ]; do sleep 0.2; done; done"]


def go_on(system, ident, written):
    assert system.engine.exec(ident, "touch", f"/tmp/go{written}") == (0, "")


def told(system, ident):
    return [json.loads(d)["level"] for (d,) in system.query(
        "SELECT data FROM event WHERE kind = 'instance.storage' AND subject_id = ? ORDER BY id", ident)]


def test_warned_at_ninety_per_cent_and_stopped_at_the_limit(system, admin, tail, name):
    inst = admin.post("/compute/instances", {"name": name, "config": {"command": WRITER, "restartPolicy": "always"},
                                             "resources": {"storage": {"totalSpace": 56 * MIB}}}, 201).json
    ident = inst["id"]
    admin.until(ident, "running")
    usage = f"/compute/instances/{ident}/usage"
    used = until("its size is seen", lambda: (u := admin.get(usage).json["storage"])["used"] and u["used"] >= 40 * MIB and u)
    assert used["total"] == 56 * MIB and used["used"] < 46 * MIB
    assert admin.instance(ident)["resources"]["storage"]["totalSpace"] == 56 * MIB
    go_on(system, ident, 40)
    warning = tail.wait(lambda e: e["kind"] == "instance.storage" and e["subject"]["id"] == ident)
    assert warning["data"]["level"] == "warning" and 90 <= warning["data"]["percent"] < 100
    assert admin.instance(ident)["state"] == "running"
    go_on(system, ident, 52)
    end = tail.wait(lambda e: e["kind"] == "instance.state" and e["subject"]["id"] == ident and e["data"]["state"] == "stopped")
    assert end["data"]["reason"]["code"] == "storage_full", end
    assert told(system, ident) == ["warning", "full"]
    i = admin.instance(ident)
    assert i["state"] == "stopped" and "of the 56.0 MiB it may have" in i["reason"]["text"]
    assert not system.engine.inspect(ident)["State"]["Running"]  # its policy does not revive it
    ops = admin.get(f"/operations?instance={ident}").json["operations"]
    assert [(o["kind"], o["status"], o["requestedBy"]) for o in ops][0] == ("instance.stop", "done", "system")
    history = admin.get(usage + "?step=10").json
    assert max(x or 0 for x in history["storage"]["used"]) >= 40 * MIB
    assert f'lodge_instance_disk_bytes{{tenant="default",name="{name}"}}' not in admin.request("GET", "/metrics").text
    admin.remove(ident)


def test_without_a_limit_it_is_only_seen(system, admin, name):
    inst = admin.create(name, FOREVER)
    ident = inst["id"]
    until("its size is seen", lambda: admin.get(f"/compute/instances/{ident}/usage").json["storage"]["used"] is not None)
    assert f'lodge_instance_disk_bytes{{tenant="default",name="{name}"}}' in admin.request("GET", "/metrics").text
    assert told(system, ident) == []
    admin.remove(ident)
