-- Who is asking, the first admin, and the audit record.

-- name: auth_token
-- The token's own tenant; its user must still be a member there, or an admin.
SELECT u.id, u.username, u.role = 'admin', t.id, t.slug, t.net_index, coalesce(m.role = 'owner', 0), k.id,
       coalesce(k.last_used_at, 0), coalesce(k.expires_at, 0)
FROM token k
JOIN user u ON u.id = k.user_id
JOIN tenant t ON t.id = k.tenant_id
LEFT JOIN member m ON m.tenant_id = k.tenant_id AND m.user_id = k.user_id
WHERE k.digest = ?1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > ?2) AND u.disabled = 0
  AND (m.role IS NOT NULL OR u.role = 'admin');

-- name: auth_session
-- The tenant: the wanted one (?3), else the session's chosen one, else the user's first membership. A tenant that is
-- not the caller's own finds none; to an admin all are.
SELECT u.id, u.username, u.role = 'admin', coalesce(t.id, ''), coalesce(t.slug, ''), coalesce(t.net_index, 0),
       coalesce(m.role = 'owner', 0), s.id, s.last_used_at
FROM session s
JOIN user u ON u.id = s.user_id
LEFT JOIN tenant t ON t.id = CASE WHEN ?3 <> '' THEN
    (SELECT x.id FROM tenant x WHERE x.slug = ?3
       AND (u.role = 'admin' OR EXISTS (SELECT 1 FROM member y WHERE y.tenant_id = x.id AND y.user_id = u.id)))
  ELSE coalesce(
    (SELECT x.id FROM tenant x WHERE x.id = s.tenant_id
       AND (u.role = 'admin' OR EXISTS (SELECT 1 FROM member y WHERE y.tenant_id = x.id AND y.user_id = u.id))),
    (SELECT y.tenant_id FROM member y WHERE y.user_id = u.id ORDER BY y.since, y.tenant_id LIMIT 1))
  END
LEFT JOIN member m ON m.tenant_id = t.id AND m.user_id = u.id
WHERE s.digest = ?1 AND s.expires_at > ?2 AND u.disabled = 0;

-- name: token_touch
UPDATE token SET last_used_at = ?2 WHERE id = ?1;

-- name: session_touch
UPDATE session SET last_used_at = ?2 WHERE id = ?1;

-- name: user_count
SELECT count(*) FROM user;

-- name: user_add
INSERT INTO user (id, username, password_hash, role, created_at) VALUES (?1, ?2, ?3, ?4, ?5);

-- name: tenant_add
INSERT INTO tenant (id, slug, name, net_index, created_at) VALUES (?1, ?2, ?3, ?4, ?5);

-- name: member_put
INSERT INTO member (tenant_id, user_id, role, since) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (tenant_id, user_id) DO UPDATE SET role = excluded.role;

-- name: token_add
-- ?8 0: it never expires.
INSERT INTO token (id, digest, prefix, name, user_id, tenant_id, created_at, expires_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, nullif(?8, 0));

-- name: audit_add
INSERT INTO audit (at, user_id, username, token_id, address, action, subject, tenant_id, result, details)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10);
