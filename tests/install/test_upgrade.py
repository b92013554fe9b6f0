"""A database of each released schema becomes the newest and loses nothing.

tests/store/schemas/NNNN.sql is the dump of a small Lodge as that release left it; a release adds one and changes none.
"""
import glob
import os
import sqlite3
import subprocess
from collections import Counter

import pytest

from lodge_system import BUILD, ROOT, until

SCHEMAS = sorted(glob.glob(f"{ROOT}/tests/store/schemas/*.sql"))


def rows(db, table, columns):
    names = ", ".join(f'"{c}"' for c in columns)
    return sorted(map(repr, db.execute(f'SELECT {names} FROM "{table}"')))


def tables(db):
    found = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {t: [c[1] for c in db.execute(f'PRAGMA table_info("{t}")')] for (t,) in found.fetchall()}


def test_there_is_a_first_release():
    assert os.path.basename(SCHEMAS[0]) == "0001.sql"


@pytest.mark.parametrize("dump", SCHEMAS, ids=[os.path.basename(s) for s in SCHEMAS])
def test_upgraded_without_losing_a_row(make_system, dump):
    s = make_system(drivers="fake")
    subprocess.run([f"{BUILD}/bin/lodge", "prepare"], env=s.environment(), check=True, timeout=60)
    db = sqlite3.connect(f"{s.state}/db/lodge.db")
    with open(dump) as f:
        db.executescript(f.read())
    before = {t: (columns, rows(db, t, columns)) for t, columns in tables(db).items()}
    assert db.execute("PRAGMA user_version").fetchone()[0] == int(os.path.basename(dump)[:4])
    assert sum(len(r) for _, r in before.values()) > 50  # a dump of an empty database would prove nothing
    db.close()
    owner = os.stat(f"{s.state}/db")
    os.chown(f"{s.state}/db/lodge.db", owner.st_uid, owner.st_gid)
    for applied in (True, False):  # a second run finds nothing to do
        p = subprocess.run([f"{BUILD}/bin/lodge", "migrate"], env=s.environment(), capture_output=True, text=True, timeout=60)
        assert p.returncode == 0, p.stderr
        newest = len(glob.glob(f"{ROOT}/db/migrations/*.sql"))
        assert p.stdout.startswith(f"{newest - int(os.path.basename(dump)[:4]) if applied else 0} migrations")
    db = sqlite3.connect(f"{s.state}/db/lodge.db")
    now = tables(db)
    for table, (columns, old) in before.items():
        assert set(columns) <= set(now[table]), table
        assert not Counter(old) - Counter(rows(db, table, columns)), table  # a migration may add rows
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.close()
    s.start(ready=False)  # and a whole Lodge starts on it
    until("every part of it answers", s.well)
    s.stop()
