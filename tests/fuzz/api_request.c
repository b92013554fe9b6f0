// sources: fcgi/http/*.c fcgi/api/*.c fcgi/store/*.c fcgi/model/*.c fcgi/base/*.c
// sources: build/gen/queries.c build/gen/openapi.c
// libs: -ljansson -lsodium -lsqlite3 -lfcgi -lyaml -lm
/*
 * Requests as nginx hands them over, answered by the whole of lodge-api on a real database: target, headers
 * and bodies of every route and dialect. The input is a request as text: METHOD target, header lines, an
 * empty line, the body; a method that begins with t or r comes in by the listener of the tenant or of the
 * REPL API, one with an a goes to the pool that hashes passwords (cheaply here: see base/crypto.c). Whatever
 * it is, there is one answer, of known status, JSON where it says so, and never "internal error".
 */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "api/routes.h"
#include "base/log.h"
#include "base/proc.h"
#include "http/loop.h"
#include "http/metrics.h"
#include "http/rate.h"
#include "store/identity.h"

#define ID          "11111111-2222-3333-4444-555555555555"
#define PASSWORD    "correct horse battery" /* the administrator's, which the corpus knows */
#define FRESH_AFTER 400                     /* commits: then the database is the first one again */
#define ANSWER_MAX  ((size_t)8 << 20)
#define PARAMS_MAX  64

static const struct lg_pool pools[] = {{.name = "api",
                                        .tables = lg_tables_api,
                                        .tenant_tables = lg_tables_tenant,
                                        .gateway_tables = lg_tables_gateway,
                                        .repl_tables = lg_tables_repl,
                                        .views = lg_views_compute},
                                       {.name = "auth", .tables = lg_tables_auth},
                                       {.name = NULL}};
static struct lg_app app;
static char dir[64], bearer[128], answer[ANSWER_MAX + 1];

static void must(int rc, const struct lg_err *e)
{
    if (rc < 0) {
        fprintf(stderr, "set-up: %s\n", e->msg);
        _exit(1);
    }
}

static void copy(const char *from, const char *to)
{
    char a[128], b[128], block[65536];
    snprintf(a, sizeof a, "%s/db/%s", dir, from);
    snprintf(b, sizeof b, "%s/db/%s", dir, to);
    FILE *in = fopen(a, "re"), *out = fopen(b, "we");
    for (size_t n; in && out && (n = fread(block, 1, sizeof block, in)) > 0;)
        fwrite(block, 1, n, out);
    if (!in || !out || fclose(in) || fclose(out))
        _exit(1);
}

static void fresh(void)
{
    static const char *const beside[] = {"lodge.db-wal", "lodge.db-shm"};
    char path[128];
    struct lg_err e = {0};
    lg_db_close(app.db);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/db/%s", dir, beside[i]);
        unlink(path);
    }
    copy("first.db", "lodge.db");
    must(lg_db_open(&app.db, &app.conf, &e), &e);
}

static void clean_up(void)
{
    const char *const argv[] = {"rm", "-rf", dir, NULL};
    lg_proc_run(&(struct lg_proc){.argv = argv, .stdout_fd = -1, .stderr_fd = -1}, 10000, NULL, NULL, NULL);
}

