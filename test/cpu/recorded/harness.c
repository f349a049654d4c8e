/*
 * Executes single instructions on the processor that this program runs on, and tells what they changed.
 *
 * `gcc -O1 -o harness harness.c` makes a 64-bit program (for machines whose kernel runs no 32-bit programs: cases are then written in those
 * encodings of 64-bit mode that do the same), `gcc -m32 …` a 32-bit one, which executes IA-32 code as it is.
 *
 * Standard input is a stream of `struct input`, standard output one `struct output` for each. There is no entry code: every case
 * begins with the return from a signal handler, which loads all of the state that the signal frame holds, and ends with a signal, whose frame
 * holds all of the state again. Code that does not fault runs into the INT3 with which the code pages are filled.
 *
 * Memory, in pages from BASE on: . unmapped, W writable, R readable only (contents through a second mapping)
 *   page 0 . 1 W 2 W 3 . 4 W 5 R 6 R 7 . 8 W 9 W 10 . 11 W 12 .
 * A case has two windows of 128 bytes each, 64 to either side of the beginning of a page: its data.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define BASE 0x10000000u
#define PAGE 4096u
#define PAGES 13u
#define CODE 0x10010000u
#define CODE_PAGES 2u
#define HALF 64u
#define FX 288u

struct input {
  uint32_t code_at, code_length, gs_base, windows[2];
  uint32_t regs[8]; /* eax ecx edx ebx esp ebp esi edi */
  uint32_t eflags;
  uint8_t code[32];
  uint8_t content[2][2 * HALF];
  uint8_t fx[FX]; /* the first bytes of the FXSAVE format: up to XMM7 */
};

struct output {
  uint32_t regs[8];
  uint32_t eflags, eip, trap, error, cr2;
  uint32_t upper; /* OR of the upper halves of the registers: must be 0 */
  uint32_t signal, reason; /* number and si_code, for kernels that give no trap number */
  uint8_t content[2][2 * HALF];
  uint8_t fx[FX];
};

static const char kinds[] = ".WW.WRR.WW.W.";
static uint8_t *pages; /* the memory again, all of it writable */
static uint8_t *code;
static struct input in;
static struct output out[64];
static unsigned done;
static int running;

static void write_all(const void *bytes, size_t length) {
  const uint8_t *at = bytes;
  while (length > 0) {
    ssize_t n = write(1, at, length);
    if (n <= 0) _exit(3);
    at += n;
    length -= (size_t)n;
  }
}

static int read_all(void *bytes, size_t length) {
  static uint8_t buffer[1 << 16];
  static size_t have, used;
  uint8_t *at = bytes;
  while (length > 0) {
    if (used == have) {
      ssize_t n = read(0, buffer, sizeof buffer);
      if (n <= 0) return 0;
      have = (size_t)n;
      used = 0;
    }
    size_t part = have - used < length ? have - used : length;
    memcpy(at, buffer + used, part);
    used += part;
    at += part;
    length -= part;
  }
  return 1;
}

/* Copies a window to or from the memory; halves without memory stay as they are. */
static void window(uint32_t at, uint8_t *content, int store) {
  for (unsigned half = 0; half < 2; half++) {
    uint32_t from = at - BASE + half * HALF;
    if (from / PAGE >= PAGES || kinds[from / PAGE] == '.') continue;
    if (store) memcpy(pages + from, content + half * HALF, HALF);
    else memcpy(content + half * HALF, pages + from, HALF);
  }
}

#ifdef __x86_64__
static const int order[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI};
#define PC REG_RIP
#else
static const int order[8] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI};
#define PC REG_EIP
#endif
#define FLAGS 0x40cd5u

