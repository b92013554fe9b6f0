/* The catalogue's images: pull, import of an upload, delete. */
#include <fcntl.h>
#include <sys/stat.h>

#include "job/site.h"

static void add_image(struct site *s, struct lg_image *im, const char *kind, char op_id[LG_ID_LEN])
{
    static struct lg_operation op;
    memset(&op, 0, sizeof op);
    snprintf(im->kind, sizeof im->kind, "container");
    snprintf(im->state, sizeof im->state, "pulling");
    snprintf(op.kind, sizeof op.kind, "%s", kind);
    snprintf(op.username, sizeof op.username, "tester");
    ok(s, lg_tx_write(s->db, &s->f->e));
    ok(s, lg_image_add(s->db, im, &s->f->e));
    memcpy(op.image_id, im->id, sizeof op.image_id);
    ok(s, lg_operation_add(s->db, &op, false, &s->f->e));
    ok(s, lg_tx_commit(s->db, &s->f->e));
    memcpy(op_id, op.id, LG_ID_LEN);
}

static void image_op(struct site *s, const char *image_id, const char *kind, char op_id[LG_ID_LEN])
{
    static struct lg_operation op;
    memset(&op, 0, sizeof op);
    snprintf(op.kind, sizeof op.kind, "%s", kind);
    memcpy(op.image_id, image_id, sizeof op.image_id);
    ok(s, lg_tx_write(s->db, &s->f->e));
    ok(s, lg_operation_add(s->db, &op, false, &s->f->e));
    ok(s, lg_tx_commit(s->db, &s->f->e));
    memcpy(op_id, op.id, LG_ID_LEN);
}

static struct lg_image pulled(struct site *s, const char *ref, const char *status)
{
    struct lg_image im = {0};
    char op[LG_ID_LEN];
    snprintf(im.name, sizeof im.name, "%s", ref);
    snprintf(im.reference, sizeof im.reference, "%s", ref);
    snprintf(im.source, sizeof im.source, "pull");
    add_image(s, &im, "image.pull", op);
    ended(s, op, status);
    char id[LG_ID_LEN];
    memcpy(id, im.id, sizeof id);
    ok(s, lg_image_get(s->db, id, &im, &s->f->e));
    return im;
}

/* The smallest complete tar: nothing, and its end. */
static void put_file(const char *path)
{
    static const char end[10240];
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(end, sizeof end, 1, f), 1);
    fclose(f);
}

static void pull(void **state)
{
    struct site *s = *state;
    runner_start(s);
    struct lg_image im = pulled(s, "registry.test/app:1", "done");
    assert_string_equal(im.state, "ready");
    assert_true(*im.digest && im.size_bytes > 0);
    im = pulled(s, "registry.test/missing:1", "failed");
    assert_string_equal(im.state, "error");
    assert_true(*im.error);
}

static void delete_and_in_use(void **state)
{
    struct site *s = *state;
    char op[LG_ID_LEN], sql[300];
    runner_start(s);
    struct lg_image im = pulled(s, IMAGE, "done");
    struct wish w = wish_create(s, "web", NULL, NULL);
    ended(s, w.op, "done");
    snprintf(sql, sizeof sql, "UPDATE instance SET image_id = '%s'", im.id);
    fixture_raw(s->f, sql);
    image_op(s, im.id, "image.delete", op);
    assert_string_equal(ended(s, op, "failed")->error_code, "CONFLICT");
    ok(s, lg_image_get(s->db, im.id, &im, &s->f->e));
    assert_string_equal(im.state, "ready");
    ended(s, wish_verb(s, w.id, LG_V_DELETE, "{\"force\":true}", true).op, "done");
    image_op(s, im.id, "image.delete", op);
    ended(s, op, "done");
    assert_int_equal(lg_image_get(s->db, im.id, &im, NULL), -LG_NOT_FOUND);
    struct lg_image_info info;
    assert_int_equal(s->d->image_find(s->g, IMAGE, &info, NULL), -LG_NOT_FOUND);
}

/* Two tenants may have fetched the same: the one's delete takes nothing from the other. */
static void what_others_use_stays(void **state)
{
    struct site *s = *state;
    static const char shared[] = "registry.test/shared:1";
    char op[LG_ID_LEN], sql[200];
    struct lg_image_info info;
    runner_start(s);
    struct lg_image one = pulled(s, shared, "done");
    snprintf(sql, sizeof sql, "UPDATE image_alias SET alias = 'one' WHERE image_id = '%s'", one.id);
    fixture_raw(s->f, sql);
    snprintf(sql, sizeof sql, "UPDATE image SET name = 'one' WHERE id = '%s'", one.id);
    fixture_raw(s->f, sql);
    struct lg_image two = pulled(s, shared, "done");
    image_op(s, two.id, "image.delete", op);
    ended(s, op, "done");
    assert_int_equal(lg_image_get(s->db, two.id, &two, NULL), -LG_NOT_FOUND);
    ok(s, s->d->image_find(s->g, shared, &info, &s->f->e));
    image_op(s, one.id, "image.delete", op);
    ended(s, op, "done");
    assert_int_equal(s->d->image_find(s->g, shared, &info, NULL), -LG_NOT_FOUND);
}

