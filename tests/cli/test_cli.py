"""`lodge` against a whole Lodge with the fake engine: commands, output, exit codes, credentials, faults."""
import ipaddress
import itertools
import json
import os
import re
import subprocess
import uuid

import pytest

from lodge_cli import LODGE, Cli
from lodge_system import until

PASSWORD = "correct horse battery"


def name(prefix="i"):
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


# Usage --------------------------------------------------------------------------------------------------------
def test_help_lists_every_command(cli):
    text = cli("help")
    for line in ("instance create <name>", "image pull <reference>", "operation wait <id>", "events", "admin create", "doctor", "migrate"):
        assert line in text
    assert "--image <image>" in cli("instance", "help")
    assert "--force" in cli("instance", "stop", "--help")
    assert cli("events", "--help").startswith("usage: lodge events")


@pytest.mark.parametrize("args", [
    [], ["nonsense"], ["instance"], ["instance", "nonsense"], ["instance", "get"], ["instance", "get", "a", "b"],
    ["instance", "ls", "--nonsense"], ["instance", "ls", "--state"], ["instance", "ls", "--json=1"], ["image", "upload", "x.tar"],
    ["instance", "stop", "x", "--timeout", "abc"], ["instance", "ls", "--", "x"], ["token", "create", "a", "--days", "0"],
    ["instance", "create", "x", "--memory", "lots"], ["instance", "create", "x", "--cpus", "-1"],
    ["instance", "create", "x", "--label", "novalue"], ["instance", "usage", "--since", "1h"], ["instance", "create", "x", "--ingress", "http"], ["doctor", "--what"]])
def test_wrong_usage(cli, args):
    p = cli.run(*args, code=2)
    assert p.stdout == "" and p.stderr


# Instances ----------------------------------------------------------------------------------------------------
def test_usage_over_time(cli):
    n = name()
    cli("instance", "create", n)
    rows = until("its history begins", lambda: cli.json("instance", "usage", n, "--since", "10m", "--step", "10s")["usage"])
    assert set(rows[0]) == {"at", "cpu", "cpuMax", "memory", "memoryMax", "received", "sent", "disk"}
    text = cli("instance", "usage", n, "--since", "1h").splitlines()
    assert text[0].split()[:3] == ["FROM", "CPU", "%"] and len(text) > 1
    assert "30d" in cli("instance", "usage", "--help")
    assert cli.run("instance", "usage", n, "--since", "yesterday", code=1).stderr
    assert cli.run("instance", "usage", n, "--step", "soon", code=2).stderr
    cli("instance", "rm", "-f", n)


def test_life_of_an_instance(cli):
    n = name()
    made = cli.json("instance", "create", n, "-e", "A=b", "--secret-env", "S=hidden", "-l", "k=v", "-m", "64m", "--cpus", "0.5",
                    "--ingress", "8080", "--access", "members", "--", "sh", "-c", "sleep 1000")
    assert made["state"] == "running" and made["config"]["command"] == ["sh", "-c", "sleep 1000"]
    assert made["resources"]["memory"]["limit"] == 64 << 20 and made["labels"] == {"k": "v"}
    assert made["config"]["env"] == ["A=b", "S=********"] and made["ingress"][0]["access"] == "members"
    assert n in [i["name"] for i in cli.json("instance", "ls", "--label", "k=v")["instances"]]
    assert cli("instance", "ls", "-q", "--name", n).strip() == made["id"]
    for verb, state in (("pause", "paused"), ("unpause", "running"), ("restart", "running"), ("stop", "stopped"), ("start", "running")):
        assert cli("instance", verb, n) == f"{n} {state}\n"
    assert cli.json("instance", "get", made["id"])["state"] == "running"
    text = cli("instance", "get", n)
    assert f"Name          {n}\n" in text and "hidden" not in text
    cli("instance", "rm", n, code=5)
    assert cli("instance", "rm", "-f", n) == f"{n} deleted\n"
    cli("instance", "get", n, code=3)


def test_tables_are_aligned(cli):
    names = [name(), name("longer-name")]
    for n in names:
        cli("instance", "create", n, "--no-start")
    lines = cli("instance", "ls").splitlines()
    at = lines[0].index("STATE")
    assert all(line[at - 1] == " " and line[at] != " " for line in lines)
    cli("instance", "rm", *names)


def test_several_at_once_name_the_one_at_fault(cli):
    n = name()
    cli("instance", "create", n)
    p = cli.run("instance", "stop", "no-such", n, code=3)
    assert p.stdout == f"{n} stopped\n" and "no-such: " in p.stderr
    cli("instance", "rm", n)


