; RF (Intel SDM vol. 3, 17.3.1.1): of the EFLAGS image that each kind of event saves, in ring 0 and then in ring 3: set for faults, clear for traps, INT n, interrupts and NMIs. A line: letter, vector, RF. Then with a
; breakpoint on an instruction: how often it is met (#DB, DR6) when what returns there had RF set or clear. QEMU sets RF for no fault.
;= A 00000000 00010000
;= a 00000000 00010000
;= B 00000003 00000000
;= b 00000003 00000000
;= C 00000004 00000000
;= c 00000004 00000000
;= D 00000005 00010000
;= d 00000005 00010000
;= E 00000006 00010000
;= e 00000006 00010000
;= F 00000007 00010000
;= f 00000007 00010000
;= G 0000000B 00010000
;= g 0000000B 00010000
;= H 0000000D 00010000
;= h 0000000D 00010000
;= I 00000051 00000000
;= i 00000051 00000000
;= J 00000050 00000000
;= j 00000050 00000000
;= K 00000002 00000000
;= k 00000002 00000000
;= L 00000001 00000000
;= l 00000001 00000000
;= M 00000001 00000000
;= m 00000001 00000000
;= n 00000011 00010000
;= o 0000000C 00010000
;= P 00000001 00000000 00000001
;= R 00000001 00000000 00000001
;= S 00000001 00000000 00000001
;= T 00000001 00000000 00000001
%include "cases.inc"
APIC equ 0xfee00000
IDT2 equ 0x98000
RF equ 0x10000
  mov esi,idt
  mov edi,IDT2
  mov ecx,64*2
  rep movsd
  mov word [idtr],0x100*8-1
  mov dword [idtr+2],IDT2
  lidt [idtr]
  mov eax,cr0
  or eax,0x40000 ; AM
  mov cr0,eax
  mov dword [APIC+0xf0],0x1ff
  mov dword [APIC+0x80],0
  xor ebx,ebx
.gates:
  movzx eax,byte [vectors+ebx]
  lea edi,[IDT2+eax*8]
  mov eax,ebx
  shl eax,4
  add eax,images
  mov [edi],ax
  mov word [edi+2],8
  mov dword [edi+4],0xee00
  shr eax,16
  mov [edi+6],ax
  inc ebx
  cmp ebx,vectors_end-vectors
  jb .gates
  jmp events
vectors: db 0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 17, 0x50, 0x51
vectors_end:
align 16
images:
%macro IMAGE 2
align 16
  %if %2 == 0
  push dword 0
  %endif
  push dword %1
  jmp near image
%endmacro
  IMAGE 0,0
  IMAGE 1,0
  IMAGE 2,0
  IMAGE 3,0
  IMAGE 4,0
  IMAGE 5,0
  IMAGE 6,0
  IMAGE 7,0
  IMAGE 10,4
  IMAGE 11,4
  IMAGE 12,4
  IMAGE 13,4
  IMAGE 14,4
  IMAGE 17,4
  IMAGE 0x50,0
  IMAGE 0x51,0
image:
  push eax
  mov eax,0x10
  mov ds,eax
  mov es,eax
  OUTC [letter]
  OUTC ' '
  mov eax,[esp+4]
  call puthex
  mov eax,[esp+20]
  and eax,RF
  call puthex
  cmp byte [counting],0
  jne .count
  call nl
  mov esp,STACK0
  mov dword [APIC+0xb0],0
  ; NMIs are unblocked by IRET only
  push dword 2
  push dword 8
  push dword [resume]
  iretd
.count: ; a debug exception: DR6, then RF as it is wanted
  mov eax,dr6
  and eax,0xe00f
  call puthex
  call nl
  xor eax,eax
  mov dr6,eax
  or dword [esp+20],RF
  pop eax
  add esp,8
  iretd
; What happens in ring 0, then in ring 3.
%macro BOTH 3+ ; letter, EFLAGS, instructions
  mov byte [letter],%1
  mov dword [resume],%%a
  push dword %2
  popfd
  %3
  times 6 nop
%%a:
  mov byte [letter],%1+32
  mov dword [resume],%%b
  RING 3,%2
  %3
  times 6 nop
%%b:
%endmacro
%macro DIVIDE 0
  xor ecx,ecx
  div ecx
%endmacro
%macro OVER 0
  mov al,0x7f
  inc al
  into
%endmacro
%macro BOUNDS 0
  mov eax,5
  bound eax,[zero]
%endmacro
%macro LOAD 1
  mov eax,%1
  mov gs,ax
%endmacro
%macro NOFPU 0
  fnop
%endmacro
%macro SENDNMI 0
  mov dword [APIC+0x300],0x44400
%endmacro
%macro SEND 0
  mov dword [APIC+0x300],0x44050
%endmacro
zero: dd 0, 1
letter: db 0
counting: db 0
align 4
events:
  BOTH 'A',2,DIVIDE
  BOTH 'B',2,int3
  BOTH 'C',2,OVER
  BOTH 'D',2,BOUNDS
  BOTH 'E',2,ud2
  mov eax,cr0
  or eax,8
  mov cr0,eax
  BOTH 'F',2,NOFPU
  BOTH 'G',2,LOAD 0x43 ; absent
  BOTH 'H',2,LOAD 0xf8
  BOTH 'I',2,int 0x51
  BOTH 'J',IF,SEND
  BOTH 'K',2,SENDNMI
  BOTH 'L',2,{db 0xf1}
  BOTH 'M',TF|2,nop
  ; alignment is checked in ring 3 only
  mov byte [letter],'n'
  mov dword [resume],.n
  RING 3,AC
  mov eax,[zero+1]
.n:
  mov byte [letter],'o'
  mov dword [resume],.o
  RING 3,2
  mov eax,0x4b
  mov ss,ax ; absent: #SS
.o:
  ; a breakpoint
  xor eax,eax
  mov dr6,eax
  mov byte [counting],1
  mov eax,.target
  mov dr0,eax
  mov eax,0x402
  mov dr7,eax
%macro RETURN 2 ; letter, EFLAGS of the image
  mov byte [letter],%1
  mov dword [after],%%next
  push dword %2
  push dword 8
  push dword .target
  iretd
%%next:
%endmacro
  RETURN 'P',2
  RETURN 'Q',RF|2
  RETURN 'R',2
  ; POPF does not set RF, nor does PUSHF show it
  mov byte [letter],'S'
  mov dword [after],.s
  push dword RF|2
  popfd
  jmp .target
.s:
  ; RF is over with an instruction that completes, and with a jump to the same place
  mov byte [letter],'T'
  mov dword [after],.t
  push dword RF|2
  push dword 8
  push dword .before
  iretd
.before: nop
.target: nop
  jmp [after]
.t: mov eax,0x400
  mov dr7,eax
  jmp over
after: dd 0
%macro MORE_DESCRIPTORS 0
  dq 0x00cf72000000ffff ; 40 absent data
  dq 0x00cf72000000ffff ; 48
%endmacro
over:
%include "cases-end.inc"
