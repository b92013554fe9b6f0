#include "job/site.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "store/identity.h"

static void folder(struct site *s, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", s->f->dir, name);
    mkdir(path, 0770);
}

static void open_engine(struct site *s)
{
    static struct lg_driver_ctx ctx;
    ctx = (struct lg_driver_ctx){.conf = &s->f->conf, .site = lg_db_site(s->db)};
    s->d = lg_driver_find("fake");
    ok(s, s->d->open(&ctx, &s->g, &s->f->e));
}

int site_up(void **state)
{
    static const char *const env[][2] = {{"LODGE_DRIVERS", "fake"},
                                         {"LODGE_RECONCILE_MS", "300"},
                                         {"LODGE_SAMPLE_MS", "300"},
                                         {"LODGE_SUBNET_POOL", "10.93.0.0/16"},
                                         {"LODGE_ENGINE_TIMEOUT_MS", "60000"},
                                         {"LODGE_OPERATION_TIMEOUT_S", "60"}};
    for (size_t i = 0; i < sizeof env / sizeof env[0]; i++)
        setenv(env[i][0], env[i][1], 0);
    struct site *s = calloc(1, sizeof *s);
    if (fixture_up((void **)&s->f))
        return -1;
    s->db = s->f->db;
    static const char *const dirs[] = {"run", "keys", "uploads", "fake", "fake-vm"};
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
        folder(s, dirs[i]);
    char path[128];
    snprintf(path, sizeof path, "%s/keys/env.key", s->f->dir);
    ok(s, lg_key_load_or_make(&s->key, path, -1, &s->f->e));
    ok(s, lg_admin_create(s->db, "tester", "x", NULL, NULL, &s->f->e));
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_prepare_v2(s->f->raw, "SELECT id FROM tenant", -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    snprintf(s->tenant, sizeof s->tenant, "%s", (const char *)sqlite3_column_text(q, 0));
    sqlite3_finalize(q);
    open_engine(s);
    *state = s;
    return 0;
}

/* What a sanitizer found in any of the runner's processes. */
static void check_log(struct site *s)
{
    char path[160], line[2048];
    snprintf(path, sizeof path, "%s/runner.log", s->f->dir);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (*line != '{')
            fail_msg("lodge-runner: %s", line);
    if (f)
        fclose(f);
}

int site_down(void **state)
{
    struct site *s = *state;
    if (s->runner)
        runner_signal(s, SIGTERM);
    check_log(s);
    if (s->d)
        s->d->close(s->g);
    void *f = s->f;
    fixture_down(&f);
    free(s);
    return 0;
}

/* ---- the runner ---- */

void runner_start(struct site *s)
{
    static const char *argv[] = {RUNNER, NULL};
    extern char **environ;
    char log[160];
    snprintf(log, sizeof log, "%s/runner.log", s->f->dir);
    lg_cleanup_fd int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    s->runner = lg_proc_start(&(struct lg_proc){.argv = argv,
                                                .env = (const char *const *)environ,
                                                .stdout_fd = -1,
                                                .stderr_fd = getenv("LODGE_TEST_VERBOSE") ? 2 : fd,
                                                .die_with_parent = 1},
                              &s->f->e);
    assert_true(s->runner > 0);
}

/* Before it has set up its signals a SIGTERM ends it as any other program. */
static bool takes_signals(pid_t pid)
{
    char path[64], line[160];
    unsigned long long blocked = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
            break;
    if (f)
        fclose(f);
    return blocked >> (SIGTERM - 1) & 1;
}

void runner_signal(struct site *s, int sig)
{
    int status = 0;
    if (sig == SIGTERM)
        until(takes_signals(s->runner));
    kill(s->runner, sig);
    waitpid(s->runner, &status, 0);
    s->runner = 0;
    if (sig == SIGTERM && (!WIFEXITED(status) || WEXITSTATUS(status)))
        fail_msg("lodge-runner ended with status %x", (unsigned)status);
}

static bool is_called(pid_t pid, const char *name)
{
    char path[64], comm[32] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, comm, sizeof comm - 1);
    comm[n > 0 ? n : 0] = 0;
    return !strncmp(comm, name, strlen(name)) && comm[strlen(name)] == '\n';
}

