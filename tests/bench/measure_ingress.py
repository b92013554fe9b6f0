"""An application through ingress against a static proxy_pass to the same address, with 1 and with 10,000 rules."""
import time

from common import Nginx, insert, instances, interleaved, until, wrk

BODY = "x" * 1000


def run(s, report):
    admin = s.admin()
    i = admin.create("bench-app", ["sleep", "100000"])
    ident, address = i["id"], i["network"]["address"]
    # A fast server in the instance's own network, so that the way there is what is measured.
    app = Nginx(s, "location / { return 200 '%s'; }" % BODY, tls=False, netns=s.engine.inspect(ident)["State"]["Pid"])
    admin.post(f"/compute/instances/{ident}/ingress", {"port": 443, "targetPort": 8000}, 201)
    fixed = Nginx(s, f"location / {{ proxy_pass http://{address}:8000; proxy_http_version 1.1; proxy_set_header Host $host; "
                     f"proxy_set_header Connection close; proxy_buffer_size 16k; proxy_buffers 8 16k; }}")
    name = f"bench-app.apps.localhost:{s.https_port}"  # not every resolver knows such names

    def through():
        return wrk(f"https://localhost:{s.https_port}/", host=name)

    try:
        until("the application answers", lambda: s.app("bench-app").request("GET", "/").status == 200)
        compare(report, "1 rule", through, fixed)
        rules(s, 10000)
        compare(report, "10,000 rules", through, fixed)
    finally:
        fixed.close()
        app.close()
        admin.remove(ident)


def compare(report, what, through, fixed):
    got = interleaved(lodge=through, fixed=lambda: wrk(f"https://localhost:{fixed.port}/"))
    ratio = got["lodge"] / got["fixed"]
    report(f"ingress with {what}, requests/s", f"{got['lodge']:.0f}", "/s")
    report("static proxy_pass, requests/s", f"{got['fixed']:.0f}", "/s")
    report(f"ingress / static proxy_pass, throughput, {what}", f"{ratio:.2f}", "", "aim >= 0.85", ratio >= 0.85)


def rules(s, count):
    api = s.tenant("bench-rules")
    idents = instances(api, count, s.admin().get("/session").json["user"]["id"], "r")
    insert(s, "INSERT INTO ingress (instance_id, port, target_port, host, access, created_at) VALUES (?, 443, 80, ?, 'public', ?)",
           [(ident, f"bench-rule-{k}", int(time.time() * 1000)) for k, ident in enumerate(idents)])
