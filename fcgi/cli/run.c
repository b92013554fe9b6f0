/* lodge run, lodge language …: code in throw-away sandboxes. */
#include "cli/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/ctrl_c.h"

#define CODE_MAX ((size_t)10 << 20)
#define POLL_MS  500

/* ── languages ── */

static int languages(struct lg_cli *c, struct lg_answer *a)
{
    return lg_call(c, "GET", "/api/repl/languages", NULL, a);
}

int lg_cli_language_ls(struct lg_cli *c)
{
    static const struct lg_col cols[] = {{"NAME", "name", NULL},   {"VERSION", "version", NULL},
                                         {"STATE", "state", NULL}, {"ALIASES", "aliases", lg_text_join},
                                         {"TITLE", "title", NULL}, {NULL, NULL, NULL}};
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = languages(c, &a);
    if (rc)
        return rc;
    lg_print_rows(c, lg_at(a.json, "details"), "languages", cols, "name");
    return 0;
}

/* Is `word` the language's name, or one of its aliases? */
static bool called(const json_t *language, const char *word)
{
    size_t i;
    json_t *alias;
    const json_t *aliases = lg_at(language, "aliases");
    if (!strcmp(lg_text_at(language, "name"), word))
        return true;
    json_array_foreach(aliases, i, alias)
    {
        if (json_is_string(alias) && !strcmp(json_string_value(alias), word))
            return true;
    }
    return false;
}

/* "main.py" of a language and "x.py" of a person have the same ending. */
static bool fits_file(const json_t *language, const char *file)
{
    const char *theirs = strrchr(lg_text_at(language, "file"), '.'), *ours = strrchr(file, '.');
    return theirs && ours && !strcmp(theirs, ours);
}

static const json_t *pick(const struct lg_answer *a, const char *word, const char *file)
{
    size_t i;
    json_t *l;
    const json_t *all = lg_at(a->json, "details");
    json_array_foreach(all, i, l)
    {
        if (word ? called(l, word) : fits_file(l, file))
            return l;
    }
    return NULL;
}

