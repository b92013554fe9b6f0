"""Proportional memory of all Lodge processes (nginx and the engine apart): idle, and with 2,000 WebSockets."""
import asyncio
import base64
import os
import resource
import time

CLIENTS = 2000


def pss_mb(s):
    total = 0
    for p in s.tree().values():
        if p.name == "lodge" or p.name.startswith("lodge-"):
            with open(f"/proc/{p.pid}/smaps_rollup") as f:
                total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return total / 1024


async def sockets(s, token, count):
    """Upgraded connections to the events."""
    made = []
    gate = asyncio.Semaphore(50)

    async def one():
        async with gate:
            r, w = await asyncio.open_connection("127.0.0.1", s.https_port, ssl=s.tls, server_hostname="localhost", limit=4096)
            key = base64.b64encode(os.urandom(16)).decode()
            w.write(f"GET /api/v1/events HTTP/1.1\r\nHost: localhost:{s.https_port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            head = await r.readuntil(b"\r\n\r\n")
            assert b" 101 " in head.split(b"\r\n")[0], head
            made.append((r, w))

    await asyncio.gather(*(one() for _ in range(count)))
    await asyncio.sleep(2)
    value = pss_mb(s)
    for _, w in made:
        w.transport.abort()
    return value


def run(s, report):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    admin = s.admin()
    for _ in range(200):  # every worker has served before
        admin.get("/compute/instances")
    time.sleep(2)
    idle = pss_mb(s)
    report("memory (PSS) of all Lodge processes, idle", f"{idle:.1f}", "MB", "aim <= 40", idle <= 40)
    full = asyncio.run(sockets(s, admin.token, CLIENTS))
    report(f"the same with {CLIENTS} WebSockets", f"{full:.1f}", "MB", "aim <= 60", full <= 60)
