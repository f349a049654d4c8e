/* Walk of a linked list in a shuffled order: loads that depend on each other, over more memory than a TLB covers. */
#include "guest.h"

#define NODES 200000
#define WALKS 100

struct node {
    struct node *next;
    u32 value;
    u32 unused[2];
};

static struct node nodes[NODES];
static u32 order[NODES];

static void build(void)
{
    u32 seed = 54321;
    for (u32 i = 0; i < NODES; i++) {
        order[i] = i;
        nodes[i].value = i * 2654435761u;
    }
    for (u32 i = NODES - 1; i > 0; i--) {
        u32 j = next_random(&seed) % (i + 1), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (u32 i = 0; i + 1 < NODES; i++)
        nodes[order[i]].next = &nodes[order[i + 1]];
    nodes[order[NODES - 1]].next = 0;
}

u32 run(void)
{
    u32 hash = 0;
    build();
    for (u32 walk = 0; walk < WALKS; walk++)
        for (const struct node *node = &nodes[order[0]]; node; node = node->next)
            hash = hash * 31 + node->value;
    return hash;
}
