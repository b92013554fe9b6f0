#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "api/images.h"
#include "api/page.h"
#include "base/id.h"
#include "http/body.h"
#include "http/etag.h"
#include "model/image_ref.h"
#include "model/validate.h"
#include "store/quota.h"

#define UNDER_WAY  16  /* images of a tenant that are fetched or deleted at the same time */
#define IMAGES_MAX 500 /* of a tenant */
/* An upload is stored, then imported: twice its size. What stays free is for the database and the engine. */
#define UPLOAD_COPIES 2
#define RESERVE_BYTES ((uint64_t)512 << 20)

/* --- reading --- */

static bool visible(const struct lg_req *q, const struct lg_image *im)
{
    return im->is_public || q->who.admin || !strcmp(im->tenant_id, q->who.tenant_id);
}

/* Its own tenant may change an image; the host's are for admins. */
static bool changeable(const struct lg_req *q, const struct lg_image *im)
{
    return q->who.admin || (*im->tenant_id && !strcmp(im->tenant_id, q->who.tenant_id));
}

static int find(struct lg_req *q, const char *id, struct lg_image *im, struct lg_err *e)
{
    int rc = lg_image_get(q->db, id, im, e);
    return rc || visible(q, im) ? rc : lg_fail(e, LG_NOT_FOUND, "there is no such image");
}

static int find_own(struct lg_req *q, const char *id, struct lg_image *im, struct lg_err *e)
{
    int rc = find(q, id, im, e);
    return rc || changeable(q, im)
               ? rc
               : lg_fail(e, LG_FORBIDDEN, "only administrators may change the host's images");
}

int lg_image_answer(struct lg_resp *r, int status, const struct lg_image *im, const struct lg_operation *op)
{
    struct lg_json j;
    r->status = status;
    lg_json_init(&j, &r->body);
    if (op)
        lg_operation_header(r, op);
    lg_image_render(&j, NULL, im);
    return 0;
}

static int answer_tagged(const struct lg_req *q, struct lg_resp *r, const struct lg_image *im)
{
    int rc = lg_image_answer(r, 200, im, NULL);
    lg_resp_etag(q, r, LG_NO_VERSION);
    return rc;
}

static int check_match(const struct lg_req *q, const struct lg_image *im, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf b = {0};
    struct lg_json j;
    lg_json_init(&j, &b);
    lg_image_render(&j, NULL, im);
    return lg_if_match_bytes(q, b.data, b.len, e);
}

static int get_one(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_image im;
    int rc = find(q, q->param[0], &im, e);
    return rc ? rc : answer_tagged(q, r, &im);
}

static void add_one(void *arg, const struct lg_image *im)
{
    struct lg_list *l = arg;
    const char *kind = lg_req_query(l->q, "kind", "");
    if ((!*kind || !strcmp(kind, im->kind)) && lg_page_take_of_all(&l->p, im->created_at, im->id))
        lg_image_render(&l->j, NULL, im);
}

static int list(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_list l;
    int rc = lg_list_begin(&l, q, r, "images", e);
    return rc ? rc : lg_list_end(&l, lg_image_each(q->db, q->who.tenant_id, add_one, &l, e));
}

/* --- aliases --- */

int lg_image_names_parse(const json_t *list, struct lg_image_names *out, struct lg_err *e)
{
    size_t total = 0;
    out->count = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        int rc = lg_check_image_ref("aliases", s, e);
        if (rc)
            return rc;
        total += strlen(s) + 1;
        out->at[out->count++] = s;
    }
    if (total <= LG_IMAGE_ALIASES_TEXT)
        return 0;
    return lg_invalid(e, "aliases", "are longer than %d characters together", LG_IMAGE_ALIASES_TEXT);
}

/* --- pull and upload --- */

/* Fetching costs the host's network, disk and workers, so no tenant asks for it without end. */
static int check_load(struct lg_req *q, struct lg_err *e)
{
    int64_t under_way, total;
    int rc = lg_image_load(q->db, q->who.tenant_id, &under_way, &total, e);
    if (rc || (under_way < UNDER_WAY && total < IMAGES_MAX))
        return rc;
    if (under_way >= UNDER_WAY)
        lg_fail(e, LG_LIMIT, "%d images are under way for this tenant already; wait for one", UNDER_WAY);
    else
        lg_fail(e, LG_LIMIT, "the tenant has %d images; delete one first", IMAGES_MAX);
    return lg_err_detail(e, "limit", "images");
}

