; An exception while another is delivered (Intel SDM vol. 3, table 6-5). For each first exception and each thing that is wrong with its gate: number of
; the case (first vector, then what is wrong), vector of what comes, its error code (EXT masked: QEMU does not set it), CR2 if it is a page fault.
%include "print.inc"
GDT equ 0x110000
IDT equ 0x122000
DIRECTORY equ 0x120000
TABLE equ 0x121000
ABSENT equ 0x118000
entry:
  mov esp,0x90000
%include "absent-pages.inc"
  xor ebp,ebp ; first
.first:
  xor ebx,ebx ; wrong
.wrong:
  call gates
  mov eax,[firsts+ebp*8]
  mov edx,eax
  shl eax,3
  lea edi,[IDT+eax]
  mov eax,[wrongs+ebx*8]
  and word [edi+4],0xff
  or [edi+4],ax
  mov eax,[wrongs+ebx*8+4]
  mov [edi+2],ax
  mov eax,edx
  shl eax,8
  or eax,ebx
  call puthex
  mov [save],ebp
  mov [save+4],ebx
  mov [save+8],esp
  xor eax,eax
  mov cr2,eax
  jmp [firsts+ebp*8+4]
back:
  clts
  mov ax,16
  mov ds,ax
  mov es,ax
  mov ss,ax
  mov esp,[save+8]
  mov ebp,[save]
  mov ebx,[save+4]
  inc ebx
  cmp ebx,(wrongs_end-wrongs)/8
  jb entry.wrong
  inc ebp
  cmp ebp,(firsts_end-firsts)/8
  jb entry.first
  xor eax,eax
  out 0xf4,eax
  hlt

; All gates as they should be.
gates:
  mov edi,IDT
  mov eax,stubs
  mov ecx,32
.g: mov [edi],ax
  mov word [edi+2],8
  mov word [edi+4],0x8e00
  push eax
  shr eax,16
  mov [edi+6],ax
  pop eax
  add eax,16
  add edi,8
  loop .g
  ret

%assign v 0
align 16
stubs:
%rep 32
align 16
  %if !(v == 8 || (v >= 10 && v <= 14) || v == 17)
  push dword 0
  %endif
  push dword v
  jmp near caught
%assign v v+1
%endrep
caught:
  pop eax
  mov ecx,eax
  call puthex
  pop eax
  and eax,~1
  call puthex
  cmp ecx,14
  jne .nl
  mov eax,cr2
  call puthex
.nl: call nl
  jmp back

divide: xor ecx,ecx
  div ecx
point: int3
over: mov al,0x7f
  inc al
  into
bounds: mov eax,5
  bound eax,[zero]
undefined: ud2
nofpu: mov eax,cr0
  or eax,8
  mov cr0,eax
  fnop
absentseg: mov ax,0x20
  mov ds,ax
absentstack: mov ax,0x20
  mov ss,ax
general: mov ax,0xf8
  mov ds,ax
pagefault: mov eax,[ABSENT]

align 8
firsts:
  dd 0, divide
  dd 3, point
  dd 4, over
  dd 5, bounds
  dd 6, undefined
  dd 7, nofpu
  dd 11, absentseg
  dd 12, absentstack
  dd 13, general
  dd 14, pagefault
firsts_end:
; Attributes and selector of the gate.
wrongs:
  dd 0x8e00, 8      ; 0: nothing
  dd 0x0e00, 8      ; 1: absent: #NP
  dd 0x8e00, 0      ; 2: no selector: #GP
  dd 0x8e00, 0x18   ; 3: code that is absent: #NP
  dd 0x8e00, 0x10   ; 4: data: #GP
  dd 0x8e00, 0x2000 ; 5: beyond the table: #GP
  dd 0x8e00, 0x1000 ; 6: in an absent page: #PF
  dd 0x8c00, 8      ; 7: a call gate: #GP
wrongs_end:
zero: dd 0, 1
save: dd 0, 0, 0
align 8
gdt: dq 0
  dq 0x00cf9a000000ffff ; 8
  dq 0x00cf92000000ffff ; 10
  dq 0x00cf1a000000ffff ; 18 absent code
  dq 0x00cf12000000ffff ; 20 absent data
gend:
gdtr: dw 0x1fff
  dd GDT
idtr: dw 32*8-1
  dd IDT
