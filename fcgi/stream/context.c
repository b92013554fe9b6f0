#include "stream/context.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum type { STR, INT, BOOL };
#define ALL      ((1U << LG_KINDS) - 1)
#define IN(kind) (1U << (kind))

static const struct field {
    const char *name;
    enum type type;
    unsigned required; /* kinds that cannot do without it, as bits */
    size_t offset;
} fields[] = {
#define F(name, member, type, required)                                                                      \
    {                                                                                                        \
        name, type, required, offsetof(struct lg_context, member)                                            \
    }
    F("user", user, STR, 0),
    F("tenant", tenant, STR, 0),
    F("token", token, STR, 0),
    F("session", session, STR, 0),
    F("exp", exp, INT, ALL),
    F("op", op, STR, IN(LG_KIND_WAIT)),
    F("until", until, INT, IN(LG_KIND_WAIT)),
    F("after", after, INT, IN(LG_KIND_EVENTS)),
    F("scope", scope, STR, IN(LG_KIND_EVENTS)),
    F("kinds", kinds, STR, 0),
    F("instance", instance, STR, IN(LG_KIND_LOGS) | IN(LG_KIND_CONSOLE)),
    F("type", type, STR, IN(LG_KIND_CONSOLE)),
    F("command", command, STR, 0),
    F("columns", columns, INT, 0),
    F("rows", rows, INT, 0),
    F("readonly", read_only, BOOL, 0),
    F("format", format, STR, 0),
    F("subject", subject, STR, 0),
    F("run", run, STR, IN(LG_KIND_RUN) | IN(LG_KIND_ONESHOT)),
    F("tail", tail, INT, 0),
    F("since", since, INT, 0),
    F("follow", follow, BOOL, 0),
    F("again", again, BOOL, 0),
#undef F
};
#define FIELDS (sizeof fields / sizeof fields[0])

static const char *const kind_names[LG_KINDS] = {"wait", "events", "logs", "run", "console", "oneshot"};
static const char *const proto_names[] = {"", "ws", "sse", "text"};

static int index_of(const char *const *names, size_t n, const json_t *value)
{
    const char *s = json_string_value(value);
    for (size_t i = 0; s && i < n; i++)
        if (!strcmp(names[i], s))
            return (int)i;
    return -1;
}

static int bad(struct lg_err *e, const char *field)
{
    return lg_fail(e, LG_FORBIDDEN, "the hand-off is not valid: %s", field);
}

/* Copies a string into the context's own text, which is as long as the whole JSON and thus long enough. */
static const char *keep(char **at, const char *s)
{
    size_t n = strlen(s) + 1;
    char *to = *at;
    memcpy(to, s, n);
    *at += n;
    return to;
}

static int fill(struct lg_context *c, const struct field *f, const json_t *v, char **at, struct lg_err *e)
{
    char *slot = (char *)c + f->offset;
    if (!v && f->required & IN(c->kind))
        return bad(e, f->name);
    if (f->type == STR) {
        const char *s = v ? json_string_value(v) : "";
        if (!s || (!*s && f->required & IN(c->kind)))
            return bad(e, f->name);
        s = keep(at, s);
        memcpy(slot, &s, sizeof s);
    } else if (f->type == INT && v) {
        if (!json_is_integer(v))
            return bad(e, f->name);
        int64_t n = json_integer_value(v);
        memcpy(slot, &n, sizeof n);
    } else if (f->type == BOOL && v) {
        if (!json_is_boolean(v))
            return bad(e, f->name);
        bool yes = json_is_true(v);
        memcpy(slot, &yes, sizeof yes);
    }
    return 0;
}

static int check(struct lg_context *c, int proto, int64_t now_ms, struct lg_err *e)
{
    if (c->exp < now_ms)
        return lg_fail(e, LG_FORBIDDEN, "the hand-off has expired");
    if (c->kind == LG_KIND_WAIT)
        return 0;
    if (proto <= LG_PROTO_NONE || (proto == LG_PROTO_TEXT && c->kind == LG_KIND_EVENTS))
        return bad(e, "proto");
    if (c->kind == LG_KIND_CONSOLE && proto != LG_PROTO_WS)
        return bad(e, "proto");
    c->proto = (enum lg_proto)proto;
    return 0;
}

static int from_json(struct lg_context *c, const json_t *j, size_t size, int64_t now_ms, struct lg_err *e)
{
    int kind = index_of(kind_names, LG_KINDS, json_object_get(j, "k"));
    if (kind < 0)
        return bad(e, "k");
    c->kind = (enum lg_kind)kind;
    c->tail = -1;
    c->text = malloc(size + FIELDS); /* an absent field takes one NUL; a present one fits what it was in */
    if (!c->text)
        return lg_fail(e, LG_INTERNAL, "out of memory");
    char *at = c->text;
    for (size_t i = 0; i < FIELDS; i++)
        if (fill(c, &fields[i], json_object_get(j, fields[i].name), &at, e))
            return -(int)LG_FORBIDDEN;
    int proto =
        index_of(proto_names, sizeof proto_names / sizeof proto_names[0], json_object_get(j, "proto"));
    return check(c, proto, now_ms, e);
}

int lg_context_open(struct lg_context *c, const struct lg_key *key, const char *text, size_t n,
                    int64_t now_ms, struct lg_err *e)
{
    *c = (struct lg_context){0};
    lg_cleanup_buf struct lg_buf payload = {.max = 65536};
    if (!n || !lg_open_signed(key, text, n, &payload))
        return lg_fail(e, LG_FORBIDDEN, "the hand-off carries no valid signature");
    lg_cleanup_json json_t *j = lg_json_parse(payload.data, payload.len, 4, NULL);
    if (!j)
        return bad(e, "not JSON");
    int rc = from_json(c, j, payload.len, now_ms, e);
    if (rc)
        lg_context_done(c);
    return rc;
}

void lg_context_done(struct lg_context *c)
{
    free(c->text);
    c->text = NULL;
}