int lg_image_enter(struct lg_req *q, struct lg_image *im, const struct lg_image_names *aliases,
                   const char *kind, struct lg_operation *op, struct lg_err *e)
{
    int rc = check_load(q, e);
    if (!rc && !im->is_public)
        rc = lg_quota_admit(q->db, im->tenant_id, &(struct lg_amounts){.storage_bytes = im->size_bytes}, e);
    if (!rc)
        rc = lg_image_add(q->db, im, e);
    if (!rc && aliases && aliases->count)
        rc = lg_image_set_aliases(q->db, im, aliases->at, aliases->count, e);
    if (!rc)
        rc = lg_image_get(q->db, im->id, im, e);
    if (rc)
        return rc;
    lg_operation_from(op, q, kind);
    memcpy(op->image_id, im->id, sizeof op->image_id);
    snprintf(op->subject_name, sizeof op->subject_name, "%s", im->name);
    return lg_operation_add(q->db, op, false, e);
}

void lg_image_new(const struct lg_req *q, struct lg_image *im, const char *name, const char *kind,
                  const char *source)
{
    memset(im, 0, sizeof *im);
    memcpy(im->tenant_id, q->who.tenant_id, sizeof im->tenant_id);
    snprintf(im->name, sizeof im->name, "%s", name);
    snprintf(im->kind, sizeof im->kind, "%s", kind);
    snprintf(im->source, sizeof im->source, "%s", source);
    snprintf(im->state, sizeof im->state, "pulling");
}

struct pull {
    const char *reference, *url, *name;
    json_t *aliases;
    struct lg_opt_bool public;
    struct lg_vm_image vm;
};

static const struct lg_field pull_fields[] = {
    {.name = "reference", .type = LG_T_STRING, .min = 1, .offset = offsetof(struct pull, reference)},
    {.name = "url",
     .type = LG_T_STRING,
     .min = 1,
     .max = LG_IMAGE_URL_MAX,
     .offset = offsetof(struct pull, url)},
    {.name = "name", .type = LG_T_STRING, .min = 1, .offset = offsetof(struct pull, name)},
    {.name = "aliases",
     .type = LG_T_STRINGS,
     .max = LG_IMAGE_ALIASES_MAX,
     .offset = offsetof(struct pull, aliases)},
    {.name = "public", .type = LG_T_BOOL, .offset = offsetof(struct pull, public)},
    {.name = "format", .type = LG_T_STRING, .offset = offsetof(struct pull, vm.format)},
    {.name = "sha256", .type = LG_T_STRING, .offset = offsetof(struct pull, vm.sha256)},
    {.name = "minDiskBytes",
     .type = LG_T_INT,
     .min = 0,
     .max = LG_VM_SPACE_MAX,
     .offset = offsetof(struct pull, vm.min_disk)},
    {.name = "minMemoryBytes",
     .type = LG_T_INT,
     .min = 0,
     .max = LG_VM_SPACE_MAX,
     .offset = offsetof(struct pull, vm.min_memory)},
    {.name = "defaultUser", .type = LG_T_STRING, .offset = offsetof(struct pull, vm.default_user)},
    {.name = "cloudInit", .type = LG_T_BOOL, .offset = offsetof(struct pull, vm.cloud_init)},
    {0}};

/* A container's image, from a registry. */
static int take_reference(struct lg_req *q, const struct pull *p, struct lg_image *im, struct lg_err *e)
{
    char full[sizeof im->reference];
    int rc = lg_check_image_ref("reference", p->reference, e);
    if (rc || (rc = p->name ? lg_check_image_ref("name", p->name, e) : 0))
        return rc;
    if (lg_vm_image_says(&p->vm))
        return lg_fail(e, LG_INVALID,
                       "only an image of kind vm, fetched from a url, has a size, a user and cloud-init");
    const char *registries = q->app->conf.image_registries;
    bool allowed = q->who.admin || lg_image_ref_allowed(p->reference, registries);
    if (!allowed && *registries) {
        lg_fail(e, LG_INVALID, "reference must name an image of %.300s; an administrator may pull others",
                registries);
        return lg_err_detail(e, "field", "reference");
    }
    if (!allowed || lg_image_ref_full(p->reference, full, sizeof full, e))
        return lg_invalid(e, "reference",
                          "must name an image in a public registry; an administrator may pull from others");
    lg_image_new(q, im, p->name ? p->name : p->reference, "container", "pull");
    memcpy(im->reference, full, sizeof full);
    return 0;
}

