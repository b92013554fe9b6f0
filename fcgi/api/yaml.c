#include "api/yaml.h"

#include <string.h>
#include <yaml.h>

#include "base/json.h"

#define DEPTH_MAX 15

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one at hand */
    bool at_hand;
    const char *wrong;
};

static bool next(struct reader *r)
{
    if (r->at_hand)
        yaml_event_delete(&r->event);
    r->at_hand = yaml_parser_parse(&r->parser, &r->event);
    if (!r->at_hand)
        r->wrong = r->parser.problem ? r->parser.problem : "is no YAML";
    return r->at_hand;
}

/* A word that JSON knows is what JSON takes it for, unless it is quoted. */
static json_t *scalar(const struct reader *r)
{
    const char *text = (const char *)r->event.data.scalar.value;
    size_t n = r->event.data.scalar.length;
    bool plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && (!n || !strcmp(text, "~")))
        return json_null();
    json_t *v = plain ? json_loadb(text, n, JSON_DECODE_ANY, NULL) : NULL;
    return v ? v : json_stringn(text, n);
}

static json_t *node(struct reader *r, int depth);

static json_t *list(struct reader *r, int depth)
{
    lg_cleanup_json json_t *out = json_array();
    while (next(r) && r->event.type != YAML_SEQUENCE_END_EVENT)
        if (json_array_append_new(out, node(r, depth + 1)))
            return NULL;
    return r->wrong ? NULL : json_incref(out);
}

static json_t *map(struct reader *r, int depth)
{
    lg_cleanup_json json_t *out = json_object();
    while (next(r) && r->event.type != YAML_MAPPING_END_EVENT) {
        if (r->event.type != YAML_SCALAR_EVENT) {
            r->wrong = "a key is no plain text";
            return NULL;
        }
        lg_cleanup_json json_t *key =
            json_stringn((const char *)r->event.data.scalar.value, r->event.data.scalar.length);
        if (!key || !next(r) || json_object_set_new(out, json_string_value(key), node(r, depth + 1)))
            return NULL;
    }
    return r->wrong ? NULL : json_incref(out);
}

/* What begins with the event at hand. NULL: `wrong` says why, or a text was not UTF-8. */
static json_t *node(struct reader *r, int depth)
{
    if (depth > DEPTH_MAX)
        r->wrong = "is nested too deeply";
    else if (r->event.type == YAML_SCALAR_EVENT)
        return scalar(r);
    else if (r->event.type == YAML_SEQUENCE_START_EVENT)
        return list(r, depth);
    else if (r->event.type == YAML_MAPPING_START_EVENT)
        return map(r, depth);
    else
        r->wrong = "aliases are not taken";
    return NULL;
}

static json_t *document(struct reader *r)
{
    lg_cleanup_json json_t *out = NULL;
    if (!next(r) || !next(r) || !next(r)) /* the stream begins, the document does, and what is in it */
        return NULL;
    if (r->event.type != YAML_MAPPING_START_EVENT) {
        r->wrong = "must be a map: lines of key: value";
        return NULL;
    }
    out = node(r, 0);
    if (!out || !next(r) || !next(r))
        return NULL;
    if (r->event.type != YAML_STREAM_END_EVENT) {
        r->wrong = "has a second document";
        return NULL;
    }
    return json_incref(out);
}

json_t *lg_yaml_map(const char *text, const char *field, struct lg_err *e)
{
    struct reader r = {0};
    json_t *out = NULL;
    if (!yaml_parser_initialize(&r.parser)) {
        lg_fail(e, LG_INTERNAL, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, strlen(text));
    out = document(&r);
    if (!out) {
        size_t line = r.at_hand ? r.event.start_mark.line : r.parser.problem_mark.line;
        lg_fail(e, LG_INVALID, "%s, line %zu: %s", field, line + 1, r.wrong ? r.wrong : "is no UTF-8 text");
        lg_err_detail(e, "field", "%s", field);
    }
    if (r.at_hand)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return out;
}
