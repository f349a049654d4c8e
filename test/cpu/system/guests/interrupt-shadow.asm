; Where an interrupt that is pending is taken once IF is set (Intel SDM vol. 2, STI, POP and MOV; vol. 3, 6.8.3): the lines are those of cases.inc for vector 10h, whose EIP is that of the instruction before which it comes;
; 30 where it did not come. IRET and POPF open at once, STI and loads of SS behind the next instruction.
%include "cases.inc"
APIC equ 0xfee00000
IDT2 equ 0x98000
  mov esi,idt
  mov edi,IDT2
  mov ecx,64*2
  rep movsd
  mov eax,[idt+0x10*8]
  mov [IDT2+0x50*8],eax
  mov eax,[idt+0x10*8+4]
  mov [IDT2+0x50*8+4],eax
  mov word [idtr],0x100*8-1
  mov dword [idtr+2],IDT2
  lidt [idtr]
  mov dword [APIC+0xf0],0x1ff
  mov dword [APIC+0x80],0
%macro BEGIN 0
  CASE
  cli
  mov dword [APIC+0xb0],0
  mov dword [APIC+0x300],0x44050 ; to itself
  times 8 nop
  mov eax,0x10
  HERE
%endmacro
%macro FINISH 0
  times 4 nop
  mov eax,1
  TELL
  DONE
  mov dword [APIC+0xb0],0
%endmacro
  BEGIN
  sti
  FINISH
  BEGIN ; none between
  sti
  cli
  FINISH
  ; taken now, so that it is not pending any more
  mov dword [resume],.taken
  sti
  nop
  nop
.taken: mov dword [APIC+0xb0],0
  BEGIN
  sti
  sti
  nop
  FINISH
  BEGIN
  sti
  inc eax
  cli
  FINISH
  BEGIN
  push dword IF|2
  popfd
  FINISH
  BEGIN
  push dword IF|2
  push dword 8
  push dword .back
  iretd
.back:
  FINISH
  BEGIN
  sti
  mov ds,ax
  FINISH
  BEGIN
  sti
  hlt
  FINISH
  BEGIN
  sti
  jmp .j
  nop
.j:
  FINISH
  ; before the first iteration, and not behind it
  BEGIN
  mov esi,0x80000
  mov edi,0x81000
  mov ecx,4
  sti
  nop
  rep movsb
  mov eax,ecx
  FINISH
  BEGIN
  push dword 0x10
  push dword IF|2
  popfd
  pop ss
  FINISH
  ; a fault behind STI comes before the interrupt
  BEGIN
  sti
  ud2
  FINISH
  BEGIN
  sti
  int 0x30
  DONE
  ; ring 3
  BEGIN
  RING 3,2|IOPL
  HERE
  sti
  FINISH
  BEGIN
  RING 3,IF
  HERE
  FINISH
%include "cases-end.inc"
