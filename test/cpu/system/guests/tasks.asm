; Hardware task switches, virtual-8086 mode: what each leaves, printed to port 0xE9.
; RF is masked: QEMU does not set it in the EFLAGS that a fault pushes.
%include "print.inc"
%include "traps-begin.inc"
  ; vector 0x30 task gate to TSS B 0x28, vector 0x31 task gate dpl3 to busy.. 
  mov edi,idt+0x30*8
  mov dword [edi],0x00280000
  mov dword [edi+4],0x0000E500
  mov edi,idt+13*8   ; #GP via task gate 0x40 (TSS C)
  mov ax,24
  ltr ax
  ; 1. call far TSS B
  mov eax,0x11111111
  mov ebx,0x22222222
  call 0x28:0
  OUTC 'A'
  call puthex
  pushfd
  pop eax
  call puthex
  mov eax,cr0
  call puthex
  xor eax,eax
  str ax
  call puthex
  call nl
  ; busy bits
  mov eax,[gdt+24+4]
  call puthex
  mov eax,[gdt+0x28+4]
  call puthex
  call nl
  ; 2. int 0x30 via task gate
  int 0x30
  OUTC 'I'
  mov eax,[tssb+0x20]
  sub eax,taskb
  call puthex
  mov eax,[tssb+0x24]
  call puthex
  mov eax,[tssb]
  call puthex
  call nl
  ; 3. jmp to own (busy) TSS -> #GP(0x18)
  mov dword [resume],.r3
  jmp 24:0
.r3:
  ; 4. TSS with short limit -> #TS
  mov dword [resume],.r4
  call 0x30:0
.r4: ; 5. not present TSS -> #NP
  mov dword [resume],.r5
  call 0x38:0
.r5: ; 6. 16-bit TSS
  mov dword [resume],.r6
  call 0x40:0
  OUTC 'W'
  mov eax,[tssa+0x28]
  call puthex
  call nl
.r6: ; 7. TSS whose SS is bad: fault in new task: handler runs in new task's context
  mov dword [resume],.r7
  mov dword [tssd+0x20],.never
  mov dword [tssd+0x54],0x28
  call 0x48:0
.never: OUTC '!'
.r7: push dword 16
  pop ds
 OUTC 'D'
  xor eax,eax
  str ax
  call puthex
  pushfd
  pop eax
  call puthex
  mov eax,[tssd]
  call puthex
  call nl
  ; go back to task A through iret (NT set)
  mov dword [tssa+0x20],.back  
  mov dword [tssa+0x38],0x8f000
  push dword 0x4002
  popfd
  iretd
.back: OUTC 'E'
  xor eax,eax
  str ax
  call puthex
  mov eax,[gdt+24+4]
  call puthex
  mov eax,[gdt+0x48+4]
  call puthex
  call nl
  ; 8. #GP through task gate (error code pushed on new stack)
  mov edi,idt+13*8
  mov dword [edi],0x00500000
  mov dword [edi+4],0x0000E500
  mov dword [resume],.r8
  mov ax,0x1234
.gp: mov fs,ax
.r8: OUTC 'F'
  call nl
  mov edi,idt+13*8
  mov eax,stubs+13*8
  mov [edi],ax
  mov word [edi+2],8
  mov word [edi+4],0xEE00
  shr eax,16
  mov [edi+6],ax
  ; VM86 tests
  mov dword [vmret],.vmdone
  mov esp,0x8e000
  mov dword [tssv+4],0x8e000
  mov ax,0x60
  ltr ax
  ; copy vm code to 0x20000
  mov esi,vmcode
  mov edi,0x20000
  mov ecx,vmend-vmcode
  rep movsb
  xor eax,eax
  push eax        ; gs
  push eax
  push dword 0x2000 ; ds
  push dword 0x2000 ; es
  push dword 0x3000
  push dword 0xfffe
  push dword 0x20202 ; VM, IF, IOPL0
  push dword 0x2000
  push dword 0
  iretd
.vmdone: OUTC 'V'
  xor eax,eax
  mov ax,ds
  call puthex
  call nl
  mov al,0
  out 0xf4,al
  hlt
  jmp $
; task B
taskb:
  OUTC 'B'
  call puthex
  mov eax,ebx
  call puthex
  mov eax,esp
  call puthex
  pushfd
  pop eax
  call puthex
  xor eax,eax
  str ax
  call puthex
  mov ax,cs
  call puthex
  call nl
  iretd
  OUTC 'b'
  pushfd
  pop eax
  call puthex
  call nl
  iretd
  jmp taskb
task16: ; 16-bit TSS, flat 32-bit code below 64K? use 16-bit code segment 0x68 base 0x100000
bits 16
  mov al,'S'
  out 0xe9,al
  iret
bits 32
taskgp:
  OUTC 'g'
  pop eax
  call puthex
  mov eax,[tssa+0x20]
  sub eax,entry.gp
  call puthex
  mov eax,[tssa+0x24]
  and eax,0xfffeffff
  call puthex
  call nl
  mov dword [tssa+0x20],entry.r8
  mov dword [tssc+0x38],0x8a000
  iretd
  jmp taskgp
taske:
  OUTC '!'
  jmp $
%include "traps.inc"
bits 16
vmcode:
  cli
  sti
  pushf
  popf
  int 0x30
  mov ax,0x1234
  mov ds,ax
  mov ax,ds
  db 0x66
  pushf
  in al,0x80
  sldt ax
  push cs
  pop es
  nop
  int3
  mov ax,0x2000
  mov ds,ax
  mov es,ax
  hlt
vmend:
bits 32
align 8
gdt: dq 0
 dq 0x00CF9A000000FFFF ; 8
 dq 0x00CF92000000FFFF ; 16
 dw 0x67, tssa-start, 0x8910, 0 ; 24 tss a
 dw 0xFFFF,0,0xF200,0xCF ; 32 data dpl3? unused
 dw 0x67, tssb-start, 0x8910, 0 ; 0x28
 dw 0x20, tssb-start, 0x8910, 0 ; 0x30 short
 dw 0x67, tssb-start, 0x0910, 0 ; 0x38 not present
 dw 0x2b, tss16-start, 0x8110, 0 ; 0x40 16 bit
 dw 0x67, tssd-start, 0x8910, 0 ; 0x48 bad ss
 dw 0x67, tssc-start, 0x8910, 0 ; 0x50 gp
 dw 0x67, tsse-start, 0x8910, 0 ; 0x58 T
 dw 0x2067, tssv-start, 0x8910, 0 ; 0x60 vm86
 dw 0xffff, 0, 0x9a10, 0 ; 0x68 16 bit code base 100000
%include "traps-data.inc"
%macro TSS 4 ; eip esp ss cs
 times 7 dd 0
 dd 0 ; cr3
 dd %1
 dd 2
 dd 0,0,0,0, %2, 0,0,0
 dd 16,%4,%3,16,16,16
 dd 0
 dw 0,0x68
%endmacro
tssa: TSS 0,0,16,8
tssb: TSS taskb,0x8d000,16,8
tssc: TSS taskgp,0x8a000,16,8
tssd: TSS 0,0x8c000,16,8
tsse: TSS taske,0x8b000,16,8
tss16: dw 0,0,0,0,0,0,0
 dw task16-start, 2, 1,2,3,4, 0x8000,5,6,7, 16,0x68,16,16,0
tssv: dd 0,0x8e000,16
 times 22 dd 0
 dw 0, 0x68+32
 times 32 db 0
 times 8192 db 0
 db 0xff
align 8
idt: times 64 dq 0
