/*
 * GET /api/openapi.json: the description of this API, made from the tables that serve it. Paths, methods,
 * permissions and one-line texts come from the routes, bodies from the field tables they are read by; what
 * routes answer, and their query, is data in openapi/. The same for everybody, so a worker makes it once.
 */
#include "api/openapi/openapi.h"

#include <ctype.h>
#include <string.h>

#include "base/version.h"
#include "api/routes.h"
#include "http/body.h"

#define NAME_MAX_LEN 160

/* What nginx hands to workers from clients; the other routes are nginx' own questions. */
static bool is_public(const struct lg_route *r)
{
    static const char *const starts[] = {"/api/", "/compute/", "/session", "/health", "/metrics", NULL};
    for (const char *const *s = starts; *s; s++)
        if (!strncmp(r->pattern, *s, strlen(*s)))
            return true;
    return false;
}

/* --- bodies --- */

static const char *const type_names[] = {
    [LG_T_STRING] = "string", [LG_T_TEXT] = "string",   [LG_T_INT] = "integer", [LG_T_REAL] = "number",
    [LG_T_BOOL] = "boolean",  [LG_T_OBJECT] = "object", [LG_T_ARRAY] = "array", [LG_T_STRINGS] = "array"};

/* An absent member may also be null. */
static void set_type(json_t *schema, const struct lg_field *f)
{
    if (f->type == LG_T_ANY)
        return;
    json_object_set_new(schema, "type",
                        f->required ? json_string(type_names[f->type])
                                    : json_pack("[ss]", type_names[f->type], "null"));
}

/* The bounds the parser keeps. Of a text it counts bytes: its characters are never more. */
static void set_bounds(json_t *schema, const struct lg_field *f)
{
    double max = f->max;
    switch (f->type) {
    case LG_T_STRING:
    case LG_T_TEXT:
        if (f->min >= 1)
            json_object_set_new(schema, "minLength", json_integer(1));
        max = max > 0 ? max : f->type == LG_T_TEXT ? 65536 : 255;
        json_object_set_new(schema, "maxLength", json_integer((json_int_t)max));
        break;
    case LG_T_INT:
        if (max > 0) {
            json_object_set_new(schema, "minimum", json_integer((json_int_t)f->min));
            json_object_set_new(schema, "maximum", json_integer((json_int_t)max));
        }
        break;
    case LG_T_REAL:
        if (max > 0) {
            json_object_set_new(schema, "minimum", json_real(f->min));
            json_object_set_new(schema, "maximum", json_real(max));
        }
        break;
    case LG_T_ARRAY:
    case LG_T_STRINGS:
        json_object_set_new(schema, "maxItems", json_integer((json_int_t)(max > 0 ? max : 256)));
        if (f->type == LG_T_STRINGS)
            json_object_set_new(schema, "items", json_pack("{s:s}", "type", "string"));
        break;
    case LG_T_BOOL:
    case LG_T_OBJECT:
    case LG_T_ANY:
        break;
    }
}

static json_t *object_schema(const struct lg_body *body, const char *where);

static json_t *field_schema(const struct lg_body *body, const char *where, const struct lg_field *f)
{
    char below[NAME_MAX_LEN];
    json_t *schema = json_object(), *inner = NULL;
    snprintf(below, sizeof below, "%s%s.", where, f->name);
    if (f->type == LG_T_OBJECT)
        inner = object_schema(body, below);
    if (inner) {
        json_object_update(schema, inner);
        json_decref(inner);
    }
    set_type(schema, f);
    set_bounds(schema, f);
    return schema;
}

/* The object at `where`; NULL when no table says what is in it: anything. */
static json_t *object_schema(const struct lg_body *body, const char *where)
{
    while (body->where && strcmp(body->where, where) != 0)
        body++;
    if (!body->where)
        return NULL;
    const struct lg_body *first = body;
    json_t *properties = json_object(), *required = json_array();
    for (const struct lg_field *f = body->fields; f->name; f++) {
        json_object_set_new(properties, f->name, field_schema(first, where, f));
        if (f->required)
            json_array_append_new(required, json_string(f->name));
    }
    return json_pack("{s:s,s:o,s:o,s:b}", "type", "object", "required", required, "properties", properties,
                     "additionalProperties", 0);
}

static bool needs_body(const struct lg_body *body)
{
    for (const struct lg_field *f = body->fields; f->name; f++)
        if (f->required)
            return true;
    return false;
}

/* --- what is said of a route --- */

