/* What every benchmark kernel shares: no C library is there. */
#ifndef GUEST_H
#define GUEST_H

typedef unsigned char u8;
typedef unsigned int u32;

/* The measured part. Returns a checksum of what it computed, the same on every machine. */
u32 run(void);

/* A small generator of numbers that look random (xorshift, G. Marsaglia 2003); `*state` must not be 0. */
static inline u32 next_random(u32 *state)
{
    u32 x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

/* One step of FNV-1a over a 32-bit word. */
static inline u32 mix(u32 hash, u32 word)
{
    return (hash ^ word) * 16777619u;
}

#endif
