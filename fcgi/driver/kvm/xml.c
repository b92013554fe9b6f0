#include "driver/kvm/xml.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

/* Length of the character at `s` when it is one that XML may hold, 0 when it is not. */
static size_t character(const unsigned char *s)
{
    static const struct {
        unsigned char mask, lead;
        size_t n;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 1, 0}, {0xe0, 0xc0, 2, 0x80}, {0xf0, 0xe0, 3, 0x800}, {0xf8, 0xf0, 4, 0x10000}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if ((s[0] & forms[i].mask) != forms[i].lead)
            continue;
        uint32_t c = s[0] & (unsigned char)~forms[i].mask;
        for (size_t k = 1; k < forms[i].n; k++) {
            if ((s[k] & 0xc0) != 0x80)
                return 0;
            c = c << 6 | (s[k] & 0x3f);
        }
        bool bad = c < forms[i].least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || c == 0xfffe ||
                   c == 0xffff || (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
        return bad ? 0 : forms[i].n;
    }
    return 0;
}

static const char *entity(char c)
{
    static const struct {
        char c;
        const char *text;
    } table[] = {{'&', "&amp;"},   {'<', "&lt;"},   {'>', "&gt;"},  {'"', "&quot;"},
                 {'\'', "&apos;"}, {'\n', "&#10;"}, {'\t', "&#9;"}, {'\r', "&#13;"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].c == c)
            return table[i].text;
    return NULL;
}

static void escape(struct lg_buf *out, const char *text)
{
    for (const char *s = text; *s;) {
        const char *known = entity(*s);
        size_t n = character((const unsigned char *)s);
        if (known)
            lg_buf_str(out, known);
        else if (n)
            lg_buf_add(out, s, n);
        else
            lg_buf_str(out, "\xef\xbf\xbd");
        s += n ? n : 1;
    }
}

static void close_tag(struct lg_xml *x)
{
    if (x->in_tag)
        lg_buf_char(x->out, '>');
    x->in_tag = false;
}

void lg_xml_begin(struct lg_xml *x, const char *name)
{
    close_tag(x);
    assert(x->depth < LG_XML_DEPTH);
    x->open[x->depth++] = name;
    lg_buf_char(x->out, '<');
    lg_buf_str(x->out, name);
    x->in_tag = true;
}

void lg_xml_attr(struct lg_xml *x, const char *name, const char *value)
{
    assert(x->in_tag);
    lg_buf_char(x->out, ' ');
    lg_buf_str(x->out, name);
    lg_buf_str(x->out, "=\"");
    escape(x->out, value);
    lg_buf_char(x->out, '"');
}

void lg_xml_attr_int(struct lg_xml *x, const char *name, int64_t value)
{
    assert(x->in_tag);
    lg_buf_char(x->out, ' ');
    lg_buf_str(x->out, name);
    lg_buf_str(x->out, "=\"");
    lg_buf_int(x->out, value);
    lg_buf_char(x->out, '"');
}

void lg_xml_text(struct lg_xml *x, const char *text)
{
    close_tag(x);
    escape(x->out, text);
}

void lg_xml_end(struct lg_xml *x)
{
    assert(x->depth > 0);
    const char *name = x->open[--x->depth];
    if (x->in_tag) {
        lg_buf_str(x->out, "/>");
        x->in_tag = false;
        return;
    }
    lg_buf_str(x->out, "</");
    lg_buf_str(x->out, name);
    lg_buf_char(x->out, '>');
}

void lg_xml_element(struct lg_xml *x, const char *name, const char *text)
{
    lg_xml_begin(x, name);
    lg_xml_text(x, text);
    lg_xml_end(x);
}

void lg_xml_empty(struct lg_xml *x, const char *name, ...)
{
    va_list ap;
    va_start(ap, name);
    lg_xml_begin(x, name);
    for (const char *k; (k = va_arg(ap, const char *));) {
        const char *v = va_arg(ap, const char *);
        if (v)
            lg_xml_attr(x, k, v);
    }
    lg_xml_end(x);
    va_end(ap);
}
