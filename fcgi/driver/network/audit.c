/* Comparing what nft lists with what should be there. */
#include <stdio.h>
#include <string.h>

#include "driver/network/rules.h"

static int rules_in(const json_t *listing, const char *chain)
{
    int n = 0;
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(listing, "nftables"), i, item) n +=
        !strcmp(lg_json_text(json_object_get(item, "rule"), "chain"), chain);
    return n;
}

static const json_t *elements_of(const json_t *listing, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(listing, "nftables"), i, item)
    {
        const json_t *set = json_object_get(item, "set");
        set = set ? set : json_object_get(item, "map");
        if (!strcmp(lg_json_text(set, "name"), name))
            return json_object_get(set, "elem");
    }
    return NULL;
}

/* Is the bridge a key of this set of bridges? */
static bool holds(const json_t *elements, const char *bridge)
{
    size_t i;
    json_t *el;
    json_array_foreach(elements, i, el)
    {
        const char *name = json_string_value(json_is_array(el) ? json_array_get(el, 0) : el);
        if (name && !strcmp(name, bridge))
            return true;
    }
    return false;
}

static bool chains_complete(const json_t *inet, const json_t *bridge, const char *own)
{
    static const char *const in_inet[] = {"prerouting", "input", "forward", "out", "into"};
    static const char *const in_bridge[] = {"prerouting", "checked"};
    for (size_t i = 0; i < sizeof in_inet / sizeof in_inet[0]; i++)
        if (rules_in(inet, in_inet[i]) != lg_rules_expected("inet", in_inet[i]))
            return false;
    for (size_t i = 0; i < sizeof in_bridge / sizeof in_bridge[0]; i++)
        if (rules_in(bridge, in_bridge[i]) != lg_rules_expected("bridge", in_bridge[i]))
            return false;
    return rules_in(inet, own) == lg_rules_expected("inet", "B");
}

/* Every network has one element in each set, and its pairs. */
static bool sets_complete(const json_t *inet, const json_t *bridge)
{
    static const char *const in_inet[] = {"same", "plan", "input_of"}, *const in_bridge[] = {"subnets",
                                                                                             "macs"};
    size_t n = json_array_size(elements_of(inet, "bridges"));
    for (size_t i = 0; i < sizeof in_inet / sizeof in_inet[0]; i++)
        if (json_array_size(elements_of(inet, in_inet[i])) != n)
            return false;
    for (size_t i = 0; i < sizeof in_bridge / sizeof in_bridge[0]; i++)
        if (json_array_size(elements_of(bridge, in_bridge[i])) != n)
            return false;
    return json_array_size(elements_of(bridge, "pairs")) == n * LG_RULES_PAIRS;
}

bool lg_rules_complete(const json_t *inet, const json_t *bridge, const struct lg_rules *r)
{
    return inet && bridge && chains_complete(inet, bridge, r->bridge) && sets_complete(inet, bridge) &&
           holds(elements_of(inet, "bridges"), r->bridge) && holds(elements_of(inet, "input_of"), r->bridge);
}

void lg_rules_members(const json_t *inet, const struct lg_rules *r, int *mine, int *others)
{
    const json_t *bridges = elements_of(inet, "bridges");
    *mine = holds(bridges, r->bridge);
    *others = (int)json_array_size(bridges) - *mine;
}
