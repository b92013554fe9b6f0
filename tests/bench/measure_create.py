"""From the POST to running, against the engine's own create and start of the same container."""
import itertools

from common import interleaved, seconds
from lodge_client import operation_of

COMMAND = ["sleep", "100000"]
number = itertools.count(1)


def lodge(admin, made):
    a = admin.post("/compute/instances", {"name": f"bench-c{next(number)}", "config": {"command": COMMAND}}, 201)
    assert admin.operation(operation_of(a))["status"] == "done"
    made.append(a.json["id"])


def same_spec(s, ident):
    """What the engine was told for an instance of Lodge's, to tell it again by hand."""
    real = s.engine.inspect(ident)
    host = real["HostConfig"]
    network = next(iter(real["NetworkSettings"]["Networks"]))
    return {"Image": real["Config"]["Image"], "Cmd": COMMAND, "Hostname": "bench", "Env": real["Config"]["Env"],
            "Labels": {"bench": "1"},
            "HostConfig": {k: host[k] for k in ("Memory", "MemorySwap", "NanoCpus", "PidsLimit", "Tmpfs") if host.get(k)} |
            {"NetworkMode": network, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"],
             "CapAdd": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"],
             "Ulimits": [{"Name": "nofile", "Soft": 20000, "Hard": 20000}, {"Name": "nproc", "Soft": 4096, "Hard": 4096}]},
            "NetworkingConfig": {"EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": ""}, "Aliases": ["bench"]}}}}


def engine(s, spec, made, subnet):
    n = next(number)
    where = next(iter(spec["NetworkingConfig"]["EndpointsConfig"].values()))
    where["IPAMConfig"]["IPv4Address"] = subnet.replace(".0/24", f".{200 + n % 50}")
    a = s.engine.call("POST", f"/containers/create?name=bench-{n}", spec)
    assert a.status == 201, a
    started = s.engine.call("POST", f"/containers/bench-{n}/start")
    assert started.status == 204, started
    made.append(n)


def run(s, report):
    admin = s.admin()
    ours, theirs = [], []
    first = admin.create("bench-first", COMMAND)
    spec, subnet = same_spec(s, first["id"]), first["network"]["subnet"]

    def one_lodge():
        took = seconds(lambda: lodge(admin, ours))
        admin.remove(ours.pop())
        return took

    def one_engine():
        took = seconds(lambda: engine(s, spec, theirs, subnet))
        assert s.engine.call("DELETE", f"/containers/bench-{theirs.pop()}?force=1").status in (200, 204)
        return took

    got = interleaved(rounds=25, lodge=one_lodge, engine=one_engine)
    admin.remove(first["id"])
    ratio = got["lodge"] / got["engine"]
    report("create -> running", f"{got['lodge'] * 1e3:.0f}", "ms")
    report("the engine's own create + start", f"{got['engine'] * 1e3:.0f}", "ms")
    report("create -> running / engine's own", f"{ratio:.2f}", "", "aim <= 1.10", ratio <= 1.10)