static int parse_pull(struct lg_req *q, struct lg_image *im, struct lg_image_names *aliases, struct lg_err *e)
{
    json_t *json;
    struct pull p = {0};
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, pull_fields, true, "", &p, e)) ||
        (rc = lg_image_names_parse(p.aliases, aliases, e)))
        return rc;
    if (!p.reference == !p.url) {
        lg_fail(e, LG_INVALID,
                "name either a reference (a container's image) or a url (a virtual machine's)");
        return lg_err_detail(e, "field", "reference");
    }
    rc = p.url ? lg_vm_image_fetched(q, p.url, p.name, &p.vm, im, e) : take_reference(q, &p, im, e);
    if (rc)
        return rc;
    if (p.public.v && !q->who.admin)
        return lg_fail(e, LG_FORBIDDEN, "only administrators may share an image with every tenant");
    if (p.public.v) {
        im->is_public = true;
        *im->tenant_id = 0;
    }
    return 0;
}

static int pull(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_image im;
    struct lg_image_names aliases;
    struct lg_operation op;
    int rc = parse_pull(q, &im, &aliases, e);
    if (!rc)
        rc = lg_req_begin(q, e);
    if (!rc)
        rc = lg_image_enter(q, &im, &aliases, *im.vm.url ? "image.fetch" : "image.pull", &op, e);
    if (!rc)
        rc = lg_req_commit(q, im.id, im.name, e);
    return rc ? rc : lg_image_answer(r, 202, &im, &op);
}

/* The name and kind of an upload, from the query. */
static int parse_upload(struct lg_req *q, struct lg_image *im, struct lg_err *e)
{
    const char *name = lg_req_query(q, "name", ""), *kind = lg_req_query(q, "kind", "container");
    int rc = lg_check_image_ref("name", name, e);
    if (rc)
        return rc;
    if (strcmp(kind, "container") && strcmp(kind, "vm"))
        return lg_invalid_query(e, "kind", "must be container or vm");
    lg_image_new(q, im, name, kind, "upload");
    if (!strcmp(kind, "container"))
        return 0;
    rc = lg_backend_check(q, "kvm", e);
    return rc ? rc : lg_vm_image_query(q, &im->vm, e);
}

static int check_room(const struct lg_req *q, int64_t length, struct lg_err *e)
{
    char dir[PATH_MAX];
    struct statvfs fs;
    if (statvfs(lg_conf_path(&q->app->conf, dir, sizeof dir, "uploads"), &fs))
        return lg_fail_errno(e, LG_STORAGE, "the folder for uploads cannot be looked at");
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    uint64_t wanted = RESERVE_BYTES + UPLOAD_COPIES * (uint64_t)(length > 0 ? length : 0);
    if (free_bytes >= wanted)
        return 0;
    lg_fail(e, LG_LIMIT, "the host's disk has no room for this upload");
    return lg_err_detail(e, "limit", "disk");
}

/* Before nginx reads the body: may this caller upload that? nginx asks for it and nobody else can. */
static int upload_authorize(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_image im;
    const char *type = lg_req_header(q, "CONTENT_TYPE"), *length = lg_req_header(q, "LODGE_UPLOAD_LENGTH");
    if (!type || (strcmp(type, "application/x-tar") && strcmp(type, "application/octet-stream")))
        return lg_fail(e, LG_MEDIA_TYPE,
                       "send the image as Content-Type: application/x-tar or application/octet-stream");
    bool said = length && *length; /* a chunked one does not say */
    int64_t size = said ? strtoll(length, NULL, 10) : 0;
    if (said && size <= 0)
        return lg_fail(e, LG_INVALID, "the upload is empty");
    int rc = parse_upload(q, &im, e);
    if (!rc)
        rc = check_room(q, size, e);
    if (!rc)
        rc = lg_quota_admit(q->db, im.tenant_id, &(struct lg_amounts){.storage_bytes = size}, e);
    if (!rc)
        rc = check_load(q, e);
    if (!rc)
        lg_resp_empty(r, 204);
    return rc;
}

