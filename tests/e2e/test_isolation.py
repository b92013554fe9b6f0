"""A network per tenant: its own instances are near, everybody else's and the host are not there."""
import http.server
import re
import socketserver
import subprocess
import threading

import pytest

from lodge_system import until


@pytest.fixture(scope="module")
def three(tenants):
    """Two web servers of alpha, one of beta."""
    alpha, beta = tenants
    made = alpha.create("iso-a"), alpha.create("iso-b"), beta.create("iso-c")
    yield made
    alpha.remove(made[0]["id"])
    alpha.remove(made[1]["id"])
    beta.remove(made[2]["id"])


@pytest.fixture(scope="module")
def host_service():
    """A web server of the host on every address; its port."""
    class Quiet(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"host service")

        def log_message(self, *args):
            pass
    with socketserver.ThreadingTCPServer(("0.0.0.0", 0), Quiet) as s:
        threading.Thread(target=s.serve_forever, daemon=True).start()
        yield s.server_address[1]
        s.shutdown()


def fetch(system, ident, where, patience=2):
    """From inside an instance's network; (exit code, text)."""
    p = system.engine.beside(ident, "curl", "-s", "-S", "-m", str(patience), "--noproxy", "*", f"http://{where}/", stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
    text, _ = p.communicate(timeout=60)
    return p.returncode, text


def reached(system, ident, where):
    """The text of a server that can be reached; it may just be starting."""
    return until(f"{where} answers", lambda: (got := fetch(system, ident, where, 20))[0] == 0 and got[1])


def resolve(system, ident, name):
    """What an instance's own resolver says."""
    return system.engine.exec(ident, "nslookup", name)


def resolved(system, ident, name):
    """The answer to a name that there is: the name server reads its files again whenever an instance comes or goes."""
    return until(f"{name} is known", lambda: (got := resolve(system, ident, name))[0] == 0 and got[1])


def test_neighbours_reach_each_other_by_address_and_name(system, three):
    a, b, _ = three
    assert "Your instance is running" in reached(system, a["id"], b["network"]["address"])
    assert b["network"]["address"] in resolved(system, a["id"], "iso-b")


def test_other_tenants_are_not_there(system, three):
    a, _, c = three
    assert a["network"]["subnet"] != c["network"]["subnet"]
    reached(system, c["id"], c["network"]["address"])
    assert fetch(system, a["id"], c["network"]["address"])[0] != 0
    assert fetch(system, c["id"], a["network"]["address"])[0] != 0
    assert c["network"]["address"] not in resolve(system, a["id"], "iso-c")[1]
    assert system.engine.exec(a["id"], "ping", "-c", "1", "-W", "2", c["network"]["address"])[0] != 0


def test_the_host_is_not_there(system, three, host_service):
    a, _, c = three
    for address in (a["network"]["gateway"], c["network"]["gateway"], host_address()):
        if not address:
            continue
        for port in (host_service, system.https_port, 22):
            assert fetch(system, a["id"], f"{address}:{port}")[0] != 0, f"{address}:{port}"
    resolved(system, a["id"], "iso-b")  # names are still answered


def host_address():
    """An address of the host on a network of its own, if it has one."""
    out = subprocess.run(["ip", "-4", "-o", "addr", "show", "scope", "global"], capture_output=True, text=True).stdout
    for line in out.splitlines():
        fields = line.split()
        if not fields[1].startswith(("lg", "podman", "docker", "br-", "cni", "virbr")):
            return fields[3].split("/")[0]
    return None


def test_link_local_is_closed(system, three):
    assert fetch(system, three[0]["id"], "169.254.169.254")[0] != 0


def test_a_false_address_gets_nowhere(system, three):
    """An instance has no right to change its address; should it have one after all, the frame is dropped."""
    a, b, _ = three
    pid = str(system.engine.inspect(a["id"])["State"]["Pid"])
    false = a["network"]["subnet"].replace(".0/24", ".253")
    inside = ["nsenter", "-t", pid, "-n"]
    subprocess.run([*inside, "ip", "addr", "add", f"{false}/24", "dev", "eth0"], check=True)
    try:
        reached(system, a["id"], b["network"]["address"])
        probe = ("import socket,sys;s=socket.socket();s.settimeout(3);s.bind((sys.argv[1],0));"
                 "s.connect((sys.argv[2],80))")
        spoof = subprocess.run([*inside, "/usr/bin/python3", "-c", probe, false, b["network"]["address"]],
                               stderr=subprocess.DEVNULL)
        assert spoof.returncode != 0, "an address that is not its own reached a neighbour"
    finally:
        subprocess.run([*inside, "ip", "addr", "del", f"{false}/24", "dev", "eth0"], check=True)


def test_rules_come_back_when_somebody_flushes_them(system, three):
    a, _, c = three
    table = f"lodge_{system.site[:8]}"
    subprocess.run(["nft", "flush", "table", "inet", table], check=True)
    until("the isolation is in force again", lambda: fetch(system, a["id"], c["network"]["address"])[0] != 0, timeout=60)
    reached(system, a["id"], three[1]["network"]["address"])


def test_a_deleted_tenant_leaves_no_network(system):
    api = system.tenant("gamma")
    i = api.create("lonely")
    subnet, tenant = i["network"]["subnet"], api.tenant["id"]
    admin = system.admin()
    admin.delete(f"/tenants/{tenant}", 409)
    api.remove(i["id"])
    number = system.query("SELECT net_index FROM tenant WHERE id = ?", tenant)[0][0]
    network = f"lodge-{system.site[:8]}-{number}"
    admin.delete(f"/tenants/{tenant}", 204)
    until("the engine's network is gone", lambda: system.engine.call("GET", f"/networks/{network}").status == 404)
    until("its bridge is gone", lambda: f"lg{system.site[:4]}n{number}" not in system.bridges())

    def rules():
        table = subprocess.run(["nft", "list", "table", "inet", f"lodge_{system.site[:8]}"], capture_output=True, text=True)
        return re.findall(rf"lg{system.site[:4]}n{number}\b", table.stdout)

    until(f"the rules of {subnet} are gone: they go last, so that nothing is ever without them", lambda: not rules())
