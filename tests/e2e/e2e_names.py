"""Commands that several tests run in instances, and how far one has got."""
from lodge_system import until

# Lives until TERM and then ends at once.
FOREVER = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"]


def argv(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().decode("utf-8", "replace").split("\0")[:-1]
    except OSError:
        return []


def program(system, ident, name):
    """The pid of an instance's first process once that is this program: for a moment after its start it is still the runtime
    that makes it, with the runtime's rights and environment."""
    return until(f"{name} is its process", lambda: (pid := system.engine.pid(ident)) and argv(pid)[:1] == [name] and pid)


def page_with(system, host, *statuses, text=None, path="/"):
    """Asks until the answer is one of these: a route is cached for a second or two, and who runs may not listen yet."""
    return until(f"{host} answers {statuses}", lambda: (a := system.app(host).request("GET", path)).status in statuses
                 and (text is None or text in a.text) and a, step=0.3)
