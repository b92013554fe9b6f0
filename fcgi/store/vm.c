#include "store/vm.h"

#include <stdlib.h>
#include <string.h>

#include "store/sql.h"

int lg_image_vm_put(struct lg_db *db, const char *image_id, const struct lg_image_vm *vm, struct lg_err *e)
{
    int rc = lg_sql_run(db, Q_IMAGE_VM_PUT, e, "ttttiiiti", image_id, vm->format, vm->url, vm->sha256,
                        vm->virtual_bytes, vm->min_disk_bytes, vm->min_memory_bytes, vm->default_user,
                        (int64_t)vm->cloud_init);
    return rc < 0 ? rc : 0;
}

static int image_get(struct lg_db *db, const char *image_id, struct lg_image_vm *vm, struct lg_err *e)
{
    lg_stmt *s = lg_sql(db, Q_IMAGE_VM_GET, e, "t", image_id);
    int rc = lg_sql_step(db, s, e);
    if (rc > 0) {
        lg_col_copy(s, 0, vm->format, sizeof vm->format);
        lg_col_copy(s, 1, vm->url, sizeof vm->url);
        lg_col_copy(s, 2, vm->sha256, sizeof vm->sha256);
        vm->virtual_bytes = lg_col_int(s, 3);
        vm->min_disk_bytes = lg_col_int(s, 4);
        vm->min_memory_bytes = lg_col_int(s, 5);
        lg_col_copy(s, 6, vm->default_user, sizeof vm->default_user);
        vm->cloud_init = lg_col_int(s, 7);
    }
    lg_sql_done(s);
    return rc < 0 ? rc : 0;
}

static void wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void lg_instance_vm_free(struct lg_instance_vm *vm)
{
    if (!vm)
        return;
    wipe(&vm->user_data);
    wipe(&vm->meta_data);
    free(vm);
}

/* The sealed text into `out`; its `data` stays NULL when there is none. */
static int seal(const char *text, const struct lg_key *key, struct lg_buf *out, struct lg_err *e)
{
    if (text)
        lg_seal(key, text, strlen(text), out);
    return out->failed ? lg_fail(e, LG_INTERNAL, "out of memory for cloud-init data") : 0;
}

int lg_instance_vm_add(struct lg_db *db, const char *instance_id, const struct lg_instance_vm *vm,
                       const struct lg_key *env_key, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf user = {0}, meta = {0};
    int rc = seal(vm->user_data, env_key, &user, e);
    if (!rc)
        rc = seal(vm->meta_data, env_key, &meta, e);
    if (!rc) /* a blob without bytes at NULL binds NULL */
        rc = lg_sql_run(db, Q_INSTANCE_VM_ADD, e, "tbb", instance_id, (const void *)user.data, user.len,
                        (const void *)meta.data, meta.len);
    return rc < 0 ? rc : 0;
}

static int open_text(lg_stmt *s, int col, const struct lg_key *key, char **out, struct lg_err *e)
{
    size_t n;
    const void *p = lg_col_blob(s, col, &n);
    lg_cleanup_buf struct lg_buf clear = {0};
    *out = NULL;
    if (lg_col_null(s, col))
        return 0;
    if (key && !lg_unseal(key, p, n, &clear))
        return lg_fail(e, LG_INTERNAL,
                       "the cloud-init data cannot be opened; is keys/env.key the right one?");
    *out = strdup(lg_buf_cstr(&clear));
    if (clear.data)
        explicit_bzero(clear.data, clear.len);
    return *out ? 0 : lg_fail(e, LG_INTERNAL, "out of memory for cloud-init data");
}

int lg_instance_vm_get(struct lg_db *db, const char *instance_id, const char *image_id,
                       const struct lg_key *env_key, struct lg_instance_vm **out, struct lg_err *e)
{
    struct lg_instance_vm *vm = *out = calloc(1, sizeof *vm);
    if (!vm)
        return lg_fail(e, LG_INTERNAL, "out of memory for a virtual machine");
    lg_stmt *s = lg_sql(db, Q_INSTANCE_VM_GET, e, "t", instance_id);
    int rc = lg_sql_step(db, s, e);
    if (rc < 0)
        return rc;
    if (rc > 0) {
        rc = open_text(s, 0, env_key, &vm->user_data, e);
        if (!rc)
            rc = open_text(s, 1, env_key, &vm->meta_data, e);
    }
    lg_sql_done(s);
    return rc ? rc : image_get(db, image_id, &vm->image, e);
}
