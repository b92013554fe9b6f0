/* Consoles: a virtual machine's screen and serial line, and a terminal in a container. */
#include <string.h>

#include "api/compute.h"
#include "base/json.h"
#include "http/handoff.h"
#include "model/terminal.h"

#define CONSOLE_VNC    "vnc"
#define CONSOLE_SERIAL "serial"
#define CONSOLE_EXEC   "exec"

static int check_up(const struct lg_instance *in, bool terminal, struct lg_err *e)
{
    if (in->state == LG_ST_RUNNING || (in->state == LG_ST_PAUSED && !terminal) ||
        lg_state_transient(in->state))
        return 0;
    lg_fail(e, LG_STATE, "the instance is %s; only one that runs has a console", lg_state_name(in->state));
    return lg_err_detail(e, "state", "%s", lg_state_name(in->state));
}

/* Which of its kind's; a container has a terminal alone. */
static int check_type(const struct lg_instance *in, struct lg_handoff *h, struct lg_err *e)
{
    bool vm = !strcmp(in->type, "vm");
    if (!*h->type)
        h->type = vm ? CONSOLE_VNC : CONSOLE_EXEC;
    if (!vm && strcmp(h->type, CONSOLE_EXEC))
        return lg_fail(e, LG_UNSUPPORTED, "a container has no console, but a terminal: type=exec");
    if (vm && !strcmp(h->type, CONSOLE_EXEC))
        return lg_fail(e, LG_UNSUPPORTED, "a virtual machine has consoles: type=vnc or type=serial");
    if (!vm && h->read_only)
        return lg_invalid_query(e, "readonly", "is for consoles: a terminal is its viewer's own");
    return 0;
}

/* A JSON array of words, the program first. */
static bool is_command(const json_t *list)
{
    size_t i, n = json_array_size(list);
    json_t *word;
    json_array_foreach(list, i, word) if (!json_is_string(word)) return false;
    return n && n <= LG_TERMINAL_WORDS && json_string_length(json_array_get(list, 0));
}

static int check_command(const char *text, struct lg_err *e)
{
    size_t n = strlen(text);
    lg_cleanup_json json_t *list = n && n <= LG_TERMINAL_COMMAND ? lg_json_parse(text, n, 2, NULL) : NULL;
    return !n || is_command(list)
               ? 0
               : lg_invalid_query(
                     e, "command",
                     "must be a JSON array of at most 32 words, 2048 bytes in all, the program first");
}

/* What a terminal is opened with. */
static int take_terminal(struct lg_req *q, struct lg_handoff *h, struct lg_err *e)
{
    h->command = lg_req_query(q, "command", "");
    int rc = lg_req_query_int(q, "columns", 1, LG_TERMINAL_MOST, LG_TERMINAL_COLUMNS, &h->columns, e);
    rc = rc ? rc : lg_req_query_int(q, "rows", 1, LG_TERMINAL_MOST, LG_TERMINAL_ROWS, &h->rows, e);
    return rc ? rc : check_command(h->command, e);
}

/* The handler answers with a hand-over; bytes flow through lodge-stream. */
static int console(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    lg_cleanup_instance struct lg_instance in = {0};
    struct lg_handoff h = {.k = "console", .after = -1, .type = lg_req_query(q, "type", "")};
    if (*h.type && strcmp(h.type, CONSOLE_VNC) && strcmp(h.type, CONSOLE_SERIAL) &&
        strcmp(h.type, CONSOLE_EXEC))
        return lg_invalid_query(e, "type", "must be vnc, serial or exec");
    int rc = lg_req_query_bool(q, "readonly", &h.read_only, e);
    if (!rc)
        rc = lg_handoff_proto(q, &h.proto, e);
    if (!rc)
        rc = lg_instance_get(q->db, q->who.tenant_id, q->param[0], &in, e);
    if (!rc)
        rc = check_type(&in, &h, e);
    bool terminal = !rc && !strcmp(h.type, CONSOLE_EXEC);
    if (terminal)
        rc = take_terminal(q, &h, e);
    if (!rc)
        rc = check_up(&in, terminal, e);
    if (!rc && strcmp(h.proto, "ws"))
        rc = lg_fail(e, LG_INVALID, "a console is reached by a WebSocket");
    if (!rc && terminal) /* whoever has had a shell somewhere is on record */
        rc = lg_req_begin(q, e);
    if (!rc && terminal)
        rc = lg_req_commit(q, in.id, in.name, e);
    if (rc)
        return rc;
    h.instance = in.id;
    return lg_handoff(q, r, &h, e);
}

const struct lg_route lg_routes_console[] = {{.method = "GET",
                                              .pattern = "/api/v1/compute/instances/:id/console",
                                              .perm = LG_PERM_MEMBER,
                                              .action = "instance.terminal",
                                              .handler = console,
                                              .doc =
                                                  "A virtual machine's screen (type=vnc) or serial line "
                                                  "(type=serial), or a terminal in a container (type=exec; "
                                                  "command, columns, rows), as a WebSocket; readonly"},
                                             {.method = NULL}};
