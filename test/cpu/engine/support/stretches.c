/*
 * Runs stretches of code, as a 32-bit program, on the processor of this machine or in an emulator.
 *
 * Input, a stream of records of little-endian 32-bit words:
 *   origin, length, code (padded to whole words), eax ecx edx ebx esp ebp esi edi, eflags, data[WORDS], stack[WORDS]
 * Output, one record for each:
 *   signal (0, or SIGFPE, SIGILL, SIGSEGV ...), eip, eax ... edi, eflags, data[WORDS], stack[WORDS]
 * `data` and `stack` each lie across a page boundary. After a signal the state is that at the instruction which caused it.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define WORDS 64
#define DATA 0x10000f80u
#define STACK 0x10003f80u
#define CODE_AREA 0x10010000u

uint32_t test_regs[8];
uint32_t test_eflags;
uint32_t test_origin;
uint32_t saved_esp;

__asm__(
    ".text\n"
    ".globl test_enter\n"
    "test_enter:\n"
    "  pusha\n"
    "  movl %esp, saved_esp\n"
    "  movl test_regs+0, %eax\n"
    "  movl test_regs+4, %ecx\n"
    "  movl test_regs+8, %edx\n"
    "  movl test_regs+12, %ebx\n"
    "  movl test_regs+20, %ebp\n"
    "  movl test_regs+24, %esi\n"
    "  movl test_regs+28, %edi\n"
    "  pushl test_eflags\n"
    "  popf\n"
    "  movl test_regs+16, %esp\n"
    "  jmp *test_origin\n"
    ".globl test_return\n"
    "test_return:\n"
    "  movl %eax, test_regs+0\n"
    "  movl %ecx, test_regs+4\n"
    "  movl %edx, test_regs+8\n"
    "  movl %ebx, test_regs+12\n"
    "  movl %esp, test_regs+16\n"
    "  movl %ebp, test_regs+20\n"
    "  movl %esi, test_regs+24\n"
    "  movl %edi, test_regs+28\n"
    "  movl saved_esp, %esp\n"
    "  pushf\n"
    "  popl test_eflags\n"
    "  cld\n"
    "  popa\n"
    "  ret\n");
void test_enter(void);
extern char test_return[];

static sigjmp_buf recovery;
static uint32_t fault_eip;
static uint8_t signal_stack[65536];

static void on_signal(int number, siginfo_t *info, void *context) {
  (void)info;
  const greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
  const int order[8] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_UESP, REG_EBP, REG_ESI, REG_EDI};
  for (int n = 0; n < 8; n++) test_regs[n] = (uint32_t)g[order[n]];
  test_eflags = (uint32_t)g[REG_EFL];
  fault_eip = (uint32_t)g[REG_EIP];
  siglongjmp(recovery, number);
}

static int take(void *to, size_t size) { return fread(to, size, 1, stdin) == 1; }

int main(void) {
  uint8_t *code = mmap((void *)CODE_AREA, 8192, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  uint8_t *data = mmap((void *)(DATA & ~0xfffu), 0x6000, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (code == MAP_FAILED || data == MAP_FAILED) return 2;
  stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER | SA_SIGINFO};
  const int signals[5] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGTRAP};
  for (int n = 0; n < 5; n++) sigaction(signals[n], &action, NULL);

  uint32_t head[2];
  static uint8_t bytes[8192];
  while (take(head, sizeof head)) {
    const uint32_t length = head[1];
    test_origin = head[0];
    if (length > 4096 || !take(bytes, (length + 3) & ~3u)) return 3;
    memcpy((void *)test_origin, bytes, length);
    uint8_t *end = (uint8_t *)test_origin + length;
    uint32_t distance = (uint32_t)(uintptr_t)test_return - ((uint32_t)(uintptr_t)end + 5);
    end[0] = 0xe9;
    memcpy(end + 1, &distance, 4);
    if (!take(test_regs, sizeof test_regs) || !take(&test_eflags, 4)) return 3;
    if (!take((void *)DATA, WORDS * 4) || !take((void *)STACK, WORDS * 4)) return 3;
    fault_eip = (uint32_t)(uintptr_t)end;
    uint32_t number = (uint32_t)sigsetjmp(recovery, 1);
    if (number == 0) test_enter();
    fwrite(&number, 4, 1, stdout);
    fwrite(&fault_eip, 4, 1, stdout);
    fwrite(test_regs, sizeof test_regs, 1, stdout);
    fwrite(&test_eflags, 4, 1, stdout);
    fwrite((void *)DATA, WORDS * 4, 1, stdout);
    fwrite((void *)STACK, WORDS * 4, 1, stdout);
  }
  return 0;
}
