/* lodge tenant quota …: what a tenant may have and what it has. */
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"

enum unit { COUNT, CORES, BYTES, SECONDS };

static const struct {
    const char *name, *key; /* the flag's, the API's */
    enum unit unit;
} limits[] = {
    {"instances", "instances", COUNT},
    {"cpu", "cpu", CORES},
    {"memory", "memory", BYTES},
    {"storage", "storage", BYTES},
    {"ingress", "ingress", COUNT},
    {"tokens", "tokens", COUNT},
    /* Of one run of code: none is used up. */
    {"code-time", "codeTimeMs", SECONDS},
    {"code-memory", "codeMemory", BYTES},
    {"code-output", "codeOutput", BYTES},
};
#define LIMITS (sizeof limits / sizeof limits[0])

static void amount(const json_t *v, enum unit unit, const char *none, struct lg_buf *out)
{
    if (!json_is_number(v))
        lg_buf_str(out, none);
    else if (unit == SECONDS)
        lg_buf_fmt(out, "%g s", json_number_value(v) / 1000);
    else if (unit == BYTES && json_number_value(v) > 0)
        lg_text_bytes(v, out);
    else
        lg_buf_fmt(out, "%g", json_number_value(v));
}

static int print(const struct lg_cli *c, const json_t *answer)
{
    if (c->json) {
        lg_print_json(answer, false);
        return 0;
    }
    printf("%-11s  %-10s  %s\n", "QUOTA", "USED", "LIMIT");
    for (size_t i = 0; i < LIMITS; i++) {
        lg_cleanup_buf struct lg_buf used = {.max = 64}, most = {.max = 64};
        amount(json_object_get(lg_at(answer, "used"), limits[i].key), limits[i].unit, "-", &used);
        amount(json_object_get(lg_at(answer, "quota"), limits[i].key), limits[i].unit, "unlimited", &most);
        printf("%-11s  %-10s  %s\n", limits[i].name, lg_buf_cstr(&used), lg_buf_cstr(&most));
    }
    return 0;
}

/* What a flag says, as the API takes it; NULL and a message when it is no amount. */
static json_t *parse(const char *name, enum unit unit, const char *text)
{
    char *end;
    if (!strcmp(text, "none") || !strcmp(text, "unlimited"))
        return json_null();
    if (unit == BYTES) {
        int64_t bytes = lg_parse_size(text);
        if (bytes >= 0)
            return json_integer(bytes);
    } else if (unit == CORES || unit == SECONDS) {
        double v = strtod(text, &end);
        if (end != text && !strcmp(end, unit == SECONDS && *end ? "s" : "") && v >= 0 && v < 1e6)
            return unit == CORES ? json_real(v) : json_integer((json_int_t)(v * 1000 + 0.5));
    } else {
        long long v = strtoll(text, &end, 10);
        if (end != text && !*end && v >= 0)
            return json_integer(v);
    }
    lg_say(LG_EXIT_USAGE, "--%s must be %s or none", name,
           unit == BYTES     ? "a size such as 8g"
           : unit == CORES   ? "a number of cores"
           : unit == SECONDS ? "a number of seconds"
                             : "a number");
    return NULL;
}

/* The flags' limits into `quota`; how many there were, -1 when one is no amount. */
static int take_flags(const struct lg_cli *c, json_t *quota)
{
    int n = 0;
    for (size_t i = 0; i < LIMITS; i++) {
        const char *text = lg_flag_value(c, limits[i].name);
        json_t *v = text ? parse(limits[i].name, limits[i].unit, text) : NULL;
        if (text && !v)
            return -1;
        n += text != NULL;
        if (text)
            json_object_set_new(quota, limits[i].key, v);
    }
    return n;
}

/* Without flags it shows; with some it changes those and leaves the others. Somebody who changes them at the
 * same time is not overwritten. */
int lg_cli_tenant_quota(struct lg_cli *c)
{
    char id[40], path[LG_PATH_LEN], tag[32];
    lg_cleanup_answer struct lg_answer was = {.status = 0}, now = {.status = 0};
    json_t *given = json_object();
    int n = take_flags(c, given);
    int rc = n < 0 ? LG_EXIT_USAGE : lg_tenant_in_question(c, id);
    if (!rc)
        rc = lg_call(c, "GET", lg_path(path, "/tenants/%s/quota", id), NULL, &was);
    if (rc || !n) {
        json_decref(given);
        return rc ? rc : print(c, was.json);
    }
    json_t *quota = json_copy(json_object_get(was.json, "quota"));
    json_object_update(quota, given);
    snprintf(tag, sizeof tag, "\"%lld\"", (long long)json_integer_value(lg_at(was.json, "version")));
    c->if_match = tag;
    rc = lg_call(c, "PUT", path, quota, &now);
    c->if_match = NULL;
    json_decref(given);
    json_decref(quota);
    return rc ? rc : print(c, now.json);
}
