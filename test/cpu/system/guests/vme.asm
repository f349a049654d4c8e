; CR4.VME in virtual-8086 mode (Intel SDM vol. 3, 20.3): CLI, STI, PUSHF, POPF, IRET and INT n on VIF, with IOPL 0.
; QEMU has no VME. First the faults: INT 31h, which the redirection bit map leaves to the monitor, POPF of an image with TF, HLT: vector, error
; code, EIP, CS, EFLAGS (with VIF; RF masked), ESP, SS, ES, DS, and the monitor's own DS. Then the images that PUSHF gave: VIF in the place of
; IF, and IOPL 3.
;= X0000000D 00000000 00000013 00002000 000A0202 0000FFFE 00003000 00002000 00002000 00000000
;= X0000000D 00000000 00000018 00002000 000A0202 0000FFFC 00003000 00002000 00002000 00000000
;= X0000000D 00000000 00000027 00002000 000A0202 0000FFFC 00003000 00002000 00002000 00000000
;= 00003002 00003202 00003002 00003202 00003202 00003202
%include "print.inc"
%include "traps-begin.inc"
  mov ax,24
  ltr ax
  mov esi,vmcode
  mov edi,0x20000
  mov ecx,vmend-vmcode
  rep movsb
  mov eax,cr4
  or eax,1
  mov cr4,eax
  mov dword [vmret],.vm2
  mov esp,0x8e000
  mov edi,0x30*4
  mov dword [edi],0x20000000+(vmhand-vmcode)
  xor eax,eax
  push eax
  push eax
  push dword 0x2000
  push dword 0x2000
  push dword 0x3000
  push dword 0xfffe
  push dword 0x20202
  push dword 0x2000
  push dword 0
  iretd
.vm2:
  mov esi,0x21000
  mov ecx,6
.p: lodsw
  movzx eax,ax
  call puthex
  loop .p
  call nl
  mov al,0
  out 0xf4,al
  hlt
%include "traps.inc"
bits 16
vmcode:
  cli
  pushf
  pop word [0x1000]
  sti
  pushf
  pop word [0x1002]
  int 0x30
  pushf
  pop word [0x1006]
  int 0x31
  push word 0x3302
  popf
  pushf
  pop word [0x1008]
  push word 0x0202
  popf
  pushf
  pop word [0x100a]
  hlt
vmhand:
  pushf
  pop word [0x1004]
  iret
vmend:
bits 32
align 8
gdt: dq 0
 dq 0x00CF9A000000FFFF
 dq 0x00CF92000000FFFF
 dw 0x2067, tssv-start, 0x8910, 0 ; 24
%include "traps-data.inc"
tssv: dd 0,0x8e000,16
 times 22 dd 0
 dw 0, 0x68+32
 times 6 db 0
 db 2 ; INT 0x31 is the monitor's
 times 25 db 0
 times 8192 db 0
 db 0xff
align 8
idt: times 64 dq 0
