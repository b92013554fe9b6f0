#include "stream/sse.h"

void lg_sse_event(struct lg_buf *out, int64_t id, const char *event, const char *data, size_t n)
{
    if (id >= 0)
        lg_buf_fmt(out, "id: %lld\n", (long long)id);
    if (event)
        lg_buf_fmt(out, "event: %s\n", event);
    lg_buf_str(out, "data: ");
    lg_buf_add(out, data, n);
    lg_buf_str(out, "\n\n");
}

void lg_sse_ping(struct lg_buf *out, int64_t id)
{
    lg_buf_str(out, ": ping\n");
    if (id >= 0)
        lg_buf_fmt(out, "id: %lld\n", (long long)id);
    lg_buf_char(out, '\n');
}
