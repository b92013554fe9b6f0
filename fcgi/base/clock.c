#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t lg_clock_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t lg_clock_mono(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t lg_clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

void lg_clock_iso(int64_t epoch_ms, char out[LG_ISO_LEN])
{
    time_t s = (time_t)(epoch_ms / 1000);
    struct tm tm;
    char head[24];
    gmtime_r(&s, &tm);
    strftime(head, sizeof head, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, LG_ISO_LEN, "%s.%03dZ", head, (int)(epoch_ms % 1000));
}
