; T of a TSS: a debug trap before the new task's first instruction, with DR6.BT (Intel SDM vol. 3, 17.3.1.5). QEMU does not do it.
;= X00000001 00004002
;= 00000020 FFFF8FF0 00000000
%include "print.inc"
%include "traps-begin.inc"
  mov ax,24
  ltr ax
  mov eax,0x155
  mov dr7,eax
  mov dword [resume],.trapped
  call 0x20:0
.trapped:
  xor eax,eax
  str ax
  call puthex
  mov eax,dr6
  call puthex
  mov eax,dr7
  and eax,0x155 ; local breakpoints are off
  call puthex
  call nl
  mov al,0
  out 0xf4,al
  hlt
never:
  OUTC '!'
  jmp $
%include "traps.inc"
bits 32
align 8
gdt: dq 0
 dq 0x00CF9A000000FFFF
 dq 0x00CF92000000FFFF
 dw 0x67, tssa-start, 0x8910, 0 ; 24
 dw 0x67, tssb-start, 0x8910, 0 ; 32
%include "traps-data.inc"
tssa: times 26 dd 0
tssb: times 8 dd 0
 dd never, 2, 0, 0, 0, 0, 0x8b000, 0, 0, 0
 dd 16, 8, 16, 16, 16, 16, 0
 dw 1, 0x68
align 8
idt: times 64 dq 0
