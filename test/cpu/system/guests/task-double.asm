; Faults of a task that is to handle an exception or INT n (Intel SDM vol. 3, 6.15 and 7.3): the exception's delivery goes on until the new task has been
; entered, so that its fault and the exception make a double fault by table 6-5. Each first event has a task gate to the same TSS, which has one thing wrong.
; Number of the case (first vector, then what is wrong), then of what comes vector, error code, TR of the task that had the fault (30: the new one, 28: the
; old one), the page of CR2 if it is a page fault. "=": the new task runs.
; QEMU agrees but for EXT, which it does not set after exceptions other than #PF, and for an absent SS, where it raises #NP.
;= 00000000 =
;= 00000001 00000008 00000000 00000030
;= 00000002 00000008 00000000 00000030
;= 00000003 0000000E 00000000 00000030 00111000
;= 00000004 00000008 00000000 00000030
;= 00000005 00000008 00000000 00000030
;= 00000006 00000008 00000000 00000030
;= 00000007 00000008 00000000 00000030
;= 00000008 =
;= 00000009 00000008 00000000 00000028
;= 0000000A 00000008 00000000 00000028
;= 0000000B 00000008 00000000 00000028
;= 0000000C 0000000E 00000000 00000028 00118000
;= 00000300 =
;= 00000301 0000000A 00000010 00000030
;= 00000302 0000000B 00000078 00000030
;= 00000303 0000000E 00000000 00000030 00111000
;= 00000304 0000000C 00000080 00000030
;= 00000305 0000000B 00000080 00000030
;= 00000306 0000000A 00000010 00000030
;= 00000307 0000000D 00000000 00000030
;= 00000308 =
;= 00000309 0000000B 00000030 00000028
;= 0000030A 0000000D 00000030 00000028
;= 0000030B 0000000A 00000030 00000028
;= 0000030C 0000000E 00000000 00000028 00118000
;= 00000600 =
;= 00000601 0000000A 00000011 00000030
;= 00000602 0000000B 00000079 00000030
;= 00000603 0000000E 00000000 00000030 00111000
;= 00000604 0000000C 00000081 00000030
;= 00000605 0000000B 00000081 00000030
;= 00000606 0000000A 00000011 00000030
;= 00000607 0000000D 00000001 00000030
;= 00000608 =
;= 00000609 0000000B 00000031 00000028
;= 0000060A 0000000D 00000031 00000028
;= 0000060B 0000000A 00000031 00000028
;= 0000060C 0000000E 00000000 00000028 00118000
;= 00000700 =
;= 00000701 0000000A 00000011 00000030
;= 00000702 0000000B 00000079 00000030
;= 00000703 0000000E 00000000 00000030 00111000
;= 00000704 0000000C 00000081 00000030
;= 00000705 0000000B 00000081 00000030
;= 00000706 0000000A 00000011 00000030
;= 00000707 0000000D 00000001 00000030
;= 00000708 =
;= 00000709 0000000B 00000031 00000028
;= 0000070A 0000000D 00000031 00000028
;= 0000070B 0000000A 00000031 00000028
;= 0000070C 0000000E 00000000 00000028 00118000
;= 00000A00 =
;= 00000A01 00000008 00000000 00000030
;= 00000A02 00000008 00000000 00000030
;= 00000A03 0000000E 00000000 00000030 00111000
;= 00000A04 00000008 00000000 00000030
;= 00000A05 00000008 00000000 00000030
;= 00000A06 00000008 00000000 00000030
;= 00000A07 00000008 00000000 00000030
;= 00000A08 0000000E 00000002 00000030 00118000
;= 00000A09 00000008 00000000 00000028
;= 00000A0A 00000008 00000000 00000028
;= 00000A0B 00000008 00000000 00000028
;= 00000A0C 0000000E 00000000 00000028 00118000
;= 00000B00 =
;= 00000B01 00000008 00000000 00000030
;= 00000B02 00000008 00000000 00000030
;= 00000B03 0000000E 00000000 00000030 00111000
;= 00000B04 00000008 00000000 00000030
;= 00000B05 00000008 00000000 00000030
;= 00000B06 00000008 00000000 00000030
;= 00000B07 00000008 00000000 00000030
;= 00000B08 0000000E 00000002 00000030 00118000
;= 00000B09 00000008 00000000 00000028
;= 00000B0A 00000008 00000000 00000028
;= 00000B0B 00000008 00000000 00000028
;= 00000B0C 0000000E 00000000 00000028 00118000
;= 00000C00 =
;= 00000C01 00000008 00000000 00000030
;= 00000C02 00000008 00000000 00000030
;= 00000C03 0000000E 00000000 00000030 00111000
;= 00000C04 00000008 00000000 00000030
;= 00000C05 00000008 00000000 00000030
;= 00000C06 00000008 00000000 00000030
;= 00000C07 00000008 00000000 00000030
;= 00000C08 0000000E 00000002 00000030 00118000
;= 00000C09 00000008 00000000 00000028
;= 00000C0A 00000008 00000000 00000028
;= 00000C0B 00000008 00000000 00000028
;= 00000C0C 0000000E 00000000 00000028 00118000
;= 00000D00 =
;= 00000D01 00000008 00000000 00000030
;= 00000D02 00000008 00000000 00000030
;= 00000D03 0000000E 00000000 00000030 00111000
;= 00000D04 00000008 00000000 00000030
;= 00000D05 00000008 00000000 00000030
;= 00000D06 00000008 00000000 00000030
;= 00000D07 00000008 00000000 00000030
;= 00000D08 0000000E 00000002 00000030 00118000
;= 00000D09 00000008 00000000 00000028
;= 00000D0A 00000008 00000000 00000028
;= 00000D0B 00000008 00000000 00000028
;= 00000D0C 0000000E 00000000 00000028 00118000
;= 00000E00 =
;= 00000E01 00000008 00000000 00000030
;= 00000E02 00000008 00000000 00000030
;= 00000E03 00000008 00000000 00000030
;= 00000E04 00000008 00000000 00000030
;= 00000E05 00000008 00000000 00000030
;= 00000E06 00000008 00000000 00000030
;= 00000E07 00000008 00000000 00000030
;= 00000E08 00000008 00000000 00000030
;= 00000E09 00000008 00000000 00000028
;= 00000E0A 00000008 00000000 00000028
;= 00000E0B 00000008 00000000 00000028
;= 00000E0C 00000008 00000000 00000028
;= 00003000 =
;= 00003001 0000000A 00000010 00000030
;= 00003002 0000000B 00000078 00000030
;= 00003003 0000000E 00000000 00000030 00111000
;= 00003004 0000000C 00000080 00000030
;= 00003005 0000000B 00000080 00000030
;= 00003006 0000000A 00000010 00000030
;= 00003007 0000000D 00000000 00000030
;= 00003008 =
;= 00003009 0000000B 00000030 00000028
;= 0000300A 0000000D 00000030 00000028
;= 0000300B 0000000A 00000030 00000028
;= 0000300C 0000000E 00000000 00000028 00118000
%include "print.inc"
%include "exception-tasks.inc"
OLD equ 0x28
NEW equ 0x30
CUT equ 0x70
GDT equ 0x110000
DIRECTORY equ 0x120000
TABLE equ 0x121000
ABSENT equ 0x118000
entry:
  mov esp,0x90000
  mov al,0xff ; no timer tick of the firmware's
  out 0x21,al
