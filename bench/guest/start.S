/*
 * Entry of a benchmark kernel: a Multiboot 1 image (ELF, no address fields), flat 32-bit protected mode.
 * Tells the host over COM1 where the measured part begins and ends: 'S', then 'E' and the four bytes of the checksum.
 */
#define MULTIBOOT_MAGIC 0x1badb002
#define COM1 0x3f8
#define CR0_PG 0x80000000

        .section .multiboot, "a"
        .align 4
        .long MULTIBOOT_MAGIC, 0, -MULTIBOOT_MAGIC

        .text
        .globl _start
_start:
        cli
        cld
        movl    $stack_top, %esp
#ifdef PAGING
        call    map_identity
        movl    $page_directory, %eax
        movl    %eax, %cr3
        movl    %cr0, %eax
        orl     $CR0_PG, %eax
        movl    %eax, %cr0
#endif
        movb    $'S', %al
        call    send
        call    run
        movl    %eax, %ebx
        movb    $'E', %al
        call    send
        movl    $4, %ecx
1:      movb    %bl, %al
        call    send
        shrl    $8, %ebx
        loop    1b
2:      cli
        hlt
        jmp     2b

send:   movl    $COM1, %edx
        outb    %al, %dx
        ret

#ifdef PAGING
/* 4 KiB pages for the first 16 MiB, present and writable, each at its own address. */
#define PAGES 4096
#define PRESENT_WRITABLE 3
map_identity:
        movl    $PRESENT_WRITABLE, %eax
        movl    $page_tables, %edi
        movl    $PAGES, %ecx
1:      stosl
        addl    $0x1000, %eax
        loop    1b
        movl    $(page_tables + PRESENT_WRITABLE), %eax
        movl    $page_directory, %edi
        movl    $(PAGES / 1024), %ecx
1:      stosl
        addl    $0x1000, %eax
        loop    1b
        ret

        .section .bss
        .align 4096
page_directory:
        .skip 4096
page_tables:
        .skip 4 * PAGES
#endif

        .section .bss
        .align 16
        .skip 16384
stack_top:

        .section .note.GNU-stack, "", @progbits
