CREATE TABLE network (                  -- tenants' own networks beside their first one: plain layer 2, a bridge each
  id         TEXT PRIMARY KEY,
  tenant_id  TEXT NOT NULL REFERENCES tenant(id),
  name       TEXT NOT NULL,             -- DNS label; none of bridge, none, host, default
  cidr       TEXT NOT NULL,             -- '10.0.1.0/24'; networks may overlap
  number     INTEGER NOT NULL UNIQUE,   -- names its bridge on the host: lg<site4>x<number>
  version    INTEGER NOT NULL DEFAULT 1,-- grows with each change of the row or of what is on it
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (tenant_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE nic (                      -- instances' cards on them
  seq         INTEGER PRIMARY KEY AUTOINCREMENT, -- names the host's end (lg<site4>y<seq>) and gives the MAC; never reused
  instance_id TEXT NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
  network_id  TEXT NOT NULL REFERENCES network(id),
  position    INTEGER NOT NULL,         -- 1…: eth<position> in a container
  host        INTEGER NOT NULL,         -- number of its address in the network, from 2
  detaching   INTEGER NOT NULL DEFAULT 0, -- 1: an operation takes it away
  UNIQUE (instance_id, network_id),
  UNIQUE (instance_id, position),
  UNIQUE (network_id, host)
) STRICT;

CREATE TABLE network_removal (          -- deleted networks whose bridges the host may still have: their numbers rest until
                                        -- lodge-runner has removed them
  number     INTEGER PRIMARY KEY,
  removed_at INTEGER NOT NULL
) STRICT;
