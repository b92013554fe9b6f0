#include "store/flavor.h"

#include "store/sql.h"

static void read_row(lg_stmt *s, struct lg_flavor *f)
{
    lg_col_copy(s, 0, f->name, sizeof f->name);
    f->vcpus = lg_col_int(s, 1);
    f->memory_bytes = lg_col_int(s, 2);
    f->disk_bytes = lg_col_int(s, 3);
    lg_col_copy(s, 4, f->description, sizeof f->description);
    f->gpus = lg_col_int(s, 5);
}

int lg_flavor_get(struct lg_db *db, const char *name, struct lg_flavor *f, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_FLAVOR_GET, e, "t", name);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        read_row(s, f);
    lg_sql_done(s);
    return rc;
}

int lg_flavor_each(struct lg_db *db, void (*fn)(void *arg, const struct lg_flavor *f), void *arg,
                   struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_FLAVOR_LIST, e, "");
    int rc, n = 0;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        struct lg_flavor f;
        read_row(s, &f);
        fn(arg, &f);
        n++;
    }
    return rc < 0 ? rc : n;
}

int lg_flavor_keep(struct lg_db *db, struct lg_sizes *s, struct lg_err *e)
{
    struct lg_flavor f;
    int rc = *s->flavor ? lg_flavor_get(db, s->flavor, &f, e) : 0;
    bool same = rc > 0 && f.vcpus * 1000 == s->cpu_millis && f.memory_bytes == s->memory_bytes &&
                f.disk_bytes == s->storage_bytes;
    if (rc >= 0 && !same && (!rc || !f.gpus))
        *s->flavor = 0;
    return rc < 0 ? rc : 0;
}

int lg_flavor_uses(struct lg_db *db, const char *name, int64_t *n, struct lg_err *e)
{
    return lg_sql_int(db, lg_sql(db, Q_FLAVOR_USES, e, "t", name), n, e);
}

int lg_flavor_add(struct lg_db *db, const struct lg_flavor *f, struct lg_err *e)
{
    struct lg_flavor other;
    int rc = lg_flavor_get(db, f->name, &other, e);
    if (rc < 0)
        return rc;
    if (rc) {
        lg_fail(e, LG_CONFLICT, "there is a flavor called %s", f->name);
        return lg_err_detail(e, "field", "name");
    }
    rc = lg_sql_run(db, Q_FLAVOR_ADD, e, "tiiiti", f->name, f->vcpus, f->memory_bytes, f->disk_bytes,
                    f->description, f->gpus);
    return rc < 0 ? rc : 0;
}

int lg_flavor_put(struct lg_db *db, const struct lg_flavor *f, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_FLAVOR_PUT, e, "tiiiti", f->name, f->vcpus, f->memory_bytes, f->disk_bytes,
                        f->description, f->gpus);
    return rc < 0 ? rc : 0;
}

int lg_flavor_remove(struct lg_db *db, const char *name, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_FLAVOR_REMOVE, e, "t", name);
    return rc < 0 ? rc : 0;
}
