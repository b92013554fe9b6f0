"""From a COMMIT that adds an event to the WebSocket client that shows it. The script commits by itself and rings the
feeder's bell as lodge-api does."""
import json
import socket
import sqlite3
import threading
import time

from common import percentile

COUNT = 500


def run(s, report):
    admin = s.admin()
    tenant = s.query("SELECT id FROM tenant WHERE slug = 'default'")[0][0]
    ws = admin.websocket("/api/v1/events")
    while json.loads(ws.recv()).get("type") != "ready":
        pass
    arrived = {}

    def listen():
        while len(arrived) < COUNT:
            text = ws.recv()
            now = time.perf_counter()
            event = json.loads(text)
            if event.get("kind") == "bench.ping":
                arrived[event["data"]["n"]] = now

    thread = threading.Thread(target=listen)
    thread.start()
    db = sqlite3.connect(f"{s.state}/db/lodge.db", timeout=10, isolation_level=None)
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA wal_autocheckpoint=0")
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sent = {}
    for n in range(COUNT):
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO event (at, kind, tenant_id, admin, subject_type, subject_id, subject_name, data) "
                   "VALUES (?, 'bench.ping', ?, 0, 'bench', '', '', ?)", (int(time.time() * 1000), tenant, json.dumps({"n": n})))
        db.execute("COMMIT")
        sent[n] = time.perf_counter()
        try:
            bell.sendto(b"1", socket.MSG_DONTWAIT, f"{s.state}/run/feeder.bell")
        except BlockingIOError:
            pass  # it is awake already
        time.sleep(0.008)
    thread.join(30)
    assert len(arrived) == COUNT
    ws.close()
    db.close()
    ms = [(arrived[n] - sent[n]) * 1e3 for n in range(COUNT)]
    p50, p99 = percentile(ms, 50), percentile(ms, 99)
    report("commit -> WebSocket client, p50", f"{p50:.2f}", "ms", "aim <= 5", p50 <= 5)
    report("commit -> WebSocket client, p99", f"{p99:.2f}", "ms", "aim <= 50", p99 <= 50)
