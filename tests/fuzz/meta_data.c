// sources: fcgi/api/yaml.c fcgi/base/err.c fcgi/base/json.c fcgi/base/buf.c fcgi/base/clock.c
// libs: -ljansson -lyaml -lsodium -lm
/* On any text: an error or a map, and the map can be written as JSON that reads back as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct lg_err e = {0};
    char *text = malloc(n + 1);
    if (!text)
        return 0;
    memcpy(text, data, n);
    text[n] = 0;
    json_t *map = lg_yaml_map(text, "metaData", &e), *back = NULL;
    char *json = map ? json_dumps(map, JSON_COMPACT) : NULL;
    if (!map ? e.code == LG_OK : !json_is_object(map) || !json)
        abort();
    if (json && (!(back = json_loads(json, 0, NULL)) || !json_equal(back, map)))
        abort();
    json_decref(back);
    json_decref(map);
    free(json);
    free(text);
    return 0;
}
