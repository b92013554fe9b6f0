#include <stdlib.h>
#include <string.h>

#include "box/box.h"

static bool split(struct lg_words *w, size_t n)
{
    w->count = 0;
    for (size_t at = 0; at < n; at += strlen(w->text + at) + 1) {
        if (w->count == LG_ARGS_MAX)
            return false;
        w->word[w->count++] = w->text + at;
    }
    w->word[w->count] = NULL;
    return true;
}

bool lg_words_set(struct lg_words *w, const char *p, size_t n)
{
    free(w->text);
    *w = (struct lg_words){0};
    return lg_words_add(w, p, n);
}

bool lg_words_add(struct lg_words *w, const char *p, size_t n)
{
    size_t had = 0;
    for (int i = 0; i < w->count; i++)
        had += strlen(w->word[i]) + 1;
    char *more = realloc(w->text, had + n + 1);
    if (!more)
        return false;
    w->text = more;
    memcpy(more + had, p, n);
    more[had + n] = 0;
    /* The last word's own NUL may be missing. */
    return split(w, n && p[n - 1] ? had + n + 1 : had + n);
}