%include "absent-pages.inc"
  mov ax,OLD
  ltr ax
  xor ebp,ebp ; first
.first:
  xor ebx,ebx ; wrong
.wrong:
  mov esp,0x90000
  mov eax,[firsts+ebp*8]
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
  mov [GDT+NEW],eax
  mov eax,[good+4]
  mov [GDT+NEW+4],eax
  ; and what is wrong with it
  mov edi,[wrongs+ebx*8]
  mov eax,[wrongs+ebx*8+4]
  mov [edi],eax
  ; all gates as they should be, but for that of the first event
  mov edi,idt
  mov ecx,64*2
  xor eax,eax
  rep stosd
  TASKGATES 0x8500
  mov eax,[firsts+ebp*8]
  mov word [idt+eax*8+2],NEW
  mov word [idt+eax*8+4],0x8500
  xor eax,eax
  mov cr2,eax
  jmp [firsts+ebp*8+4]
next:
  clts
  mov eax,cr0
  and eax,~8
  mov cr0,eax
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
  jmp $

divide: xor ecx,ecx
  div ecx
point: int3
undefined: ud2
nofpu: mov eax,cr0
  or eax,8
  mov cr0,eax
  fnop
badtask: jmp CUT:0
absentseg: mov ax,0x80
  mov ds,ax
