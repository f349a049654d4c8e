/*
 * Executes transcendental x87 instructions on the processor: reads the second byte of each (the first is D9), ST(0) and ST(1), 24 bytes in all, and
 * writes ST(0), or for FPTAN what lies below its 1, in 10 bytes.
 */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

struct input {
  uint32_t code;
  uint8_t st0[10], st1[10];
} __attribute__((packed));

static int whole(void *bytes, size_t length) {
  uint8_t *at = bytes;
  while (length > 0) {
    ssize_t n = read(0, at, length);
    if (n <= 0) return 0;
    at += n;
    length -= (size_t)n;
  }
  return 1;
}

#define RUN(name) __asm__ volatile("fninit; fldt %1; fldt %2; " name "; fstpt %0" : "=m"(result) : "m"(st1), "m"(st0) : "memory")

int main(void) {
  struct input in;
  long double st0 = 0, st1 = 0, result = 0;
  while (whole(&in, sizeof in)) {
    memcpy(&st0, in.st0, 10);
    memcpy(&st1, in.st1, 10);
    switch (in.code) {
      case 0xf0: RUN("f2xm1"); break;
      case 0xf1: RUN("fyl2x"); break;
      case 0xf2: RUN("fptan; fstp %%st(0)"); break;
      case 0xf3: RUN("fpatan"); break;
      case 0xf9: RUN("fyl2xp1"); break;
      case 0xfe: RUN("fsin"); break;
      case 0xff: RUN("fcos"); break;
      default: return 2;
    }
    if (write(1, &result, 10) != 10) return 3;
  }
  return 0;
}
