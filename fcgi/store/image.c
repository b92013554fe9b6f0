#include "store/image.h"

#include <string.h>

#include "base/clock.h"
#include "store/event.h"
#include "store/quota.h"
#include "store/sql.h"

static void read_row(lg_stmt *s, struct lg_image *im)
{
    lg_col_copy(s, 0, im->id, sizeof im->id);
    lg_col_copy(s, 1, im->tenant_id, sizeof im->tenant_id);
    lg_col_copy(s, 2, im->tenant_slug, sizeof im->tenant_slug);
    lg_col_copy(s, 3, im->name, sizeof im->name);
    lg_col_copy(s, 4, im->kind, sizeof im->kind);
    lg_col_copy(s, 5, im->source, sizeof im->source);
    lg_col_copy(s, 6, im->reference, sizeof im->reference);
    lg_col_copy(s, 7, im->digest, sizeof im->digest);
    lg_col_copy(s, 8, im->state, sizeof im->state);
    lg_col_copy(s, 9, im->error, sizeof im->error);
    lg_col_copy(s, 10, im->file, sizeof im->file);
    im->size_bytes = lg_col_int(s, 11);
    im->created_at = lg_col_int(s, 12);
    im->updated_at = lg_col_int(s, 13);
    im->is_default = lg_col_int(s, 14);
    im->is_public = lg_col_int(s, 15);
    lg_col_copy(s, 16, im->aliases, sizeof im->aliases);
    im->vm = (struct lg_image_vm){0};
    if (lg_col_null(s, 17))
        return;
    lg_col_copy(s, 17, im->vm.format, sizeof im->vm.format);
    lg_col_copy(s, 18, im->vm.url, sizeof im->vm.url);
    lg_col_copy(s, 19, im->vm.sha256, sizeof im->vm.sha256);
    im->vm.virtual_bytes = lg_col_int(s, 20);
    im->vm.min_disk_bytes = lg_col_int(s, 21);
    im->vm.min_memory_bytes = lg_col_int(s, 22);
    lg_col_copy(s, 23, im->vm.default_user, sizeof im->vm.default_user);
    im->vm.cloud_init = lg_col_int(s, 24);
}

static int no_image(struct lg_err *e)
{
    return lg_fail(e, LG_NOT_FOUND, "there is no such image");
}

int lg_image_get(struct lg_db *db, const char *id, struct lg_image *im, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_IMAGE_GET, e, "t", id);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0)
        read_row(s, im);
    lg_sql_done(s);
    return rc < 0 ? rc : rc ? 0 : no_image(e);
}

int lg_image_resolve(struct lg_db *db, const char *tenant_id, const char *name, const char *kind,
                     struct lg_image *im, struct lg_err *e)
{
    char id[LG_ID_LEN] = "";
    lg_stmt *s = *name ? lg_sql(db, Q_IMAGE_RESOLVE, e, "ttt", tenant_id, name, kind)
                       : lg_sql(db, Q_IMAGE_DEFAULT_OF_KIND, e, "t", kind);
    int rc = lg_sql_step(db, s, e);
    if (rc < 0)
        return rc;
    if (rc > 0)
        lg_col_copy(s, 0, id, sizeof id);
    lg_sql_done(s);
    if (rc > 0)
        return lg_image_get(db, id, im, e);
    return *name ? lg_fail(e, LG_NOT_FOUND, "there is no %s image called %s", kind, name)
                 : lg_fail(e, LG_NOT_FOUND,
                           "there is no default %s image yet: a new host makes one in its first minutes; "
                           "else name one",
                           kind);
}

int lg_image_each(struct lg_db *db, const char *tenant_id, void (*fn)(void *arg, const struct lg_image *im),
                  void *arg, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_IMAGE_LIST, e, "t", tenant_id);
    int rc, n = 0;
    struct lg_image im;
    for (; (rc = lg_sql_step(db, s, e)) > 0; n++) {
        read_row(s, &im);
        fn(arg, &im);
    }
    return rc < 0 ? rc : n;
}

static void render_aliases(struct lg_json *j, const char *aliases)
{
    lg_json_arr(j, "aliases");
    while (*aliases) {
        size_t n = strcspn(aliases, " ");
        lg_json_strn(j, NULL, aliases, n);
        aliases += n + (aliases[n] == ' ');
    }
    lg_json_end_arr(j);
}