def test_no_wait(cli):
    n = name()
    cli("instance", "create", n, "--no-wait", "-q")
    op = cli.json("operation", "ls", "--instance", n)["operations"][0]
    assert cli("operation", "wait", op["id"]) == f"{op['id']} done\n"
    assert cli.json("operation", "get", op["id"])["status"] == "done"
    cli("operation", "cancel", op["id"], code=5)
    cli("operation", "get", str(uuid.uuid4()), code=3)
    cli("instance", "rm", "-f", n)


def test_names_cannot_climb(cli):
    for bad in ("..", "../../tokens", "a/b", "%2e%2e", "a?b", "ä"):
        cli("instance", "get", bad, code=3)
    cli("instance", "create", "../x", code=1)


def test_conflicts(cli):
    n = name()
    cli("instance", "create", n)
    cli("instance", "create", n, code=5)
    cli("instance", "start", n, code=5)
    cli("instance", "rm", "-f", n)


def test_volumes_and_networks(cli):
    n, v, net = name(), name("v"), name("n")
    made = cli.json("volume", "create", v, "16m")
    assert made["state"] == "ready" and made["sizeBytes"] == 16 << 20
    cli("network", "create", net, "10.7.7.0/24")
    inst = cli.json("instance", "create", n, "--volume", f"{v}:/data:ro", "--nic", net)
    assert inst["volumes"][0]["readOnly"] and inst["networks"][0]["address"] == "10.7.7.2"
    assert f"{n}:/data" in cli("volume", "ls") and f"{n}:10.7.7.2" in cli("network", "ls")
    cli("volume", "rm", v, code=5)
    cli("network", "rm", net, code=5)
    cli("volume", "detach", v, n)
    cli("volume", "attach", v, n, "--path", "/other")
    cli("network", "detach", net, n)
    cli("network", "attach", net, n)
    cli("volume", "create", v, "much", code=2)
    cli("volume", "create", v, "1k", code=1)
    cli("volume", "rm", "nothing", code=3)
    cli("network", "create", net, "10.7.7.0", code=1)
    cli("instance", "rm", "-f", n)
    assert cli.json("volume", "grow", v, "32m")["sizeBytes"] == 32 << 20
    cli("volume", "rm", v)
    cli("network", "rm", net)
    assert v not in cli("volume", "ls") and net not in cli("network", "ls")


def test_ingress(cli):
    n, host = name(), name("h")
    cli("instance", "create", n)
    rule = cli.json("ingress", "add", n, "8080", "--host", host)
    assert rule["host"] == host and rule["url"].startswith(f"https://{host}.apps.localhost:")
    assert host in cli("ingress", "ls") and host in cli("ingress", "ls", n)
    cli("ingress", "add", n, "99999", code=1)
    cli("ingress", "rm", n)
    cli("ingress", "rm", n, code=3)
    cli("instance", "rm", "-f", n)


# Following ----------------------------------------------------------------------------------------------------
def test_events_survive_the_death_of_every_process(make_system, make_follow):
    s = make_system(drivers="fake")
    s.start()
    cli = Cli(s)
    f = make_follow(cli, "events", "-f", "--since", "0", "--json", "--kinds", "instance")  # it may begin after the first create
    cli("instance", "create", "one")
    f.until("creation", lambda lines: any('"one"' in x for x in lines))
    s.kill("stream")
    cli("instance", "create", "two")
    old = s.pids("api-workers")
    s.kill("api")
    until("the old workers are gone", lambda: not [p for p in old if os.path.exists(f"/proc/{p}")])
    s.wait_ready()
    cli("instance", "create", "three")
    f.until("all three running", lambda lines: {e["subject"]["name"] for e in map(json.loads, lines)
                                                if e["kind"] == "instance.state" and e["data"]["state"] == "running"}
            == {"one", "two", "three"})
    seen = [json.loads(x)["id"] for x in f.lines]
    assert seen == sorted(set(seen))
    every = [e["id"] for e in map(json.loads, cli("events", "--since", "0", "--json", "--kinds", "instance").splitlines())]
    assert seen == [i for i in every if i >= seen[0]]


def test_events_of_the_past(cli):
    n = name()
    cli("instance", "create", n)
    assert any(n in line and "instance.created" in line for line in cli("events", "--since", "0").splitlines())
    assert n in cli("events")
    cli("instance", "rm", "-f", n)


