/* String operations: REP MOVS, STOS, CMPS and SCAS, beside copying and comparing loops in C. */
#include "guest.h"

#define BYTES 65536
#define ROUNDS 100

static u8 source[BYTES], target[BYTES];

static void rep_movs(void *to, const void *from, u32 words)
{
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

static void rep_stos(void *to, u32 value, u32 words)
{
    __asm__ volatile("rep stosl" : "+D"(to), "+c"(words) : "a"(value) : "memory");
}

/* Bytes that are left when the first difference has been met. */
static u32 repe_cmps(const void *a, const void *b, u32 bytes)
{
    __asm__ volatile("repe cmpsb" : "+D"(a), "+S"(b), "+c"(bytes) : : "memory", "cc");
    return bytes;
}

/* Bytes that are left when `value` has been met. */
static u32 repne_scas(const void *in, u8 value, u32 bytes)
{
    __asm__ volatile("repne scasb" : "+D"(in), "+c"(bytes) : "a"(value) : "memory", "cc");
    return bytes;
}

static u32 length(const u8 *text)
{
    u32 n = 0;
    while (text[n])
        n++;
    return n;
}

static u32 common_prefix(const u8 *a, const u8 *b)
{
    u32 n = 0;
    while (a[n] && a[n] == b[n])
        n++;
    return n;
}

u32 run(void)
{
    u32 seed = 777, hash = 2166136261u;
    for (u32 i = 0; i < BYTES; i++)
        source[i] = 1 + next_random(&seed) % 250;
    source[BYTES - 1] = 0;
    for (u32 round = 0; round < ROUNDS; round++) {
        rep_stos(target, round, BYTES / 4);
        rep_movs(target, source, BYTES / 4);
        target[BYTES - 2 - round] = 251;
        hash = mix(hash, repe_cmps(source, target, BYTES));
        hash = mix(hash, repne_scas(target, 251, BYTES));
        hash = mix(hash, length(target));
        hash = mix(hash, common_prefix(source, target));
    }
    return hash;
}
