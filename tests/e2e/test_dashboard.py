"""The dashboard in a browser against a whole Lodge: the core flow of tests/browser."""
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_core_flow_in_chromium(system):
    subprocess.run(["make", "-s", "browser-setup"], cwd=ROOT, check=True, timeout=300)
    who = system.credentials()
    env = os.environ | {"BASE_URL": f"https://localhost:{system.https_port}", "LODGE_USER": who["user"], "LODGE_PASSWORD": who["password"]}
    p = subprocess.run(["node", "--test", "--test-reporter=tap", "tests/browser/flow.test.mjs"], cwd=ROOT, env=env,
                       capture_output=True, text=True, timeout=400)
    assert p.returncode == 0, p.stdout[-6000:] + p.stderr[-2000:]