def test_services(cli, fake_system, make_follow):
    admin, n = fake_system.admin(), name("svc")
    f = make_follow(cli, "service", "watch", n)
    port = itertools.count(81)

    def register(ttl):
        p = next(port)
        assert admin.request("POST", "/api/registry/register", {"name": n, "id": "a", "address": "::1", "port": p, "ttl": ttl}).status == 200
        return p
    until("it follows", lambda: register(60) and f.lines, step=0.3)
    last = register(60)
    assert "lodge-api" in cli("service", "ls") and n in cli("service", "ls")
    row = cli("service", "ls", n).splitlines()[1].split()
    assert row[:4] == [n, "a", "Healthy", f"[::1]:{last}"] and "tenant" in row
    assert [s["port"] for s in cli.json("service", "ls", n)["services"]] == [last]
    register(1)
    f.until("its end", lambda lines: any("expired" in x and f"{n}/a" in x for x in lines))
    assert len(cli("service", "ls", n).splitlines()) <= 1


# People -------------------------------------------------------------------------------------------------------
def test_tokens(cli, fake_system):
    secret = cli("token", "create", "ci", "--days", "3").strip()
    assert secret.startswith("lg_")
    other = Cli(fake_system, LODGE_TOKEN=secret, LODGE_URL=f"https://localhost:{fake_system.https_port}")
    assert "credentials: the environment" in other("whoami")
    listed = [t for t in cli.json("token", "ls")["tokens"] if secret.startswith(t["prefix"])]
    assert listed[0]["name"] == "ci" and secret not in cli("token", "ls")
    cli("token", "revoke", listed[0]["prefix"])
    other("whoami", code=4)
    cli("token", "revoke", "lg_nobody", code=3)


def test_users_and_tenants(cli):
    user, slug = name("u"), name("t")
    cli("user", "create", user, input=PASSWORD + "\n")
    cli("user", "create", user, input=PASSWORD + "\n", code=5)
    cli("user", "create", name("u"), input="short\n", code=1)
    cli("user", "set", user, code=2)
    assert cli.json("user", "set", user, "--disable")["disabled"] is True
    assert cli.json("tenant", "create", slug, "--name", "A name")["slug"] == slug
    cli("tenant", "join", slug, user, "--owner")
    assert user in cli("tenant", "members", slug)
    cli("tenant", "leave", slug, user)
    assert user not in cli("tenant", "members", slug)
    cli("tenant", "rm", slug)
    cli("tenant", "rm", slug, code=3)
    cli("user", "rm", user)
    assert "user.delete" in cli("audit", "ls")


def test_quota(cli):
    slug = name("t")
    cli("tenant", "create", slug)
    assert "instances    0           unlimited\n" in cli("tenant", "quota", slug)
    cli("tenant", "quota", slug, "--instances", "3", "--memory", "8g", "--cpu", "1.5")
    cli("tenant", "quota", slug, "--tokens", "none", "--instances", "4")
    q = cli.json("tenant", "quota", slug)["quota"]
    code = dict.fromkeys(("codeTimeMs", "codeMemory", "codeOutput"))
    assert q == {"instances": 4, "cpu": 1.5, "memory": 8 << 30, "storage": None, "ingress": None, "tokens": None, **code}
    cli("tenant", "quota", slug, "--code-time", "2.5s", "--code-memory", "128m", "--code-output", "64k")
    assert cli.json("tenant", "quota", slug)["quota"] == {**q, "codeTimeMs": 2500, "codeMemory": 128 << 20, "codeOutput": 65536}
    assert re.search(r"^code-time +- +2\.5 s$", cli("tenant", "quota", slug, "--code-memory", "none"), re.M)
    cli("tenant", "quota", slug, "--code-time", "soon", code=2)
    assert re.search(r"^memory +0 +8(\.0)? GiB$", cli("tenant", "quota", slug), re.M)
    cli("tenant", "quota", slug, "--memory", "lots", code=2)
    cli("tenant", "quota", "no-such", code=3)
    assert "instances" in cli("tenant", "quota")  # of the tenant one works in
    cli("tenant", "rm", slug)


def test_flavors(cli):
    flavor = name("f")
    assert "1.5 GiB" in cli("flavor", "create", flavor, "--cpus", "2", "--memory", "1.5g", "--disk", "20g", "--description", "for tests")
    made = next(f for f in cli.json("flavor", "ls")["flavors"] if f["name"] == flavor)
    assert made == {"name": flavor, "vcpus": 2, "ramGB": 1.5, "diskGB": 20, "description": "for tests"}
    cli("flavor", "create", flavor, "--cpus", "1", "--memory", "1g", "--disk", "1g", code=5)
    for wrong in ((), ("--cpus", "1"), ("--cpus", "x", "--memory", "1g", "--disk", "1g"), ("--cpus", "1", "--memory", "lots", "--disk", "1g")):
        cli("flavor", "create", "other", *wrong, code=2)
    cli("flavor", "rm", flavor)
    cli("flavor", "rm", flavor, code=3)
    assert flavor not in cli("flavor", "ls")