int runner_children(const struct site *s, const char *name, pid_t *out, int cap)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", s->runner, s->runner);
    FILE *f = fopen(path, "re");
    int n = 0, pid;
    while (f && n < cap && fscanf(f, "%d", &pid) == 1)
        if (is_called(pid, name))
            out[n++] = pid;
    if (f)
        fclose(f);
    return n;
}

/* ---- wishes ---- */

static void add_op(struct site *s, struct lg_operation *op, const char *kind, const struct lg_instance *in,
                   const char *params)
{
    memset(op, 0, sizeof *op);
    snprintf(op->kind, sizeof op->kind, "%s", kind);
    snprintf(op->username, sizeof op->username, "tester");
    snprintf(op->params, sizeof op->params, "%s", params ? params : "{}");
    memcpy(op->tenant_id, s->tenant, sizeof op->tenant_id);
    memcpy(op->instance_id, in->id, sizeof op->instance_id);
    snprintf(op->subject_name, sizeof op->subject_name, "%s", in->name);
}

static struct wish wish_create_of(struct site *s, const char *type, const char *name, const char *config,
                                  const char *image, const char *params)
{
    static struct lg_operation op;
    struct wish w = {0};
    struct lg_instance in = {.state = LG_ST_CREATING, .cpu_millis = 1000, .memory_bytes = 64 << 20};
    memcpy(in.tenant_id, s->tenant, sizeof in.tenant_id);
    snprintf(in.name, sizeof in.name, "%s", name);
    snprintf(in.type, sizeof in.type, "%s", type);
    snprintf(in.backend, sizeof in.backend, "%s", strcmp(type, "vm") ? "docker" : "kvm");
    snprintf(in.desired, sizeof in.desired, "running");
    snprintf(in.image, sizeof in.image, "%s", image);
    snprintf(in.image_ref, sizeof in.image_ref, "%s", image);
    in.config = strdup(config);
    ok(s, lg_tx_write(s->db, &s->f->e));
    ok(s, lg_instance_add(s->db, &in, &s->key, &s->f->e));
    add_op(s, &op, "instance.create", &in, params);
    ok(s, lg_operation_add(s->db, &op, false, &s->f->e));
    ok(s, lg_tx_commit(s->db, &s->f->e));
    memcpy(w.id, in.id, sizeof w.id);
    memcpy(w.op, op.id, sizeof w.op);
    lg_instance_done(&in);
    return w;
}

struct wish wish_create_full(struct site *s, const char *name, const char *config, const char *image,
                             const char *params)
{
    return wish_create_of(s, "container", name, config, image, params);
}

struct wish wish_create_vm(struct site *s, const char *name, const char *image)
{
    return wish_create_of(s, "vm", name, "{}", image, NULL);
}

struct wish wish_create(struct site *s, const char *name, const char *command, const char *params)
{
    char config[512] = "{\"restartPolicy\":\"no\"}";
    if (command)
        snprintf(config, sizeof config, "{\"command\":[\"sh\",\"-c\",\"%s\"],\"restartPolicy\":\"no\"}",
                 command);
    return wish_create_full(s, name, config, IMAGE, params);
}

static const char *desired_by(enum lg_verb v)
{
    static const char *const table[LG_V_COUNT] = {
        [LG_V_START] = "running", [LG_V_STOP] = "stopped",    [LG_V_RESTART] = "running",
        [LG_V_PAUSE] = "paused",  [LG_V_UNPAUSE] = "running", [LG_V_DELETE] = "absent"};
    return table[v];
}

