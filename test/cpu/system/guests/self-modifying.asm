; Code that is modified (Intel SDM vol. 3, 8.1.3, 11.6): by a store before it, also right before it, as P6 and later allow; by every kind of store; across pages; by another linear address, with a serialising instruction before
; it is run. Each word is what the code then answers; letters are the cases.
%include "paging.inc"
ROUTINE equ FRAME+0x100 ; MOV EAX,imm32; RET
ALIAS equ PLACE+0x100   ; the same by another address
%macro ROUTINE_ 1 ; what it answers
  mov byte [ROUTINE],0xb8
  mov dword [ROUTINE+1],%1
  mov byte [ROUTINE+5],0xc3
%endmacro
%macro ANSWER 0
  call ROUTINE
  call puthex
%endmacro
; By each kind of store: the routine has been run, is changed, and is run again.
%macro BEGIN 0
  ROUTINE_ 1
  ANSWER
  mov edi,ROUTINE+1
%endmacro
%macro BY 1+
  BEGIN
  %1
  ANSWER
%endmacro
  mov dword [PDE],TABLE+7
  mov dword [PTE],FRAME+7
  mov dword [PTE+4],FRAME+0x1000+7
  RELOAD
  NEW 'a' ; its immediate successor
  mov ecx,3
.a: mov byte [.a1+1],cl
.a1: mov al,0xff
  call puthex2
  loop .a
  NEW 'b' ; and in the middle of a block, one behind
  mov ecx,3
.b: mov byte [.b1+1],cl
  nop
  lea edx,[ecx+1]
.b1: mov al,0xff
  call puthex2
  loop .b
  NEW 'c' ; itself, for the next time
  mov ecx,3
  mov eax,.c1+6
.c: nop
.c1: mov byte [dword .c1+6],0x20
  mov al,[.c1+6]
  call puthex2
  add byte [.c1+6],3
  loop .c
  NEW 'd' ; an opcode: INC becomes DEC
  mov ecx,4
  mov eax,0x10
.d: xor byte [.d1],8
.d1: inc eax
  call puthex
  loop .d
  NEW 'e' ; a jump's target
  mov ecx,3
.e: xor byte [.e1+1],.e3-.e2
.e1: jmp short .e2
.e2: OUTC '2'
.e3: OUTC '3'
  loop .e
  NEW 'f' ; every kind of store
  mov eax,0x01020304
  BY mov [edi],eax
  BY mov [edi+3],al
  BY mov [edi+1],ax
  BY add dword [edi],0x11
  mov ebx,0x99
  BY xchg [edi],ebx
  mov eax,1
  BY not dword [edi]
  BY bts dword [edi],9
  BY xadd [edi],edi
  BY stosd
  mov ecx,4
  BY rep stosb
  mov ebx,0x77665544
  mov esi,pattern
  BY movsd
  mov ecx,4
  mov esi,pattern
  BY rep movsb
  NEW 'g'
  BEGIN
  mov ebp,esp
  lea esp,[edi+4]
  push dword [pattern]
  mov esp,ebp
  ANSWER
  BY pop dword [edi]
  NEW 'h'
  fninit
  BY fnstcw [edi]
  fld1
  BY fst dword [edi]
  BY fistp dword [edi]
  mov eax,cr4
  or eax,0x200
  mov cr4,eax
  movd xmm0,[pattern]
  BY movd [edi],xmm0
  BY movss [edi],xmm0
  movd mm0,[pattern]
  BY movd [edi],mm0
  emms
  BY sldt [edi]
  BY str [edi]
  BY setnz [edi+2]
  mov eax,1
  mov edx,0
  mov ebx,0x55
  mov ecx,0xc3
  BEGIN
  mov eax,[edi]
  mov edx,[edi+4]
  cmpxchg8b [edi]
  ANSWER
  NEW 'i' ; the processor's own stores: the frame of a 16-bit gate, whose FLAGS are a RET
  mov dword [idt+0x20*8],0x00085000
  mov dword [idt+0x20*8+4],0x8600
  mov word [0x5000],0x25ff ; JMP [continue]
  mov dword [0x5002],continue
  mov dword [continue],.taken
  BEGIN
  mov ebp,esp
  lea esp,[edi+6]
  push dword 0xc3
  popfd
  int 0x20
.taken: mov esp,ebp
  call ROUTINE
  and eax,0xffff0000
  call puthex
  NEW 'j' ; another linear address, and then CPUID
  ROUTINE_ 1
  ANSWER
  mov dword [ALIAS+1],2
  call serialise
  ANSWER
  call ALIAS
  call puthex
  mov dword [ROUTINE+1],3
  call serialise
  call ALIAS
  call puthex
  ANSWER
  NEW 'k' ; a routine across two pages: its first byte, its last ones, both by one store, by an alias of the second page
  mov byte [FRAME+0xffd],0xb8
  mov dword [FRAME+0xffe],0x11
  mov byte [FRAME+0x1002],0xc3
  call across
  mov byte [FRAME+0x1001],0x22
  call across
  mov byte [FRAME+0xfff],0x33
  call across
  mov dword [FRAME+0xffe],0x44556677
  call across
  mov word [PLACE+0x1000],0x8899
  call serialise
  call across
  mov byte [FRAME+0xffd],0x68 ; PUSH imm32
  mov byte [FRAME+0x1002],0x58 ; POP EAX
  mov byte [FRAME+0x1003],0xc3
  call across
  NEW 'l' ; a page of code exchanged by its page table entry
  ROUTINE_ 7
  mov esi,FRAME
  mov edi,0x214000
  mov ecx,0x400
  rep movsd
  mov dword [0x214101],9
  call ALIAS
  call puthex
  mov dword [PTE],0x214007
  invlpg [PLACE]
  call ALIAS
  call puthex
  ANSWER
  mov dword [0x214101],10
  call ALIAS
  call puthex
  mov dword [PTE],FRAME+7
  RELOAD
  call ALIAS
  call puthex
  NEW 'm' ; A and D of a table entry in a page of code: tables and code share a frame
  ROUTINE_ 5
  mov dword [FRAME],0x215007
  mov dword [FRAME+4],0x215007
  mov dword [PDE+4],FRAME+7
  RELOAD
  ANSWER
  mov al,[PLACE-0x1000+0x400000]
  mov [PLACE-0x1000+0x400000],al
  mov eax,[FRAME]
  call puthex
  ANSWER
  mov dword [PDE+4],0
  RELOAD
  jmp over
across: call FRAME+0xffd
  jmp puthex
serialise:
  push eax
  push ebx
  push ecx
  push edx
  xor eax,eax
  cpuid
  pop edx
  pop ecx
  pop ebx
  pop eax
  ret
continue: dd 0
pattern: dd 0x0a0b0c0d, 0
over:
%include "paging-end.inc"
