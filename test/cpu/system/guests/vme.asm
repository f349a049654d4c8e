; CR4.VME in virtual-8086 mode (Intel SDM vol. 3, 20.3): CLI, STI, PUSHF, POPF, IRET and INT n on VIF, with IOPL 0.
; QEMU has no VME. First the faults: INT 31h, which the redirection bit map leaves to the monitor, POPF of an image with TF, HLT: vector, error
; code, EIP, CS, EFLAGS (with VIF; RF masked), ESP, SS, ES, DS, and the monitor's own DS. Then the images that PUSHF gave: VIF in the place of
; IF, and IOPL 3.
;= X0000000D 00000000 00000013 00002000 000A0202 0000FFFE 00003000 00002000 00002000 00000000
;= X0000000D 00000000 00000018 00002000 000A0202 0000FFFC 00003000 00002000 00002000 00000000
;= X0000000D 00000000 00000027 00002000 000A0202 0000FFFC 00003000 00002000 00002000 00000000
;= 00003002 00003202 00003002 00003202 00003202 00003202
bits 32
org 0x100000
MB equ 0x1BADB002
FL equ 0x00010000
start:
align 4
hdr: dd MB, FL, -(MB+FL), hdr, start, 0, 0, entry
%macro OUTC 1
  push eax
  mov al,%1
  out 0xe9,al
  pop eax
%endmacro
puthex: ; eax
  pushad
  mov ecx,8
.l: rol eax,4
  push eax
  and al,15
  add al,'0'
  cmp al,'9'
  jbe .o
  add al,7
.o: out 0xe9,al
  pop eax
  loop .l
  mov al,' '
  out 0xe9,al
  popad
  ret
nl: push eax
  mov al,10
  out 0xe9,al
  pop eax
  ret
entry:
  mov esp,0x90000
  lgdt [gdtr]
  jmp 8:.n
.n: mov ax,16
  mov ds,ax
  mov es,ax
  mov fs,ax
  mov gs,ax
  mov ss,ax
  ; build idt
  mov edi,idt
  xor ecx,ecx
.i: mov eax,stubs
  lea eax,[eax+ecx*8]
  mov [edi],ax
  mov word [edi+2],8
  mov byte [edi+5],0xEE
  shr eax,16
  mov [edi+6],ax
  add edi,8
  inc ecx
  cmp ecx,64
  jb .i
  lidt [idtr]
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
align 8
stubs:
%assign v 0
%rep 64
  push byte v
  jmp near trapped
  align 8
%assign v v+1
%endrep
trapped:
  pop eax ; vector
  OUTC 'X'
  call puthex
  cmp al,14
  ja .noerr
  cmp al,10
  jae .err
  cmp al,8
  je .err
  jmp .noerr
.err: pop ecx
  xchg eax,ecx
  call puthex
  xchg eax,ecx
.noerr:
  test dword [esp+8],0x20000
  jnz .vm
  mov eax,[ss:esp+8]
  and eax,0xfffeffff
  call puthex
  call nl
  mov eax,[cs:resume]
  jmp eax
.vm: 
  mov ebx,[esp]
  mov eax,ebx
  call puthex   ; eip
  mov eax,[esp+4]
  call puthex
  mov eax,[esp+8]
  and eax,0xfffeffff
  call puthex
  mov eax,[esp+12]
  call puthex
  mov eax,[esp+16]
  call puthex
  mov eax,[esp+20]
  call puthex
  mov eax,[esp+24]
  call puthex
  xor eax,eax
  mov ax,ds
  call puthex
  call nl
  push dword 16
  pop ds
  push dword 16
  pop es
  ; decode faulting byte: skip it
  mov esi,0x20000
  add esi,ebx
  mov al,[esi]
  cmp al,0xF4
  je .end
  inc dword [esp]
  cmp al,0xCD
  je .two
  cmp al,0x66
  je .two
  cmp al,0x0f
  je .three
  iretd
.three: inc dword [esp]
.two: inc dword [esp]
  iretd
.end: mov eax,[vmret]
  jmp eax
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
gend:
gdtr: dw gend-gdt-1
 dd gdt
idtr: dw 64*8-1
 dd idt
align 8
resume: dd 0
vmret: dd 0
align 4
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
