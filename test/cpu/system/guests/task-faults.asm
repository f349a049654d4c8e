; Faults in the middle of a task switch (Intel SDM vol. 3, table 7-1 and 7.3): JMP and CALL to a task whose TSS, or the descriptor of it, has one thing wrong.
; Exceptions 8 and 10 to 14 have task gates. Number of the case (CALL or JMP, then what is wrong), vector, error code, TR of the task that had the fault
; (30: the new one, 28: the old one), its EIP less that of its code, and whether the descriptors of both are busy, the old one's first. "=": the new task runs.
; QEMU agrees but for the saved EIP, which it leaves at that of the JMP or CALL, and for an absent SS, where it raises #NP.
;= 00000000 =10
;= 00000001 0000000A 00000000 00000030 00000000 11
;= 00000002 0000000A 00000010 00000030 00000000 11
;= 00000003 0000000B 00000070 00000030 00000000 11
;= 00000004 0000000A 00000200 00000030 00000000 11
;= 00000005 0000000A 00000028 00000030 00000000 11
;= 00000006 0000000A 00000098 00000030 00000000 11
;= 00000007 0000000A 0000000C 00000030 00000000 11
;= 00000008 0000000A 00000000 00000030 00000000 11
;= 00000009 0000000A 00000010 00000030 00000000 11
;= 0000000A 0000000A 00000008 00000030 00000000 11
;= 0000000B 0000000A 00000078 00000030 00000000 11
;= 0000000C 0000000C 00000080 00000030 00000000 11
;= 0000000D 0000000A 000000A0 00000030 00000000 11
;= 0000000E 0000000A 00000200 00000030 00000000 11
;= 0000000F =10
;= 00000010 0000000B 00000080 00000030 00000000 11
;= 00000011 0000000A 00000088 00000030 00000000 11
;= 00000012 0000000A 00000028 00000030 00000000 11
;= 00000013 0000000A 00000200 00000030 00000000 11
;= 00000014 0000000A 00000014 00000030 00000000 11
;= 00000015 0000000B 00000080 00000030 00000000 11
;= 00000016 0000000A 00000010 00000030 00000000 11
;= 00000017 0000000A 00000090 00000030 00000000 11
;= 00000018 0000000A 00000014 00000030 00000000 11
;= 00000019 0000000A 00000200 00000030 00000000 11
;= 0000001A 0000000D 00000000 00000030 00000000 11
;= 0000001B 0000000B 00000030 00000028 00000000 10
;= 0000001C 0000000D 00000030 00000028 00000000 11
;= 0000001D 0000000D 00000030 00000028 00000000 11
;= 0000001E 0000000D 00000030 00000028 00000000 11
;= 00000100 =00
;= 00000101 0000000A 00000000 00000030 00000000 01
;= 00000102 0000000A 00000010 00000030 00000000 01
;= 00000103 0000000B 00000070 00000030 00000000 01
;= 00000104 0000000A 00000200 00000030 00000000 01
;= 00000105 0000000A 00000028 00000030 00000000 01
;= 00000106 0000000A 00000098 00000030 00000000 01
;= 00000107 0000000A 0000000C 00000030 00000000 01
;= 00000108 0000000A 00000000 00000030 00000000 01
;= 00000109 0000000A 00000010 00000030 00000000 01
;= 0000010A 0000000A 00000008 00000030 00000000 01
;= 0000010B 0000000A 00000078 00000030 00000000 01
;= 0000010C 0000000C 00000080 00000030 00000000 01
;= 0000010D 0000000A 000000A0 00000030 00000000 01
;= 0000010E 0000000A 00000200 00000030 00000000 01
;= 0000010F =00
;= 00000110 0000000B 00000080 00000030 00000000 01
;= 00000111 0000000A 00000088 00000030 00000000 01
;= 00000112 0000000A 00000028 00000030 00000000 01
;= 00000113 0000000A 00000200 00000030 00000000 01
;= 00000114 0000000A 00000014 00000030 00000000 01
;= 00000115 0000000B 00000080 00000030 00000000 01
;= 00000116 0000000A 00000010 00000030 00000000 01
;= 00000117 0000000A 00000090 00000030 00000000 01
;= 00000118 0000000A 00000014 00000030 00000000 01
;= 00000119 0000000A 00000200 00000030 00000000 01
;= 0000011A 0000000D 00000000 00000030 00000000 01
;= 0000011B 0000000B 00000030 00000028 00000000 10
;= 0000011C 0000000D 00000030 00000028 00000000 11
;= 0000011D 0000000D 00000030 00000028 00000000 11
;= 0000011E 0000000D 00000030 00000028 00000000 11
%include "print.inc"
%include "exception-tasks.inc"
OLD equ 0x28
NEW equ 0x30
entry:
  mov esp,0x90000
  mov al,0xff ; no timer tick of the firmware's
  out 0x21,al
