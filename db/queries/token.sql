-- API tokens.

-- name: token_get
SELECT k.id, k.name, k.prefix, k.user_id, u.username, k.tenant_id, t.slug, k.created_at, coalesce(k.expires_at, 0),
       coalesce(k.last_used_at, 0), coalesce(k.revoked_at, 0)
FROM token k JOIN user u ON u.id = k.user_id JOIN tenant t ON t.id = k.tenant_id WHERE k.id = ?1;

-- name: token_list
-- The newest of a tenant before (?3, ?4), of one user when ?2 is not ''.
SELECT k.id, k.name, k.prefix, k.user_id, u.username, k.tenant_id, t.slug, k.created_at, coalesce(k.expires_at, 0),
       coalesce(k.last_used_at, 0), coalesce(k.revoked_at, 0)
FROM token k JOIN user u ON u.id = k.user_id JOIN tenant t ON t.id = k.tenant_id
WHERE k.tenant_id = ?1 AND (?2 = '' OR k.user_id = ?2) AND (k.created_at, k.id) < (?3, ?4)
ORDER BY k.created_at DESC, k.id DESC LIMIT ?5 OFFSET ?6;

-- name: token_count
SELECT count(*) FROM token WHERE tenant_id = ?1 AND (?2 = '' OR user_id = ?2);

-- name: token_count_live
SELECT count(*) FROM token WHERE user_id = ?1 AND revoked_at IS NULL AND coalesce(expires_at, 9e18) > ?2;

-- name: token_revoke
UPDATE token SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL;

-- name: token_live_after
-- Walks a user's live tokens by id, in one tenant when ?3 is not ''.
SELECT id, tenant_id, prefix FROM token
WHERE user_id = ?1 AND id > ?2 AND (?3 = '' OR tenant_id = ?3) AND revoked_at IS NULL ORDER BY id LIMIT 1;

-- name: token_one_expired
SELECT id, tenant_id, prefix, user_id FROM token WHERE revoked_at IS NULL AND expires_at <= ?1 LIMIT 1;

-- name: token_prune
DELETE FROM token WHERE revoked_at <= ?1;
