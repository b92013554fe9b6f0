CREATE TABLE operation_total (          -- operations that ended, ever: /metrics must not count down when old ones are pruned
  kind   TEXT NOT NULL,
  result TEXT NOT NULL,                 -- 'done', 'failed', 'cancelled'
  n      INTEGER NOT NULL,
  PRIMARY KEY (kind, result)
) STRICT, WITHOUT ROWID;
INSERT INTO operation_total SELECT kind, status, count(*) FROM operation WHERE status IN ('done', 'failed', 'cancelled') GROUP BY kind, status;
CREATE TRIGGER operation_total_end AFTER UPDATE OF status ON operation
WHEN new.status IN ('done', 'failed', 'cancelled') AND old.status IN ('queued', 'running') BEGIN
  INSERT INTO operation_total VALUES (new.kind, new.status, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
