/* Sieve of Eratosthenes: short loops, byte stores at a stride. */
#include "guest.h"

#define LIMIT 1000000
#define ROUNDS 12

static u8 composite[LIMIT];

static u32 count_primes(void)
{
    u32 count = 0;
    for (u32 i = 0; i < LIMIT; i++)
        composite[i] = 0;
    for (u32 i = 2; i < LIMIT; i++) {
        if (composite[i])
            continue;
        count++;
        for (u32 j = 2 * i; j < LIMIT; j += i)
            composite[j] = 1;
    }
    return count;
}

u32 run(void)
{
    u32 hash = 2166136261u;
    for (u32 round = 0; round < ROUNDS; round++)
        hash = mix(hash, count_primes());
    return hash;
}