static int add_upload(struct lg_req *q, struct lg_image *im, const char *file, struct lg_operation *op,
                      struct lg_err *e)
{
    char ref[LG_ID_LEN];
    struct stat st;
    int rc = parse_upload(q, im, e);
    if (rc)
        return rc;
    /* A reference nobody can guess or name: uploads are found through the catalogue alone. */
    lg_id_new(ref);
    snprintf(im->reference, sizeof im->reference, "localhost/lodge/%s:latest", ref);
    if ((size_t)snprintf(im->file, sizeof im->file, "%s", file) >= sizeof im->file)
        return lg_fail(e, LG_INTERNAL, "the upload's path is too long");
    if (stat(file, &st))
        return lg_fail_errno(e, LG_INTERNAL, "the upload cannot be looked at");
    im->size_bytes = st.st_size; /* until the engine says what it makes of it */
    if ((rc = lg_req_begin(q, e)) || (rc = lg_image_enter(q, im, NULL, "image.import", op, e)))
        return rc;
    return lg_req_commit(q, im->id, im->name, e);
}

/* nginx removes what it stored when the request ends, also when the client went away half-way; so what is
 * kept gets another name. */
static int adopt(const char *file, char kept[PATH_MAX], struct lg_err *e)
{
    if (snprintf(kept, PATH_MAX, "%s.tar", file) >= PATH_MAX || rename(file, kept))
        return lg_fail_errno(e, LG_INTERNAL, "the upload cannot be kept");
    return 0;
}

static int upload(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_image im;
    struct lg_operation op;
    char kept[PATH_MAX];
    const char *file = lg_req_upload(q);
    if (!file)
        return lg_fail(e, LG_INVALID, "the upload is empty");
    int rc = adopt(file, kept, e);
    if (rc)
        return rc;
    if (!(rc = add_upload(q, &im, kept, &op, e)))
        return lg_image_answer(r, 202, &im, &op);
    unlink(kept);
    return rc;
}

/* --- change and delete --- */

struct change {
    json_t *aliases;
    struct lg_opt_bool is_default, public;
    struct lg_vm_image vm;
};

static const struct lg_field change_fields[] = {
    {.name = "aliases",
     .type = LG_T_STRINGS,
     .max = LG_IMAGE_ALIASES_MAX,
     .offset = offsetof(struct change, aliases)},
    {.name = "default", .type = LG_T_BOOL, .offset = offsetof(struct change, is_default)},
    {.name = "public", .type = LG_T_BOOL, .offset = offsetof(struct change, public)},
    {.name = "minDiskBytes",
     .type = LG_T_INT,
     .min = 0,
     .max = LG_VM_SPACE_MAX,
     .offset = offsetof(struct change, vm.min_disk)},
    {.name = "minMemoryBytes",
     .type = LG_T_INT,
     .min = 0,
     .max = LG_VM_SPACE_MAX,
     .offset = offsetof(struct change, vm.min_memory)},
    {.name = "defaultUser", .type = LG_T_STRING, .offset = offsetof(struct change, vm.default_user)},
    {.name = "cloudInit", .type = LG_T_BOOL, .offset = offsetof(struct change, vm.cloud_init)},
    {0}};

/* How it is told of a VM's image; a container's has nothing of the kind. */
static int apply_vm(struct lg_req *q, struct lg_image *im, const struct lg_vm_image *v, struct lg_err *e)
{
    if (!lg_vm_image_says(v))
        return 0;
    if (strcmp(im->kind, "vm"))
        return lg_fail(e, LG_INVALID, "only an image of kind vm has a size, a user and cloud-init");
    int rc = lg_vm_image_take(v, &im->vm, e);
    return rc ? rc : lg_image_set_vm(q->db, im->id, &im->vm, e);
}

static int apply(struct lg_req *q, struct lg_image *im, const struct change *c,
                 const struct lg_image_names *aliases, struct lg_err *e)
{
    int rc = 0;
    bool public = c->public.set ? c->public.v : im->is_public;
    if ((c->is_default.set || c->public.set) && !q->who.admin)
        return lg_fail(e, LG_FORBIDDEN, "only administrators may change default and public");
    if (c->is_default.v && !public)
        return lg_fail(e, LG_STATE, "the default image must be public");
    if (!public && im->is_default)
        return lg_fail(e, LG_STATE, "it is the default image: make another one the default first");
    if (c->is_default.set && !c->is_default.v && im->is_default)
        return lg_fail(e, LG_STATE, "make another image the default instead");
    if (c->aliases)
        rc = lg_image_set_aliases(q->db, im, aliases->at, aliases->count, e);
    if (!rc && c->public.set)
        rc = lg_image_set_public(q->db, im->id, c->public.v, e);
    if (!rc && c->is_default.v)
        rc = lg_image_set_default(q->db, im->id, im->kind, e);
    if (!rc)
        rc = apply_vm(q, im, &c->vm, e);
    return rc ? rc : lg_image_get(q->db, im->id, im, e);
}

