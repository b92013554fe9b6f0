#include "driver/container/once.h"

#include <string.h>

#include "driver/container/leaks.h"

/* Ends what runs of it. */
static int end(struct lg_engine *g, const char *name, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf look = {0}, killed = {0};
    int status = lg_callf(g, &look, e, "GET", NULL, "/containers/%s/json", name);
    if (status < 0)
        return status;
    if (status == 404)
        return 0;
    lg_cleanup_json json_t *o = status == 200 ? lg_call_json(&look, NULL) : NULL;
    const json_t *state = json_object_get(o, "State");
    if (json_is_true(json_object_get(state, "Running"))) {
        /* A forced removal alone would ask it to stop, and wait. */
        status = lg_callf(g, &killed, e, "POST", "", "/containers/%s/kill?signal=KILL", name);
        return status < 0 ? status : 0;
    }
    if (!strcmp(lg_member_str(state, "Status"), "created"))
        lg_leak_end(g, lg_member_str(o, "Id"));
    return 0;
}

int lg_once_remove(struct lg_engine *g, const char *name, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf reply = {0};
    int rc = end(g, name, e);
    if (rc)
        return rc;
    /* Also when it seems absent: a killed engine may have left its name and layer behind. */
    int status = lg_callf(g, &reply, e, "DELETE", NULL, "/containers/%s?force=true&v=true", name);
    if (status < 0)
        return status;
    return status < 400 || status == 404 ? 0
                                         : lg_call_fail(status, &reply, "the container cannot be removed", e);
}

int lg_once_sweep(struct lg_engine *g, const char *label, int *removed, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf filter = {0}, path = {0}, reply = {0};
    size_t i;
    json_t *o;
    *removed = 0;
    lg_buf_fmt(&filter, "{\"label\":[\"%s=%s\"]}", label, g->ctx.site);
    lg_buf_str(&path, "/containers/json?all=true&filters=");
    lg_url_escape(&path, lg_buf_cstr(&filter), "");
    struct lg_call c = {.method = "GET", .path = lg_buf_cstr(&path)};
    int status = lg_call(g, &c, &reply, e);
    if (status != 200)
        return status < 0 ? status : lg_call_fail(status, &reply, "containers cannot be listed", e);
    lg_cleanup_json json_t *list = lg_call_json(&reply, e);
    json_array_foreach(list, i, o)
    {
        int rc = lg_once_remove(g, lg_member_str(o, "Id"), e);
        if (rc)
            return rc;
        ++*removed;
    }
    return list ? 0 : -(int)LG_BACKEND;
}
