/*
 * The command line: one table of commands, a client of the REST API, and how things are printed. A command
 * returns an exit code; whoever finds out what is wrong prints it on standard error. Private to fcgi/cli, but
 * for lg_cli.
 */
#ifndef LG_CLI_CLI_H
#define LG_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/json.h"

enum lg_exit {
    LG_EXIT_OK,
    LG_EXIT_FAILED,      /* the request was refused or failed */
    LG_EXIT_USAGE,       /* the command was */
    LG_EXIT_NOT_FOUND,   /* 404 */
    LG_EXIT_DENIED,      /* not signed in, or not allowed to */
    LG_EXIT_CONFLICT,    /* it exists already, or is in the wrong state */
    LG_EXIT_UNREACHABLE, /* nobody answers */
};

struct lg_cli;

struct lg_flag {
    char letter; /* 0: long only */
    const char *name;
    const char *value; /* what the value is called; NULL: takes none */
    const char *help;
};

struct lg_command {
    const char *noun, *verb; /* verb NULL: the noun alone is the command */
    const char *args;        /* positional arguments as help shows them */
    int min, max;            /* how many; max -1: any number */
    bool rest;               /* what follows -- is handed on (lg_cli.rest) */
    const struct lg_flag *flags;
    int (*run)(struct lg_cli *c);
    const char *help;
};

extern const struct lg_command lg_commands[]; /* ends with a NULL noun */

#define LG_CLI_OPTS 128

/* One run of one command. */
struct lg_cli {
    const struct lg_command *command;
    char **arg; /* positional arguments */
    int argc;
    char **rest; /* after -- */
    int rests;
    struct {
        const struct lg_flag *flag;
        const char *value;
    } opt[LG_CLI_OPTS];
    int opts;
    bool json, quiet, wait;
    const char *about;    /* which of several arguments is at work: failures name it; NULL: there is one */
    const char *if_match; /* the ETag that the next write is meant for; NULL: none */
    struct lg_client *client;
};

/* `lodge <noun> <verb> …`; argv[0] is the noun. Returns the exit code. */
int lg_cli(int argc, char **argv);
/* Lists everything, or one noun's commands. */
void lg_cli_help(FILE *to, const char *noun);

bool lg_flag_set(const struct lg_cli *c, const char *name);
const char *lg_flag_value(const struct lg_cli *c, const char *name); /* the last one; NULL when absent */
/* Values of a repeated flag: start with *at = 0; NULL ends. */
const char *lg_flag_next(const struct lg_cli *c, const char *name, int *at);
/* A whole number min…max into *out, `absent` without the flag. LG_EXIT_USAGE and a message otherwise. */
int lg_flag_int(const struct lg_cli *c, const char *name, long min, long max, long absent, long *out);