%include "flat.inc"
  TASKGATES 0x8500
  lidt [idtr]
  mov ax,OLD
  ltr ax
  cld
  xor ebp,ebp
.how:
  xor ebx,ebx
.wrong:
  mov esp,0x90000
  mov eax,ebp
  shl eax,8
  or eax,ebx
  call puthex
  mov [save],ebp
  mov [save+4],ebx
  ; the new task as it should be
  mov esi,template
  mov edi,victim
  mov ecx,26
  rep movsd
  mov eax,[good]
  mov [gdt+NEW],eax
  mov eax,[good+4]
  mov [gdt+NEW+4],eax
  ; and what is wrong with it
  mov edi,[wrongs+ebx*8]
  mov eax,[wrongs+ebx*8+4]
  mov [edi],eax
  test ebp,ebp
  jnz .jump
  call NEW:0
  jmp next
.jump: jmp NEW:0
next:
  mov ebp,[save]
  mov ebx,[save+4]
  inc ebx
  cmp ebx,(wrongs_end-wrongs)/8
  jb entry.wrong
  inc ebp
  cmp ebp,2
  jb entry.how
  xor eax,eax
  out 0xf4,eax
  jmp $

; The new task; it may have no DS.
runs:
  mov ax,0x10
  mov ds,ax
  mov ss,ax
  mov esp,0x8c000
  OUTC '='
  jmp NEXT:0

; Busy bits, then on with the old task: NEXT's own has nothing to tell.
busy:
  mov al,[gdt+OLD+5]
  call .one
  mov al,[gdt+NEW+5]
  call .one
  call nl
  mov byte [gdt+OLD+5],0x8b
  mov dword [old+0x20],next
  mov dword [old+0x24],2
  mov dword [old+0x38],0x90000
  mov dword [old+0x4c],8
  mov dword [old+0x50],0x10
  mov dword [old+0x54],0x10
  mov dword [old+0x48],0x10
  ret
.one: shr al,1
  and al,1
  add al,'0'
  out 0xe9,al
  ret
NEXT equ 0x38
tells:
  call busy
  mov word [tsstells],OLD
  mov byte [gdt+NEXT+5],0x8b
  or dword [flags],0x4000
  push dword [flags]
  popfd
  iretd
  jmp tells

%macro HANDLER 1
handler%1:
  pop eax
  push eax
  mov eax,%1
  call puthex
  pop eax
  call puthex
  movzx eax,word [tss%1]
  call puthex
  mov edx,old
  mov ecx,entry
  cmp eax,OLD
  je .told
  mov edx,victim
  mov ecx,runs
.told:
  mov eax,[edx+0x20]
  sub eax,ecx
  cmp edx,old
  jne .tell
  xor eax,eax ; not of interest
.tell: call puthex
  call busy
  mov word [tss%1],OLD
  iretd
  jmp handler%1
%endmacro
  HANDLERS