/* Its disk must hold at least what the image holds. */
int64_t lg_image_min_disk(const struct lg_image *im)
{
    const struct lg_image_vm *vm = &im->vm;
    return vm->min_disk_bytes > vm->virtual_bytes ? vm->min_disk_bytes : vm->virtual_bytes;
}

static void render_vm(struct lg_json *j, const struct lg_image *im)
{
    const struct lg_image_vm *vm = &im->vm;
    lg_json_obj(j, "vm");
    lg_json_str(j, "format", *vm->format ? vm->format : "qcow2");
    lg_json_str(j, "url", *vm->url ? vm->url : NULL);
    lg_json_str(j, "sha256", *vm->sha256 ? vm->sha256 : NULL);
    lg_json_int(j, "virtualBytes", vm->virtual_bytes);
    lg_json_int(j, "minDiskBytes", lg_image_min_disk(im));
    lg_json_int(j, "minMemoryBytes", vm->min_memory_bytes);
    lg_json_str(j, "defaultUser", *vm->default_user ? vm->default_user : NULL);
    lg_json_bool(j, "cloudInit", vm->cloud_init);
    lg_json_end_obj(j);
}

void lg_image_render(struct lg_json *j, const char *key, const struct lg_image *im)
{
    lg_json_obj(j, key);
    lg_json_str(j, "id", im->id);
    lg_json_str(j, "name", im->name);
    render_aliases(j, im->aliases);
    lg_json_str(j, "kind", im->kind);
    lg_json_str(j, "source", im->source);
    lg_json_str(j, "reference", im->reference);
    lg_json_str(j, "digest", *im->digest ? im->digest : NULL);
    lg_json_int(j, "sizeBytes", im->size_bytes);
    lg_json_bool(j, "default", im->is_default);
    lg_json_bool(j, "public", im->is_public);
    lg_json_str(j, "state", im->state);
    lg_json_str(j, "error", *im->error ? im->error : NULL);
    lg_json_str(j, "tenant", *im->tenant_slug ? im->tenant_slug : NULL);
    if (!strcmp(im->kind, "vm"))
        render_vm(j, im);
    lg_json_time(j, "createdAt", im->created_at);
    lg_json_end_obj(j);
}

/* A host image has no tenant: its events reach those who watch everything. */
static int tell(struct lg_db *db, const char *kind, const struct lg_image *im, struct lg_err *e)
{
    lg_cleanup_event_draft struct lg_event_draft d;
    struct lg_json *j = lg_event_begin(&d);
    lg_image_render(j, "image", im);
    return lg_event_end(db, &d,
                        &(struct lg_event){.kind = kind,
                                           .tenant_id = im->tenant_id,
                                           .subject_type = "image",
                                           .subject_id = im->id,
                                           .subject_name = im->name},
                        e);
}

static int tell_again(struct lg_db *db, const char *id, struct lg_err *e)
{
    struct lg_image im;
    int rc = lg_image_get(db, id, &im, e);
    return rc ? rc : tell(db, "image.updated", &im, e);
}

/* Names live in a scope: the tenant's own, or the host's. */
static int add_alias(struct lg_db *db, const struct lg_image *im, const char *alias, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_IMAGE_ALIAS_ADD, e, "ttt", im->tenant_id, alias, im->id);
    if (rc != -(int)LG_CONFLICT)
        return rc < 0 ? rc : 0;
    lg_fail(e, LG_CONFLICT, "the name %s is taken by another image", alias);
    return lg_err_detail(e, "field", strcmp(alias, im->name) ? "aliases" : "name");
}

int lg_image_add(struct lg_db *db, struct lg_image *im, struct lg_err *e)
{
    lg_id_new(im->id);
    int rc = lg_sql_run(db, Q_IMAGE_ADD, e, "tttttttiittti", im->id, im->tenant_id, im->name, im->kind,
                        im->source, im->reference, im->digest, im->size_bytes, (int64_t)im->is_public,
                        im->state, im->error, im->file, lg_clock_ms());
    if (rc < 0 || (rc = add_alias(db, im, im->name, e)))
        return rc;
    if (!strcmp(im->kind, "vm"))
        rc = lg_image_vm_put(db, im->id, &im->vm, e);
    if (rc || (rc = lg_image_get(db, im->id, im, e)))
        return rc;
    return tell(db, "image.created", im, e);
}