/* Prints "lodge: …" on standard error and returns `code`. */
int lg_say(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ── client.c, follow.c, wait.c ── */

struct lg_answer {
    long status;
    json_t *json;       /* owned; NULL when the body is none */
    char operation[40]; /* id in Operation-Location, "" without one */
};
void lg_answer_done(struct lg_answer *a);
#define lg_cleanup_answer __attribute__((cleanup(lg_answer_done)))

/* Path below /api/v1, or a whole one that begins with /api/; each %s of `fmt` is one segment or value and
 * gets encoded. Returns `out`. */
#define LG_PATH_LEN 2048
char *lg_path(char out[LG_PATH_LEN], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One request; `body` is borrowed, NULL sends none. Tells what is wrong and returns the exit code. */
int lg_call(struct lg_cli *c, const char *method, const char *path, const json_t *body, struct lg_answer *a);
/* As lg_call, without a message: for those who try again or look elsewhere. `e` may be NULL. */
int lg_try(struct lg_cli *c, const char *method, const char *path, const json_t *body, struct lg_answer *a,
           struct lg_err *e);
/* Sends a file as the body. */
int lg_send_file(struct lg_cli *c, const char *path, const char *file, struct lg_answer *a);
/* Every page of a list as one array (owned) in *out. */
int lg_list(struct lg_cli *c, const char *path, const char *key, json_t **out);
/* Copies the bytes of an answer to standard output as they come. */
int lg_copy(struct lg_cli *c, const char *path);

/* A text/event-stream, followed over reconnects. fn returns false to end it. */
struct lg_sse {
    const char *id, *event, *data; /* "" when absent */
};
typedef bool lg_sse_fn(void *arg, const struct lg_sse *event);
/*
 * `path_now` gives the path of each connection (what to resume after is its business); `connected` (may be
 * NULL) is told how the server's clock differs from ours, in ms. Ends with 0 when fn says so; goes on over
 * lost connections once the first one worked; an answer that refuses ends it with its exit code (`status`
 * gets the HTTP status).
 */
struct lg_follow {
    const char *(*path_now)(void *arg, char out[LG_PATH_LEN]);
    void (*connected)(void *arg, int64_t clock_ahead_ms);
    lg_sse_fn *fn;
    void *arg;
    long status;
};
int lg_follow(struct lg_cli *c, struct lg_follow *f);

/* The answer's operation, waited for to its end unless --no-wait: 0 when it is done. `end` (may be NULL) gets
 * it, owned.
 */
int lg_finish(struct lg_cli *c, const struct lg_answer *a, json_t **end);
int lg_wait_operation(struct lg_cli *c, const char *id, long timeout_s, json_t **end);

/* ── print.c ── */

struct lg_col {
    const char *title, *path;                              /* path: "network.address" */
    void (*text)(const json_t *value, struct lg_buf *out); /* NULL: as it is */
};
const json_t *lg_at(const json_t *o, const char *path);    /* NULL when there is nothing */
const char *lg_text_at(const json_t *o, const char *path); /* "" when there is no string */
void lg_text_age(const json_t *iso, struct lg_buf *out);
void lg_text_bytes(const json_t *n, struct lg_buf *out);
void lg_text_join(const json_t *array, struct lg_buf *out);
void lg_text_yes(const json_t *b, struct lg_buf *out);

/* One object, or an array of them, as --json or by the columns. Each is also what --quiet shows one member
 * of. */
void lg_print_rows(const struct lg_cli *c, const json_t *rows, const char *key, const struct lg_col *cols,
                   const char *quiet);
void lg_print_record(const struct lg_cli *c, const json_t *o, const struct lg_col *cols, const char *quiet);
void lg_print_json(const json_t *o, bool one_line);
/* Without control characters, which could command a terminal. */
void lg_print_clean(FILE *to, const char *s);

/* ── look-ups: a name or an id becomes an id ── */

/* The tenant of the first argument, or the one worked in. */
int lg_tenant_in_question(struct lg_cli *c, char id[40]);
int lg_instance_id(struct lg_cli *c, const char *name, char out[40]);
/* usage.c: `instance usage` with --since or --step. */
int lg_cli_usage_history(struct lg_cli *c, const char *id);
/* The member of a list whose `fields` ("id,name") has the text; owned in *out. */
int lg_find(struct lg_cli *c, const char *path, const char *key, const char *fields, const char *text,
            const char *what, json_t **out);

/* "512m", "1.5g", "268435456" → bytes; -1 when it is no size. */
int64_t lg_parse_size(const char *s);
void lg_print_instance(const struct lg_cli *c, const json_t *in);
/* --cpus, --memory, --disk into the body's `resources`. */
int lg_set_resources(const struct lg_cli *c, json_t *body);

/* ── secrets ── */

/* From the terminal without echo (twice with `again`), or the first line of standard input when it is none.
 */
#define LG_PASSWORD_MAX 1024
int lg_ask_password(const char *prompt, bool again, char out[LG_PASSWORD_MAX]);

/* Commands, each in the file of its noun. */
typedef int lg_cli_run(struct lg_cli *c);
lg_cli_run lg_cli_instance_ls, lg_cli_instance_create, lg_cli_instance_get, lg_cli_instance_power,
    lg_cli_instance_resize, lg_cli_console, lg_cli_exec, lg_cli_image_fetch, lg_cli_instance_rm,
    lg_cli_instance_logs, lg_cli_instance_usage, lg_cli_image_ls, lg_cli_image_get, lg_cli_image_pull,
    lg_cli_image_upload, lg_cli_image_rm, lg_cli_image_alias, lg_cli_image_set, lg_cli_ingress_ls,
    lg_cli_ingress_add, lg_cli_ingress_rm, lg_cli_operation_ls, lg_cli_operation_get, lg_cli_operation_wait,
    lg_cli_operation_cancel, lg_cli_events, lg_cli_service_ls, lg_cli_service_watch, lg_cli_token_ls,
    lg_cli_token_create, lg_cli_token_revoke, lg_cli_user_ls, lg_cli_user_create, lg_cli_user_set,
    lg_cli_user_rm, lg_cli_tenant_ls, lg_cli_tenant_create, lg_cli_tenant_rm, lg_cli_tenant_code_network,
    lg_cli_tenant_members, lg_cli_tenant_join, lg_cli_tenant_leave, lg_cli_tenant_quota, lg_cli_audit_ls,
    lg_cli_whoami, lg_cli_admin_create, lg_cli_migrate, lg_cli_settings, lg_cli_version, lg_cli_volume_ls,
    lg_cli_volume_create, lg_cli_volume_grow, lg_cli_volume_rm, lg_cli_volume_attach, lg_cli_volume_detach,
    lg_cli_network_ls, lg_cli_network_create, lg_cli_network_rm, lg_cli_network_change;

lg_cli_run lg_cli_flavor_ls, lg_cli_flavor_create, lg_cli_flavor_rm;
lg_cli_run lg_cli_run_code, lg_cli_language_ls, lg_cli_language_build; /* run.c */
lg_cli_run lg_cli_repl;

#endif