/* "/api/v1/tokens/:id" → "/api/v1/tokens/{id}"; each name also into `parameters` when it is not NULL. */
static void write_path(const char *pattern, json_t *parameters, struct lg_buf *out)
{
    while (*pattern) {
        if (*pattern != ':') {
            lg_buf_char(out, *pattern++);
            continue;
        }
        char name[64];
        size_t n = strcspn(++pattern, "/");
        snprintf(name, sizeof name, "%.*s", (int)n, pattern);
        pattern += n;
        lg_buf_fmt(out, "{%s}", name);
        if (parameters)
            json_array_append_new(parameters, json_pack("{s:s,s:s,s:b,s:{s:s}}", "name", name, "in", "path",
                                                        "required", 1, "schema", "type", "string"));
    }
}

/* The first segment that says what it is about. */
static void tag_of(const char *pattern, char out[64])
{
    static const char *const skip[] = {"/api/v1/compute/", "/api/v1/", "/compute/", NULL};
    const char *at = NULL;
    for (const char *const *s = skip; *s && !at; s++)
        at = !strncmp(pattern, *s, strlen(*s)) ? pattern + strlen(*s) : NULL;
    snprintf(out, 64, "%.*s", at ? (int)strcspn(at, "/") : 6, at ? at : "system");
}

/* "getComputeInstancesById": unique, as method and pattern together are. */
static void operation_id(const char *method, const char *pattern, char *out, size_t cap)
{
    size_t n = 0;
    bool up = false;
    for (const char *p = method; *p && n + 1 < cap; p++)
        out[n++] = (char)tolower((unsigned char)*p);
    for (const char *p = pattern; *p && n + 3 < cap; p++) {
        if (*p == ':')
            out[n++] = 'B', out[n++] = 'y';
        if (isalnum((unsigned char)*p))
            out[n++] = up ? (char)toupper((unsigned char)*p) : *p;
        up = !isalnum((unsigned char)*p);
    }
    out[n] = 0;
}

static const char *const permission_texts[] = {
    [LG_PERM_PUBLIC] = "anybody",
    [LG_PERM_USER] = "any user",
    [LG_PERM_MEMBER] = "members of the tenant",
    [LG_PERM_OWNER] = "owners of the tenant",
    [LG_PERM_ADMIN] = "administrators",
};

static json_t *security_of(const struct lg_route *r)
{
    if (r->perm == LG_PERM_PUBLIC)
        return json_array();
    return json_pack("[{s:[]},{s:[]},{s:[]}]", "token", "key", "session");
}

/* --- answers --- */

static json_t *schema_ref(const char *name)
{
    char ref[NAME_MAX_LEN];
    snprintf(ref, sizeof ref, "#/components/schemas/%s", name);
    return json_pack("{s:{s:s}}", "schema", "$ref", ref);
}

/* `what`: the name of a schema, or a media type that is no JSON. */
static void add_content(json_t *content, const char *what)
{
    bool media = strchr(what, '/');
    json_object_set_new(content, media ? what : "application/json",
                        media ? json_pack("{s:{s:s}}", "schema", "type", "string") : schema_ref(what));
}

static json_t *answer(const json_t *what)
{
    json_t *content = json_object(), *one;
    size_t i;
    if (json_is_string(what))
        add_content(content, json_string_value(what));
    json_array_foreach(what, i, one) add_content(content, json_string_value(one));
    json_t *a = json_pack("{s:s}", "description", json_is_null(what) ? "No body." : "As asked for.");
    if (json_object_size(content))
        json_object_set(a, "content", content);
    json_decref(content);
    return a;
}

static json_t *answers_of(const struct lg_route *r, json_t *known)
{
    json_t *all = json_object(), *what;
    const char *status;
    json_object_foreach(json_object_get(known, "answers"), status, what)
        json_object_set_new(all, status, answer(what));
    if (!known)
        json_object_set_new(all, "2XX", json_pack("{s:s}", "description", "As asked for."));
    if (r->perm != LG_PERM_PUBLIC)
        json_object_set_new(all, "429", json_pack("{s:s}", "$ref", "#/components/responses/RateLimited"));
    json_object_set_new(all, "default",
                        json_pack("{s:s,s:{s:o}}", "description", "It was not done, and why.", "content",
                                  "application/json", schema_ref("Error")));
    return all;
}

static void add_parameters(json_t *parameters, json_t *known)
{
    char ref[NAME_MAX_LEN];
    json_t *name;
    size_t i;
    json_array_foreach(json_object_get(known, "parameters"), i, name)
    {
        snprintf(ref, sizeof ref, "#/components/parameters/%s", json_string_value(name));
        json_array_append_new(parameters, json_pack("{s:s}", "$ref", ref));
    }
}

