/*
 * Runs single instructions on the processor of this machine, in 64-bit mode: as every register's upper half is 0 and no code with a REX prefix is
 * given, they do what they do in 32-bit mode. Built with gcc.
 *
 * Input and output are streams of fixed records of 32-bit words (little endian):
 *   in:  code[16 bytes], length, eax ecx edx ebx esp ebp esi edi, eflags, offset of the data, data[16 words]
 *   out: vector of the exception (255: none; 254: none, and a branch to BRANCH bytes after the instruction was taken), address of a page fault, eax ... edi, eflags, data[16 words]
 * The data words are at DATA + offset while the instruction runs. The pages before and after DATA do not exist.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define CODE 0x100000ul
#define DATA 0x110000ul
#define DATA_WORDS 16
#define BRANCH 14

struct input {
  uint8_t code[16];
  uint32_t length, regs[8], eflags, offset, data[DATA_WORDS];
};
struct output {
  uint32_t vector, address, regs[8], eflags, data[DATA_WORDS];
};

uint32_t test_regs[8];
uint64_t test_flags, saved_rsp;

/* Loads the registers, jumps to the code; the code jumps back to test_return. */
__asm__(
    ".text\n"
    ".globl test_enter\n"
    "test_enter:\n"
    "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  movq %rsp, saved_rsp\n"
    "  pushq test_flags\n"
    "  popfq\n"
    "  movl test_regs+0, %eax\n  movl test_regs+4, %ecx\n  movl test_regs+8, %edx\n"
    "  movl test_regs+12, %ebx\n  movl test_regs+16, %esp\n  movl test_regs+20, %ebp\n"
    "  movl test_regs+24, %esi\n  movl test_regs+28, %edi\n"
    "  jmp 0x100000\n"
    ".globl test_return\n"
    "test_return:\n"
    "  movl %eax, test_regs+0\n  movl %ecx, test_regs+4\n  movl %edx, test_regs+8\n"
    "  movl %ebx, test_regs+12\n  movl %esp, test_regs+16\n  movl %ebp, test_regs+20\n"
    "  movl %esi, test_regs+24\n  movl %edi, test_regs+28\n"
    "  movq saved_rsp, %rsp\n"
    "  pushfq\n"
    "  popq test_flags\n"
    "  cld\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
    "  ret\n"
    ".globl test_taken\n"
    "test_taken:\n"
    "  movl $254, test_vector\n"
    "  jmp test_return\n");
void test_enter(void);
extern char test_return[], test_taken[];
uint32_t test_vector;

static sigjmp_buf recovery;
static uint8_t signal_stack[65536];
static struct output out;

static void on_signal(int number, siginfo_t *info, void *context) {
  static const int registers[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI};
  const greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
  (void)number;
  test_vector = (uint32_t)g[REG_TRAPNO];
  out.address = test_vector == 14 ? (uint32_t)(uintptr_t)info->si_addr : 0;
  for (int n = 0; n < 8; n++) test_regs[n] = (uint32_t)g[registers[n]];
  test_flags = (uint64_t)g[REG_EFL];
  siglongjmp(recovery, 1);
}

/* JMP [RIP + 0]; the address follows. MOV to memory and a jump change no flags. */
static void put_jump(uint8_t *at, const char *target) {
  static const uint8_t jump[6] = {0xff, 0x25, 0, 0, 0, 0};
  const uint64_t address = (uint64_t)(uintptr_t)target;
  memcpy(at, jump, 6);
  memcpy(at + 6, &address, 8);
}

int main(void) {
  const int private = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  uint8_t *code = mmap((void *)CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, private, -1, 0);
  uint8_t *page = mmap((void *)DATA, 4096, PROT_READ | PROT_WRITE, private, -1, 0);
  if (code == MAP_FAILED || page == MAP_FAILED) return 2;
  stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER | SA_SIGINFO};
  const int signals[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGTRAP};
  for (unsigned n = 0; n < sizeof signals / sizeof *signals; n++) sigaction(signals[n], &action, NULL);

  struct input in;
  while (fread(&in, sizeof in, 1, stdin) == 1) {
    memcpy(code, in.code, in.length);
    put_jump(code + in.length, test_return);
    put_jump(code + in.length + BRANCH, test_taken);
    uint8_t *data = page + in.offset;
    memcpy(data, in.data, sizeof in.data);
    memcpy(test_regs, in.regs, sizeof test_regs);
    test_flags = in.eflags;
    test_vector = 255;
    out.address = 0;
    if (sigsetjmp(recovery, 1) == 0) test_enter();
    out.vector = test_vector;
    memcpy(out.regs, test_regs, sizeof out.regs);
    out.eflags = (uint32_t)test_flags;
    memcpy(out.data, data, sizeof out.data);
    fwrite(&out, sizeof out, 1, stdout);
  }
  return 0;
}
