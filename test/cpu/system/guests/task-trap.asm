; T of a TSS: a debug trap before the new task's first instruction, with DR6.BT (Intel SDM vol. 3, 17.3.1.5). QEMU does not do it.
;= X00000001 00004002
;= 00000020 FFFF8FF0 00000000
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
bits 32
align 8
gdt: dq 0
 dq 0x00CF9A000000FFFF
 dq 0x00CF92000000FFFF
 dw 0x67, tssa-start, 0x8910, 0 ; 24
 dw 0x67, tssb-start, 0x8910, 0 ; 32
gend:
gdtr: dw gend-gdt-1
 dd gdt
idtr: dw 64*8-1
 dd idt
align 8
resume: dd 0
vmret: dd 0
align 4
tssa: times 26 dd 0
tssb: times 8 dd 0
 dd never, 2, 0, 0, 0, 0, 0x8b000, 0, 0, 0
 dd 16, 8, 16, 16, 16, 16, 0
 dw 1, 0x68
align 8
idt: times 64 dq 0
