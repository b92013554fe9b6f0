"""A Docker daemon of the tests' own, with its own containerd, below one folder. It has no bridge and writes no rules: ports are
published by its proxy, isolation is Lodge's. Everything is stopped by pid."""
import os
import shutil
import subprocess
import tempfile

from lodge_client import Engine
from lodge_system import until

CONTAINERD = """version = 2
root = "{0}/containerd"
state = "{0}/containerd-run"
oom_score = 0
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{0}/containerd.sock"
[ttrpc]
address = "{0}/containerd.sock.ttrpc"
"""


def installed():
    return os.geteuid() == 0 and all(shutil.which(p, path="/usr/sbin:/usr/bin") for p in ("dockerd", "containerd"))


class Dockerd:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="lodge-dockerd-", dir=os.environ.get("LODGE_TEST_DIR", "/tmp"))
        self.socket = f"{self.dir}/docker.sock"
        with open(f"{self.dir}/containerd.toml", "w") as f:
            f.write(CONTAINERD.format(self.dir))
        with open(f"{self.dir}/docker.json", "w") as f:
            f.write("{}")
        self.engine = Engine(self.socket)
        self.containerd = self._run("containerd", "--config", f"{self.dir}/containerd.toml")
        self.daemon = None
        self.start()

    def _run(self, *argv):
        with open(f"{self.dir}/{argv[0]}.log", "ab") as out:
            return subprocess.Popen(argv, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def start(self):
        if os.path.exists(f"{self.dir}/docker.pid"):
            os.unlink(f"{self.dir}/docker.pid")  # of a killed one
        self.daemon = self._run(
            "dockerd", "--config-file", f"{self.dir}/docker.json", "--data-root", f"{self.dir}/docker", "--exec-root",
            f"{self.dir}/exec", "--pidfile", f"{self.dir}/docker.pid", "--host", f"unix://{self.socket}", "--containerd",
            f"{self.dir}/containerd.sock", "--oom-score-adjust", "0", "--storage-driver", "overlay2", "--default-ulimit",
            "nofile=20000:20000", "--default-ulimit", "nproc=4096:4096", "--live-restore", "--bridge", "none", "--iptables=false",
            "--ip-forward=false", "--ip-masq=false")
        until("dockerd answers", self._answers)

    def _answers(self):
        assert self.daemon.poll() is None, self.said()
        try:
            return self.engine.call("GET", "/_ping").status == 200
        except OSError:
            return False

    def said(self):
        with open(f"{self.dir}/dockerd.log", errors="replace") as f:
            return f.read()[-3000:]

    def kill(self):
        """As kill -9 does; containers live on."""
        self.daemon.kill()
        self.daemon.wait()

    def mounts(self):
        with open("/proc/self/mounts") as f:
            return [line.split()[1] for line in f if line.split()[1].startswith(self.dir + "/")]

    def close(self):
        """Nothing may be left of it that it ought to have taken away itself."""
        left = [c["Names"] for c in self.engine.call("GET", "/containers/json?all=1").json]
        for p in (self.daemon, self.containerd):
            p.terminate()
            try:
                p.wait(30)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        for m in sorted(self.mounts(), reverse=True):
            subprocess.run(["umount", "--lazy", m], check=False)
        assert not left, f"containers left over: {left}"
        with open(f"{self.dir}/dockerd.log", errors="replace") as f:
            panics = [line for line in f if "panic" in line]
        shutil.rmtree(self.dir, ignore_errors=True)
        assert not panics, panics
