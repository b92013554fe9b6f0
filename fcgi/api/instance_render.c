#include <string.h>

#include "api/compute.h"
#include "model/cidr.h"
#include "http/etag.h"

#define MASK "********"

static void render_env(struct lg_json *j, const struct lg_instance *in)
{
    lg_cleanup_buf struct lg_buf b = {0};
    lg_json_arr(j, "env");
    for (int i = 0; i < in->env_count; i++) {
        lg_buf_reset(&b);
        lg_buf_fmt(&b, "%s=%s", in->env[i].name, in->env[i].secret ? MASK : in->env[i].value);
        lg_json_strn(j, NULL, lg_buf_cstr(&b), b.len);
    }
    lg_json_end_arr(j);
}

/* image and env, then the members of the stored object as they are. */
static void render_config(struct lg_json *j, const struct lg_instance *in)
{
    size_t n = strlen(in->config);
    lg_json_obj(j, "config");
    lg_json_str(j, "image", in->image);
    if (strcmp(in->type, "vm"))
        render_env(j, in);
    if (n > 2) {
        lg_buf_char(j->out, ',');
        lg_buf_add(j->out, in->config + 1, n - 2);
    }
    lg_json_end_obj(j);
}

static bool at_work(const struct lg_instance *in)
{
    return in->state == LG_ST_RUNNING || in->state == LG_ST_PAUSED;
}

/* Which sizes wait for the next start of what runs. */
static void render_pending(struct lg_json *j, const struct lg_instance *in)
{
    static const struct {
        const char *engine, *word;
    } sizes[] = {{"vcpus", "cpu"}, {"memory", "memory"}};
    lg_json_arr(j, "pending");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (at_work(in) && strstr(in->pending, sizes[i].engine))
            lg_json_str(j, NULL, sizes[i].word);
    lg_json_end_arr(j);
}

static int render_resources(struct lg_req *q, struct lg_json *j, const struct lg_instance *in,
                            struct lg_err *e)
{
    struct lg_sample s;
    int rc = at_work(in) ? lg_sample_get(q->db, in->id, &s, e) : 0;
    lg_json_obj(j, "resources");
    lg_json_obj(j, "cpu");
    lg_json_real(j, "cores", (double)in->cpu_millis / 1000);
    lg_json_end_obj(j);
    lg_json_obj(j, "memory");
    lg_json_int(j, "limit", in->memory_bytes);
    lg_json_int(j, "used", rc > 0 ? s.memory_bytes : 0);
    lg_json_end_obj(j);
    if (in->storage_bytes) {
        lg_json_obj(j, "storage");
        lg_json_int(j, "totalSpace", in->storage_bytes);
        if (rc > 0 && s.disk_bytes >= 0)
            lg_json_int(j, "used", s.disk_bytes);
        else
            lg_json_null(j, "used");
        lg_json_end_obj(j);
    }
    render_pending(j, in);
    lg_json_end_obj(j);
    return rc < 0 ? rc : 0;
}

static void render_labels(struct lg_json *j, const struct lg_instance *in)
{
    lg_json_obj(j, "labels");
    for (int i = 0; i < in->label_count; i++)
        lg_json_str(j, in->labels[i].key, in->labels[i].value);
    lg_json_end_obj(j);
}

static int render_network(struct lg_req *q, struct lg_json *j, const struct lg_instance *in, struct lg_err *e)
{
    struct lg_net net;
    char address[16], mac[18];
    int rc = lg_net_of(q->app->conf.subnet_pool, lg_db_site(q->db), in->net_index, &net, e);
    if (rc)
        return rc;
    lg_net_host(&net, in->host_number, address, mac);
    lg_json_obj(j, "network");
    lg_json_str(j, "address", address);
    lg_json_str(j, "gateway", net.gateway);
    lg_json_str(j, "subnet", net.subnet);
    lg_json_str(j, "mac", mac);
    lg_json_arr(j, "ports");
    for (int i = 0; i < in->port_count; i++) {
        lg_json_obj(j, NULL);
        lg_json_str(j, "hostAddress", q->app->conf.publish_address);
        lg_json_int(j, "hostPort", in->ports[i].host_port);
        lg_json_int(j, "port", in->ports[i].instance_port);
        lg_json_str(j, "protocol", in->ports[i].protocol);
        lg_json_end_obj(j);
    }
    lg_json_end_arr(j);
    lg_json_end_obj(j);
    return 0;
}

struct rules {
    struct lg_json *j;
    const struct lg_conf *conf;
};

static void add_rule(void *arg, const struct lg_ingress *r)
{
    const struct rules *t = arg;
    lg_ingress_render(t->j, NULL, r, t->conf);
}

