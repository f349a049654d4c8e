; Alignment check (Intel SDM vol. 3, 6.15, #AC): for each instruction of ring 3 with EFLAGS.AC and CR0.AM the offsets 0 to 15 of its operand (or of ESP) at which #AC(0) comes, as bits, then those at which another
; exception does: by table 6-7 the operand's size up to 8, 2 for 16-bit far pointers, 4 for 32-bit ones, for descriptor-table registers and for what FSTENV and FSAVE store (2 with operands of 16 bits). Then that
; CR0.AM, EFLAGS.AC and ring 3 are all needed, virtual-8086 mode being ring 3, as lines of cases.inc. QEMU has no alignment check.
;= 00000000 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 00000000 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 0000EEEE 00000000
;= 0000AAAA 00000000
;= 0000FEFE 00000000
;= 0000EEEE 00000000
;= 00000000 00000000
;= 0000AAAA 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 0000EEEE 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 0000EEEE 00000000
;= 0000AAAA 00000000
;= 00000000 00000000
;= 0000AAAA 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 0000AAAA 00000000
;= 0000BBBB 00000000
;= 0000BBBB 00000000
;= 0000AAAA 00000000
;= 0000AAAA 00000000
;= 0000AAAA 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 0000EEEE 00000000
;= 0000EEEE 00000000
;= 0000EEEE 00000000
;= 0000EEEE 00000000
;= 0000EEEE 00000000
;= 0000EEEE 00000000
;= 0000EEEE 00000000
;= 00000000 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 0000EEEE 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 0000EEEE 00000000
;= 0000FEFE 00000000
;= 0000FEFE 00000000
;= 0000EEEE 00000000
;= 0000FEFE 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 0000FEFE 00000000
;= 0000AAAA 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 0000EEEE 00000000
;= 0000AAAA 00000000
;= 0000EEEE 00000000
;= 0000FEFE 00000000
;= 0000FEFE 00000000
;= 0000EEEE 00000000
;= 0000FEFE 00000000
;= 0000FEFE 00000000
;= 0000EEEE 00000000
;= 0000FEFE 00000000
;= 00000000 0000FFFE
;= 00000000 0000FFFE
;= 0000EEEE 00000000
;= 0000EEEE 00000000
;= 00000000 00000030 00000000 00000000 00000000 00000000
;= 00000001 00000030 00000000 00000000 00000000 00000000
;= 00000002 00000030 00000000 00000000 00040000 00000000
;= 00000003 00000011 00000000 00000000 00040000 00000000
;= 00000004 00000011 00000000 00000000 00043000 00000000
;= 00000005 00000030 00000000 00000000 00040000 00000000
;= 00000006 00000030 00000000 00000000 00040000 00000000
;= 00000007 00000011 00000000 00000006 00040000 00000000
;= 00000008 00000030 00000000 00000000 00040000 00000000
;= 00000009 00000030 00000000 00000000 00040000 00000001
;= 0000000A 00000011 00000000 00000000 00040000 00080000
;= 0000000B 00000011 00000000 00000034 00060000 00000000
;= 0000000C 0000000D 00000000 00000037 00020000 00000000
%include "cases.inc"
AM equ 0x40000
BUFFER equ 0x80000
  mov eax,cr0
  or eax,AM|2
  and eax,~0xc
  mov cr0,eax
  mov eax,0x600
  mov cr4,eax
  mov eax,aligned
  mov edi,idt+17*8
  call gate
  mov eax,passed
  mov edi,idt+0x31*8
  call gate
  mov eax,other
  mov edi,idt+13*8
  call gate
  mov ebp,instructions
.instruction:
  xor ebx,ebx ; misaligned
  xor edx,edx ; other exceptions
  xor ecx,ecx
.offset:
  mov [saved],ebx
  mov [saved+4],ecx
  mov [saved+8],ebp
  mov [saved+12],edx
  push edi
  mov edi,BUFFER
  push ecx
  xor eax,eax
  mov ecx,64
  rep stosd
  pop ecx
  pop edi
  fninit
  lea edi,[BUFFER+ecx]
  lea esi,[BUFFER+0x40+ecx]
  mov eax,DATA3
  mov ds,eax
  mov es,eax
  push eax
  lea eax,[BUFFER+0x80+ecx]
  push eax
  push dword AC|2
  push dword CODE3
  push dword [ebp]
  xor eax,eax
  mov ecx,2
  iretd
passed:
  call restore
  jmp next
other: call restore
  bts edx,ecx
  jmp next
aligned: pop dword [ss:code]
  pop dword [ss:place]
  call restore
  bts ebx,ecx
  cmp dword [code],0
  jne bad
  mov eax,[place]
  cmp eax,[ebp]
  je next
bad: OUTC '!'
next:
  mov esp,STACK0
  inc ecx
  cmp ecx,16
  jb entry.offset
  mov eax,ebx
  call puthex
  mov eax,edx
  call puthex
  call nl
  add ebp,4
  cmp ebp,instructions_end
  jb entry.instruction
  jmp rules
restore: mov eax,0x10
  mov ds,eax
  mov es,eax
  mov ebx,[saved]
  mov ecx,[saved+4]
  mov ebp,[saved+8]
  mov edx,[saved+12]
  ret
gate: mov [edi],ax
  shr eax,16
  mov [edi+6],ax
  ret
code: dd 0
place: dd 0
saved: dd 0, 0, 0, 0
%assign n 0
%macro I 1+
i%+n: %1
  int 0x31
  %assign n n+1
%endmacro
  ; integers
  I mov al,[edi]
  I mov ax,[edi]
  I mov eax,[edi]
  I mov [edi],al
  I mov [edi],ax
  I mov [edi],eax
  I add [edi],ax
  I add eax,[edi]
  I xchg [edi],eax
  I cmpxchg [edi],ax
  I cmpxchg8b [edi]
  I xadd [edi],eax
  I movzx eax,byte [edi]
  I movsx eax,word [edi]
  I bt word [edi],3
  I bts dword [edi],3
  I imul eax,[edi],3
  I neg word [edi]
  I shl dword [edi],1
  I bound eax,[edi]
  I arpl [edi],ax
  I xlatb
  ; segments and tables
  I mov es,[edi]
  I mov [edi],ds
  I les eax,[edi]
  I o16 les ax,[edi]
  I sgdt [edi]
  I sidt [edi]
  I sldt [edi]
  I smsw [edi]
  I verr [edi]
  I lar eax,[edi]
  ; stacks
  I push eax
  I push ax
  I pop eax
  I pop ax
  I push dword [edi]
  I pop dword [edi]
  I pushad
  I popa
  I pushfd
  I pushf
  I enter 4,0
  I call i0
  ; strings
  I movsb
  I movsw
  I movsd
  I rep movsd
  I stosw
  I lodsd
  I cmpsw
  I scasd
  ; x87, MMX, SSE
  I fld dword [edi]
  I fld qword [edi]
  I fld tword [edi]
  I fst dword [edi]
  I fst qword [edi]
  I fild word [edi]
  I fild dword [edi]
  I fild qword [edi]
  I fldcw [edi]
  I fnstsw [edi]
  I fnstenv [edi]
  I o16 fnstenv [edi]
  I fldenv [edi]
  I fnsave [edi]
  I o16 fnsave [edi]
  I movd mm0,[edi]
  I movq mm0,[edi]
  I paddw mm0,[edi]
  I movss xmm0,[edi]
  I movsd xmm0,[edi]
  I movlps [edi],xmm0
  I cvtsi2sd xmm0,[edi]
  I ucomisd xmm0,[edi]
  I movaps xmm0,[edi]
  I movdqa [edi],xmm0
  I ldmxcsr [edi]
  I stmxcsr [edi]
instructions:
%assign k 0
%rep n
  dd i%+k
  %assign k k+1
%endrep
instructions_end:
rules:
  mov eax,stubs+17*16
  mov edi,idt+17*8
  call gate
  mov eax,stubs+13*16
  mov edi,idt+13*8
  call gate
%macro RULE 3 ; CR0.AM, ring, EFLAGS
  CASE
  mov eax,cr0
  and eax,~AM
  or eax,%1
  mov cr0,eax
  xor eax,eax
  %if %2 == 0
  push dword %3
  popfd
  %else
  RING %2,%3
  %endif
  HERE
  mov eax,[BUFFER+1]
  xor eax,eax
  TELL
  DONE
%endmacro
  RULE 0,3,2
  RULE AM,3,2
  RULE 0,3,AC
  RULE AM,3,AC
  RULE AM,3,AC|IOPL
  RULE AM,1,AC
  RULE AM,0,AC
  ; POPF sets it at once
  CASE
  xor eax,eax
  RING 3,2
  HERE
  push dword AC
  popfd
  mov eax,[BUFFER+1]
  TELL
  DONE
  ; the processor's own accesses are not checked: INT to a misaligned stack of ring 0, a misaligned LDT and TSS
  CASE
  mov dword [tss+4],STACK0-3
  xor eax,eax
  RING 3,AC
  TELL
  DONE
  mov dword [tss+4],STACK0
  ; fetches are not
  CASE
  xor eax,eax
  RING 3,AC
  jmp .odd
  align 16
  nop
.odd: mov eax,1
  TELL
  DONE
  ; a repeated instruction faults in its first iteration
  CASE
  RING 3,AC
  mov esi,BUFFER
  mov edi,BUFFER+0x41
  mov ecx,4
  mov eax,esi
  HERE
  rep movsd
  TELL
  DONE
  ; virtual-8086 mode
  CASE
  xor eax,eax
  VM86 AC
  mov ax,[1]
  VMDONE
  CASE
  xor eax,eax
  VM86 0
  mov ax,[1]
  VMDONE
%include "cases-end.inc"
