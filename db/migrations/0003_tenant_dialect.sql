CREATE TABLE flavor (                   -- named sizes; public
  name         TEXT PRIMARY KEY,        -- 'small'
  position     INTEGER NOT NULL UNIQUE, -- order in lists
  vcpus        INTEGER NOT NULL CHECK (vcpus > 0),
  memory_bytes INTEGER NOT NULL CHECK (memory_bytes > 0),
  disk_bytes   INTEGER NOT NULL CHECK (disk_bytes > 0),
  description  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO flavor VALUES
  ('small', 1, 1, 1073741824, 10737418240, 'Suitable for development and testing'),
  ('medium', 2, 2, 4294967296, 42949672960, 'Suitable for web applications'),
  ('large', 3, 4, 8589934592, 85899345920, 'Suitable for databases'),
  ('xlarge', 4, 8, 17179869184, 171798691840, 'Suitable for big data and analytics');

ALTER TABLE instance ADD COLUMN flavor TEXT NOT NULL DEFAULT ''; -- its name at creation; '' when sizes were named one by one

CREATE TABLE metric (                   -- what tenants report about themselves; the newest 1000 of each are kept
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id TEXT NOT NULL REFERENCES tenant(id) ON DELETE CASCADE,
  at        INTEGER NOT NULL,           -- when it came
  name      TEXT NOT NULL,              -- 'instance_created'
  type      TEXT NOT NULL,              -- counter gauge histogram summary
  value     REAL NOT NULL,
  labels    TEXT NOT NULL               -- JSON object of strings
) STRICT;
CREATE INDEX metric_by_tenant ON metric(tenant_id, id);