/* Says how far it is, until it is there or cannot be. */
static int wait_built(struct lg_cli *c, const char *name)
{
    char said[300] = "";
    for (;;) {
        char line[300];
        lg_cleanup_answer struct lg_answer a = {.status = 0};
        int rc = languages(c, &a);
        const json_t *l = rc ? NULL : pick(&a, name, NULL);
        if (rc)
            return rc;
        if (!strcmp(lg_text_at(l, "state"), "ready"))
            return 0;
        if (!strcmp(lg_text_at(l, "state"), "error"))
            return lg_say(LG_EXIT_FAILED, "%s cannot be built: %s", name, lg_text_at(l, "message"));
        snprintf(line, sizeof line, "%3.0f %% %s", 100 * json_number_value(lg_at(l, "progress")),
                 lg_text_at(l, "message"));
        if (!c->quiet && strcmp(line, said))
            lg_print_clean(stderr, line), fputc('\n', stderr);
        memcpy(said, line, sizeof said);
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
}

int lg_cli_language_build(struct lg_cli *c)
{
    char path[LG_PATH_LEN];
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = lg_call(c, "POST", lg_path(path, "/api/repl/languages/%s/prepare", c->arg[0]), NULL, &a);
    if (!rc && c->wait)
        rc = wait_built(c, lg_text_at(a.json, "name"));
    if (!rc && !c->quiet)
        printf("%s is %s\n", lg_text_at(a.json, "name"), c->wait ? "ready" : "being built");
    return rc;
}

/* ── run ── */

struct outcome {
    struct lg_cli *c;
    const char *run; /* its id */
    json_t *done;    /* owned; NULL: the stream broke off */
    int connections;
    size_t seen[2], skip[2]; /* bytes of output and errors that came; that come once more */
};

/* After a lost connection everything is told again. */
static void begin_again(void *arg, int64_t clock_ahead_ms)
{
    struct outcome *o = arg;
    (void)clock_ahead_ms;
    for (int i = 0; i < 2; i++) {
        o->skip[i] = o->seen[i];
        o->seen[i] = 0;
    }
}

void lg_run_print(const json_t *output, size_t skip)
{
    const json_t *text = lg_at(output, "text");
    FILE *to = strcmp(lg_text_at(output, "stream"), "stderr") ? stdout : stderr;
    if (json_string_length(text) > skip)
        fwrite(json_string_value(text) + skip, 1, json_string_length(text) - skip, to);
    fflush(to);
}

static void put(struct outcome *o, const json_t *event)
{
    int which = !strcmp(lg_text_at(event, "stream"), "stderr");
    size_t n = json_string_length(lg_at(event, "text")), old = n < o->skip[which] ? n : o->skip[which];
    o->skip[which] -= old;
    o->seen[which] += n;
    lg_run_print(event, old);
}

static bool take_event(void *arg, const struct lg_sse *e)
{
    struct outcome *o = arg;
    json_t *j = json_loads(e->data, JSON_ALLOW_NUL, NULL);
    if (!strcmp(e->event, "output")) {
        put(o, j);
    } else if (!strcmp(e->event, "done")) {
        o->done = json_incref(j);
    }
    json_decref(j);
    return !o->done;
}

static const char *stream_path(void *arg, char out[LG_PATH_LEN])
{
    struct outcome *o = arg;
    return o->connections++ ? lg_path(out, "/api/repl/runs/%s/stream?format=json&again=true", o->run)
                            : lg_path(out, "/api/repl/runs/%s/stream?format=json", o->run);
}

int lg_run_read(FILE *f, const char *name, struct lg_buf *out)
{
    char piece[16384];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        lg_buf_add(out, piece, n);
    if (ferror(f))
        return lg_say(LG_EXIT_FAILED, "%s cannot be read: %s", name, strerror(errno));
    return out->failed ? lg_say(LG_EXIT_FAILED, "%s is longer than 10 MiB", name) : 0;
}

static int read_code(const char *name, struct lg_buf *out)
{
    if (!strcmp(name, "-"))
        return lg_run_read(stdin, "standard input", out);
    FILE *f = fopen(name, "re");
    if (!f)
        return lg_say(LG_EXIT_FAILED, "%s cannot be opened: %s", name, strerror(errno));
    int rc = lg_run_read(f, name, out);
    fclose(f);
    return rc;
}

/* Standard input goes along when it is no terminal and the code is not there already. */
static int read_input(const struct lg_cli *c, struct lg_buf *out)
{
    return isatty(STDIN_FILENO) || !strcmp(c->arg[0], "-") ? 0 : lg_run_read(stdin, "standard input", out);
}

int lg_run_settle(const struct lg_cli *c, const json_t *done)
{
    const json_t *code = lg_at(done, "exitCode");
    const char *limit = lg_text_at(done, "limit"), *signal = lg_text_at(done, "signal"),
               *error = lg_text_at(done, "error.message");
    if (!done)
        return lg_say(LG_EXIT_UNREACHABLE, "the answer broke off");
    if (*error)
        return lg_say(LG_EXIT_FAILED, "%s", error);
    if (c->json)
        lg_print_json(done, true);
    if (*limit)
        return lg_say(LG_EXIT_FAILED, "it was ended: limit %s", limit);
    if (*signal)
        return lg_say(LG_EXIT_FAILED, "it was ended by %s", signal);
    if (json_is_false(lg_at(done, "compile.success")))
        return LG_EXIT_FAILED;
    return json_is_integer(code) ? (int)json_integer_value(code) & 255 : LG_EXIT_FAILED;
}

static json_t *request(const struct lg_cli *c, const char *language, const struct lg_buf *code,
                       const struct lg_buf *input)
{
    json_t *args = json_array();
    for (int i = 0; i < c->rests; i++)
        json_array_append_new(args, json_string(c->rest[i]));
    json_t *body = json_pack("{s:s,s:o,s:o}", "language", language, "code",
                             json_stringn(lg_buf_cstr(code), code->len), "args", args);
    if (body && input->len)
        json_object_set_new(body, "stdin", json_stringn(lg_buf_cstr(input), input->len));
    return body;
}

int lg_run_listen(struct lg_cli *c, const char *run, json_t **done)
{
    struct outcome o = {.c = c, .run = run};
    struct lg_follow f = {.path_now = stream_path, .fn = take_event, .connected = begin_again, .arg = &o};
    int rc = lg_follow(c, &f);
    *done = o.done;
    return rc;
}

static int run_code(struct lg_cli *c, const char *language, const struct lg_buf *code,
                    const struct lg_buf *input)
{
    char stop[LG_PATH_LEN];
    json_t *done;
    lg_cleanup_answer struct lg_answer made = {.status = 0};
    json_t *body = request(c, language, code, input);
    if (!body || (input->len && !json_object_get(body, "stdin")))
        return json_decref(body), lg_say(LG_EXIT_USAGE, "code and input must be text in UTF-8");
    int rc = lg_call(c, "POST", "/api/repl/runs", body, &made);
    json_decref(body);
    if (rc)
        return rc;
    const char *run = lg_text_at(made.json, "id");
    const struct lg_ctrl_c first[] = {{"DELETE", lg_path(stop, "/api/repl/runs/%s", run), NULL}};
    pid_t beside = lg_ctrl_c_begin(c, first, 1);
    rc = lg_run_listen(c, run, &done);
    int presses = lg_ctrl_c_end(beside);
    rc = rc ? rc : lg_run_settle(c, done);
    json_decref(done);
    return presses ? LG_EXIT_SIGINT : rc;
}

int lg_cli_run_code(struct lg_cli *c)
{
    const char *word = lg_flag_value(c, "language");
    lg_cleanup_buf struct lg_buf code = {.max = CODE_MAX}, input = {.max = CODE_MAX};
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    int rc = languages(c, &a);
    if (rc)
        return rc;
    const json_t *l = pick(&a, word, c->arg[0]);
    if (!l && !word)
        return lg_say(LG_EXIT_USAGE, "-l is missing: the name of %s does not say its language", c->arg[0]);
    const char *name = l ? lg_text_at(l, "name") : word; /* an unknown one is the server's to refuse */
    if (l && strcmp(lg_text_at(l, "state"), "ready"))
        return lg_say(LG_EXIT_CONFLICT, "%s is not built yet: lodge language build %s", name, name);
    rc = read_code(c->arg[0], &code);
    rc = rc ? rc : read_input(c, &input);
    return rc ? rc : run_code(c, name, &code, &input);
}