/* Ids become names of files: what is none never gets that far. */
static void ids_that_are_paths(void **state)
{
    struct site *s = *state;
    struct lg_image im = {.name = "evil", .reference = "localhost/evil:1", .source = "upload"};
    char op[LG_ID_LEN], path[200], outside[200], sql[600];
    snprintf(path, sizeof path, "%s/uploads/1", s->f->dir);
    put_file(path);
    snprintf(im.file, sizeof im.file, "%s", path);
    add_image(s, &im, "image.import", op);
    snprintf(sql, sizeof sql,
             "PRAGMA foreign_keys=OFF; UPDATE image SET id = '../evil' WHERE id = '%s'; "
             "UPDATE operation SET image_id = '../evil' WHERE image_id = '%s'",
             im.id, im.id);
    fixture_raw(s->f, sql);
    runner_start(s);
    assert_string_equal(ended(s, op, "failed")->error_code, "NOT_FOUND");
    snprintf(outside, sizeof outside, "%s/evil.tar", s->f->dir);
    assert_int_equal(access(outside, F_OK), -1);
    assert_int_equal(access(path, F_OK), 0);
}

static const struct lg_operation *import(struct site *s, const char *name, const char *file,
                                         const char *status, struct lg_image *im)
{
    char op[LG_ID_LEN], id[LG_ID_LEN];
    *im = (struct lg_image){0};
    snprintf(im->name, sizeof im->name, "%s", name);
    snprintf(im->reference, sizeof im->reference, "localhost/%s:1", name);
    snprintf(im->source, sizeof im->source, "upload");
    snprintf(im->file, sizeof im->file, "%s", file);
    add_image(s, im, "image.import", op);
    memcpy(id, im->id, sizeof id);
    const struct lg_operation *o = ended(s, op, status);
    ok(s, lg_image_get(s->db, id, im, &s->f->e));
    return o;
}

static void import_of_an_upload(void **state)
{
    struct site *s = *state;
    char path[200], outside[200];
    struct lg_image im;
    struct lg_image_info info;
    runner_start(s);
    snprintf(path, sizeof path, "%s/uploads/0000000001", s->f->dir);
    put_file(path);
    faults(s, "image_import die-after 1\n"); /* adopted, imported, and then the worker died */
    import(s, "one", path, "done", &im);
    assert_string_equal(im.state, "ready");
    ok(s, s->d->image_find(s->g, "localhost/one:1", &info, &s->f->e));
    assert_int_equal(access(path, F_OK), -1);
    snprintf(outside, sizeof outside, "%s/import/%s.tar", s->f->dir, im.id);
    assert_int_equal(access(outside, F_OK), -1);
}

static void uploads_that_are_refused(void **state)
{
    struct site *s = *state;
    char path[200], outside[200], up[200];
    struct lg_image im;
    runner_start(s);
    snprintf(outside, sizeof outside, "%s/secret", s->f->dir);
    put_file(outside);
    snprintf(path, sizeof path, "%s/uploads/link", s->f->dir);
    assert_int_equal(symlink(outside, path), 0);
    snprintf(up, sizeof up, "%s/uploads/dir", s->f->dir);
    assert_int_equal(symlink(s->f->dir, up), 0);
    char twice[200];
    snprintf(twice, sizeof twice, "%s/uploads/twice", s->f->dir);
    assert_int_equal(link(outside, twice), 0); /* another name of a file that lies elsewhere */
    snprintf(up, sizeof up, "%s/uploads/fifo", s->f->dir);
    assert_int_equal(mkfifo(up, 0600), 0);
    const char *const bad[] = {path,          outside,        "../secret", "dir/secret", up,
                               "/etc/passwd", "uploads/none", "",          twice};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "bad%zu", i);
        import(s, name, bad[i], "failed", &im);
        assert_string_equal(im.state, "error");
    }
    assert_int_equal(access(outside, F_OK), 0);
}

static void forgotten_uploads_go(void **state)
{
    struct site *s = *state;
    char path[2][200];
    const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    for (int i = 0; i < 2; i++) {
        snprintf(path[i], sizeof path[i], "%s/uploads/%d.tar", s->f->dir, i);
        put_file(path[i]);
    }
    assert_int_equal(utimensat(AT_FDCWD, path[0], long_ago, 0), 0);
    runner_start(s);
    until(access(path[0], F_OK));
    assert_int_equal(access(path[1], F_OK), 0); /* may still be on its way */
}

int main(void)
{
    const struct CMUnitTest tests[] = {with_site(pull),
                                       with_site(delete_and_in_use),
                                       with_site(what_others_use_stays),
                                       with_site(ids_that_are_paths),
                                       with_site(import_of_an_upload),
                                       with_site(uploads_that_are_refused),
                                       with_site(forgotten_uploads_go)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
