; EFLAGS.TF, breakpoints on instructions, and the order of both (Intel SDM vol. 3, 6.9, 17.3): what a case is about is told in the source. Lines as debug.inc says; CASE or STEP begins them, and OFF, which takes
; PUSHF, AND and POPF, is stepped as well. QEMU steps neither behind STI nor behind LSS, and does not come out of HLT.
;= a 00000001 00004000 00000000
;= a 00000002 00004000 00000000
;= a 00000005 00004000 00000000
;= a 00000006 00004000 00000000
;= a 0000000D 00004000 00000000
;= a 0000000E 00004000 00000000
;= b 00000000 00004000 00010000
;= b 00000000 00004000 00010000
;= b 00000002 00004000 00000000
;= b 00000003 00004000 00000000
;= b 00000004 00004000 00000000
;= b 0000000B 00004000 00000000
;= b 0000000C 00004000 00000000
;= c 00000002 00004000 00000000
;= c 00000003 00004000 00000000
;= c 00000004 00004000 00000000
;= c 0000000B 00004000 00000000
;= c 0000000C 00004000 00000000
;= d 00000003 00004000 00000000
;= d 00000004 00004000 00000000
;= d 0000000B 00004000 00000000
;= d 0000000C 00004000 00000000
;= e 00000002 00004000 00000000
;= e 00000003 00004000 00000000
;= e 0000000A 00004000 00000000
;= e 0000000B 00004000 00000000
;= f 00000002 00004000 00000000
;= f 00000003 00004000 00000000
;= f 0000000A 00004000 00000000
;= f 0000000B 00004000 00000000
;= g 00000001 00004000 00000000
;= g 00000002 00004000 00000000
;= g 00000003 00004000 00000000
;= g 0000000A 00004000 00000000
;= g 0000000B 00004000 00000000
;= h 00000003 00004000 00000000
;= h 00000004 00004000 00000000
;= h 0000000B 00004000 00000000
;= h 0000000C 00004000 00000000
;= i 00000003 00004000 00000000
;= i 00000004 00004000 00000000
;= i 00000005 00004000 00000000
;= i 0000000C 00004000 00000000
;= i 0000000D 00004000 00000000
;= j 00000002 00004000 00000000
;= j 00000003 00004000 00000000
;= j 00000004 00004000 00000000
;= j 0000000B 00004000 00000000
;= j 0000000C 00004000 00000000
;= l 00000007 00004000 00000000
;= l 00000009 00004000 00000000
;= l 0000000A 00004000 00000000
;= l 0000000B 00004000 00000000
;= l 00000012 00004000 00000000
;= l 00000013 00004000 00000000
;= m 00000001 00004000 00000000
;= m 00000002 00004000 00000000
;= m 00000003 00004000 00000000
;= m 00000004 00004000 00000000
;= m 0000000B 00004000 00000000
;= m 0000000C 00004000 00000000
;= n 00000001 00004000 00000000
;= o 00000002 00004000 00000000
;= o 00000003 00004000 00000000
;= o 0000000A 00004000 00000000
;= o 0000000B 00004000 00000000
;= p 00000001 00004000 00000000
;= p 00000002 00004000 00000000
;= p 00000009 00004000 00000000
;= p 0000000A 00004000 00000000
;= 00000100
;= q 00000001 00004000 00000000
;= q 00000002 00004000 00000000
;= q 00000003 00004000 00000000
;= q 0000000A 00004000 00000000
;= q 0000000B 00004000 00000000
;= r 00000001 00004000 00000000
;= r 00000001 00000001 00000000
;= r 00000002 00004000 00000000
;= r 00000003 00004000 00000000
;= r 0000000A 00004000 00000000
;= r 0000000B 00004000 00000000
;= s 00000001 00000009 00000000
;= t 00000000 00000001 00000000
;= u 000001F2 00000002 00000000
;= u 000001F2 00000002 00000000
;= v 00000006 00000001 00000000
;= v!00000006 00010000
;= w 00000000 00000001 00010000
;= w!00000000 00010000
;= x 00000005 0000E004 00000000
;= y 00000001 00006000 00000000
;= y 00000006 00006004 00000000
;= y 00000007 00006000 00000000
;= y 0000000E 00006000 00000000
;= y 0000000F 00006000 00000000
;= z 00000000 00002000 00000000
;= 00000400
;= z 00000000 00002000 00000000
;= 00000400
;= z 00000000 00002000 00000000
;= z 00000004 00002000 00000000
;= 00000400
;= z 00000000 00002000 00000000
;= 00000400
;= U
;= D 00000008 00002000 00000000
;= Z
%include "debug.inc"
; EFLAGS.TF from the instruction behind it on; the places are told from the beginning of that.
%macro STEP 1
  mov dword [base],%%here
  mov byte [letter],%1
  pushfd
  or dword [esp],0x100
  popfd
%%here:
%endmacro
%macro OFF 0
  pushfd
  and dword [esp],~0x100
  popfd
%endmacro
; An interrupt gate that leads back at once.
%macro GATE 2
  mov edi,idt+8*%1
  mov eax,%2
  call gate