absentstack: mov ax,0x80
  mov ss,ax
general: mov ax,0xf8
  mov ds,ax
pagefault: mov eax,[ABSENT]
interrupt: int 0x30

; The new task; it may have no DS.
runs:
  mov ax,0x10
  mov ds,ax
  mov ss,ax
  mov esp,0x8c000
  OUTC '='
  call nl
  jmp BACK:0

; On with the old task, wherever it was.
BACK equ 0x38
back:
  call restore
  mov word [tssback],OLD
  pushfd
  or dword [esp],0x4000
  popfd
  iretd
  jmp back
restore:
  mov byte [GDT+OLD+5],0x8b
  mov byte [GDT+BACK+5],0x89
  mov dword [old+0x1c],DIRECTORY
  mov dword [old+0x20],next
  mov dword [old+0x24],2
  mov dword [old+0x38],0x90000
  mov dword [old+0x48],0x10
  mov dword [old+0x4c],8
  mov dword [old+0x50],0x10
  mov dword [old+0x54],0x10
  ret

%macro HANDLER 1
handler%1:
  pop ecx
  push ecx
  mov eax,%1
  call puthex
  mov eax,ecx
  call puthex
  movzx eax,word [tss%1]
  call puthex
  %if %1 == 14
  mov eax,cr2
  and eax,0xfffff000
  call puthex
  %endif
  call nl
  call restore
  mov word [tss%1],OLD
  pop eax
  iretd
  jmp handler%1
%endmacro
  HANDLERS

align 8
firsts:
  dd 0, divide
  dd 3, point
  dd 6, undefined
  dd 7, nofpu
  dd 10, badtask
  dd 11, absentseg
  dd 12, absentstack
  dd 13, general
  dd 14, pagefault
  dd 0x30, interrupt
firsts_end:
%define FIELD(offset) victim+offset
wrongs:
  dd FIELD(0x64), 0x680000 ; 0: nothing
  dd FIELD(0x4c), 0x10   ; 1: CS is data
  dd FIELD(0x4c), 0x78   ; 2: absent
  dd FIELD(0x4c), 0x1000 ; 3: in an absent page
  dd FIELD(0x50), 0x80   ; 4: SS absent
  dd FIELD(0x54), 0x80   ; 5: DS absent
  dd FIELD(0x60), 0x10   ; 6: LDT that is data
  dd FIELD(0x4c), 0x88   ; 7: EIP beyond the limit of CS
  dd FIELD(0x38), ABSENT+0x1000 ; 8: stack absent
  dd GDT+NEW+4, 0x00000900 ; 9: TSS absent
  dd GDT+NEW+4, 0x00008b00 ; a: busy
  dd GDT+NEW, 66           ; b: too short
  dd GDT+NEW+2, 0x89000000|ABSENT ; c: in an absent page
wrongs_end:
good: dw 0x67, victim-start, 0x8910, 0
save: dd 0, 0
align 8
gdt: dq 0
  dq 0x00cf9a000000ffff ; 08
  dq 0x00cf92000000ffff ; 10
  dq 0x00cffa000000ffff ; 18
  dq 0x00cff2000000ffff ; 20
  dw 0x67, old-start, 0x8910, 0 ; 28
  dw 0x67, victim-start, 0x8910, 0 ; 30
  dw 0x67, tssback-start, 0x8910, 0 ; 38
  TASKS ; 40 to 68
  dw 0x42, 0, 0x8910, 0 ; 70 a TSS that is too short
  dq 0x00cf1a000000ffff ; 78 absent code
  dq 0x00cf12000000ffff ; 80 absent data
  dq 0x00409a0000000fff ; 88 code of 4 KiB
gend:
gdtr: dw 0x1fff
  dd GDT
idtr: dw 64*8-1
  dd idt
align 16
old: times 26 dd 0
template:
  times 7 dd 0
  dd DIRECTORY, runs, 2, 0, 0, 0, 0, 0x8c000, 0, 0, 0
  dd 16, 8, 16, 16, 16, 16, 0
  dw 0, 0x68
align 16
victim: times 26 dd 0
  TSS back, back, DIRECTORY
  TSSS DIRECTORY
align 8
idt: times 64 dq 0
