; Breakpoints together with single steps, ICEBP, the guard of the debug registers, and MOV SS (Intel SDM vol. 3, 17.2 and 17.3). QEMU steps once
; too often, with DR6 clear, and asks for the gate's DPL at ICEBP.
;= F 0000000B 00004002 00000000
;= H 00000001 00000000 00000000
;= I 00000000 00002000 00000000
;= 00000400
;= K 00000007 00000002 00000000
;= Z
%include "debug.inc"
  ; F: single step and data in one
  ARM 1, var, WR4
  mov byte [step],1
  pushfd
  or dword [esp],0x100
  CASE 'F'
  popfd
  mov dword [var],7
  nop
  mov byte [step],0
  ; H: ICEBP
  DISARM
  CASE 'H'
  db 0xf1
  nop
  ; I: general detect
  mov eax,0x2400
  mov dr7,eax
  CASE 'I'
  mov ebx,dr0
  mov eax,dr7
  call puthex
  call nl
  ; J: MOV SS holds off the breakpoint behind it
  ARM 0, .j1, EXEC
  mov ax,16
  CASE 'J'
  mov ss,ax
.j1: nop
  ; K: and its own read traps behind the next instruction
  ARM 1, sel, RW2
  CASE 'K'
  mov ss,[sel]
  nop
  nop
%include "debug-end.inc"
