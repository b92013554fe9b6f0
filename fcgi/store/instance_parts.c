#include "store/instance_parts.h"

#include <stdlib.h>
#include <string.h>

#include "store/network.h"
#include "store/sql.h"
#include "store/volume.h"

static void env_done(struct lg_instance *in)
{
    for (int i = 0; i < in->env_count; i++) {
        free(in->env[i].name);
        free(in->env[i].value);
    }
    free(in->env);
    in->env = NULL;
    in->env_count = 0;
}

void lg_parts_done(struct lg_instance *in)
{
    env_done(in);
    free(in->labels);
    free(in->ports);
    lg_instance_vm_free(in->vm);
    in->vm = NULL;
    free(in->attachments);
    free(in->mounts);
    free(in->nics);
    free(in->networks);
    in->networks = NULL;
    in->network_count = 0;
    in->nics = NULL;
    in->nic_count = 0;
    in->labels = NULL;
    in->ports = NULL;
    in->attachments = NULL;
    in->mounts = NULL;
    in->label_count = in->port_count = in->attachment_count = in->mount_count = 0;
}

void lg_parts_move(struct lg_instance *to, struct lg_instance *from)
{
    to->env = from->env;
    to->env_count = from->env_count;
    to->labels = from->labels;
    to->label_count = from->label_count;
    to->ports = from->ports;
    to->port_count = from->port_count;
    to->vm = from->vm;
    from->vm = NULL;
    to->attachments = from->attachments;
    to->attachment_count = from->attachment_count;
    to->mounts = from->mounts;
    to->mount_count = from->mount_count;
    to->networks = from->networks;
    to->network_count = from->network_count;
    from->networks = NULL;
    from->network_count = 0;
    to->nics = from->nics;
    to->nic_count = from->nic_count;
    from->nics = NULL;
    from->nic_count = 0;
    from->env = NULL;
    from->labels = NULL;
    from->ports = NULL;
    from->attachments = NULL;
    from->mounts = NULL;
    from->env_count = from->label_count = from->port_count = from->attachment_count = from->mount_count = 0;
}

static int add_env(struct lg_db *db, const struct lg_instance *in, int i, const struct lg_key *key,
                   struct lg_err *e)
{
    const struct lg_env *v = &in->env[i];
    lg_cleanup_buf struct lg_buf sealed = {0};
    const void *p = v->value;
    size_t n = strlen(v->value);
    if (v->secret) {
        lg_seal(key, v->value, n, &sealed);
        if (sealed.failed)
            return lg_fail(e, LG_INTERNAL, "out of memory for a secret");
        p = sealed.data;
        n = sealed.len;
    }
    return lg_sql_run(db, Q_ENV_ADD, e, "titbi", in->id, (int64_t)i, v->name, p, n, (int64_t)v->secret);
}

static int add_port(struct lg_db *db, const struct lg_instance *in, const struct lg_port *p, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_PORT_ADD, e, "itti", (int64_t)p->host_port, p->protocol, in->id,
                        (int64_t)p->instance_port);
    if (rc != -(int)LG_CONFLICT)
        return rc;
    lg_fail(e, LG_CONFLICT, "host port %d/%s is taken by another instance", p->host_port, p->protocol);
    lg_err_detail(e, "field", "config.ports");
    return lg_err_detail(e, "port", "%d/%s", p->host_port, p->protocol);
}

int lg_parts_add(struct lg_db *db, const struct lg_instance *in, const struct lg_key *env_key,
                 struct lg_err *e)
{
    int rc = 0;
    for (int i = 0; rc >= 0 && i < in->env_count; i++)
        rc = add_env(db, in, i, env_key, e);
    for (int i = 0; rc >= 0 && i < in->label_count; i++)
        rc = lg_sql_run(db, Q_LABEL_ADD, e, "ttt", in->id, in->labels[i].key, in->labels[i].value);
    for (int i = 0; rc >= 0 && i < in->port_count; i++)
        rc = add_port(db, in, &in->ports[i], e);
    if (rc >= 0 && in->vm)
        rc = lg_instance_vm_add(db, in->id, in->vm, env_key, e);
    return rc < 0 ? rc : 0;
}

/* Room for one more of `size` bytes in an array of `n`; it doubles at each power of two. */
static void *grow(void *array, int n, size_t size)
{
    if (n & (n - 1))
        return array;
    void *p = realloc(array, (size_t)(n ? n * 2 : 1) * size);
    if (!p)
        abort();
    return p;
}

/* The value in clear, "" for a secret without its key; NULL when it cannot be opened. */
static char *open_value(const void *p, size_t n, bool secret, const struct lg_key *key)
{
    if (!secret)
        return strndup(n ? p : "", n);
    if (!key)
        return strdup("");
    struct lg_buf clear = {0};
    if (!lg_unseal(key, p, n, &clear)) {
        lg_buf_done(&clear);
        return NULL;
    }
    return clear.data ? lg_buf_take(&clear) : strdup("");
}

static int load_env(struct lg_db *db, struct lg_instance *in, const struct lg_key *key, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_ENV_OF, e, "t", in->id);
    int rc;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        size_t n;
        const void *p = lg_col_blob(s, 1, &n);
        bool secret = lg_col_int(s, 2);
        in->env = grow(in->env, in->env_count, sizeof *in->env);
        struct lg_env *v = &in->env[in->env_count++];
        *v = (struct lg_env){
            .name = strdup(lg_col_text(s, 0)), .value = open_value(p, n, secret, key), .secret = secret};
        if (v->value)
            continue;
        lg_sql_done(s);
        return lg_fail(e, LG_INTERNAL, "the secret %s cannot be opened; is keys/env.key the right one?",
                       v->name);
    }
    return rc;
}

static int load_labels(struct lg_db *db, struct lg_instance *in, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_LABEL_OF, e, "t", in->id);
    int rc;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        in->labels = grow(in->labels, in->label_count, sizeof *in->labels);
        struct lg_label *l = &in->labels[in->label_count++];
        lg_col_copy(s, 0, l->key, sizeof l->key);
        lg_col_copy(s, 1, l->value, sizeof l->value);
    }
    return rc;
}

static int load_ports(struct lg_db *db, struct lg_instance *in, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_PORT_OF, e, "t", in->id);
    int rc;
    while ((rc = lg_sql_step(db, s, e)) > 0) {
        in->ports = grow(in->ports, in->port_count, sizeof *in->ports);
        struct lg_port *p = &in->ports[in->port_count++];
        p->host_port = (int)lg_col_int(s, 0);
        p->instance_port = (int)lg_col_int(s, 1);
        lg_col_copy(s, 2, p->protocol, sizeof p->protocol);
    }
    return rc;
}

int lg_instance_load_parts(struct lg_db *db, struct lg_instance *in, const struct lg_key *env_key,
                           struct lg_err *e)
{
    lg_parts_done(in);
    int rc = load_env(db, in, env_key, e);
    if (!rc)
        rc = load_labels(db, in, e);
    if (!rc)
        rc = load_ports(db, in, e);
    if (!rc && !strcmp(in->type, "vm"))
        rc = lg_instance_vm_get(db, in->id, in->image_id, env_key, &in->vm, e);
    if (!rc)
        rc = lg_attachment_load(db, in, e);
    return rc ? rc : lg_nic_load(db, in, e);
}