def test_tenant_flag(cli, fake_system):
    team = fake_system.tenant(name("t"))
    own = Cli(fake_system, LODGE_TOKEN=team.token, LODGE_URL=f"https://localhost:{fake_system.https_port}")
    assert own.json("whoami")["tenant"] == team.tenant["slug"]
    own("whoami", "--tenant", "default", code=4)
    own("user", "ls", code=4)


# Credentials --------------------------------------------------------------------------------------------------
def test_no_credentials(fake_system, tmp_path):
    p = Cli(fake_system, LODGE_STATE=str(tmp_path)).run("whoami", code=4)
    assert "LODGE_URL" in p.stderr


def test_a_token_is_sent_to_its_own_url_alone(cli):
    p = cli.run("whoami", "--url", "https://localhost:1", code=4)
    assert "there is no token" in p.stderr
    cli.run("whoami", "--url", "http://example.com", code=4)
    Cli(cli.system, LODGE_TOKEN="lg_x").run("whoami", "--url", "http://example.com", code=2)  # never in clear


def test_unreachable(cli, fake_system):
    p = Cli(fake_system, LODGE_TOKEN="lg_x", LODGE_URL="https://localhost:1").run("whoami", code=6)
    assert "cannot be reached" in p.stderr
    Cli(fake_system, LODGE_TOKEN="lg_x", LODGE_URL="https://localhost:1").run("events", "-f", code=6)


def test_the_local_certificate_is_for_the_local_url_alone(fake_system, tmp_path):
    good = fake_system.credentials()
    url = f"https://localhost:{fake_system.https_port}"
    elsewhere = dict(LODGE_STATE=str(tmp_path), LODGE_TOKEN=good["token"], LODGE_URL=url)
    p = Cli(fake_system, **elsewhere).run("whoami", code=6)
    assert "certificate" in p.stderr.lower()
    Cli(fake_system, **elsewhere)("whoami", "--insecure")
    Cli(fake_system, **elsewhere, LODGE_CACERT=f"{fake_system.state}/tls/cert.pem")("whoami")


def test_credentials_of_the_home_come_first(fake_system, tmp_path):
    os.makedirs(tmp_path / "lodge")
    with open(tmp_path / "lodge" / "credentials", "w") as f:
        f.write(f"url=https://localhost:{fake_system.https_port}\ntoken=lg_wrong\ncacert={fake_system.state}/tls/cert.pem\n")
    p = Cli(fake_system, XDG_CONFIG_HOME=str(tmp_path)).run("whoami", code=4)
    assert "token is not valid" in p.stderr


def test_output_to_a_full_disk_fails(cli):
    with open("/dev/full", "w") as full:
        p = subprocess.run([LODGE, "instance", "ls"], env=cli.environment(), stdout=full, stderr=subprocess.PIPE, text=True, cwd="/")
    assert p.returncode == 1 and "cannot write" in p.stderr


def test_what_servers_say_cannot_command_a_terminal(cli):
    n = name()
    cli("instance", "create", n, "-l", "evil=\x1b[2Jx", "--no-start")
    assert "\x1b" not in cli("instance", "get", n) and "\x1b" not in cli("instance", "get", n, "--json")
    cli("instance", "rm", n)


# This host ----------------------------------------------------------------------------------------------------
def test_version_and_settings(cli):
    assert cli("version").startswith("lodge ")
    assert "subnet_pool" in cli("settings") and cli.json("settings")["https_port"] == cli.system.https_port


def test_settings_are_those_of_the_lodge_that_runs(fake_system):
    """What it was started with, not what the shell has that asks."""
    other = Cli(fake_system, LODGE_CPU_OVERCOMMIT="7")
    s = other.json("settings")
    assert s["cpu_overcommit"] == 64 and s["subnet_pool"] == fake_system.pool.text
    assert (s["from"]["cpu_overcommit"], s["from"]["event_keep"]) == ("environment", "default")
    assert re.search(rf"^# .*process {fake_system.up.pid}\)$", other("settings"), re.M)
    assert re.search(r"^cpu_overcommit +=  *64 +# \(environment\) ", other("settings"), re.M)