static int render_ingress(struct lg_req *q, struct lg_json *j, const struct lg_instance *in, struct lg_err *e)
{
    struct rules t = {j, &q->app->conf};
    lg_json_arr(j, "ingress");
    int rc = lg_ingress_each(q->db, in->tenant_id, in->id, add_rule, &t, e);
    lg_json_end_arr(j);
    return rc < 0 ? rc : 0;
}

static int render_operation(struct lg_req *q, struct lg_json *j, const struct lg_instance *in,
                            struct lg_err *e)
{
    struct lg_operation op;
    int rc = lg_operation_open_of(q->db, in->id, &op, e);
    if (rc > 0)
        lg_operation_render(j, "operation", &op);
    else
        lg_json_null(j, "operation");
    return rc < 0 ? rc : 0;
}

/* What is attached now; config.volumes is what the create said. */
static void render_volumes(struct lg_json *j, const struct lg_instance *in)
{
    lg_json_arr(j, "volumes");
    for (int i = 0; i < in->attachment_count; i++) {
        const struct lg_attachment *a = &in->attachments[i];
        if (a->detaching || (!*a->volume_id && !*a->host_path))
            continue;
        lg_json_obj(j, NULL);
        lg_json_str(j, "id", *a->volume_id ? a->volume_id : NULL);
        lg_json_str(j, "name", *a->volume_id ? a->volume_name : NULL);
        lg_json_str(j, "kind", *a->volume_id ? a->volume_kind : NULL);
        lg_json_str(j, "hostPath", *a->host_path ? a->host_path : NULL);
        lg_json_str(j, "path", *a->path ? a->path : NULL);
        lg_json_bool(j, "readOnly", a->read_only);
        lg_json_end_obj(j);
    }
    lg_json_end_arr(j);
}

/* Cards beside the first one. */
static void render_nics(struct lg_json *j, const char *site, const struct lg_instance *in)
{
    lg_json_arr(j, "networks");
    for (int i = 0; i < in->nic_count; i++) {
        const struct lg_nic *c = &in->nics[i];
        char name[16], mac[18];
        if (c->detaching)
            continue;
        lg_own_nic(site, c->seq, name, mac);
        lg_json_obj(j, NULL);
        lg_json_str(j, "id", c->network_id);
        lg_json_str(j, "name", c->network_name);
        lg_json_str(j, "address", c->address);
        lg_json_int(j, "prefix", c->prefix);
        lg_json_str(j, "mac", mac);
        lg_json_end_obj(j);
    }
    lg_json_end_arr(j);
}

static void render_head(struct lg_json *j, const struct lg_instance *in)
{
    lg_json_str(j, "id", in->id);
    lg_json_str(j, "uuid", in->id);
    lg_json_str(j, "name", in->name);
    lg_json_str(j, "tenant", in->tenant_slug);
    lg_json_str(j, "type", in->type);
    lg_json_str(j, "backend", in->backend);
    lg_json_str(j, "flavor", *in->flavor ? in->flavor : NULL);
    lg_json_str(j, "state", lg_state_name(in->state));
    lg_json_str(j, "status", in->health);
    lg_json_raw(j, "reason", in->reason ? in->reason : "null");
}

int lg_render_instance(struct lg_req *q, struct lg_json *j, const char *key, struct lg_instance *in,
                       struct lg_err *e)
{
    int rc = lg_instance_load_parts(q->db, in, NULL, e);
    if (rc)
        return rc;
    lg_json_obj(j, key);
    render_head(j, in);
    render_config(j, in);
    rc = render_resources(q, j, in, e);
    render_labels(j, in);
    lg_json_obj(j, "metadata");
    render_labels(j, in);
    lg_json_end_obj(j);
    if (rc || (rc = render_network(q, j, in, e)) || (rc = render_ingress(q, j, in, e)))
        return rc;
    render_volumes(j, in);
    render_nics(j, lg_db_site(q->db), in);
    lg_json_str(j, "owner", in->owner_name);
    if ((rc = render_operation(q, j, in, e)))
        return rc;
    lg_json_int(j, "version", in->version);
    lg_json_time(j, "createdAt", in->created_at);
    lg_json_time(j, "updatedAt", in->updated_at);
    lg_json_time(j, "startedAt", in->started_at);
    lg_json_end_obj(j);
    return 0;
}

int lg_answer_instance(struct lg_req *q, struct lg_resp *r, int status, struct lg_instance *in,
                       const struct lg_operation *op, struct lg_err *e)
{
    struct lg_json j;
    r->status = status;
    lg_json_init(&j, &r->body);
    if (op)
        lg_operation_header(r, op);
    int rc = lg_render_instance(q, &j, NULL, in, e);
    if (!rc)
        lg_resp_etag(q, r, in->version);
    return rc;
}