static int change(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    json_t *json;
    struct change c = {0};
    struct lg_image_names aliases;
    struct lg_image im;
    int rc = lg_req_json(q, &json, e);
    if (rc || (rc = lg_body_fields(json, change_fields, true, "", &c, e)) ||
        (rc = lg_image_names_parse(c.aliases, &aliases, e)) || (rc = lg_req_begin(q, e)) ||
        (rc = find_own(q, q->param[0], &im, e)) || (rc = check_match(q, &im, e)) ||
        (rc = apply(q, &im, &c, &aliases, e)) || (rc = lg_req_commit(q, im.id, im.name, e)))
        return rc;
    return answer_tagged(q, r, &im);
}

static int check_unused(struct lg_req *q, const struct lg_image *im, struct lg_err *e)
{
    int64_t users = lg_image_users(q->db, im->id);
    if (users < 0)
        return lg_fail(e, LG_STORAGE, "the database does not answer");
    if (!strcmp(im->state, "deleting"))
        return lg_fail(e, LG_CONFLICT, "the image is being deleted already");
    if (im->is_default)
        return lg_fail(e, LG_CONFLICT, "it is the default image: make another one the default first");
    if (!users)
        return 0;
    lg_fail(e, LG_CONFLICT, "%lld instance%s made of this image; delete %s first", (long long)users,
            users == 1 ? " is" : "s are", users == 1 ? "it" : "them");
    return lg_err_detail(e, "instances", "%lld", (long long)users);
}

static int delete (struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    struct lg_image im;
    struct lg_operation op;
    int rc = lg_req_begin(q, e);
    if (rc || (rc = find_own(q, q->param[0], &im, e)) || (rc = check_match(q, &im, e)) ||
        (rc = check_unused(q, &im, e)) ||
        (rc = lg_image_set_state(q->db, im.id, "deleting", NULL, -1, NULL, e)) ||
        (rc = lg_image_get(q->db, im.id, &im, e)))
        return rc;
    lg_operation_from(&op, q, "image.delete");
    memcpy(op.image_id, im.id, sizeof op.image_id);
    snprintf(op.subject_name, sizeof op.subject_name, "%s", im.name);
    if ((rc = lg_operation_add(q->db, &op, false, e)) || (rc = lg_req_commit(q, im.id, im.name, e)))
        return rc;
    return lg_image_answer(r, 202, &im, &op);
}

const struct lg_route lg_routes_images[] = {
    {.method = "GET",
     .pattern = "/api/v1/images",
     .perm = LG_PERM_MEMBER,
     .handler = list,
     .doc = "The images the tenant may use; filter kind"},
    {.method = "POST",
     .pattern = "/api/v1/images",
     .perm = LG_PERM_MEMBER,
     .action = "image.pull",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(pull_fields),
     .handler = pull,
     .doc = "Pulls a container's image from a registry (reference), or fetches a virtual machine's from an "
            "https address (url)"},
    {.method = "POST",
     .pattern = "/api/v1/images/upload",
     .perm = LG_PERM_MEMBER,
     .action = "image.upload",
     .handler = upload,
     .doc = "Imports an uploaded tar, or with kind=vm a disk image; ?name="},
    {.method = "POST",
     .pattern = "/upload-authorize",
     .perm = LG_PERM_MEMBER,
     .handler = upload_authorize,
     .doc = "nginx asks before it reads an upload"},
    {.method = "GET",
     .pattern = "/api/v1/images/:id",
     .perm = LG_PERM_MEMBER,
     .handler = get_one,
     .doc = "One image"},
    {.method = "PUT",
     .pattern = "/api/v1/images/:id",
     .perm = LG_PERM_MEMBER,
     .action = "image.update",
     .body_max = LG_BODY_SMALL,
     .body = LG_BODY_OF(change_fields),
     .handler = change,
     .doc = "Changes aliases, default, public and what a VM's image needs"},
    {.method = "DELETE",
     .pattern = "/api/v1/images/:id",
     .perm = LG_PERM_MEMBER,
     .action = "image.delete",
     .body_max = LG_BODY_SMALL,
     .handler = delete,
     .doc = "Deletes it unless it is in use"},
    {.method = NULL}};
