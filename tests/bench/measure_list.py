"""A page of 50 of a tenant with 100 and of one with 100,000 instances."""
from common import instances, interleaved, wrk


def run(s, report):
    small, big = s.tenant("bench-small"), s.tenant("bench-big")
    owner = s.admin().get("/session").json["user"]["id"]
    instances(small, 100, owner, "s")
    instances(big, 100000, owner, "b")
    for api, total in ((small, 100), (big, 100000)):
        page = api.get("/compute/instances?pageSize=50").json
        assert page["total"] == total and len(page["instances"]) == 50
    url = f"https://localhost:{s.https_port}/api/v1/compute/instances?pageSize=50"
    got = interleaved(small=lambda: wrk(url, small.token), big=lambda: wrk(url, big.token),
                      deep=lambda: wrk(url + "&page=2", big.token))
    report("list of 50 among 100, requests/s", f"{got['small']:.0f}", "/s")
    report("list of 50 among 100,000, requests/s", f"{got['big']:.0f}", "/s")
    ratio = got["small"] / got["big"]
    report("list among 100,000 / among 100, time", f"{ratio:.2f}", "", "aim <= 1.50", ratio <= 1.5)
    report("the same, second page", f"{got['small'] / got['deep']:.2f}", "")