%endmacro
  GATE 0x30,back
  GATE 3,back
  GATE 4,back
  GATE 6,skip2
  GATE 0,skip2
  ; a: each instruction; POPF that clears it is the last
  STEP 'a'
  nop
  inc ebx
  jmp .a1
  nop
.a1: OFF
  ; b: each iteration of a repeated instruction, the last one with the next EIP
  mov esi,src
  mov edi,var
  mov ecx,3
  STEP 'b'
  rep movsb
  nop
  OFF
  ; c: none when there is nothing to repeat but the one behind it
  xor ecx,ecx
  STEP 'c'
  rep stosb
  nop
  OFF
  ; d: INT n is not stepped, and neither is its handler; nor IRET there, which sets TF: the instruction behind is
  STEP 'd'
  int 0x30
  nop
  OFF
  ; e: INT3 and INTO alike
  STEP 'e'
  int3
  nop
  OFF
  mov al,0x7f
  inc al
  STEP 'f'
  into
  nop
  OFF
  xor eax,eax
  STEP 'g'
  into
  nop
  OFF
  ; h: a fault takes the place of the trap
  STEP 'h'
  ud2
  nop
  OFF
  ; i: MOV SS, POP SS: one trap for it and the next; LSS and others trap
  mov ax,16
  STEP 'i'
  mov ss,ax
  nop
  nop
  OFF
  push dword 16
  STEP 'j'
  pop ss
  nop
  nop
  OFF
  STEP 'l'
  lss esp,[sslot]
  mov ds,ax
  nop
  OFF
  ; m: STI holds back interrupts only
  STEP 'm'
  sti
  cli
  nop
  OFF
  ; n: IRET with TF clear in its image is stepped as any
  pushfd
  push dword 8
  push dword .n1
  STEP 'n'
  iretd
.n1: nop
  ; o: IRET that sets it is not
  mov dword [base],.o0
  mov byte [letter],'o'
  pushfd
  or dword [esp],0x100
  push dword 8
  push dword .o1
.o0: iretd
.o1: nop
  OFF
  ; p: PUSHF's image has TF, INT n clears it for its handler
  STEP 'p'
  pushfd
  OFF
  pop eax
  and eax,0x100
  call puthex
  call nl
  ; q: HLT is left for the trap
  STEP 'q'
  hlt
  nop
  OFF
  ; r: a breakpoint on the next instruction comes after the trap
  ARM 0, .r1, EXEC
  STEP 'r'
  nop
.r1: nop
  OFF
  DISARM
  ; s: two on one instruction, met once each though it repeats
  mov eax,.s1
  mov dr0,eax
  mov dr3,eax
  mov eax,0x400|0x82
  mov dr7,eax
  mov edi,var
  mov ecx,3
  CASE 's'
  nop
.s1: rep stosb
  nop
  DISARM
  ; t: it must be on the first byte, a prefix if there is one
  mov eax,.t1
  mov dr0,eax
  inc eax
  mov dr1,eax
  mov eax,0x400|0xa
  mov dr7,eax
  CASE 't'
.t1: mov ax,[var]
  DISARM
  ; u: on a handler's first instruction; RF is for the instruction returned to only
  ARM 1, back, EXEC
  CASE 'u'
  int 0x30
  int 0x30
  DISARM
  ; v: data of an instruction that faults is not met, of one that repeats only what was done before
  ARM 0, var, RW4
  xor eax,eax
  mov gs,ax
  mov dword [resume],.v1
  CASE 'v'
  push dword [var]
  mov eax,[gs:var]
  nop
.v1:
  mov esi,var-2
  mov dword [resume],.v3
  mov ax,0x18 ; to 8000F
  mov es,ax
  mov edi,13
  mov ecx,5
  CASE 'w'
  rep movsb
  nop
.v3: mov ax,16
  mov es,ax
  DISARM
  ; x: DR6 accumulates, but for B0 to B3
  mov byte [raw],1
  mov eax,0xe00f
  mov dr6,eax
  ARM 2, var, WR1
  CASE 'x'
  mov [var],al
  mov eax,0x2000
  mov dr6,eax
  STEP 'y'
  nop
  mov [var],al
  OFF
  mov byte [raw],0
  DISARM
  xor eax,eax
  mov dr6,eax
  ; z: GD: reads and writes of all of them, also by other names; a handler may; CR4.DE is looked at first
%macro GUARDED 1+
  mov eax,0x2400
  mov dr7,eax
  CASE 'z'
  %1
  nop
  mov eax,dr7
  call puthex
  call nl
%endmacro
  GUARDED mov dr0,eax
  GUARDED mov eax,dr6
  GUARDED mov dr7,eax
  GUARDED mov eax,dr4
  mov dword [resume],.de
  GATE 6,undefined
  mov eax,8
  mov cr4,eax
  mov eax,0x2400
  mov dr7,eax
  CASE 'D'
  mov eax,dr5
.de:
  DISARM
  jmp over
back: iretd
skip2: push eax
  mov eax,[esp+4]
  add dword [esp+4],2
  and dword [esp+12],~0x10000
  pop eax
  iretd
undefined: OUTC 'U'
  call nl
  add esp,12
  jmp [resume]
sslot: dd 0x90000, 16
over:
%include "debug-end.inc"
