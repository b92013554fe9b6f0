/* Tenants' own networks: plain layer 2, beside the one that every tenant has. */
#include "api/networks.h"

#include <stdlib.h>
#include <string.h>

#include "api/page.h"
#include "http/body.h"
#include "http/etag.h"
#include "model/net.h"
#include "store/tenant.h"

/* --- reading --- */

/* A foreign one is not there. */
static int find(struct lg_req *q, const char *id, struct lg_network *n, struct lg_err *e)
{
    int rc = lg_network_get(q->db, id, n, e);
    return rc || !strcmp(n->tenant_id, q->who.tenant_id)
               ? rc
               : lg_fail(e, LG_NOT_FOUND, "there is no such network");
}

static int answer(struct lg_req *q, struct lg_resp *r, int status, const struct lg_network *n,
                  struct lg_err *e)
{
    struct lg_json j;
    r->status = status;
    lg_json_init(&j, &r->body);
    int rc = lg_network_render(q->db, &j, NULL, n, e);
    if (!rc)
        lg_resp_etag(q, r, n->version);
    return rc;
}

static int get_one(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_network n;
    int rc = lg_tx_read(q->db, e);
    if (rc)
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    (void)db;
    rc = find(q, q->param[0], &n, e);
    return rc ? rc : answer(q, r, 200, &n, e);
}

static void add_one(void *arg, const struct lg_network *n)
{
    struct lg_list *l = arg;
    if (!l->rc && lg_page_take(&l->p, n->created_at, n->id))
        l->rc = lg_network_render(l->q->db, &l->j, NULL, n, l->e);
}

static int list(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_list l;
    struct lg_page *p = &l.p;
    int rc = lg_list_begin(&l, q, r, "networks", e);
    if (rc || (rc = lg_tx_read(q->db, e)))
        return rc;
    lg_cleanup_read struct lg_db *db = q->db;
    rc = lg_network_each(db, q->who.tenant_id, p->key_n, p->key_s, p->size + 1, p->offset, &p->total, add_one,
                         &l, e);
    return lg_list_end(&l, rc);
}

/* --- create, delete --- */

struct body {
    const char *name, *cidr;
};

static const struct lg_field create_fields[] = {
    {.name = "name", .type = LG_T_STRING, .required = true, .min = 1, .offset = offsetof(struct body, name)},
    {.name = "cidr", .type = LG_T_STRING, .required = true, .min = 1, .offset = offsetof(struct body, cidr)},
    {0}};

int lg_network_fill(struct lg_req *q, struct lg_network *n, const char *name, const char *cidr,
                    struct lg_err *e)
{
    struct lg_cidr c;
    int rc = lg_check_network_name("name", name, e);
    if (rc || (rc = lg_parse_cidr("cidr", cidr, &c, e)))
        return rc;
    memset(n, 0, sizeof *n);
    snprintf(n->name, sizeof n->name, "%s", name);
    snprintf(n->cidr, sizeof n->cidr, "%s", cidr);
    memcpy(n->tenant_id, q->who.tenant_id, sizeof n->tenant_id);
    return 0;
}

int lg_network_ask_create(struct lg_req *q, struct lg_network *n, struct lg_err *e)
{
    struct lg_cidr own, first;
    struct lg_tenant t;
    struct lg_net net;
    memcpy(n->tenant_id, q->who.tenant_id, sizeof n->tenant_id);
    int rc = lg_tenant_get(q->db, n->tenant_id, &t, e);
    if (!rc)
        rc = lg_net_of(q->app->conf.subnet_pool, lg_db_site(q->db), t.net_index, &net, e);
    if (rc || (rc = lg_parse_cidr("cidr", n->cidr, &own, e)))
        return rc;
    /* An instance would have two ways to the same address. Others' ranges are no concern. */
    if (!lg_parse_cidr("cidr", net.subnet, &first, NULL) && lg_cidr_overlap(&own, &first)) {
        return lg_invalid(e, "cidr", "must not overlap %s, the tenant's first network", net.subnet);
    }
    return lg_network_add(q->db, n, e);
}

