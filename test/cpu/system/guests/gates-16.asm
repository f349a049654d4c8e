; 16-bit gates used by 32-bit code of ring 3 and by virtual-8086 mode: what they push, and that of their offset only the lower half counts, whatever the
; descriptor holds above it (Intel SDM vol. 3, 5.8.3 and 20.3.2). Each line: number of the case, words of the frame from the top of the stack on, the first less
; the address of the ring 3 code and FLAGS without what is arithmetic, the bytes that the stack has moved by, and IF or the segment registers. QEMU takes the
; offset as a doubleword.
;= 1 00000002 0000001B 00003202 00008000 00000043 0000000A 00000000
;= 2 00000004 0000001B 00003202 00008000 00000043 0000000A 00000200
;= 3 00000017 0000001B 00003333 00002222 00001111 00007FFA 00000043 0000000E
;= 2 0000001B 0000001B 00003202 00008000 00000043 0000000A 00000200
;= 4 00000002 00000700 00003202 00000100 00000900 00001020 00003040 00005060 00007080 00000012 00000000 00000000 00000000
%include "print.inc"
%define AT(label) ((label)-start)
CODE0 equ 0x38
CODE3 equ 0x1b
STACK3 equ 0x43
STACK_TOP equ 0xf000
USER_TOP equ 0x8000
; So many words of the frame at ESP, the first less the second argument, FLAGS at the offset that the third names.
%macro FRAME 3
  mov ebp,esp
  push dword 16
  pop ds
%assign n 0
%rep %1
  movzx eax,word [ss:ebp+n]
%if n == 0
  sub eax,%2
%elif n == %3
  ; IF, IOPL and the bit that is always one
  and eax,0x3202
%endif
  call puthex
%assign n n+2
%endrep
  mov eax,STACK_TOP
  sub eax,ebp
  call puthex
  mov esp,ebp
%endmacro

entry:
  cli
%include "flat.inc"
  lidt [idtr]
  mov ax,0x28
  ltr ax
  mov ax,0x48
  mov ss,ax
  mov esp,STACK_TOP
  ; the gates, with ones in the upper halves of their offsets
  mov edi,idt+0x30*8
  mov dword [edi],AT(interrupted)|(CODE0<<16)
  mov dword [edi+4],0xffffe600
  mov dword [edi+8],AT(trapped)|(CODE0<<16)
  mov dword [edi+12],0xffffe700
  mov dword [edi+16],AT(from8086)|(CODE0<<16)
  mov dword [edi+20],0xffffe600
  mov dword [gdt+0x30],AT(called)|(CODE0<<16)
  mov dword [gdt+0x34],0xffffe403
  ; virtual-8086 mode: INT 32h at 7000h
  mov word [0x7000],0x32cd
  push dword STACK3
  push dword USER_TOP
  push dword 0x3202
  push dword CODE3
  push dword AT(user)
  iretd
user:
  int 0x30
  int 0x31
  push word 0x1111
  push word 0x2222
  push word 0x3333
  call 0x33:0
  ; ESP is as before the words
  mov eax,esp
  int 0x31
after_last:
  jmp $

interrupted:
  OUTC '1'
  OUTC ' '
  FRAME 5,AT(user),4
  pushfd
  pop eax
  and eax,0x200
  call puthex
  call nl
  o16 iret
trapped:
  OUTC '2'
  OUTC ' '
  FRAME 5,AT(user),4
  pushfd
  pop eax
  and eax,0x200
  call puthex
  call nl
  cmp word [ss:esp],AT(after_last)
  je to8086
  o16 iret
called:
  OUTC '3'
  OUTC ' '
  FRAME 7,AT(user),-1
  call nl
  o16 retf 6
to8086:
  mov esp,STACK_TOP
  push dword 0x7080
  push dword 0x5060
  push dword 0x3040
  push dword 0x1020
  push dword 0x0900
  push dword 0x0100
  push dword 0x23202
  push dword 0x0700
  push dword 0
  iretd
from8086:
  OUTC '4'
  OUTC ' '
  FRAME 9,0,4
  ; the segment registers are empty
  xor eax,eax
  mov ax,es
  call puthex
  mov ax,fs
  call puthex
  mov ax,gs
  call puthex
  call nl
  xor eax,eax
  out 0xf4,al
  hlt
align 8
gdt: dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
  ; 18h code of ring 3 and 38h of ring 0 at 1 MiB, 40h stack of ring 3, 48h of ring 0
  dq 0x0040fa100000ffff, 0
  dw 0x67, AT(tss), 0x8910, 0
  dq 0
  dq 0x00409a100000ffff, 0x0040f2110000ffff, 0x004092120000ffff
gdtr: dw gdtr-gdt-1
  dd gdt
idtr: dw 0x33*8-1
  dd idt
align 8
tss: dd 0, STACK_TOP, 0x48
  times 23 dd 0
align 8
idt: times 0x33*2 dd 0