/* --- the whole --- */

struct description {
    json_t *paths, *known; /* known: answers.json */
};

static json_t *operation(const struct lg_route *r, const char *method, json_t *known)
{
    char id[NAME_MAX_LEN], tag[64];
    lg_cleanup_buf struct lg_buf path = {0};
    json_t *parameters = json_array();
    operation_id(method, r->pattern, id, sizeof id);
    tag_of(r->pattern, tag);
    write_path(r->pattern, parameters, &path);
    add_parameters(parameters, known);
    if (r->perm == LG_PERM_MEMBER || r->perm == LG_PERM_OWNER)
        json_array_append_new(parameters, json_pack("{s:s}", "$ref", "#/components/parameters/tenant"));
    if ((r->action || r->keyed) && r->perm != LG_PERM_PUBLIC && strcmp(method, "GET") != 0)
        json_array_append_new(parameters,
                              json_pack("{s:s}", "$ref", "#/components/parameters/idempotencyKey"));
    json_t *o = json_pack("{s:s,s:s,s:[s],s:s,s:o,s:o,s:o}", "operationId", id, "summary", r->doc, "tags",
                          tag, "x-permission", permission_texts[r->perm], "security", security_of(r),
                          "parameters", parameters, "responses", answers_of(r, known));
    if (r->body)
        json_object_set_new(o, "requestBody",
                            json_pack("{s:b,s:{s:{s:o}}}", "required", needs_body(r->body), "content",
                                      "application/json", "schema", object_schema(r->body, "")));
    return o;
}

static void add_method(struct description *d, const struct lg_route *r, const char *method)
{
    char key[NAME_MAX_LEN + 16], lower[16];
    lg_cleanup_buf struct lg_buf path = {0};
    size_t n = 0;
    for (; method[n] && n + 1 < sizeof lower; n++)
        lower[n] = (char)tolower((unsigned char)method[n]);
    lower[n] = 0;
    write_path(r->pattern, NULL, &path);
    json_t *item = json_object_get(d->paths, lg_buf_cstr(&path));
    if (!item) {
        item = json_object();
        json_object_set_new(d->paths, lg_buf_cstr(&path), item);
    }
    if (json_object_get(item, lower))
        return; /* a later table has it too: the first one answers */
    snprintf(key, sizeof key, "%s %s", method, r->pattern);
    json_object_set_new(item, lower, operation(r, method, json_object_get(d->known, key)));
}

static void add_route(struct description *d, const struct lg_route *r)
{
    char method[16];
    for (const char *p = r->method; *p; p += strcspn(p, "|"), p += *p == '|') {
        snprintf(method, sizeof method, "%.*s", (int)strcspn(p, "|"), p);
        add_method(d, r, method);
    }
}

static void add_tables(struct description *d, const struct lg_route *const *tables)
{
    for (; *tables; tables++)
        for (const struct lg_route *r = *tables; r->method; r++)
            if (is_public(r))
                add_route(d, r);
}

static char *make(struct lg_err *e)
{
    struct description d = {.paths = json_object(), .known = json_loads(lg_openapi_answers, 0, NULL)};
    json_t *components = json_loads(lg_openapi_components, 0, NULL);
    char *text = NULL;
    add_tables(&d, lg_tables_api);
    add_tables(&d, lg_tables_auth);
    json_t *whole = json_pack("{s:s,s:{s:{s:s,s:s},s:s,s:s,s:s},s:[{s:s}],s:o,s:o}", "openapi", "3.1.0",
                              "info", "license", "name", "MIT License", "identifier", "MIT", "title", "Lodge",
                              "version", LG_VERSION, "description",
                              "Instances, images, ingress, operations and events of one Lodge.", "servers",
                              "url", "/", "paths", d.paths, "components", components);
    if (whole && d.known)
        text = json_dumps(whole, JSON_COMPACT);
    json_decref(whole);
    json_decref(d.known);
    if (!text)
        lg_fail(e, LG_INTERNAL, "the description could not be made");
    return text;
}

static int description(struct lg_req *q, struct lg_resp *r, struct lg_err *e)
{
    (void)q;
    static char *made; /* as long as the worker lives */
    if (!made && !(made = make(e)))
        return -(int)LG_INTERNAL;
    lg_buf_str(&r->body, made);
    r->cache = "private, max-age=60";
    return 0;
}

const struct lg_route lg_routes_openapi[] = {{.method = "GET",
                                              .pattern = "/api/openapi.json",
                                              .perm = LG_PERM_USER,
                                              .handler = description,
                                              .doc = "This API as OpenAPI 3.1"},
                                             {.method = NULL}};
