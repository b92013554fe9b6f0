CREATE TABLE ssh_key (                  -- public keys of users, for SSH into what they own
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id     TEXT NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  name        TEXT NOT NULL,
  public_key  TEXT NOT NULL,            -- 'type base64', without the comment
  fingerprint TEXT NOT NULL,            -- 'SHA256:…'
  created_at  INTEGER NOT NULL,
  UNIQUE (user_id, fingerprint)
) STRICT;

ALTER TABLE instance ADD COLUMN ssh_enabled INTEGER NOT NULL DEFAULT 0; -- 1: its owner wants SSH into it
