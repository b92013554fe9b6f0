"""The Debian package in a root of its own: nothing of the host is touched, no service is started."""
import glob
import hashlib
import os
import stat
import subprocess

import pytest

from lodge_system import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="installing packages needs root")


def make_deb(version, to):
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "SAN")}
    p = subprocess.run([f"{ROOT}/systemd/make-deb", version, str(to)], capture_output=True, text=True, env=env)
    assert p.returncode == 0, p.stdout + p.stderr
    return p.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    to = tmp_path_factory.mktemp("packages")
    return make_deb("1.0.0", to), make_deb("1.0.1", to)


class Host:
    def __init__(self, path):
        self.root = str(path)
        for folder in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "etc", "usr"):
            os.makedirs(f"{self.root}/{folder}")
        for file in ("status", "available"):
            open(f"{self.root}/var/lib/dpkg/{file}", "w").close()

    def dpkg(self, *args):
        p = subprocess.run(["dpkg", f"--root={self.root}", "--force-script-chrootless", "--force-depends", *args],
                           capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        assert p.returncode == 0, p.stdout + p.stderr
        return p.stdout + p.stderr

    def status(self):
        p = subprocess.run(["dpkg-query", f"--admindir={self.root}/var/lib/dpkg", "-W", "-f", "${db:Status-Status} ${Version}",
                            "lodge"], capture_output=True, text=True)
        return p.stdout

    def files(self):
        return sorted(f for f in glob.glob(f"{self.root}/**", recursive=True) if "lodge" in os.path.relpath(f, self.root)
                      and "/var/lib/dpkg/" not in f)


def fingerprint(*paths):
    return [hashlib.sha256(open(p, "rb").read()).hexdigest() for p in paths]


def test_installs_upgrades_and_removes_cleanly(packages, tmp_path):
    host, mine = Host(tmp_path), ("/etc/passwd", "/etc/group", "/var/lib/dpkg/status")
    before = fingerprint(*mine)
    old, new = packages
    assert "systemctl enable --now lodge.target" in host.dpkg("-i", old)
    assert host.status() == "installed 1.0.0"
    assert os.path.exists(f"{host.root}/usr/lib/systemd/system/lodge-api.service")
    p = subprocess.run([f"{host.root}/usr/bin/lodge", "version"], capture_output=True, text=True, cwd="/")
    assert p.returncode == 0 and p.stdout.startswith("lodge ")
    with open(f"{host.root}/etc/passwd") as f:
        assert any(line.startswith("lodge:") for line in f)
    assert stat.S_IMODE(os.stat(f"{host.root}/var/lib/lodge/run").st_mode) == 0o750
    kept = f"{host.root}/var/lib/lodge/lodge.conf"
    with open(kept, "w") as f:
        f.write("domain = lodge.example\n")

    host.dpkg("-i", new)
    assert host.status() == "installed 1.0.1"
    assert open(kept).read() == "domain = lodge.example\n"
    host.dpkg("--audit")

    host.dpkg("-r", "lodge")
    state = f"{host.root}/var/lib/lodge"
    assert [f for f in host.files() if not f.startswith(state)] == []
    assert "state is still in" in host.dpkg("-P", "lodge")
    assert open(kept).read() == "domain = lodge.example\n"  # what instances' disks are in is not a package's to delete

    host.dpkg("-i", new)
    os.unlink(kept)
    host.dpkg("-P", "lodge")
    assert host.files() == [] and host.status() in ("", "not-installed ")
    assert fingerprint(*mine) == before
    assert not os.path.exists("/run/lodge-upgrade")


def test_what_is_in_it(packages):
    listing = subprocess.run(["dpkg-deb", "-c", packages[0]], capture_output=True, text=True, check=True).stdout.splitlines()
    modes = {line.split()[5]: line.split()[:2] for line in listing}
    assert {tuple(v)[1] for v in modes.values()} == {"root/root"}
    plain = [mode for mode, _ in modes.values() if mode[0] != "l"]
    assert all(mode[8] != "w" and "s" not in mode for mode in plain)  # nothing for all to write, nothing setuid
    depends = subprocess.run(["dpkg-deb", "-f", packages[0], "Depends"], capture_output=True, text=True, check=True).stdout
    for needed in ("libsqlite3-0", "libsodium23", "libfcgi0ldbl", "podman", "nginx-light | nginx", "nftables"):
        assert needed in depends
    recommended = subprocess.run(["dpkg-deb", "-f", packages[0], "Recommends"], capture_output=True, text=True, check=True).stdout
    for needed in ("libvirt-daemon", "libvirt-daemon-driver-qemu", "qemu-system-x86", "qemu-utils", "grub-pc-bin", "mmdebstrap"):
        assert needed in recommended.strip().split(", ")
