"""What the measurements share: a bare nginx to compare with, load by wrk, interleaved rounds, medians."""
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lodge_client import Http  # noqa: E402
from lodge_system import USER, free_port, until  # noqa: E402

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = os.environ.get("BENCH_SECONDS", "2")


class Nginx:
    """A separate nginx with the same TLS settings, certificate and number of workers as Lodge's."""

    def __init__(self, system, locations, tls=True, netns=None):
        self.port = free_port() if not netns else 8000
        self.folder = tempfile.mkdtemp(prefix="bench-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        listen = f"127.0.0.1:{self.port} ssl http2 backlog=4096" if tls else f"{self.port} backlog=4096"
        certificate = f"""ssl_certificate {system.state}/tls/cert.pem; ssl_certificate_key {system.state}/tls/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:tls:2m; ssl_session_timeout 1h; ssl_session_tickets off;""" if tls else ""
        with open(f"{self.folder}/nginx.conf", "w") as f:
            f.write(f"""user {USER} {USER}; daemon off; pid nginx.pid; error_log stderr error; worker_processes {os.cpu_count()};
worker_rlimit_nofile 16384; events {{ worker_connections 8192; }}
http {{ access_log off; server_tokens off; tcp_nopush on; sendfile on; keepalive_requests 10000;
    client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
    {certificate}
    server {{ listen {listen}; server_name _; {locations} }} }}
""")
        argv = ["nginx", "-e", "stderr", "-p", self.folder, "-c", "nginx.conf"]
        self.process = subprocess.Popen((["nsenter", "-t", str(netns), "-n"] if netns else []) + argv)
        if not netns:
            http = Http(self.port, system.tls if tls else None)
            until("the reference answers", lambda: reached(http))

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


def reached(http):
    try:
        return http.request("GET", "/").status
    except OSError:
        return None


def wrk(url, token=None, host=None, connections=8):
    """Requests a second; fails when any answer was an error."""
    argv = ["wrk", "-t2", f"-c{connections}", f"-d{SECONDS}s"]
    argv += ["-H", f"Authorization: Bearer {token}"] if token else []
    argv += ["-H", f"Host: {host}"] if host else []
    argv.append(url)
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in out, out
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def interleaved(rounds=ROUNDS, **what):
    """Calls each function once a round, A/B/A/B, after one warm-up; the median of each by name."""
    for fn in what.values():
        fn()
    values = {k: [] for k in what}
    for _ in range(rounds):
        for k, fn in what.items():
            values[k].append(fn())
    return {k: statistics.median(v) for k, v in values.items()}


def seconds(fn, times=1):
    """Median seconds of one call."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        fn()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]


def insert(system, sql, rows):
    """Straight into the database, in one transaction: only for what no API could make in time."""
    import sqlite3
    db = sqlite3.connect(f"{system.state}/db/lodge.db", timeout=30, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    db.executemany(sql, rows)
    db.execute("COMMIT")
    db.close()


INSTANCE = """INSERT INTO instance (id, tenant_id, name, type, backend, state, desired, image, image_ref, config, cpu_millis,
    memory_bytes, host_number, owner_id, created_at, updated_at)
    VALUES (?, ?, ?, 'container', 'kvm', 'stopped', 'stopped', 'base', 'base', ?, 0, 0, ?, ?, ?, ?)"""
CONFIG = '{"command":["sleep","1"],"ports":[],"networkMode":"bridge","restartPolicy":"no","volumes":[]}'


def instances(api, count, owner, prefix):
    """`count` rows of a backend that no driver serves, so that nothing touches them. Their ids."""
    import uuid
    now = int(time.time() * 1000)
    rows = [(str(uuid.uuid4()), api.tenant["id"], f"{prefix}{k}", CONFIG, 1000 + k, owner, now, now) for k in range(count)]
    insert(api.system, INSTANCE, rows)
    return [r[0] for r in rows]
