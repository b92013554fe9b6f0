CREATE TABLE network_release (          -- networks of deleted tenants that engines may still hold; their numbers rest until
                                        -- lodge-runner has removed them
  net_index   INTEGER PRIMARY KEY,      -- number of the /24 in subnet_pool
  released_at INTEGER NOT NULL          -- ms since the epoch; written by lodge-api with the tenant's deletion
) STRICT;
