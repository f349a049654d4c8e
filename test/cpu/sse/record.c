/* Executes SSE arithmetic on this processor under many MXCSR values. Output: the processor's name (48 bytes), then rows of 28 bytes:
 * operation, flags | 0x80 if it faulted, MXCSR (2), a (8), b (8), result (8). gcc -O1 -msse2 record.c && ./a.out | gzip -9n > FILE */
#define _GNU_SOURCE
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
static sigjmp_buf back;
static volatile uint32_t after;
static void caught(int n, siginfo_t *i, void *u) {
  (void)n; (void)i;
  after = ((ucontext_t *)u)->uc_mcontext.fpregs->mxcsr;
  siglongjmp(back, 1);
}
static uint64_t seed = 1;
static uint64_t rnd(void) {
  seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17;
  return seed * 0x2545f4914f6cdd1dull;
}
static uint64_t operand(int d, uint64_t near) {
  int f = d ? 52 : 23; uint64_t m = d ? 0x7ff : 0xff, s = rnd() & 1, e = 0, x = rnd() >> (64 - f);
  switch (rnd() % 12) {
    case 0: x = 0; break;
    case 1: break;
    case 2: x = rnd() & 3; break;
    case 3: e = m; x = 0; break;
    case 4: e = m; break;
    case 5: e = rnd() % 3; break;
    case 6: e = m - 1 - rnd() % 3; break;
    case 7: return near ^ (rnd() & 3);
    case 8: e = (m >> 1) + rnd() % 60; x &= ~0ull << (f - 6); break;
    case 9: e = (m >> 1) / 2 + rnd() % 4; break;
    case 10: e = m / 2 + m / 4 + rnd() % 4; break;
    default: e = m / 2 - 4 + rnd() % 8;
  }
  return s << (d ? 63 : 31) | e << f | x;
}
#define OP(name) __asm__ volatile(name " %1, %0" : "+x"(r) : "x"(y))
int main(void) {
  unsigned name[12];
  for (int i = 0; i < 3; i++) __get_cpuid(0x80000002 + i, name + 4 * i, name + 4 * i + 1, name + 4 * i + 2, name + 4 * i + 3);
  fwrite(name, 48, 1, stdout);
  struct sigaction act = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGFPE, &act, 0);
  for (int n = 0; n < 21000; n++) {
    int op = n % 14; uint64_t w = rnd();
    uint16_t mx = w & 3 ? 0x1f80 : (w >> 8) & 0x1f80;
    if (w & 4) mx |= (w >> 32) & 0x6000;
    if (!(w & 0x18)) mx |= 0x40;
    if (!(w & 0x60)) mx |= 0x8000;
    uint64_t a = operand(op & 1, 0x3ff00000), b = operand(op & 1, a), res = a;
    typedef double v2 __attribute__((vector_size(16)));
    v2 r = {0}, y = {0}; memcpy(&r, &a, 8); memcpy(&y, &b, 8);
    int fault = 0; uint32_t want = mx, normal = 0x1f80;
    if (!sigsetjmp(back, 0)) {
      __asm__ volatile("ldmxcsr %0" ::"m"(want));
      switch (op) {
        case 0: OP("addss"); break; case 1: OP("addsd"); break;
        case 2: OP("subss"); break; case 3: OP("subsd"); break;
        case 4: OP("mulss"); break; case 5: OP("mulsd"); break;
        case 6: OP("divss"); break; case 7: OP("divsd"); break;
        case 8: OP("sqrtss"); break; case 9: OP("sqrtsd"); break;
        case 10: OP("minss"); break; case 11: OP("minsd"); break;
        case 12: OP("maxss"); break; default: OP("maxsd");
      }
      __asm__ volatile("stmxcsr %0" : "=m"(want)); after = want; memcpy(&res, &r, 8);
    } else { fault = 0x80; res = a; }
    __asm__ volatile("ldmxcsr %0" ::"m"(normal));
    uint8_t head[2] = {op, (after & 0x3f) | fault};
    fwrite(head, 2, 1, stdout); fwrite(&mx, 2, 1, stdout); fwrite(&a, 8, 1, stdout); fwrite(&b, 8, 1, stdout); fwrite(&res, 8, 1, stdout);
  }
}
