"""`lodge backup` and `lodge restore`: the whole control plane, on a host whose engine has moved on since."""
import io
import os
import shutil
import sqlite3
import stat
import subprocess
import tarfile

import pytest

from lodge_system import BUILD, until

PARTS = {"MANIFEST", "lodge.conf", "credentials", "keys/context.key", "keys/token.key", "keys/cookie.key", "keys/env.key",
         "tls/cert.pem", "tls/key.pem", "tls/made-for", "db/samples.db", "db/lodge.db"}


def lodge(s, *args, code=0):
    p = subprocess.run([f"{BUILD}/bin/lodge", *args], env=s.environment(), cwd=s.state, capture_output=True, text=True,
                       timeout=120)
    assert p.returncode == code, p.stdout + p.stderr
    return p.stdout + p.stderr


def listing(s):
    """What makes up the control plane: files byte by byte, the database row by row."""
    found = {}
    for part in PARTS - {"MANIFEST", "db/lodge.db", "db/samples.db"}:
        with open(f"{s.state}/{part}", "rb") as f:
            found[part] = f.read()
    db = sqlite3.connect(f"file:{s.state}/db/lodge.db?mode=ro", uri=True)
    found["db/lodge.db"] = list(db.iterdump())
    db.close()
    return found


@pytest.fixture
def saved(make_system, tmp_path):
    """A Lodge with two instances and a backup of it, taken while it ran."""
    s = make_system(drivers="fake", reconcile_ms=300)
    s.start()
    api = s.admin()
    s.kept, s.lost = api.create("kept")["id"], api.create("lost")["id"]
    s.file = str(tmp_path / "lodge.tar")
    lodge(s, "backup", s.file)
    return s


def test_a_backup_is_private_complete_and_replaces_nothing(saved):
    assert stat.S_IMODE(os.stat(saved.file).st_mode) == 0o600
    with tarfile.open(saved.file) as t:
        assert set(t.getnames()) == PARTS and t.getnames()[0] == "MANIFEST"
        t.extract("db/lodge.db", os.path.dirname(saved.file))
    db = sqlite3.connect(f"file:{os.path.dirname(saved.file)}/db/lodge.db?mode=ro", uri=True)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert {n for (n,) in db.execute("SELECT name FROM instance")} == {"kept", "lost"}
    db.close()
    assert "exists already" in lodge(saved, "backup", saved.file, code=1)
    assert not [n for n in os.listdir(f"{saved.state}/up") if n.startswith("backup-")]


def test_usage_history_comes_back(saved):
    """From the backup; without one, or with a damaged one, a backup is made all the same and history begins anew."""
    path = f"{saved.state}/db/samples.db"
    saved.stop()
    db = sqlite3.connect(path)
    db.execute("DELETE FROM subject")
    db.execute("INSERT INTO subject VALUES (7, ?)", (saved.kept,))
    db.commit()
    db.close()
    later = saved.file + ".later"
    lodge(saved, "backup", later)
    with open(path, "wb") as f:
        f.write(b"no database" * 1000)
    assert "without usage history" in lodge(saved, "backup", saved.file + ".without")
    lodge(saved, "restore", later)
    db = sqlite3.connect(path)
    assert db.execute("SELECT * FROM subject").fetchall() == [(7, saved.kept)]
    db.close()
    until("it is another second", lambda: "exists already" not in subprocess.run(
        [f"{BUILD}/bin/lodge", "restore", saved.file + ".without"], env=saved.environment(), cwd=saved.state, capture_output=True,
        text=True, timeout=60).stderr)
    db = sqlite3.connect(path)
    assert db.execute("SELECT * FROM subject").fetchall() == []
    db.close()
    saved.start()
    path = f"/compute/instances/{saved.kept}/usage?step=10"
    until("its history grows", lambda: saved.admin().get(path).json["at"])


def test_a_running_lodge_is_not_restored_over(saved):
    assert "already runs" in lodge(saved, "restore", saved.file, code=1)
    # Nor with programs that some other supervisor started: the database itself knows.
    saved.stop()
    held = sqlite3.connect(f"{saved.state}/db/lodge.db")
    held.execute("SELECT count(*) FROM instance").fetchall()
    held.execute("PRAGMA journal_mode=WAL").fetchall()
    held.execute("SELECT count(*) FROM instance").fetchall()
    assert "still uses" in lodge(saved, "restore", saved.file, code=1)
    held.close()
    lodge(saved, "restore", saved.file)
    saved.start()


