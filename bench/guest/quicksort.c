/* Quicksort: calls, returns, and branches that nothing can predict. */
#include "guest.h"

#define COUNT 200000
#define ROUNDS 4

static u32 values[COUNT];

static void sort(int low, int high)
{
    while (low < high) {
        u32 pivot = values[(low + high) >> 1];
        int i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i <= j) {
                u32 t = values[i];
                values[i++] = values[j];
                values[j--] = t;
            }
        }
        /* The smaller part by recursion, so that the stack stays small. */
        if (j - low < high - i) {
            sort(low, j);
            low = i;
        } else {
            sort(i, high);
            high = j;
        }
    }
}

u32 run(void)
{
    u32 seed = 12345, hash = 2166136261u;
    for (u32 round = 0; round < ROUNDS; round++) {
        for (u32 i = 0; i < COUNT; i++)
            values[i] = next_random(&seed);
        sort(0, COUNT - 1);
        for (u32 i = 0; i < COUNT; i += 1000)
            hash = mix(hash, values[i]);
    }
    return hash;
}
