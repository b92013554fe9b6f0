"""What `make install` writes, what its units allow, and whether Lodge works within that."""
import os
import re
import stat
import subprocess

import pytest

from lodge_system import processes
from units import Units, install, read_unit, values


@pytest.fixture(scope="module")
def units_dir(tmp_path_factory):
    return install(str(tmp_path_factory.mktemp("prefix")))


def services(units_dir):
    return sorted(n for n in os.listdir(units_dir) if n.endswith(".service"))


def test_units_are_sound(units_dir):
    p = subprocess.run(["systemd-analyze", "verify", *(f"{units_dir}/{n}" for n in sorted(os.listdir(units_dir)))],
                       capture_output=True, text=True)
    assert p.returncode == 0 and p.stderr == ""


@pytest.mark.parametrize("name", ["api", "stream"])
def test_what_faces_the_network_is_shut_in(units_dir, name):
    p = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", f"{units_dir}/lodge-{name}.service"],
                       capture_output=True, text=True)
    level = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", p.stdout).group(1))
    assert level < 2.0, p.stdout
    unit = read_unit(f"{units_dir}/lodge-{name}.service")
    assert values(unit, "User") == ["lodge"] and values(unit, "CapabilityBoundingSet") == [""]


def test_sysusers_and_tmpfiles(units_dir, tmp_path):
    lib = os.path.dirname(os.path.dirname(units_dir))
    os.makedirs(f"{tmp_path}/etc")
    for command in (["systemd-sysusers", f"--root={tmp_path}", f"{lib}/sysusers.d/lodge.conf"],
                    ["systemd-tmpfiles", f"--root={tmp_path}", "--create", f"{lib}/tmpfiles.d/lodge.conf"]):
        p = subprocess.run(command, capture_output=True, text=True)
        assert p.returncode == 0, p.stderr
    with open(f"{tmp_path}/etc/passwd") as f:
        assert [line for line in f if line.startswith("lodge:")]
    assert stat.S_IMODE(os.stat(f"{tmp_path}/var/lib/lodge/run").st_mode) == 0o750


def test_an_installed_lodge_finds_itself(units_dir, tmp_path):
    prefix = units_dir.split("/lib/systemd")[0]
    env = {"PATH": os.environ["PATH"], "LODGE_STATE": f"{tmp_path}/none"}
    p = subprocess.run([f"{prefix}/bin/lodge", "version"], env=env, cwd="/", capture_output=True, text=True)
    assert p.returncode == 0 and p.stdout.startswith("lodge ")


@pytest.mark.parametrize("drivers", ["fake", "container"])
def test_lodge_works_as_its_units_say(tmp_path, drivers):
    os.chmod(tmp_path, 0o755)
    for parent in (tmp_path.parent, tmp_path.parent.parent):
        os.chmod(parent, 0o755)  # as /usr is: the unprivileged user reads the static files
    s = Units(str(tmp_path / "usr"), drivers=drivers, reconcile_ms=500)
    try:
        s.start()
        uid = os.stat(f"{s.state}/db/lodge.db").st_uid
        for pid in (p.pid for p in processes().values() if p.name in ("lodge-api", "lodge-stream") and p.pid in
                    {s.running["api"].pid, s.running["stream"].pid}):
            with open(f"/proc/{pid}/status") as f:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
            assert status["Uid"].split() == [str(uid)] * 4
            assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1"
        assert stat.S_IMODE(os.stat(f"{s.state}/keys").st_mode) == 0o700
        api = s.admin()
        ident = api.create("web")["id"]
        api.power(ident, "stop")
        api.power(ident, "start")
        assert api.instance(ident)["state"] == "running"
        assert api.get(f"/compute/instances/{ident}/logs").status == 200
        api.remove(ident)
        s.stop()
        s.start()  # sockets left behind by their last owner are in nobody's way
        assert s.admin().get("/compute/instances").json["instances"] == []
    finally:
        s.close()