/* Something of each kind is there, under an id that the corpus knows. */
static void people(void)
{
    static const char rows[] =
        "INSERT INTO tenant (id, slug, name, net_index, created_at) VALUES('" ID "','blue','Blue',77,1);"
        "INSERT INTO image (id, name, kind, source, reference, is_default, public, state, created_at, "
        "updated_at)"
        " VALUES('" ID "','base','container','built','localhost/base:1',1,1,'ready',1,1);"
        "INSERT INTO image_alias VALUES('','base','" ID "'),('','nginx','" ID "');"
        "INSERT INTO instance (id, tenant_id, name, type, backend, state, desired, image, image_ref, config, "
        "cpu_millis,"
        " memory_bytes, host_number, owner_id, created_at, updated_at)"
        " SELECT '" ID
        "', id, 'first', 'container', 'docker', 'running', 'running', 'base', 'localhost/base:1',"
        " '{\"command\":[],\"networkMode\":\"bridge\",\"restartPolicy\":\"no\",\"volumes\":[]}', 500, "
        "67108864, 2,"
        " (SELECT id FROM user), 1, 1 FROM tenant WHERE slug = 'default';"
        "INSERT INTO user (id, username, password_hash, role, created_at)"
        " SELECT '" ID "', 'bob', password_hash, 'user', 1 FROM user;";
    char path[128], *msg = NULL;
    sqlite3 *h;
    snprintf(path, sizeof path, "%s/db/lodge.db", dir);
    if (sqlite3_open(path, &h) || sqlite3_exec(h, rows, NULL, NULL, &msg)) {
        fprintf(stderr, "set-up: %s\n", msg ? msg : "?");
        _exit(1);
    }
    sqlite3_close(h);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char token[] = "lg_0123456789abcdefghijklmnopqrstuvwxyzABCDEF";
    char path[128];
    char hash[LG_PWHASH_LEN];
    uint8_t digest[LG_DIGEST_BYTES];
    struct lg_err e = {0};
    (void)argc;
    (void)argv;
    snprintf(dir, sizeof dir, "%s/lodge-fuzz-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    if (!mkdtemp(dir))
        _exit(1);
    atexit(clean_up);
    setenv("LODGE_STATE", dir, 1);
    setenv("LODGE_DRIVERS", "container,kvm", 1);
    setenv("LODGE_RATE_LIMIT", "0", 1);
    setenv("LODGE_SIGN_IN_PER_MINUTE", "1000", 1);
    lg_log_init("fuzz", LG_ERROR + 1);
    must(lg_crypto_init(&e), &e);
    if (lg_conf_load(&app.conf, &e)) { /* a build without virtual machines */
        setenv("LODGE_DRIVERS", "container", 1);
        must(lg_conf_load(&app.conf, &e), &e);
    }
    snprintf(path, sizeof path, "%s/run", dir);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/uploads", dir);
    mkdir(path, 0700);
    must(lg_db_migrate(&app.conf, &e), &e);
    must(lg_db_open(&app.db, &app.conf, &e), &e);
    must(lg_metrics_start(pools, &e), &e);
    must(lg_rate_start(&app.conf, &e), &e);
    memset(app.token_key.bytes, 7, sizeof app.token_key.bytes);
    lg_digest(&app.token_key, token, strlen(token), digest);
    must(lg_password_hash(PASSWORD, hash, &e), &e);
    must(lg_admin_create(app.db, "admin", hash, digest, "lg_01234", &e), &e);
    people();
    lg_db_checkpoint(app.db, true);
    copy("lodge.db", "first.db");
    snprintf(bearer, sizeof bearer, "HTTP_AUTHORIZATION=Bearer %s", token);
    return 0;
}

/* ---- a request out of text ---- */

struct request {
    const struct lg_pool *pool;
    char *text; /* owned; the parameters point into it or are owned themselves */
    char *param[PARAMS_MAX + 1];
    int params;
    bool signed_in;
    unsigned char *body;
    size_t body_len;
};

static void add(struct request *r, const char *name, const char *value)
{
    if (r->params < PARAMS_MAX && asprintf(&r->param[r->params], "%s=%s", name, value) > 0)
        r->params++;
}

static void add_header(struct request *r, char *line)
{
    char name[80] = "HTTP_";
    size_t n = 5;
    char *colon = strchr(line, ':');
    if (!colon || colon == line)
        return;
    *colon = 0;
    for (const char *p = line; *p && n < sizeof name - 1; p++)
        name[n++] = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
    name[n] = 0;
    const char *value = colon + 1 + strspn(colon + 1, " ");
    if (!strcmp(name, "HTTP_AUTHORIZATION") || !strcmp(name, "HTTP_X_API_KEY") ||
        !strcmp(name, "HTTP_COOKIE"))
        r->signed_in = true;
    add(r, strcmp(name, "HTTP_CONTENT_TYPE") ? name : "CONTENT_TYPE", value);
}

static void add_target(struct request *r, char *line)
{
    static const char *const listeners[] = {['t'] = "tenant", ['r'] = "repl"};
    char *space = strchr(line, ' '), *target = space ? space + 1 : line + strlen(line), *query;
    if (space)
        *space = 0;
    unsigned char first = (unsigned char)*line;
    if (first < sizeof listeners / sizeof listeners[0] && listeners[first]) {
        add(r, "LODGE_LISTENER", listeners[first]);
        r->signed_in = true;
        line++;
    }
    r->pool = &pools[first == 'a'];
    line += first == 'a';
    add(r, "REQUEST_METHOD", line);
    add(r, "REQUEST_URI", target);
    if ((query = strchr(target, '?')))
        *query++ = 0;
    add(r, "DOCUMENT_URI", target); /* nginx decodes the path; what it cannot decode never comes here */
    add(r, "QUERY_STRING", query ? query : "");
}

static bool parse(struct request *r, const uint8_t *p, size_t n)
{
    memset(r, 0, sizeof *r);
    r->text = malloc(n + 1);
    memcpy(r->text, p, n);
    r->text[n] = 0;
    char *end = memmem(r->text, n, "\n\n", 2), length[24];
    char *head_end = end ? end : r->text + n;
    r->body = (unsigned char *)(end ? end + 2 : head_end);
    r->body_len = (size_t)(r->text + n - (char *)r->body);
    if (memchr(r->text, 0, (size_t)(head_end - r->text)))
        return false; /* FastCGI parameters hold none */
    *head_end = 0;
    bool first = true;
    for (char *next = r->text, *line; (line = strsep(&next, "\n")); first = false)
        (first ? add_target : add_header)(r, line);
    if (!r->signed_in)
        r->param[r->params++] = strdup(bearer);
    snprintf(length, sizeof length, "%zu", r->body_len);
    add(r, "CONTENT_LENGTH", r->body_len ? length : "");
    add(r, "REMOTE_ADDR", "127.0.0.1");
    add(r, "REQUEST_ID", "0123456789abcdef0123456789abcdef");
    return true;
}

static void done(struct request *r)
{
    for (int i = 0; i < r->params; i++)
        free(r->param[i]);
    free(r->text);
}

/* ---- streams in memory ---- */

static void at_end(FCGX_Stream *s)
{
    s->isClosed = 1;
}

static void too_long(FCGX_Stream *s, int closing)
{
    (void)s;
    if (!closing)
        abort(); /* an answer of more than ANSWER_MAX */
}

/* ---- what must be true of any answer ---- */

static void check(const struct request *r, size_t n)
{
    answer[n] = 0;
    char *body = strstr(answer, "\r\n\r\n");
    int status = 0;
    if (sscanf(answer, "Status: %d", &status) != 1 || status < 200 || status > 599 || !body) {
        fprintf(stderr, "no answer: %.200s\n", answer);
        abort();
    }
    *body = 0;
    body += 4;
    if (getenv("LODGE_FUZZ_SHOW"))
        fprintf(stderr, "%s %s: %d %.150s\n", r->param[0], r->param[2], status, body);
    if (status == 500) {
        fprintf(stderr, "%s: %.400s\n", r->param[0], body);
        abort();
    }
    for (const char *p = answer; *p; p++)
        if ((*p == '\n' && (p == answer || p[-1] != '\r')) || (*p == '\r' && p[1] != '\n')) {
            fprintf(stderr, "a header has a line end in it: %.400s\n", answer);
            abort();
        }
    if (!strstr(answer, "Content-Type: application/json") || body == answer + n)
        return;
    json_t *o = json_loadb(body, (size_t)(answer + n - body), JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    if (!o) {
        fprintf(stderr, "no JSON: %.400s\n", body);
        abort();
    }
    json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct request r;
    if (parse(&r, p, n)) {
        FCGX_Stream in = {.rdNext = r.body,
                          .wrNext = r.body + r.body_len,
                          .stop = r.body + r.body_len,
                          .stopUnget = r.body,
                          .isReader = 1,
                          .fillBuffProc = at_end};
        FCGX_Stream out = {.rdNext = (unsigned char *)answer + ANSWER_MAX,
                           .wrNext = (unsigned char *)answer,
                           .stop = (unsigned char *)answer + ANSWER_MAX,
                           .emptyBuffProc = too_long};
        FCGX_Request fr = {.in = &in, .out = &out, .envp = r.param};
        lg_loop_one(&app, r.pool, &fr);
        check(&r, (size_t)(out.wrNext - (unsigned char *)answer));
        if (lg_db_stamp(app.db).own > FRESH_AFTER)
            fresh();
    }
    done(&r);
    return 0;
}
