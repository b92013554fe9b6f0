/* A tenant, and instances in it. */
#ifndef LG_TESTS_STORE_COMPUTE_H
#define LG_TESTS_STORE_COMPUTE_H

#include "fixture.h"

#include "store/instance.h"

static inline void add_tenants(struct fixture *f)
{
    fixture_raw(f, "INSERT INTO tenant VALUES('red-id','red','Red',1,1),('blue-id','blue','Blue',2,1);"
                   "INSERT INTO user VALUES('bob-id','bob','x','user',0,1),('eve-id','eve','x','user',0,1),"
                   "('root-id','root','x','admin',0,1);"
                   "INSERT INTO member VALUES('red-id','bob-id','member',5);");
}

static inline struct lg_instance *new_instance(const char *tenant, const char *name)
{
    struct lg_instance *in = calloc(1, sizeof *in);
    snprintf(in->tenant_id, sizeof in->tenant_id, "%s", tenant);
    snprintf(in->name, sizeof in->name, "%s", name);
    snprintf(in->type, sizeof in->type, "container");
    snprintf(in->backend, sizeof in->backend, "docker");
    snprintf(in->desired, sizeof in->desired, "running");
    snprintf(in->image, sizeof in->image, "Base:1");
    snprintf(in->owner_id, sizeof in->owner_id, "bob-id");
    in->state = LG_ST_CREATING;
    in->config = strdup("{\"command\":[]}");
    in->cpu_millis = 1000;
    in->memory_bytes = 1 << 20;
    return in;
}

static inline void drop_instance(struct lg_instance *in)
{
    lg_instance_done(in);
    free(in);
}

static inline void tx_begin(struct fixture *f)
{
    assert_int_equal(lg_tx_write(f->db, &f->e), 0);
}

static inline int tx_end(struct fixture *f, int rc)
{
    if (rc < 0)
        lg_tx_rollback(f->db);
    else
        assert_int_equal(lg_tx_commit(f->db, &f->e), 0);
    return rc;
}

/* Runs `call`, which returns a code, in a write transaction that is committed when it worked. */
#define in_tx(f, call) (tx_begin(f), tx_end(f, call))

static inline int add_named(struct fixture *f, const char *tenant, const char *name, char id[LG_ID_LEN])
{
    struct lg_instance *in = new_instance(tenant, name);
    int rc = in_tx(f, lg_instance_add(f->db, in, NULL, &f->e));
    if (id)
        memcpy(id, in->id, LG_ID_LEN);
    drop_instance(in);
    return rc;
}

#endif
