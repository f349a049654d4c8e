; Ways to shut the processor down (Intel SDM vol. 3, 6.15, #DF: an exception while a double fault is delivered): the command line is the number of one. What is printed comes first; nothing may come behind it.
%include "print.inc"
DIRECTORY equ 0x200000
TABLE equ 0x201000
entry:
  mov esp,0x90000
  mov al,0xff ; no timer tick of the firmware's
  out 0x21,al
  out 0xa1,al
  mov esi,[ebx+16] ; the last number of the command line
.skip: lodsb
  or al,al
  jz .parse
  cmp al,' '
  jne .skip
  mov [line],esi
  jmp .skip
.parse:
  mov esi,[line]
  or esi,esi
  jnz .have
  mov esi,[ebx+16]
.have:
  xor ebp,ebp
.digit: lodsb
  sub al,'0'
  cmp al,9
  ja .parsed
  movzx eax,al
  imul ebp,ebp,10
  add ebp,eax
  jmp .digit
.parsed:
%include "flat.inc"
  mov ax,0x28
  ltr ax
  mov edi,idt
  mov ecx,32
.i: mov eax,survived
  mov [edi],ax
  mov word [edi+2],8
  mov word [edi+4],0x8e00
  shr eax,16
  mov [edi+6],ax
  add edi,8
  loop .i
  lidt [idtr]
  mov eax,ebp
  call puthex
  call nl
  cmp ebp,WAYS
  jae survived
  jmp [ways+ebp*4]
survived: ; the exception was delivered after all
  OUTC '!'
  call nl
  xor eax,eax
  out 0xf4,eax
  hlt
empty: ; no IDT
  mov word [idtr],0
  lidt [idtr]
  ud2
shortened: ; the double fault's gate is beyond the limit
  mov word [idtr],7*8-1
  lidt [idtr]
  mov byte [idt+6*8+5],0x0e
  ud2
missing: ; it is absent, and so is that of #NP
  mov byte [idt+11*8+5],0x0e
  mov byte [idt+8*8+5],0x0e
  mov byte [idt+13*8+5],0x0e
  mov ax,0xf8
  mov ds,ax
absenttask: ; it is a task gate, to a TSS that is absent
  jmp totask
wrongtask: ; to data
  mov word [idt+8*8+2],0x10
  jmp totask.gate
badtask: ; to a task whose code is none
  mov dword [tssb+0x4c],0x10
  jmp totask.good
nostack: ; to a task whose stack is none
  mov dword [tssb+0x50],0
totask.good:
  mov byte [gdt+0x35],0x89
totask:
  mov word [idt+8*8+2],0x30
.gate:
  mov byte [idt+8*8+5],0x85
  mov byte [idt+13*8+5],0x0e
  mov byte [idt+11*8+5],0x0e
  mov ax,0xf8
  mov ds,ax
nocode: ; its code segment is none
  mov word [idt+8*8+2],0xf8
  mov byte [idt+13*8+5],0x0e
  mov byte [idt+11*8+5],0x0e
  mov ax,0xf8
  mov ds,ax
paging: ; its stack is absent
  call page
  mov dword [TABLE+0x8f*4],0
  invlpg [0x8f000]
  mov esp,0x90000
  push eax
nopages: ; nothing is there any more
  call page
  mov dword [DIRECTORY],0
  mov eax,DIRECTORY
  mov cr3,eax
  jmp survived
ring3: ; ring 3, and no stack for ring 0
  mov word [tss+8],0
  push dword 0x23
  push dword 0x88000
  push dword 2
  push dword 0x1b
  push dword .r
  iretd
.r: hlt
real: ; real mode without a table
  jmp 0x38:.p-start
bits 16
.p: mov eax,cr0
  and al,0xfe
  mov cr0,eax
  jmp 0xffff:.q-0xffff0
.q: xor ax,ax
  mov ss,ax
  mov sp,0x7000
  lidt [cs:zero-0xffff0]
  ud2
bits 32
page:
  mov edi,TABLE
  mov eax,3
.m: stosd
  add eax,0x1000
  cmp eax,0x400003
  jb .m
  mov dword [DIRECTORY],TABLE+3
  mov eax,DIRECTORY
  mov cr3,eax
  mov eax,cr0
  or eax,0x80000000
  mov cr0,eax
  ret
ways: dd empty, shortened, missing, absenttask, wrongtask, badtask, nostack, nocode, paging, nopages, ring3, real
WAYS equ ($-ways)/4
zero: dw 0
  dd 0
line: dd 0
align 8
gdt: dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00cffa000000ffff, 0x00cff2000000ffff
  dw 0x67, tss-start, 0x8910, 0 ; 28
  dw 0x67, tssb-start, 0x0910, 0 ; 30
  dw 0xffff, 0, 0x9a10, 0 ; 38
gdtr: dw $-gdt-1
  dd gdt
idtr: dw 32*8-1
  dd idt
tss: dd 0, 0x90000, 16
  times 22 dd 0
  dw 0, 0x68
tssb: times 8 dd 0
  dd survived, 2, 0, 0, 0, 0, 0x8b000, 0, 0, 0
  dd 16, 8, 16, 16, 16, 16, 0
  dw 0, 0x68
align 8
idt: times 32 dq 0
