; Ring 3 calls for ring 0 while the TSS names no good stack there (Intel SDM vol. 2, INT n and CALL): by INT 30h, by a call gate, by #UD, and by #DE, which
; becomes a double fault unless a page is absent. Exceptions 8 and 10 to 14 have task gates, so that they need no inner stack. Number of the case (event,
; then what is wrong), vector, error code (EXT masked), CS of the task that was left; or "=" and ESP in ring 0.
; QEMU agrees but for stacks that are absent, where it raises #TS, and stacks without room, which it does not notice.
;= 00000000 =0008BFEC
;= 00000001 0000000A 00000000 0000001B
;= 00000002 0000000A 00000010 0000001B
;= 00000003 0000000A 00000020 0000001B
;= 00000004 0000000A 00000008 0000001B
;= 00000005 0000000A 00000030 0000001B
;= 00000006 0000000C 00000038 0000001B
;= 00000007 0000000A 00000200 0000001B
;= 00000008 0000000A 00000014 0000001B
;= 00000009 0000000E 00000002 0000001B
;= 0000000A 0000000C 00000078 0000001B
;= 00000100 =0008BFF0
;= 00000101 0000000A 00000000 0000001B
;= 00000102 0000000A 00000010 0000001B
;= 00000103 0000000A 00000020 0000001B
;= 00000104 0000000A 00000008 0000001B
;= 00000105 0000000A 00000030 0000001B
;= 00000106 0000000C 00000038 0000001B
;= 00000107 0000000A 00000200 0000001B
;= 00000108 0000000A 00000014 0000001B
;= 00000109 0000000E 00000002 0000001B
;= 0000010A 0000000C 00000078 0000001B
;= 00000200 =0008BFEC
;= 00000201 0000000A 00000000 0000001B
;= 00000202 0000000A 00000010 0000001B
;= 00000203 0000000A 00000020 0000001B
;= 00000204 0000000A 00000008 0000001B
;= 00000205 0000000A 00000030 0000001B
;= 00000206 0000000C 00000038 0000001B
;= 00000207 0000000A 00000200 0000001B
;= 00000208 0000000A 00000014 0000001B
;= 00000209 0000000E 00000002 0000001B
;= 0000020A 0000000C 00000078 0000001B
;= 00000300 =0008BFEC
;= 00000301 00000008 00000000 0000001B
;= 00000302 00000008 00000000 0000001B
;= 00000303 00000008 00000000 0000001B
;= 00000304 00000008 00000000 0000001B
;= 00000305 00000008 00000000 0000001B
;= 00000306 00000008 00000000 0000001B
;= 00000307 00000008 00000000 0000001B
;= 00000308 00000008 00000000 0000001B
;= 00000309 0000000E 00000002 0000001B
;= 0000030A 00000008 00000000 0000001B
%include "print.inc"
%include "exception-tasks.inc"
entry:
  mov esp,0x90000
  mov al,0xff ; no timer tick of the firmware's
  out 0x21,al
%include "flat.inc"
  mov edi,idt
  mov ecx,64
  mov eax,good
.i: mov [edi],ax
  mov word [edi+2],8
  mov word [edi+4],0xee00
  push eax
  shr eax,16
  mov [edi+6],ax
  pop eax
  add edi,8
  loop .i
  TASKGATES 0xe500
  lidt [idtr]
  mov edi,0x121000 ; the first 4 MiB as they are, users' too, but for one page
  mov eax,7
.m: stosd
  add eax,0x1000
  cmp eax,0x400007
  jb .m
  mov dword [0x121000+0x118*4],0
  mov dword [0x120000],0x121007
  mov eax,0x120000
  mov cr3,eax
  mov eax,cr0
  or eax,0x80000000
  mov cr0,eax
  mov ax,0x28
  ltr ax
  push dword 0x23
  push dword 0x88000
  push dword 0x3202
  push dword 0x1b
  push dword ring3
  iretd

ring3:
  mov ax,0x23
  mov ds,ax
  mov es,ax
  xor ebp,ebp
.event:
  xor ebx,ebx
.wrong:
  mov esp,0x88000
  mov eax,ebp
  shl eax,8
  or eax,ebx
  call puthex
  mov eax,[wrongs+ebx*8]
  mov [tss+4],eax
  mov eax,[wrongs+ebx*8+4]
  mov [tss+8],eax
  mov [save],ebp
  mov [save+4],ebx
  jmp [events+ebp*4]
next:
  mov ebp,[save]
  mov ebx,[save+4]
  inc ebx
  cmp ebx,(wrongs_end-wrongs)/8
  jb ring3.wrong
  inc ebp
  cmp ebp,(events_end-events)/4
  jb ring3.event
  xor eax,eax
  out 0xf4,eax
  jmp $

events: dd soft, gate, undefined, divide
events_end:
soft: int 0x30
gate: call 0x73:0
undefined: ud2
divide: xor ecx,ecx
  div ecx

; The stack was good: back to ring 3.
good:
  push dword 0x23
  pop ds
  OUTC '='
  mov eax,esp
  call puthex
  call nl
  push dword 0x23
  push dword 0x88000
  push dword 0x3202
  push dword 0x1b
  push dword next
  iretd

; A task for each vector.
%macro HANDLER 1
handler%1:
  pop eax
  and eax,~1
  push eax
  mov eax,%1
  call puthex
  pop eax
  call puthex
  movzx eax,word [tss+0x4c]
  call puthex
  call nl
  mov dword [tss+0x20],next
  mov dword [tss+0x24],0x3202
  mov dword [tss+0x38],0x88000
  mov dword [tss+0x4c],0x1b
  mov dword [tss+0x50],0x23
  mov dword [tss+0x54],0x23
  iretd
  jmp handler%1
%endmacro
  HANDLERS

; ESP0 and SS0.
wrongs:
  dd 0x8c000, 0x10  ; 0: good
  dd 0x8c000, 0     ; 1: no selector: #TS
  dd 0x8c000, 0x13  ; 2: RPL 3: #TS
  dd 0x8c000, 0x20  ; 3: DPL 3: #TS
  dd 0x8c000, 0x08  ; 4: code: #TS
  dd 0x8c000, 0x30  ; 5: read-only: #TS
  dd 0x8c000, 0x38  ; 6: absent: #SS
  dd 0x8c000, 0x200 ; 7: beyond the table: #TS
  dd 0x8c000, 0x14  ; 8: in an LDT that there is not: #TS
  dd 0x119000, 0x10 ; 9: absent page: #PF
  dd 0x1008, 0x78   ; 10: no room below the limit of a stack that grows down: #SS
wrongs_end:
save: dd 0, 0
align 8
gdt: dq 0
  dq 0x00cf9a000000ffff ; 08
  dq 0x00cf92000000ffff ; 10
  dq 0x00cffa000000ffff ; 18
  dq 0x00cff2000000ffff ; 20
  dw 0x67, tss-start, 0x8910, 0 ; 28
  dq 0x00cf90000000ffff ; 30 read-only
  dq 0x00cf12000000ffff ; 38 absent
  TASKS ; 40 to 68
  dw good-start, 8, 0xec00, 0x10 ; 70 call gate
  dq 0x00c0960000000000 ; 78 expand-down, from 1000
gend:
gdtr: dw gend-gdt-1
  dd gdt
idtr: dw 64*8-1
  dd idt
align 16
tss: dd 0, 0, 0
  times 4 dd 0
  dd 0x120000
  times 17 dd 0
  dw 0, 0x68
  TSSS 0x120000
align 8
idt: times 64 dq 0
