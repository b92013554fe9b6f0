#include "stream/rfb.h"

#include <string.h>

enum step { VERSION, SECURITY, INIT, MESSAGES };

#define VERSION_LEN 12
#define PAYLOAD_MAX (1U << 20) /* of one message; a viewer's lists are far shorter */
#define EXT_KEY     255        /* QEMU's messages: their second byte says which */

static uint32_t be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
    return be16(p) << 16 | be16(p + 2);
}

/* Messages of fixed and of counted length: `head` bytes say all, then `unit` times the number at `count_at`
 * (`wide`: 32 bits of it) follow. */
static const struct message {
    uint8_t type, head, count_at, wide, unit;
    bool pass;
} messages[] = {
    {.type = 0, .head = 1, .unit = 0, .pass = true},                  /* SetPixelFormat: 19 more */
    {.type = 2, .head = 4, .count_at = 2, .unit = 4, .pass = true},   /* SetEncodings */
    {.type = 3, .head = 10, .pass = true},                            /* FramebufferUpdateRequest */
    {.type = 4, .head = 8},                                           /* KeyEvent */
    {.type = 5, .head = 6},                                           /* PointerEvent */
    {.type = 6, .head = 8, .count_at = 4, .wide = 1, .unit = 1},      /* ClientCutText */
    {.type = 150, .head = 10, .pass = true},                          /* EnableContinuousUpdates */
    {.type = 248, .head = 9, .count_at = 7, .unit = 1, .pass = true}, /* ClientFence: 16 bits hold its 8 */
    {.type = 250, .head = 4},                                         /* xvp: power */
    {.type = 251, .head = 8, .count_at = 5, .unit = 16},              /* SetDesktopSize: 16 bits hold its 8 */
};

static const struct message *message_of(uint8_t type)
{
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        if (messages[i].type == type)
            return &messages[i];
    return NULL;
}

/* Payload after a whole head; -1 when it is too long to be one. */
static long payload(const struct message *m, const uint8_t *head)
{
    if (m->type == 0)
        return 19;
    if (!m->unit)
        return 0;
    uint32_t n = m->wide ? be32(head + m->count_at) : be16(head + m->count_at);
    if (m->type == 248 || m->type == 251)
        n &= 0xff;
    if (m->wide && n > INT32_MAX) /* an extended clipboard: the length is negative */
        n = 0U - n;
    return n > PAYLOAD_MAX ? -1 : (long)(n * m->unit);
}

/* One byte of a message's head. Returns bytes written, -1 for no RFB. */
static long message_byte(struct lg_rfb *r, uint8_t byte, uint8_t *out)
{
    r->head[r->have++] = byte;
    size_t want = 12;
    const struct message *m = message_of(r->head[0]);
    if (m)
        want = m->head;
    else if (r->head[0] != EXT_KEY)
        return -1;
    else if (r->have >= 2)
        want = r->head[1] ? (r->have < 4 ? 4 : be16(r->head + 2) == 2 ? 10 : 4) : 12; /* audio, or a key */
    if (r->have < want)
        return 0;
    long more = m ? payload(m, r->head) : 0;
    if (more < 0)
        return -1;
    r->left = (uint32_t)more;
    r->pass = m && m->pass;
    r->have = 0;
    if (!r->pass)
        return 0;
    memcpy(out, r->head, want);
    return (long)want;
}

/* One byte of the handshake; all of it goes on, but that the screen is shared is not the viewer's choice. */
static long handshake_byte(struct lg_rfb *r, uint8_t byte, uint8_t *out)
{
    *out = byte;
    if (r->step == VERSION) {
        r->head[r->have++] = byte;
        if (r->have < VERSION_LEN)
            return 1;
        if (memcmp(r->head, "RFB 003.", 8) != 0)
            return -1;
        r->step = memcmp(r->head + 8, "003", 3) ? SECURITY : INIT; /* in 3.3 the server chooses */
        r->have = 0;
    } else if (r->step == SECURITY) {
        if (byte != 1) /* None: what a console without a password offers */
            return -1;
        r->step = INIT;
    } else {
        *out = 1;
        r->step = MESSAGES;
    }
    return 1;
}

long lg_rfb_filter(struct lg_rfb *r, const uint8_t *p, size_t n, uint8_t *out)
{
    long written = 0;
    while (n) {
        if (r->left) {
            size_t take = n < r->left ? n : r->left;
            if (r->pass) {
                memcpy(out + written, p, take);
                written += (long)take;
            }
            r->left -= (uint32_t)take;
            p += take;
            n -= take;
            continue;
        }
        long got =
            r->step == MESSAGES ? message_byte(r, *p, out + written) : handshake_byte(r, *p, out + written);
        if (got < 0)
            return -1;
        written += got;
        p++;
        n--;
    }
    return written;
}
