CREATE TABLE idempotency (              -- what was done under an Idempotency-Key, committed with the change itself; kept for 24 h
  caller       TEXT NOT NULL,           -- id of the token, or of the user by session; 'gateway'
  tenant       TEXT NOT NULL,           -- slug of the tenant acted in; '' none
  key          TEXT NOT NULL,           -- as the client sent it
  at           INTEGER NOT NULL,
  request      BLOB NOT NULL,           -- keyed hash of method, path, query and body
  operation_id TEXT NOT NULL,           -- of an answer that waits for its operation; '' the answer was at once
  view         TEXT NOT NULL,           -- how that operation's result is shown, '' likewise
  subject_id   TEXT NOT NULL,           -- of what it is shown, '' likewise
  status       INTEGER,                 -- HTTP status of the answer; NULL: its operation's result was not shown yet
  headers      BLOB NOT NULL,           -- further lines of the answer, sealed with keys/env.key: it may show a secret once
  body         BLOB NOT NULL,           -- likewise
  PRIMARY KEY (caller, tenant, key)
) STRICT;
CREATE INDEX idempotency_by_time ON idempotency(at);
CREATE INDEX audit_by_time ON audit(at); -- for forgetting the oldest