static int create(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *json;
    struct body b = {0};
    struct lg_network n;
    char path[80];
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, create_fields, true, "", &b, e)) ||
        (rc = lg_network_fill(q, &n, b.name, b.cidr, e)) || (rc = lg_req_begin(q, e)) ||
        (rc = lg_network_ask_create(q, &n, e)) || (rc = answer(q, r, 201, &n, e)) ||
        (rc = lg_req_commit(q, n.id, n.name, e)))
        return rc;
    snprintf(path, sizeof path, "/api/v1/networks/%s", n.id);
    lg_resp_header(r, "Location", path);
    return 0;
}

static int delete (struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_network n;
    int rc = lg_req_begin(q, e);
    if (rc || (rc = find(q, q->param[0], &n, e)) || (rc = lg_if_match_version(q, n.version, e)) ||
        (rc = lg_network_remove(q->db, &n, e)) || (rc = lg_req_commit(q, n.id, n.name, e)))
        return rc;
    lg_resp_empty(r, 204);
    return 0;
}

/* --- attach, detach --- */

static const struct lg_field attach_fields[] = {
    {.name = "instance", .type = LG_T_STRING, .required = true, .min = 1}, {0}};

static int add_operation(struct lg_req *q, const char *kind, const struct lg_network *n,
                         const struct lg_instance *in, struct lg_operation *op, struct lg_err *e)
{
    lg_operation_from(op, q, kind);
    memcpy(op->instance_id, in->id, sizeof op->instance_id);
    snprintf(op->subject_name, sizeof op->subject_name, "%s", in->name);
    snprintf(op->params, sizeof op->params, "{\"network\":\"%s\"}", n->id);
    return lg_operation_add_after(q->db, op, e);
}

static int begin_detach(struct lg_req *q, const struct lg_network *n, struct lg_instance *in,
                        struct lg_err *e)
{
    int rc = lg_nic_load(q->db, in, e);
    for (int i = 0; !rc && i < in->nic_count; i++)
        if (!strcmp(in->nics[i].network_id, n->id) && in->nics[i].detaching)
            return lg_fail(e, LG_CONFLICT, "%s is being taken from the network %s already", in->name,
                           n->name);
    if (!rc)
        rc = lg_nic_set_detaching(q->db, in->id, n->id, true, e);
    return rc == -(int)LG_NOT_FOUND ? lg_fail(e, LG_STATE, "%s is not on the network %s", in->name, n->name)
                                    : rc;
}

/* The route's action says which of the two. */
static int change(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *json;
    const char *instance = NULL;
    struct lg_network n;
    struct lg_operation op;
    lg_cleanup_instance struct lg_instance in = {0};
    bool attach = !strcmp(q->route->action, "network.attach");
    int wait = lg_req_wait(q, LG_VERB_WAIT_S, 300), rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, attach_fields, true, "", &instance, e)) ||
        (rc = lg_req_begin(q, e)) || (rc = find(q, q->param[0], &n, e)) ||
        (rc = lg_instance_find(q->db, q->who.tenant_id, instance, &in, e)))
        return rc;
    if (in.state == LG_ST_DELETING)
        return lg_fail(e, LG_STATE, "the instance %s is being deleted", in.name);
    if ((rc = attach ? lg_nic_add(q->db, &in, &n, e) : begin_detach(q, &n, &in, e)) ||
        (rc = add_operation(q, q->route->action, &n, &in, &op, e)) ||
        (!wait && (rc = answer(q, r, 202, &n, e))) || (rc = lg_req_commit(q, n.id, n.name, e)))
        return rc;
    if (wait)
        return lg_park(q, r, &op, "network", n.id, wait, e);
    lg_operation_header(r, &op);
    return 0;
}

int lg_view_network(struct lg_req *q, struct lg_resp *r, const struct lg_handoff *h, struct lg_err *e)
{
    struct lg_operation op;
    struct lg_network n;
    int done = lg_wait_operation(q, h, &op, e), rc = done < 0 ? done : find(q, h->id, &n, e);
    if (rc)
        return rc;
    lg_operation_header(r, &op);
    return answer(q, r, done ? 200 : 202, &n, e);
}

