"""What `make install` writes, what its units allow, and whether Lodge works within that."""
import glob
import os
import re
import stat
import subprocess

import pytest

from lodge_system import BUILD, processes, until
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


@pytest.fixture
def installed(common_path):
    """Makes Lodges that are installed below a prefix of their own and run as their units say."""
    made = []

    def make(drivers):
        made.append(Units(str(common_path / "usr"), drivers=drivers, reconcile_ms=500, vm_accelerator="tcg"))
        return made[-1]

    yield make
    for s in made:
        s.close()


def killed_for_memory(api):
    """A container that is: on Podman the kernel's log alone says so."""
    ident = api.create("greedy", ["sh", "-c", "x=x; while :; do x=$x$x; done"], memory=16 << 20, expect_state=None)["id"]
    ended = until("it is seen to have died", lambda: (n := api.instance(ident))["state"] in ("stopped", "error") and n["reason"] and n)
    assert ended["reason"]["oomKilled"] is True, ended["reason"]
    api.remove(ident)


def machine_runs(api):
    """From the image that the host has made for itself."""
    until("the host's own image is there", lambda: any(i["kind"] == "vm" and i["default"] and i["state"] == "ready"
                                                       for i in api.get("/images").json["images"]), timeout=120)
    ident = api.post("/compute/instances", {"name": "machine", "type": "vm", "resources": {"memory": {"limit": 128 << 20}}}, 201).json["id"]
    assert api.until(ident, "running")["state"] == "running"
    api.remove(ident)


@pytest.mark.parametrize("drivers", ["fake", "container", "fake,kvm"])
def test_lodge_works_as_its_units_say(installed, drivers):
    s = installed(drivers)
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
    if drivers == "container":
        killed_for_memory(api)
    if "kvm" in drivers:
        machine_runs(api)
    s.stop()
    s.start()  # sockets left behind by their last owner are in nobody's way
    assert s.admin().get("/compute/instances").json["instances"] == []


def mentioning(path):
    """Processes whose command or environment has the path in it."""
    found = []
    for pid in processes():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f, open(f"/proc/{pid}/environ", "rb") as g:
                if path.encode() in f.read() + g.read():
                    found.append(pid)
        except OSError:
            pass
    return [pid for pid in found if pid != os.getpid()]


@pytest.mark.within(900)
def test_the_image_of_languages_is_built_with_the_runners_rights(installed, tmp_path):
    """Debian's packages have setuid files in them, and devices; nothing of it needs more than the unit leaves."""
    s = installed("fake")
    recipe = [f"{s.share}/fcgi/driver/images/run/build", f"{tmp_path}/cache", f"{BUILD}/bin/lodge-box"]
    os.mkdir(f"{tmp_path}/cache")
    argv = s.launch(s.unit("lodge-runner.service"), program=recipe)
    p = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until("packages are being unpacked", lambda: glob.glob(f"{tmp_path}/cache/run-tmp.*/mmdebstrap.*/var/lib/dpkg"), timeout=400)
    p.kill()
    p.wait()
    until("nothing of the build runs", lambda: not mentioning(f"{tmp_path}/cache"))
    with open("/proc/self/mounts") as f:
        assert f"{tmp_path}/cache" not in f.read()
    p = subprocess.run(argv, capture_output=True, text=True)
    assert p.returncode == 0 and p.stdout.splitlines()[-1].startswith("image "), p.stdout + p.stderr
    assert not glob.glob(f"{tmp_path}/cache/run-tmp.*") and not mentioning(f"{tmp_path}/cache")