%define FIELD(offset) victim+offset
wrongs:
  dd FIELD(0x64), 0x680000 ; 0: nothing
  dd FIELD(0x4c), 0     ; 1: CS null
  dd FIELD(0x4c), 0x10  ; 2: data
  dd FIELD(0x4c), 0x70  ; 3: absent
  dd FIELD(0x4c), 0x200 ; 4: beyond the table
  dd FIELD(0x4c), 0x28  ; 5: a TSS
  dd FIELD(0x4c), 0x98  ; 6: code of ring 3 at RPL 0
  dd FIELD(0x4c), 0x0c  ; 7: in an LDT that there is not
  dd FIELD(0x50), 0     ; 8: SS null
  dd FIELD(0x50), 0x13  ; 9: RPL 3
  dd FIELD(0x50), 8     ; a: code
  dd FIELD(0x50), 0x78  ; b: read-only
  dd FIELD(0x50), 0x80  ; c: absent
  dd FIELD(0x50), 0xa0  ; d: DPL 3
  dd FIELD(0x50), 0x200 ; e: beyond the table
  dd FIELD(0x54), 0     ; f: DS null
  dd FIELD(0x54), 0x80  ; 10: absent
  dd FIELD(0x54), 0x88  ; 11: execute-only
  dd FIELD(0x54), 0x28  ; 12: a TSS
  dd FIELD(0x54), 0x200 ; 13: beyond the table
  dd FIELD(0x54), 0x14  ; 14: in an LDT that there is not
  dd FIELD(0x5c), 0x80  ; 15: GS absent
  dd FIELD(0x60), 0x10  ; 16: LDT that is data
  dd FIELD(0x60), 0x90  ; 17: absent
  dd FIELD(0x60), 0x14  ; 18: in itself
  dd FIELD(0x60), 0x200 ; 19: beyond the table
  dd FIELD(0x4c), 0xa8  ; 1a: EIP beyond the limit of CS
  dd gdt+NEW+4, 0x00000900 ; 1b: TSS absent
  dd gdt+NEW+4, 0x00008b00 ; 1c: busy (base 0: never read)
  dd gdt+NEW+4, 0x00009200 ; 1d: data
  dd gdt+NEW+4, 0x00008200 ; 1e: an LDT
wrongs_end:
good: dw 0x67, victim-start, 0x8910, 0
save: dd 0, 0
flags: dd 2
align 8
gdt: dq 0
  dq 0x00cf9a000000ffff ; 08
  dq 0x00cf92000000ffff ; 10
  dq 0x00cffa000000ffff ; 18
  dq 0x00cff2000000ffff ; 20
  dw 0x67, old-start, 0x8910, 0 ; 28
  dw 0x67, victim-start, 0x8910, 0 ; 30
  dw 0x67, tsstells-start, 0x8910, 0 ; 38
  TASKS ; 40 to 68
  dq 0x00cf1a000000ffff ; 70 absent code
  dq 0x00cf90000000ffff ; 78 read-only
  dq 0x00cf12000000ffff ; 80 absent data
  dq 0x00cf98000000ffff ; 88 execute-only
  dq 0x0000020000000fff ; 90 absent LDT
  dq 0x00cffa000000ffff ; 98 code of ring 3
  dq 0x00cff2000000ffff ; a0 data of ring 3
  dq 0x00409a0000000fff ; a8 code of 4 KiB
gend:
gdtr: dw gend-gdt-1
  dd gdt
idtr: dw 64*8-1
  dd idt
align 16
old: times 26 dd 0
template:
  times 7 dd 0
  dd 0, runs, 2, 0, 0, 0, 0, 0x8c000, 0, 0, 0
  dd 16, 8, 16, 16, 16, 16, 0
  dw 0, 0x68
align 16
victim: times 26 dd 0
  TSS tells, tells, 0
  TSSS 0
align 8
idt: times 64 dq 0