def test_settings_without_a_running_lodge(tmp_path):
    (tmp_path / "lodge.conf").write_text("job_workers = 3\n")
    p = subprocess.run([LODGE, "settings"], env={"LODGE_STATE": str(tmp_path), "LODGE_CPU_OVERCOMMIT": "7"}, capture_output=True, text=True, check=True)
    assert re.search(r"^job_workers +=  *3 +# \(lodge.conf\) ", p.stdout, re.M)
    assert re.search(r"^cpu_overcommit +=  *7 +# \(environment\) ", p.stdout, re.M) and "process" not in p.stdout.splitlines()[0]


def test_migrate_changes_nothing_twice(cli):
    assert cli.json("migrate") == {"applied": 0}


def test_admin_create(make_system):
    s = make_system(drivers="fake")
    s.start()
    cli = Cli(s)
    cli("admin", "create", "boss", input=PASSWORD + "\n")
    s.session("boss", PASSWORD).get("/users", 200)
    cli("admin", "create", "boss", input=PASSWORD + "\n", code=5)
    cli("admin", "create", "bo ss", input=PASSWORD + "\n", code=2)
    cli("admin", "create", "other", input="short\n", code=2)
    boss = next(u for u in cli.json("user", "ls")["users"] if u["username"] == "boss")
    s.admin().put(f"/users/{boss['id']}", {"disabled": True, "role": "user"}, 200)
    cli("admin", "create", "boss", "--reset", input="another password\n")
    s.session("boss", "another password").get("/users", 200)
    assert {"admin.create", "admin.reset"} <= {a["action"] for a in cli.json("audit", "ls")["audit"]}
    stat = os.stat(f"{s.state}/db/lodge.db-wal")
    assert stat.st_uid == os.stat(f"{s.state}/db/lodge.db").st_uid  # nothing of root's is left there


def test_migrate_and_admin_before_the_first_start(make_system):
    s = make_system(drivers="fake")
    cli = Cli(s)
    subprocess.run([LODGE, "prepare"], env=s.environment(), cwd=s.state, check=True)
    assert cli.json("migrate")["applied"] >= 1
    cli("admin", "create", "me", input=PASSWORD + "\n")
    s.start()
    s.anonymous().post("/session", {"username": "me", "password": PASSWORD}, 200)
    s.close(verify=False)  # there are no first credentials to look around with


def verdicts(cli, code):
    report = cli.json("doctor", code=code)
    assert report["ok"] is (code == 0)
    return report["checks"]


def wrong(checks, check):
    found = [c for c in checks if c["check"] == check and c["verdict"] != "ok"]
    assert found and all(c["cure"] for c in found), checks
    return " ".join(c["text"] for c in found)


def test_doctor(make_system):
    s = make_system(drivers="fake")
    cli = Cli(s)
    wrong(verdicts(cli, 1), "keys")
    s.start()
    assert verdicts(cli, 0)
    assert "Everything is as it should be." in cli("doctor")

    os.chmod(f"{s.state}/keys/token.key", 0o644)
    assert "token.key" in wrong(verdicts(cli, 1), "keys")
    os.chmod(f"{s.state}/keys/token.key", 0o640)

    key = f"{s.state}/tls/key.pem"
    os.rename(key, key + ".kept")
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
    os.chmod(key, 0o600)
    assert "not the key" in wrong(verdicts(cli, 1), "certificate")
    os.rename(key + ".kept", key)

    if os.geteuid() == 0:
        link, inside = f"lgd{os.getpid() % 10**8}", str(ipaddress.ip_network(s.pool.text)[257])
        for words in (["link", "add", link, "type", "bridge"], ["addr", "add", f"{inside}/24", "dev", link], ["link", "set", link, "up"]):
            subprocess.run(["ip", *words], check=True)
        try:
            assert link in wrong(verdicts(cli, 0), "networks")
        finally:
            subprocess.run(["ip", "link", "del", link], check=True)

    s.stop()
    assert "does not run" in wrong(verdicts(cli, 1), "processes")
    wrong(verdicts(Cli(s, LODGE_STATE="/nonexistent"), 1), "state")


def test_doctor_sees_a_damaged_database(make_system):
    s = make_system(drivers="fake")
    s.start()
    s.stop()
    path = f"{s.state}/db/lodge.db"
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        for at in range(8192, size, 4096):
            f.seek(at)
            f.write(b"\xff" * 2048)
    wrong(verdicts(Cli(s), 1), "database")
