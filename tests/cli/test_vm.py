"""lodge with virtual machines: create with all its flags, verbs, sizes, images, and the console in a terminal."""
import glob
import json
import os
import pty
import select
import signal
import subprocess
import time

import pytest

from lodge_cli import LODGE, Cli

GIB = 1 << 30


@pytest.fixture(scope="module")
def cli(vms):
    return Cli(vms)


@pytest.fixture
def vm(cli, request):
    name = "c" + str(abs(hash(request.node.name)) % 10 ** 8)
    cli.run("instance", "create", name, "--type", "vm", "--memory", "128m")
    yield name
    cli.run("instance", "rm", "--force", name)


def test_create_says_everything(vms, cli, tmp_path):
    user, meta, key = tmp_path / "user", tmp_path / "meta", tmp_path / "key.pub"
    user.write_text("#cloud-config\npackages: [nginx]\n")
    meta.write_text("role: db\n")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    out = cli.run("instance", "create", "full", "--json", "--type", "vm", "--image", "tiny", "--cpus", "2", "--memory", "256m",
                  "--disk", "12g", "--user-data", str(user), "--meta-data", str(meta), "--ssh-key", str(key), "--disk-format", "raw",
                  "--firmware", "uefi", "--network", "default", "--label", "tier=db").stdout
    i = json.loads(out)
    assert i["type"] == "vm" and i["state"] == "running" and i["labels"] == {"tier": "db"}
    assert i["resources"]["storage"]["totalSpace"] == 12 * GIB and i["config"]["diskFormat"] == "raw"
    assert i["config"]["firmware"] == "uefi" and i["config"]["cloudInit"] == {"userDataBytes": 32, "metaDataBytes": 9}
    for path in glob.glob(f"{vms.state}/fake-vm/inst-*"):
        with open(path) as f:
            e = json.load(f)
        if e["id"] == i["id"]:
            assert e["user_data"] == user.read_text() and json.loads(e["meta_data"]) == {"role": "db"}
            assert e["ssh_keys"][0] == " ".join(key.read_text().split()[:2])
    assert "vm" in cli.run("instance", "ls").stdout and "12" in cli.run("instance", "get", "full").stdout
    cli.run("instance", "rm", "--force", "full")


def test_create_with_what_cannot_be(cli, tmp_path):
    assert "cannot be read" in cli.run("instance", "create", "x", "--type", "vm", "--user-data", str(tmp_path / "none"), code=2).stderr
    assert "--disk" in cli.run("instance", "create", "x", "--type", "vm", "--disk", "much", code=2).stderr
    cli.run("instance", "create", "x", "--type", "box", code=1)


def test_verbs_and_sizes(cli, vm):
    assert cli.run("instance", "suspend", vm).stdout == f"{vm} asleep\n"
    assert cli.run("instance", "wake", vm).stdout == f"{vm} running\n"
    assert cli.run("instance", "reset", vm).stdout == f"{vm} running\n"
    cli.run("instance", "suspend", vm)
    assert cli.run("instance", "start", vm).stdout == f"{vm} running\n"
    cli.run("instance", "resize", vm, "--cpus", "2", "--memory", "192m", "--disk", "20g")
    i = json.loads(cli.run("instance", "get", vm, "--json").stdout)
    assert i["resources"]["cpu"]["cores"] == 2 and i["resources"]["storage"]["totalSpace"] == 20 * GIB
    assert "only grows" in cli.run("instance", "resize", vm, "--disk", "1g", code=1).stderr
    assert "new size" in cli.run("instance", "resize", vm, code=2).stderr


def test_images(cli, tmp_path):
    disk = tmp_path / "disk.img"
    disk.write_bytes(os.urandom(20000))
    out = cli.run("image", "upload", str(disk), "--json", "--name", "own", "--kind", "vm", "--format", "raw", "--min-memory", "128m",
                  "--min-disk", "1g", "--user", "admin", "--no-cloud-init").stdout
    vm = json.loads(out)["vm"]
    assert vm["format"] == "raw" and vm["minMemoryBytes"] == 128 << 20 and vm["defaultUser"] == "admin" and not vm["cloudInit"]
    assert "admin" in cli.run("image", "get", "own").stdout
    cli.run("image", "rm", "own")
    assert "public Internet" in cli.run("image", "fetch", "https://127.0.0.9/x.qcow2", "--name", "far", code=1).stderr
    assert "https" in cli.run("image", "fetch", "ftp://example.com/x", "--name", "far2", code=1).stderr
    cli.run("image", "rm", "far")


class Terminal:
    """`lodge console` in a terminal of its own."""

    def __init__(self, vms, *argv):
        self.master, slave = pty.openpty()
        self.p = subprocess.Popen([LODGE, "console", *argv], stdin=slave, stdout=slave, stderr=subprocess.PIPE,
                                  env=Cli(vms).environment())
        os.close(slave)
        self.got = b""

    def until(self, mark):
        end = time.monotonic() + 60
        while mark not in self.got:
            assert time.monotonic() < end, self.got
            if select.select([self.master], [], [], 0.2)[0]:
                self.got += os.read(self.master, 4096)
            assert self.p.poll() is None or mark in self.got, (self.got, self.p.stderr.read())

    def type(self, data):
        os.write(self.master, data)

    def end(self, code):
        assert self.p.wait(60) == code
        os.close(self.master)
        return self.p.stderr.read().decode()


def test_console(vms, vm):
    t = Terminal(vms, vm)
    t.until(b"login: ")
    t.type(b"root\r")
    t.until(b"root\r")
    t.type(b"\x03")  # the machine's, not ours
    t.until(b"\x03")
    t.type(b"\x1d")
    assert "left the console" in t.end(0)


def test_console_only_looks(vms, vm):
    t = Terminal(vms, vm, "--read-only")
    t.until(b"login: ")
    other = Terminal(vms, vm)
    other.until(b"login: ")
    t.type(b"halt\r")
    other.type(b"uptime\r")
    t.until(b"uptime\r")
    assert b"halt" not in t.got
    for x in (t, other):
        x.type(b"\x1d")
        x.end(0)


def test_console_of_nothing(vms, cli, vm):
    cli.run("console", "absent", code=3)
    cli.run("instance", "stop", "--force", vm)
    assert "stopped" in cli.run("console", vm, code=5).stderr


def test_the_consoles_end_is_told(vms, cli, vm):
    """Its keeper dies: the terminal is as it was, and the message says what happened."""
    t = Terminal(vms, vm)
    t.until(b"login: ")
    for p in vms.tree().values():
        try:
            with open(f"/proc/{p.pid}/comm") as comm:
                if comm.read().startswith("lodge-stream-of"):
                    os.kill(p.pid, signal.SIGKILL)
        except OSError:
            pass  # it ended by itself
    t.p.wait(60)
    assert "the console" in t.end(t.p.returncode)
    again = Terminal(vms, vm)
    again.until(b"login: ")
    again.type(b"\x1d")
    again.end(0)
