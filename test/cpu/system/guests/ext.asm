; EXT of error codes (Intel SDM vol. 3, 6.13): set when the exception comes while an earlier exception, an NMI or an interrupt is delivered, clear for INT n, INT3 and INTO. By the event (vector, EE: an interrupt,
; 02: an NMI), in ring 0 and then in ring 3, and what is wrong with its gate: the exception and its error code. QEMU never sets it.
;= 06.00.00 0B 00000033
;= 06.00.01 0D 00000001
;= 06.00.02 0B 00000041
;= 06.00.03 0D 00000011
;= 06.00.04 0D 00002001
;= 06.00.05 0D 00000033
;= 06.00.06 0D 00000011
;= 06.00.07 0B 00000049
;= 03.00.00 0B 0000001A
;= 03.00.01 0D 00000000
;= 03.00.02 0B 00000040
;= 03.00.03 0D 00000010
;= 03.00.04 0D 00002000
;= 03.00.05 0D 0000001A
;= 03.00.06 0D 00000010
;= 03.00.07 0B 00000048
;= 04.00.00 0B 00000022
;= 04.00.01 0D 00000000
;= 04.00.02 0B 00000040
;= 04.00.03 0D 00000010
;= 04.00.04 0D 00002000
;= 04.00.05 0D 00000022
;= 04.00.06 0D 00000010
;= 04.00.07 0B 00000048
;= 51.00.00 0B 0000028A
;= 51.00.01 0D 00000000
;= 51.00.02 0B 00000040
;= 51.00.03 0D 00000010
;= 51.00.04 0D 00002000
;= 51.00.05 0D 0000028A
;= 51.00.06 0D 00000010
;= 51.00.07 0B 00000048
;= EE.00.00 0B 00000283
;= EE.00.01 0D 00000001
;= EE.00.02 0B 00000041
;= EE.00.03 0D 00000011
;= EE.00.04 0D 00002001
;= EE.00.05 0D 00000283
;= EE.00.06 0D 00000011
;= EE.00.07 0B 00000049
;= 02.00.00 0B 00000013
;= 02.00.01 0D 00000001
;= 02.00.02 0B 00000041
;= 02.00.03 0D 00000011
;= 02.00.04 0D 00002001
;= 02.00.05 0D 00000013
;= 02.00.06 0D 00000011
;= 02.00.07 0B 00000049
;= 01.00.00 0B 0000000B
;= 01.00.01 0D 00000001
;= 01.00.02 0B 00000041
;= 01.00.03 0D 00000011
;= 01.00.04 0D 00002001
;= 01.00.05 0D 0000000B
;= 01.00.06 0D 00000011
;= 01.00.07 0B 00000049
;= 05.00.00 0B 0000002B
;= 05.00.01 0D 00000001
;= 05.00.02 0B 00000041
;= 05.00.03 0D 00000011
;= 05.00.04 0D 00002001
;= 05.00.05 0D 0000002B
;= 05.00.06 0D 00000011
;= 05.00.07 0B 00000049
;= 06.01.00 0B 00000033
;= 06.01.01 0D 00000001
;= 06.01.02 0B 00000041
;= 06.01.03 0D 00000011
;= 06.01.04 0D 00002001
;= 06.01.05 0D 00000033
;= 06.01.06 0D 00000011
;= 06.01.07 0B 00000049
;= 03.01.00 0B 0000001A
;= 03.01.01 0D 00000000
;= 03.01.02 0B 00000040
;= 03.01.03 0D 00000010
;= 03.01.04 0D 00002000
;= 03.01.05 0D 0000001A
;= 03.01.06 0D 00000010
;= 03.01.07 0B 00000048
;= 04.01.00 0B 00000022
;= 04.01.01 0D 00000000
;= 04.01.02 0B 00000040
;= 04.01.03 0D 00000010
;= 04.01.04 0D 00002000
;= 04.01.05 0D 00000022
;= 04.01.06 0D 00000010
;= 04.01.07 0B 00000048
;= 51.01.00 0B 0000028A
;= 51.01.01 0D 00000000
;= 51.01.02 0B 00000040
;= 51.01.03 0D 00000010
;= 51.01.04 0D 00002000
;= 51.01.05 0D 0000028A
;= 51.01.06 0D 00000010
;= 51.01.07 0B 00000048
;= EE.01.00 0B 00000283
;= EE.01.01 0D 00000001
;= EE.01.02 0B 00000041
;= EE.01.03 0D 00000011
;= EE.01.04 0D 00002001
;= EE.01.05 0D 00000283
;= EE.01.06 0D 00000011
;= EE.01.07 0B 00000049
;= 02.01.00 0B 00000013
;= 02.01.01 0D 00000001
;= 02.01.02 0B 00000041
;= 02.01.03 0D 00000011
;= 02.01.04 0D 00002001
;= 02.01.05 0D 00000013
;= 02.01.06 0D 00000011
;= 02.01.07 0B 00000049
;= 01.01.00 0B 0000000B
;= 01.01.01 0D 00000001
;= 01.01.02 0B 00000041
;= 01.01.03 0D 00000011
;= 01.01.04 0D 00002001
;= 01.01.05 0D 0000000B
;= 01.01.06 0D 00000011
;= 01.01.07 0B 00000049
;= 05.01.00 0B 0000002B
;= 05.01.01 0D 00000001
;= 05.01.02 0B 00000041
;= 05.01.03 0D 00000011
;= 05.01.04 0D 00002001
;= 05.01.05 0D 0000002B
;= 05.01.06 0D 00000011
;= 05.01.07 0B 00000049
%include "cases.inc"
APIC equ 0xfee00000
IDT2 equ 0x98000
  mov dword [APIC+0xf0],0x1ff
  mov dword [APIC+0x80],0
  mov esi,idt
  mov edi,IDT2
  mov ecx,64*2
  rep movsd
  mov word [idtr],0x100*8-1
  mov dword [idtr+2],IDT2
  lidt [idtr]
  ; vectors 8 to 14 have gates that are told