int lg_image_set_state(struct lg_db *db, const char *id, const char *state, const char *digest,
                       int64_t size_bytes, const char *error, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_IMAGE_SET_STATE, e, "tttiti", id, state, digest ? digest : "", size_bytes,
                        error ? error : "", lg_clock_ms());
    return rc < 0 ? rc : rc == 0 ? no_image(e) : tell_again(db, id, e);
}

int lg_image_take_size(struct lg_db *db, const struct lg_image *im, int64_t size_bytes, struct lg_err *e)
{
    const struct lg_amounts more = {.storage_bytes = size_bytes - im->size_bytes};
    int rc = *im->tenant_id && !im->is_public ? lg_quota_admit(db, im->tenant_id, &more, e) : 0;
    return rc ? rc : lg_image_set_state(db, im->id, im->state, "", size_bytes, im->error, e);
}

int lg_image_set_vm(struct lg_db *db, const char *id, const struct lg_image_vm *vm, struct lg_err *e)
{
    int rc = lg_image_vm_put(db, id, vm, e);
    return rc ? rc : tell_again(db, id, e);
}

int lg_image_set_default(struct lg_db *db, const char *id, const char *kind, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_IMAGE_CLEAR_DEFAULT, e, "t", kind);
    if (rc >= 0)
        rc = lg_sql_run(db, Q_IMAGE_SET_DEFAULT, e, "tti", id, kind, lg_clock_ms());
    return rc < 0 ? rc : rc == 0 ? no_image(e) : tell_again(db, id, e);
}

int lg_image_set_public(struct lg_db *db, const char *id, bool is_public, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_IMAGE_SET_PUBLIC, e, "tii", id, (int64_t)is_public, lg_clock_ms());
    return rc < 0 ? rc : rc == 0 ? no_image(e) : tell_again(db, id, e);
}

int lg_image_set_aliases(struct lg_db *db, const struct lg_image *im, const char *const *aliases, int count,
                         struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_IMAGE_ALIAS_CLEAR, e, "tt", im->id, im->name);
    for (int i = 0; rc >= 0 && i < count; i++)
        if (strcmp(aliases[i], im->name))
            rc = add_alias(db, im, aliases[i], e);
    return rc < 0 ? rc : tell_again(db, im->id, e);
}

static int64_t one_number(struct lg_db *db, lg_stmt *s)
{
    int64_t n;
    return lg_sql_int(db, s, &n, NULL) ? -1 : n;
}

int64_t lg_image_users(struct lg_db *db, const char *id)
{
    return one_number(db, lg_sql(db, Q_IMAGE_USERS, NULL, "t", id));
}

int lg_image_load(struct lg_db *db, const char *tenant_id, int64_t *under_way, int64_t *total,
                  struct lg_err *e)
{
    return lg_sql_two_ints(db, lg_sql(db, Q_IMAGE_LOAD, e, "t", tenant_id), under_way, total, e);
}

int64_t lg_image_sharers(struct lg_db *db, const struct lg_image *im)
{
    return one_number(db, lg_sql(db, Q_IMAGE_SHARERS, NULL, "tt", im->id, im->reference));
}

int lg_image_remove(struct lg_db *db, const char *id, struct lg_err *e)
{
    struct lg_image im;
    int rc = lg_image_get(db, id, &im, e);
    if (!rc)
        rc = lg_sql_run(db, Q_IMAGE_REMOVE, e, "t", id);
    return rc < 0 ? rc : tell(db, "image.deleted", &im, e);
}

int lg_image_use_put(struct lg_db *db, const char *ref, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_IMAGE_USE_PUT, e, "ti", ref, lg_clock_ms());
    return rc < 0 ? rc : 0;
}

int lg_image_use_touch(struct lg_db *db, const char *ref, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_IMAGE_USE_TOUCH, e, "ti", ref, lg_clock_ms());
    return rc < 0 ? rc : 0;
}

int lg_image_use_forget(struct lg_db *db, const char *ref, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_IMAGE_USE_FORGET, e, "t", ref);
    return rc < 0 ? rc : 0;
}

int lg_image_use_idle(struct lg_db *db, int64_t before, void (*fn)(void *arg, const char *ref), void *arg,
                      struct lg_err *e)
{
    return lg_sql_each_text(db, lg_sql(db, Q_IMAGE_USE_IDLE, e, "i", before), fn, arg, e);
}