@pytest.mark.parametrize("drivers", ["fake", "container"])
def test_restored_on_an_engine_that_moved_on(make_system, tmp_path, drivers):
    s = make_system(drivers=drivers, reconcile_ms=300)
    s.start()
    file = str(tmp_path / "lodge.tar")
    api = s.admin()
    kept, lost = api.create("kept")["id"], api.create("lost")["id"]
    lodge(s, "backup", file)
    api.remove(lost)
    later = api.create("later")["id"]
    last = s.query("SELECT max(id) FROM event")[0][0]
    s.stop()
    lodge(s, "restore", file)
    s.start()
    # The old token works, for the keys are the old ones; and what the engine says counts.
    assert until("the loss shows", lambda: (i := api.instance(lost))["state"] == "error" and i)["reason"]["code"] == "engine_lost"
    assert api.instance(kept)["state"] == "running"
    assert api.get(f"/compute/instances/{later}", 404)
    until("the stranger is noticed", lambda: s.query("SELECT 1 FROM quarantine WHERE instance_id = ?", later))
    if drivers == "container":
        ids = {c["Labels"]["lodge.instance"]: c["State"] for c in s.containers()}
        assert ids == {kept: "running", later: "running"}  # quarantined is not deleted, not even stopped
    # Who saw the later history is told to begin anew, also when new events have long passed its number by.
    assert api.get("/events", 410, **{"Accept": "text/event-stream", "Last-Event-ID": str(last)})
    assert s.query("SELECT min(id) FROM event WHERE kind LIKE 'instance%'")[0][0] > last
    # A start makes the lost one again.
    api.power(lost, "start")
    assert api.instance(lost)["state"] == "running"
    if drivers == "container":
        s.podman("rm", "--force", "--time=0", *[c["Id"] for c in s.containers() if c["Labels"]["lodge.instance"] == later])


def damage(file, to, how):
    with open(file, "rb") as f:
        data = bytearray(f.read())
    if how == "cut":
        data = data[:len(data) * 2 // 3]
    elif how == "list":
        data[data.index(b"schema ")] ^= 1
    elif how == "database":
        data[-20000] ^= 1
    elif how == "key":
        data[data.rindex(b"keys/token.key") // 512 * 512 + 512] ^= 1
    elif how == "empty":
        data = bytearray()
    elif how == "text":
        data = bytearray(b"no backup\n" * 1000)
    with open(to, "wb") as f:
        f.write(data)


def rewrite(file, to, change):
    """The same archive with other members."""
    with tarfile.open(file) as old, tarfile.open(to, "w") as new:
        for m in old.getmembers():
            for member, data in change(m, old.extractfile(m).read()):
                new.addfile(member, io.BytesIO(data) if data is not None else None)


def link(m, data):
    if m.name == "tls/key.pem":
        m.type, m.linkname, m.size = tarfile.SYMTYPE, "/etc/shadow", 0
        return [(m, None)]
    return [(m, data)]


def escape(m, data):
    if m.name == "credentials":
        m.name = "../../escaped"
    return [(m, data)]


def twice(m, data):
    return [(m, data)] * (2 if m.name == "lodge.conf" else 1)


def without(m, data):
    return [] if m.name == "keys/env.key" else [(m, data)]


def test_what_is_no_whole_backup_changes_nothing(saved, tmp_path):
    saved.stop()
    before, bad = listing(saved), str(tmp_path / "bad.tar")
    for how in ("cut", "list", "database", "key", "empty", "text"):
        damage(saved.file, bad, how)
        assert "is not restored" in lodge(saved, "restore", bad, code=1), how
        assert listing(saved) == before, how
    for change in (link, escape, twice, without):
        rewrite(saved.file, bad, change)
        assert "is not restored" in lodge(saved, "restore", bad, code=1), change
        assert listing(saved) == before, change
    lodge(saved, "restore", str(tmp_path / "nothing"), code=1)
    assert not os.path.exists(f"{saved.state}/up/restore")
    assert not [n for n in os.listdir(saved.state) if n.startswith("before-restore")]
    saved.start()
    assert saved.admin().instance(saved.kept)["state"] == "running"


def test_restored_on_an_empty_host(saved, make_system):
    saved.stop()
    token = saved.credentials()["token"]
    other = make_system(drivers="fake", reconcile_ms=300)
    lodge(other, "restore", saved.file)
    for part in ("db", "db/lodge.db"):
        assert os.stat(f"{other.state}/{part}").st_uid == os.stat(f"{saved.state}/{part}").st_uid
    other.start()
    assert other.credentials()["token"] == token and other.site == saved.site
    assert {i["name"] for i in other.admin().get("/compute/instances").json["instances"]} == {"kept", "lost"}


def test_an_interrupted_restore_is_finished_by_the_next_start(saved):
    saved.stop()
    lodge(saved, "restore", saved.file)
    aside = next(f"{saved.state}/{n}" for n in os.listdir(saved.state) if n.startswith("before-restore"))
    # The state of a restore that lost power after it had moved the keys aside, but not yet put the new ones there.
    stage, older = f"{saved.state}/up/restore", f"{saved.state}/before-restore-19990101T000000Z"
    os.mkdir(stage, 0o700)
    os.mkdir(older, 0o700)
    for name in os.listdir(aside):
        shutil.move(f"{aside}/{name}", f"{stage}/{name}")
    os.rename(f"{saved.state}/keys", f"{older}/keys")
    with open(f"{stage}/ready", "w") as f:
        f.write(os.path.basename(older))
    saved.start()
    assert set(os.listdir(older)) == {"db", "keys", "tls", "lodge.conf", "credentials"}
    assert not os.path.exists(stage)
    assert "interrupted" in saved.said()
    assert saved.admin().instance(saved.kept)["state"] == "running"
