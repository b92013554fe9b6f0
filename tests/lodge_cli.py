"""The program `lodge` as a person or a script runs it."""
import json
import subprocess
import threading
import time

from lodge_system import BUILD

LODGE = f"{BUILD}/bin/lodge"


class Cli:
    def __init__(self, system, **env):
        self.system, self.env = system, env

    def environment(self):
        env = self.system.environment()
        env.pop("LODGE_SHARE", None)
        env |= {"HOME": f"{self.system.state}/home", "XDG_CONFIG_HOME": ""}
        env |= {k: v for k, v in self.env.items() if v is not None}
        return {k: v for k, v in env.items() if k not in self.env or self.env[k] is not None}

    def run(self, *args, code=0, input="", cwd="/"):
        p = subprocess.run([LODGE, *args], env=self.environment(), input=input, capture_output=True, text=True,
                           timeout=120, cwd=cwd)
        assert p.returncode == code, f"lodge {' '.join(args)}: {p.returncode}, wanted {code}\n{p.stdout}\n{p.stderr}"
        return p

    def __call__(self, *args, **kw):
        return self.run(*args, **kw).stdout

    def json(self, *args, **kw):
        at = args.index("--") if "--" in args else len(args)
        return json.loads(self(*args[:at], "--json", *args[at:], **kw))

    def follow(self, *args):
        return Follow(self, args)


class Follow:
    """A command that goes on; its lines as they come."""

    def __init__(self, cli, args):
        self.p = subprocess.Popen([LODGE, *args], env=cli.environment(), stdin=subprocess.DEVNULL, cwd="/",
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines, self.said = [], []
        self.threads = [threading.Thread(target=self._read, args=a, daemon=True)
                        for a in ((self.p.stdout, self.lines), (self.p.stderr, self.said))]
        for t in self.threads:
            t.start()

    @staticmethod
    def _read(pipe, to):
        for line in pipe:
            to.append(line.rstrip("\n"))

    def until(self, what, wanted, timeout=60):
        end = time.monotonic() + timeout
        while not wanted(self.lines):
            assert time.monotonic() < end, f"no {what} in {self.lines[-20:]}, {self.said}"
            assert self.p.poll() is None or wanted(self.lines), f"ended with {self.p.returncode}: {self.said}"
            time.sleep(0.05)

    def stop(self):
        if self.p.poll() is None:
            self.p.terminate()
        self.p.wait(60)
        for t in self.threads:
            t.join(10)