struct wish wish_verb(struct site *s, const char *id, enum lg_verb v, const char *params, bool force)
{
    static struct lg_operation op;
    struct wish w = {0};
    lg_cleanup_instance struct lg_instance in = {0};
    char kind[32];
    snprintf(kind, sizeof kind, "instance.%s", lg_verb_name(v));
    lg_err_clear(&s->f->e);
    ok(s, lg_tx_write(s->db, &s->f->e));
    int rc = lg_instance_get(s->db, "", id, &in, &s->f->e);
    if (!rc)
        rc = lg_verb_allowed(v, in.state, force, &s->f->e);
    if (!rc) {
        add_op(s, &op, kind, &in, params);
        rc = lg_operation_add(s->db, &op, force, &s->f->e);
    }
    struct lg_instance_change ch = {.state = lg_verb_during(v) == LG_ST_COUNT ? -1 : (int)lg_verb_during(v),
                                    .desired = desired_by(v),
                                    .started_at = -1,
                                    .operation_id = op.id};
    if (!rc)
        rc = lg_instance_change(s->db, &in, &ch, &s->f->e);
    if (!rc)
        rc = lg_tx_commit(s->db, &s->f->e);
    lg_tx_rollback(s->db);
    memcpy(w.id, id, sizeof w.id);
    if (!rc)
        memcpy(w.op, op.id, sizeof w.op);
    return w;
}

void cancel(struct site *s, const char *op)
{
    ok(s, lg_tx_write(s->db, &s->f->e));
    ok(s, lg_operation_cancel(s->db, op, &s->f->e));
    ok(s, lg_tx_commit(s->db, &s->f->e));
}

/* ---- what came of them ---- */

const struct lg_operation *operation(struct site *s, const char *op)
{
    static struct lg_operation o;
    ok(s, lg_operation_get(s->db, op, &o, &s->f->e));
    return &o;
}

const struct lg_operation *ended(struct site *s, const char *op, const char *status)
{
    until(lg_operation_ended(operation(s, op)));
    const struct lg_operation *o = operation(s, op);
    if (strcmp(o->status, status))
        fail_msg("%s ended %s, not %s: %s %s", o->kind, o->status, status, o->error_code, o->error_text);
    return o;
}

void at_work(struct site *s, const char *op)
{
    until(strcmp(operation(s, op)->status, "queued"));
}

enum lg_state state_of(struct site *s, const char *id)
{
    lg_cleanup_instance struct lg_instance in = {0};
    return lg_instance_get(s->db, "", id, &in, NULL) ? LG_ST_COUNT : in.state;
}

const char *reason_of(struct site *s, const char *id)
{
    static char text[40000];
    lg_cleanup_instance struct lg_instance in = {0};
    ok(s, lg_instance_get(s->db, "", id, &in, &s->f->e));
    snprintf(text, sizeof text, "%s", in.reason ? in.reason : "");
    return text;
}

struct lg_inst_status engine_status(struct site *s, const char *id)
{
    struct lg_inst_status st;
    ok(s, s->d->inspect(s->g, id, &st, &s->f->e));
    return st;
}

static int count_one(void *arg, const struct lg_inst_status *st)
{
    (void)st;
    ++*(int *)arg;
    return 0;
}

int engine_count(struct site *s)
{
    int n = 0;
    ok(s, s->d->list(s->g, count_one, &n, &s->f->e));
    return n;
}

void faults(struct site *s, const char *lines)
{
    faults_of(s, "fake", lines);
}

void faults_of(struct site *s, const char *folder, const char *lines)
{
    char path[160], tmp[170];
    snprintf(path, sizeof path, "%s/%s/faults", s->f->dir, folder);
    snprintf(tmp, sizeof tmp, "%s.new", path);
    FILE *f = fopen(tmp, "we");
    assert_non_null(f);
    fputs(lines, f);
    fclose(f);
    assert_int_equal(rename(tmp, path), 0);
}