%macro TOLD 1
  mov eax,told%1
  mov [IDT2+%1*8],ax
  shr eax,16
  mov [IDT2+%1*8+6],ax
%endmacro
  TOLD 8
  TOLD 10
  TOLD 11
  TOLD 12
  TOLD 13
  xor ebp,ebp ; ring
.ring:
  xor ebx,ebx ; event
.event:
  xor esi,esi ; what is wrong
.wrong:
  ; all gates as they were
  mov [saved],ebp
  mov [saved+4],ebx
  mov [saved+8],esi
  mov ecx,[events+ebx*8]
  mov eax,ecx
  cmp ecx,0xee
  jne .v
  mov ecx,0x50
.v: push ecx
  mov al,[events+ebx*8]
  call puthex2
  OUTC '.'
  mov eax,ebp
  call puthex2
  OUTC '.'
  mov eax,esi
  call puthex2
  OUTC ' '
  pop ecx
  lea edi,[IDT2+ecx*8]
  mov [place],edi
  mov edx,[edi]
  mov [kept],edx
  mov edx,[edi+4]
  mov [kept+4],edx
  mov dword [edi],0x00080000
  mov word [edi+4],0xee00
  mov word [edi+6],0x0010
  mov eax,[wrongs+esi*8]
  mov [edi+4],ax
  mov eax,[wrongs+esi*8+4]
  mov [edi+2],ax
  mov [stack],esp
  mov dword [resume],back
  mov eax,[events+ebx*8+4]
  or ebp,ebp
  jz .same
  RING 3,0x202
.same:
  jmp eax
back:
  cli
  mov eax,0x10
  mov ds,eax
  mov es,eax
  mov ss,eax
  mov esp,[stack]
  mov edi,[place]
  mov eax,[kept]
  mov [edi],eax
  mov eax,[kept+4]
  mov [edi+4],eax
  mov dword [APIC+0xb0],0
  mov ebp,[saved]
  mov ebx,[saved+4]
  mov esi,[saved+8]
.next:
  inc esi
  cmp esi,8
  jb entry.wrong
  inc ebx
  cmp ebx,(events_end-events)/8
  jb entry.event
  inc ebp
  cmp ebp,2
  jb entry.ring
  jmp done
puthex2: ; AL
  push eax
  shr al,4
  call .digit
  pop eax
  call .digit
  ret
.digit: push eax
  and al,15
  add al,'0'
  cmp al,'9'
  jbe .o
  add al,7
.o: out 0xe9,al
  pop eax
  ret
%macro TELLS 1
told%1:
  mov eax,0x10
  mov ds,eax
  mov al,%1
  call puthex2
  OUTC ' '
  pop eax
  call puthex
  call nl
  ; an NMI stays blocked until IRET
  pushfd
  push cs
  push dword back
  iretd
%endmacro
  TELLS 8
  TELLS 10
  TELLS 11
  TELLS 12
  TELLS 13
undefined: ud2
point: int3
over: mov al,0x7f
  inc al
  into
soft: int 0x51
external:
  mov dword [APIC+0x300],0x44050
  sti
  times 8 nop
nonmaskable:
  mov dword [APIC+0x300],0x44400
  times 8 nop
trap: db 0xf1
  nop
bounds: mov eax,5
  bound eax,[zero]
events:
  dd 6, undefined
  dd 3, point
  dd 4, over
  dd 0x51, soft
  dd 0xee, external
  dd 2, nonmaskable
  dd 1, trap
  dd 5, bounds
events_end:
wrongs:
  dd 0x6e00, 8      ; 0: absent: #NP of the vector
  dd 0xee00, 0      ; 1: no selector: #GP(0) and EXT
  dd 0xee00, 0x40   ; 2: code that is absent: #NP of the selector
  dd 0xee00, 0x10   ; 3: data: #GP of the selector
  dd 0xee00, 0x2000 ; 4: beyond the GDT: #GP of the selector
  dd 0xec00, 8      ; 5: no gate: #GP of the vector
  dd 0xe500, 0x10   ; 6: a task gate whose TSS is none: #GP of the selector
  dd 0xe500, 0x48   ; 7: and one that is absent: #NP of the selector
zero: dd 0, 1
saved: dd 0, 0, 0
place: dd 0
kept: dd 0, 0
stack: dd 0
%macro MORE_DESCRIPTORS 0
  dq 0x00cf1a000000ffff ; 40 absent code
  dw 0x67, 0, 0x0910, 0 ; 48 absent TSS
%endmacro
done:
%include "cases-end.inc"
