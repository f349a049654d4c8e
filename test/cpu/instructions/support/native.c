/*
 * Runs single instructions on the processor of this machine. Built with `gcc -m32`.
 *
 * Input and output are streams of fixed records of 32-bit words (little endian):
 *   in:  code[16 bytes], length, eax ecx edx ebx esp ebp esi edi, eflags, data[16 words]
 *   out: signal (0, or SIGFPE, SIGILL, SIGSEGV ...), eax ... edi, eflags, data[16 words]
 * The data words are at DATA_ADDRESS while the instruction runs.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define DATA_ADDRESS 0x10000000u
#define CODE_ADDRESS 0x10010000u
#define DATA_WORDS 16

struct input {
  uint8_t code[16];
  uint32_t length;
  uint32_t regs[8];
  uint32_t eflags;
  uint32_t data[DATA_WORDS];
};

struct output {
  uint32_t signal;
  uint32_t regs[8];
  uint32_t eflags;
  uint32_t data[DATA_WORDS];
};

uint32_t test_regs[8];
uint32_t test_eflags;
uint32_t saved_esp;

/* Loads the registers, jumps to the code; the code jumps back to test_return. */
__asm__(
    ".text\n"
    ".globl test_enter\n"
    "test_enter:\n"
    "  pusha\n"
    "  movl %esp, saved_esp\n"
    "  pushl test_eflags\n"
    "  popf\n"
    "  movl test_regs+0, %eax\n"
    "  movl test_regs+4, %ecx\n"
    "  movl test_regs+8, %edx\n"
    "  movl test_regs+12, %ebx\n"
    "  movl test_regs+16, %esp\n"
    "  movl test_regs+20, %ebp\n"
    "  movl test_regs+24, %esi\n"
    "  movl test_regs+28, %edi\n"
    "  jmp 0x10010000\n"
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
static uint8_t signal_stack[65536];

static void on_signal(int number) { siglongjmp(recovery, number); }

int main(void) {
  uint8_t *code = mmap((void *)CODE_ADDRESS, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  uint32_t *data = mmap((void *)DATA_ADDRESS, 4096, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (code == MAP_FAILED || data == MAP_FAILED) return 2;
  stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};
  sigaction(SIGFPE, &action, NULL);
  sigaction(SIGILL, &action, NULL);
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  sigaction(SIGTRAP, &action, NULL);

  struct input in;
  struct output out;
  while (fread(&in, sizeof in, 1, stdin) == 1) {
    memcpy(code, in.code, in.length);
    uint32_t distance = (uint32_t)(uintptr_t)test_return - (CODE_ADDRESS + in.length + 5);
    code[in.length] = 0xe9;
    memcpy(code + in.length + 1, &distance, 4);
    memcpy(data, in.data, sizeof in.data);
    memcpy(test_regs, in.regs, sizeof test_regs);
    test_eflags = in.eflags;
    int number = sigsetjmp(recovery, 1);
    if (number == 0) test_enter();
    out.signal = (uint32_t)number;
    memcpy(out.regs, test_regs, sizeof out.regs);
    out.eflags = test_eflags;
    memcpy(out.data, data, sizeof out.data);
    fwrite(&out, sizeof out, 1, stdout);
  }
  return 0;
}
