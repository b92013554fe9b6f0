/* The one of a list that a text names. */
#include <string.h>

#include "cli/cli.h"

static bool has_text(const json_t *o, const char *fields, const char *text)
{
    char name[32];
    while (*fields) {
        size_t n = strcspn(fields, ","), i;
        snprintf(name, sizeof name, "%.*s", (int)n, fields);
        fields += n + (fields[n] == ',');
        const json_t *v = lg_at(o, name), *item;
        if (json_is_string(v) && !strcmp(json_string_value(v), text))
            return true;
        json_array_foreach(v, i, item) if (json_is_string(item) &&
                                           !strcmp(json_string_value(item), text)) return true;
    }
    return false;
}

int lg_find(struct lg_cli *c, const char *path, const char *key, const char *fields, const char *text,
            const char *what, json_t **out)
{
    json_t *rows, *row;
    size_t i;
    int rc = lg_list(c, path, key, &rows);
    if (rc)
        return rc;
    *out = NULL;
    json_array_foreach(rows, i, row) if (!*out && has_text(row, fields, text)) *out = json_incref(row);
    json_decref(rows);
    return *out ? 0 : lg_say(LG_EXIT_NOT_FOUND, "there is no %s %s", what, text);
}
