"""Secret values never leave but into the instance; every value arrives there as it was given."""
import json
import os
import urllib.parse

from e2e_names import program
from lodge_client import operation_of
from lodge_system import until

SECRET = "Hunter2-ΩΨ/§-must-never-be-seen"
ODD = ["EMPTY=", "SPACES= a  b ", "QUOTES=\"it's\" `x` $HOME ${X} \\n \\", "EQUALS=a=b==c", "UNICODE=Grüße 你好 🙂",
       "LINES=one\ntwo\n", "TABS=\ta\t", "PERCENT=%s%n%%", "LONG=" + "x" * 8000]


def environment_of(system, ident):
    with open(f"/proc/{program(system, ident, 'sleep')}/environ", "rb") as f:
        return dict(e.split("=", 1) for e in f.read().decode().split("\0") if "=" in e)


def test_env_arrives_exactly(system, admin, name):
    i = admin.create(name, ["sleep", "100000"], env=ODD, secretEnv=[f"PASSWORD={SECRET}"])
    env = environment_of(system, i["id"])
    for pair in ODD:
        key, value = pair.split("=", 1)
        assert env.get(key) == value, key
    assert env["PASSWORD"] == SECRET
    assert sorted(i["config"]["env"]) == sorted(ODD + ["PASSWORD=********"])
    admin.power(i["id"], "restart", {"timeout": 0})
    assert environment_of(system, i["id"])["PASSWORD"] == SECRET
    admin.remove(i["id"])


def test_a_secret_is_seen_nowhere(system, admin, tail, name):
    a = admin.post("/compute/instances", {"name": name, "config": {"command": ["sleep", "100000"],
                                                                   "secretEnv": [f"PASSWORD={SECRET}"]}}, 201)
    ident = a.json["id"]
    admin.until(ident, "running")
    tail.wait(lambda e: e["kind"] == "operation.done" and e["data"]["operation"]["id"] == operation_of(a))
    admin.power(ident, "restart", {"timeout": 0})
    said = [a.text] + [admin.get(p).text for p in (f"/compute/instances/{ident}", "/compute/instances", "/operations", "/audit",
                                                   f"/compute/instances/name/{name}", "/events?since=0")]
    said += [json.dumps(tail.events)] + [system.log(n) for n in ("api", "runner", "stream", "nginx", "engine")] + [system.said()]
    for text in said:
        assert "Hunter2" not in text
    assert "PASSWORD=********" in said[1]
    assert any(r["action"] == "instance.create" and r["subject"] == ident for r in admin.get("/audit").json["audit"])
    bytes_of = [SECRET.encode(), urllib.parse.quote(SECRET).encode(), json.dumps(SECRET).strip('"').encode()]
    for folder, _, files in os.walk(f"{system.state}/db"):
        for f in files:
            try:
                with open(f"{folder}/{f}", "rb") as handle:
                    data = handle.read()
            except FileNotFoundError:
                continue  # the database's own, for a moment
            assert not any(b in data for b in bytes_of), f"the secret is in {f}"
    admin.remove(ident)


def test_credentials_are_not_in_the_database_or_logs(system, admin):
    cred = system.credentials()
    with open(f"{system.state}/db/lodge.db", "rb") as f:
        data = f.read()
    wal = f"{system.state}/db/lodge.db-wal"
    if os.path.exists(wal):
        with open(wal, "rb") as f:
            data += f.read()
    for what in ("password", "token"):
        assert cred[what].encode() not in data
        assert not any(cred[what] in system.log(n) for n in ("api", "runner", "stream", "nginx", "engine"))
    assert oct(os.stat(f"{system.state}/credentials").st_mode)[-3:] == "600"


def test_odd_names_are_refused(admin):
    for env in (["1A=x", ], ["A B=x"], ["=x"], ["NOEQUALS"], ["A=\0x"], ["A=1", "A=2"]):
        a = admin.post("/compute/instances", {"name": "odd-env", "config": {"env": env}}, (400, 201))
        if a.status == 201:
            until("gone", lambda: admin.remove(a.json["id"]))
        assert a.status == 400 and a.error == "INVALID_REQUEST", f"{env}: {a}"
