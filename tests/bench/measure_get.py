"""Authenticated GET of one instance, over kept TLS connections."""
from common import Nginx, interleaved, seconds, wrk


def run(s, report):
    admin = s.admin()
    ident = admin.create("bench-get", ["sleep", "100000"])["id"]
    path = f"/api/v1/compute/instances/{ident}"
    body = admin.request("GET", path).text
    bare = Nginx(s, "location / { default_type application/json; return 200 '%s'; }" % ("x" * len(body)))
    try:
        got = interleaved(lodge=lambda: wrk(f"https://localhost:{s.https_port}{path}", admin.token),
                          bare=lambda: wrk(f"https://localhost:{bare.port}/"))
    finally:
        bare.close()
    ratio = got["lodge"] / got["bare"]
    report(f"GET instance ({len(body)} B), requests/s", f"{got['lodge']:.0f}", "/s")
    report("nginx return 200 of that size over TLS, requests/s", f"{got['bare']:.0f}", "/s")
    report("GET instance / return 200, throughput", f"{ratio:.2f}", "", "aim >= 0.40", ratio >= 0.40)
    # One after the other on a kept connection each, by the same client.
    lat = interleaved(lodge=lambda: seconds(lambda: admin.request("GET", path), 50),
                      engine=lambda: seconds(lambda: s.engine.inspect(ident), 50))
    report("GET instance, one at a time", f"{lat['lodge'] * 1e3:.2f}", "ms")
    report("the engine's own inspect, one at a time", f"{lat['engine'] * 1e3:.2f}", "ms")
    report("GET instance / engine's inspect, time", f"{lat['lodge'] / lat['engine']:.2f}", "")
    admin.remove(ident)
