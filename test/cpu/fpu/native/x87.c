/*
 * Runs x87 instructions on the processor itself: an oracle for test/cpu/fpu.
 *
 * Reads records of 256 bytes from standard input, executes each, and writes it back as it is afterwards:
 *   0    108 bytes  FPU state in the 32-bit protected-mode format of FNSAVE
 *   108  1 byte     length of the instruction; 109..115 its bytes (a memory operand is at [rdx])
 *   116  4 bytes    EFLAGS
 *   120  4 bytes    EAX (0 before)
 *   128  128 bytes  the memory operand
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct record {
  uint8_t image[108];
  uint8_t length;
  uint8_t code[7];
  uint32_t eflags;
  uint32_t eax;
  uint8_t spare[4];
  uint8_t memory[128];
};

typedef void thunk(void *in, void *out, void *memory, uint64_t *flags);

int main(void) {
  static struct record r;
  static uint8_t out[108];
  uint8_t *text = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (text == MAP_FAILED) return 2;
  while (fread(&r, sizeof r, 1, stdin) == 1) {
    static const uint8_t before[] = {0xdd, 0x27, /* frstor [rdi] */
                                     0x31, 0xc0, /* xor eax, eax */
                                     0xff, 0x31, 0x9d /* push [rcx]; popfq */};
    static const uint8_t after[] = {0x9c, 0x8f, 0x01,       /* pushfq; pop [rcx] */
                                    0x48, 0x89, 0x41, 0x08, /* mov [rcx+8], rax */
                                    0xdd, 0x36, 0xc3 /* fnsave [rsi]; ret */};
    uint64_t flags[2] = {r.eflags, 0};
    uint8_t *at = text;
    memcpy(at, before, sizeof before);
    at += sizeof before;
    memcpy(at, r.code, r.length);
    at += r.length;
    memcpy(at, after, sizeof after);
    ((thunk *)text)(r.image, out, r.memory, flags);
    memcpy(r.image, out, sizeof out);
    r.eflags = (uint32_t)flags[0];
    r.eax = (uint32_t)flags[1];
    fwrite(&r, sizeof r, 1, stdout);
  }
  return 0;
}