/* --- what a create names --- */

static int add_name(struct lg_instance *in, const char *field, const char *name, struct lg_err *e)
{
    if (!lg_id_valid(name) && lg_check_network_name(field, name, NULL))
        return lg_invalid(e, field, "must be bridge, none, or the name of one of the tenant's networks");
    for (int i = 0; i < in->network_count; i++)
        if (!strcmp(in->networks[i], name))
            return lg_invalid(e, field, "names a network twice");
    if (in->network_count == LG_NICS_MAX)
        return lg_invalid(e, field, "names too many networks");
    snprintf(in->networks[in->network_count++], sizeof *in->networks, "%s", name);
    return 0;
}

int lg_networks_parse(const char *mode, const json_t *list, struct lg_instance *in, struct lg_err *e)
{
    bool own = mode && strcmp(mode, "bridge") && strcmp(mode, "none");
    int rc = 0;
    if (mode && !strcmp(mode, "host"))
        return lg_fail_field(e, LG_UNSUPPORTED, "config.networkMode",
                             "must not be host: no instance shares the host's network");
    if (mode && !strcmp(mode, "none") && in->port_count)
        return lg_invalid(e, "config.ports", "cannot be published without a network");
    if (!own && !json_array_size(list))
        return 0;
    if (!(in->networks = calloc(LG_NICS_MAX, sizeof *in->networks)))
        return lg_fail(e, LG_INTERNAL, "out of memory");
    if (own)
        rc = add_name(in, "config.networkMode", mode, e);
    for (size_t i = 0; !rc && i < json_array_size(list); i++)
        rc = add_name(in, "config.networks", json_string_value(json_array_get(list, i)), e);
    return rc;
}

int lg_networks_add(struct lg_req *q, struct lg_instance *in, struct lg_err *e)
{
    int rc = 0;
    for (int i = 0; !rc && i < in->network_count; i++) {
        struct lg_network n;
        char name[64];
        memcpy(name, in->networks[i], sizeof name);
        if (lg_id_valid(name)) {
            rc = lg_network_get(q->db, name, &n, e);
            rc = rc || !strcmp(n.tenant_id, in->tenant_id) ? rc : -(int)LG_NOT_FOUND;
        } else {
            rc = lg_network_by_name(q->db, in->tenant_id, name, &n, e);
            rc = rc < 0 ? rc : rc ? 0 : -(int)LG_NOT_FOUND;
        }
        if (rc == -(int)LG_NOT_FOUND) {
            lg_fail(e, LG_NOT_FOUND, "there is no network %s", name);
            return lg_err_detail(e, "field", "config.networks");
        }
        if (!rc)
            rc = lg_nic_add(q->db, in, &n, e);
    }
    return rc;
}

#define BASE "/api/v1/networks"

const struct lg_route lg_routes_networks[] = {
    {.method = "GET",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .handler = list,
     .doc = "The tenant's own networks, oldest first"},
    {.method = "POST",
     .pattern = BASE,
     .perm = LG_PERM_MEMBER,
     .action = "network.create",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(create_fields),
     .handler = create,
     .doc = "Creates a network of plain layer 2"},
    {.method = "GET",
     .pattern = BASE "/:id",
     .perm = LG_PERM_MEMBER,
     .handler = get_one,
     .doc = "One network and what is on it"},
    {.method = "DELETE",
     .pattern = BASE "/:id",
     .perm = LG_PERM_MEMBER,
     .action = "network.delete",
     .body_max = LG_BODY_SMALL,
     .handler = delete,
     .doc = "Deletes it, unless an instance is on it"},
    {.method = "POST",
     .pattern = BASE "/:id/attach",
     .perm = LG_PERM_MEMBER,
     .action = "network.attach",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(attach_fields),
     .handler = change,
     .doc = "Gives an instance a card on it, a running container at once"},
    {.method = "POST",
     .pattern = BASE "/:id/detach",
     .perm = LG_PERM_MEMBER,
     .action = "network.detach",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(attach_fields),
     .handler = change,
     .doc = "Takes an instance's card on it away"},
    {.method = NULL}};
