#include "http/body.h"

#include <string.h>

static int wrong(struct lg_err *e, const char *where, const char *name, const char *why)
{
    lg_fail(e, LG_INVALID, "%s%.100s %s", where, name, why);
    return lg_err_detail(e, "field", "%s%.100s", where, name);
}

static double limit(double given, double usual)
{
    return given > 0 ? given : usual;
}

static bool plain(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

/* Each checker returns NULL, or what is wrong; `out` points at the member. */
static const char *take_string(const json_t *v, const struct lg_field *f, void *out)
{
    double max = limit(f->max, f->type == LG_T_TEXT ? 65536 : 255);
    const char *s = json_string_value(v);
    if (!s)
        return "must be a string";
    double n = (double)json_string_length(v);
    if (n < f->min || n > max)
        return n < f->min ? "is too short" : "is too long";
    if (f->type == LG_T_STRING && !plain(s))
        return "must not have control characters";
    memcpy(out, &s, sizeof s);
    return NULL;
}

static const char *take_number(const json_t *v, const struct lg_field *f, void *out)
{
    if (f->type == LG_T_INT && !json_is_integer(v))
        return "must be a whole number";
    if (!json_is_number(v))
        return "must be a number";
    double d = json_number_value(v);
    if (f->max > 0 && (d < f->min || d > f->max))
        return d < f->min ? "is too small" : "is too large";
    if (d < f->min)
        return "is too small";
    if (f->type == LG_T_INT)
        *(struct lg_opt_int *)out = (struct lg_opt_int){true, json_integer_value(v)};
    else
        *(struct lg_opt_real *)out = (struct lg_opt_real){true, d};
    return NULL;
}

static const char *take_bool(const json_t *v, const struct lg_field *f, void *out)
{
    (void)f;
    if (!json_is_boolean(v))
        return "must be true or false";
    *(struct lg_opt_bool *)out = (struct lg_opt_bool){true, json_is_true(v)};
    return NULL;
}

static const char *take_object(const json_t *v, const struct lg_field *f, void *out)
{
    (void)f;
    if (!json_is_object(v))
        return "must be an object";
    memcpy(out, &v, sizeof v);
    return NULL;
}

static const char *take_array(const json_t *v, const struct lg_field *f, void *out)
{
    if (!json_is_array(v))
        return "must be an array";
    double n = (double)json_array_size(v);
    if (n < f->min || n > limit(f->max, 256))
        return n < f->min ? "has too few elements" : "has too many elements";
    for (size_t i = 0; f->type == LG_T_STRINGS && i < json_array_size(v); i++) {
        const json_t *s = json_array_get(v, i);
        if (!json_is_string(s) || json_string_length(s) > 65536)
            return "must hold only strings of at most 65536 bytes";
    }
    memcpy(out, &v, sizeof v);
    return NULL;
}

static const char *take_any(const json_t *v, const struct lg_field *f, void *out)
{
    (void)f;
    memcpy(out, &v, sizeof v);
    return NULL;
}

static const char *(*const take[])(const json_t *, const struct lg_field *, void *) = {
    [LG_T_STRING] = take_string, [LG_T_TEXT] = take_string,   [LG_T_INT] = take_number,
    [LG_T_REAL] = take_number,   [LG_T_BOOL] = take_bool,     [LG_T_OBJECT] = take_object,
    [LG_T_ARRAY] = take_array,   [LG_T_STRINGS] = take_array, [LG_T_ANY] = take_any,
};

static bool known(const struct lg_field *fields, const char *name)
{
    for (; fields->name; fields++)
        if (!strcmp(fields->name, name))
            return true;
    return false;
}

int lg_body_fields(const json_t *obj, const struct lg_field *fields, bool strict, const char *where,
                   void *out, struct lg_err *e)
{
    const char *key;
    json_t *v;
    if (!json_is_object(obj))
        return lg_fail(e, LG_INVALID, "%s must be an object", *where ? where : "the body");
    if (strict)
        json_object_foreach((json_t *)(uintptr_t)obj, key, v) if (!known(fields, key)) return wrong(
            e, where, key, "is not a field of this request");
    for (const struct lg_field *f = fields; f->name; f++) {
        const json_t *value = json_object_get(obj, f->name);
        if (!value || json_is_null(value)) {
            if (f->required)
                return wrong(e, where, f->name, "is required");
            continue;
        }
        const char *why = take[f->type](value, f, (char *)out + f->offset);
        if (why)
            return wrong(e, where, f->name, why);
    }
    return 0;
}