static void finish(int number, const siginfo_t *info, ucontext_t *context) {
  greg_t *regs = context->uc_mcontext.gregs;
  struct output *o = &out[done++];
  memset(o, 0, sizeof *o);
  for (unsigned n = 0; n < 8; n++) {
    o->regs[n] = (uint32_t)regs[order[n]];
#ifdef __x86_64__
    o->upper |= (uint32_t)((uint64_t)regs[order[n]] >> 32);
#endif
  }
  o->eflags = (uint32_t)regs[REG_EFL] & FLAGS;
  o->eip = (uint32_t)regs[PC];
  o->trap = (uint32_t)regs[REG_TRAPNO];
  o->error = (uint32_t)regs[REG_ERR];
  o->signal = (uint32_t)number;
  if (number == SIGSEGV) o->cr2 = (uint32_t)(uintptr_t)info->si_addr;
  o->reason = (uint32_t)info->si_code;
#ifdef __x86_64__
  memcpy(o->fx, context->uc_mcontext.fpregs, FX);
#endif
  for (unsigned w = 0; w < 2; w++) {
    memcpy(o->content[w], in.content[w], 2 * HALF);
    window(in.windows[w], o->content[w], 0);
  }
  memset(code + in.code_at - CODE, 0xcc, in.code_length);
  if (done == sizeof out / sizeof out[0]) {
    write_all(out, sizeof out);
    done = 0;
  }
}

static void begin(ucontext_t *context) {
  greg_t *regs = context->uc_mcontext.gregs;
  if (!read_all(&in, sizeof in)) {
    write_all(out, done * sizeof out[0]);
    _exit(0);
  }
  memcpy(code + in.code_at - CODE, in.code, in.code_length);
  for (unsigned w = 0; w < 2; w++) window(in.windows[w], in.content[w], 1);
  for (unsigned n = 0; n < 8; n++) regs[order[n]] = (greg_t)(unsigned long)in.regs[n];
  regs[PC] = (greg_t)(unsigned long)in.code_at;
  regs[REG_EFL] = (greg_t)(((unsigned long)regs[REG_EFL] & ~FLAGS) | (in.eflags & FLAGS));
#ifdef __x86_64__
  /* ARCH_SET_GS */
  syscall(SYS_arch_prctl, 0x1001, (unsigned long)in.gs_base);
  uint8_t *fpstate = (uint8_t *)context->uc_mcontext.fpregs;
  uint32_t mask;
  memcpy(&mask, fpstate + 28, 4);
  memcpy(fpstate, in.fx, FX);
  memcpy(fpstate + 28, &mask, 4);
  /* XSAVE header: x87 and SSE state are in the frame. */
  fpstate[512] |= 3;
#endif
  running = 1;
}

static void on_signal(int number, siginfo_t *info, void *argument) {
  /* Linux clears DF for a handler, QEMU does not. */
  __asm__ volatile("cld");
  if (running) finish(number, info, argument);
  begin(argument);
}

int main(void) {
  int memory = memfd_create("pages", 0);
  if (memory < 0 || ftruncate(memory, PAGES * PAGE) != 0) return 2;
  pages = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  if (pages == MAP_FAILED) return 2;
  for (unsigned n = 0; n < PAGES; n++) {
    int rights = kinds[n] == 'W' ? PROT_READ | PROT_WRITE : kinds[n] == 'R' ? PROT_READ : PROT_NONE;
    void *at = (void *)(uintptr_t)(BASE + n * PAGE);
    if (kinds[n] == '.') continue;
    if (mmap(at, PAGE, rights, MAP_SHARED | MAP_FIXED, memory, n * PAGE) != at) return 2;
    /* Present from now on, so that a refused write is one to a present page. */
    (void)*(volatile uint8_t *)at;
  }
  code = mmap((void *)(uintptr_t)CODE, CODE_PAGES * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (code != (void *)(uintptr_t)CODE) return 2;
  memset(code, 0xcc, CODE_PAGES * PAGE);
  static uint8_t stack[1 << 17];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  if (sigaltstack(&alternate, 0) != 0) return 2;
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (unsigned n = 0; n < sizeof signals / sizeof signals[0]; n++)
    if (sigaction(signals[n], &action, 0) != 0) return 2;
  __builtin_trap();
}
