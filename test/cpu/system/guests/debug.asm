; Breakpoints on instructions and data. QEMU agrees but for RF in the middle of a repeated instruction (D; Intel SDM vol. 3, 17.3.1.1), which it does not set.
;= A 00000001 00000001 00000000
;= A 00000001 00000001 00000000
;= A 00000001 00000001 00000000
;= B 0000000E 00000002 00000000
;= B 0000001E 00000002 00000000
;= B 00000028 00000002 00000000
;= C 00000005 00000004 00000000
;= C 0000000F 00000004 00000000
;= C 00000015 00000004 00000000
;= C 0000001B 00000004 00000000
;= D 00000000 00000008 00010000
;= D 00000000 00000008 00010000
;= D 00000000 00000008 00010000
;= D 00000000 00000008 00010000
;= D 0000000E 00000008 00010000
;= E 00000001 00000001 00000000
;= E 00000004 00000001 00000000
;= G 00000001 00000001 00000000
;= G!00000005 00010000
;= Z
%include "debug.inc"
  ; A: instruction, in a loop
  ARM 0, .a1, EXEC
  mov ecx,3
  CASE 'A'
.a: nop
.a1: inc ebx
  loop .a
  ; B: data, write of its byte and of neighbours
  ARM 1, var+1, WR1
  CASE 'B'
  mov byte [var],1
  mov byte [var+1],2
  mov byte [var+2],3
  mov word [var],4
  mov dword [var-2],5
  mov eax,[var]
  ; C: reads and writes, two bytes
  ARM 2, var+2, RW2
  CASE 'C'
  mov eax,[var]
  mov al,[var+1]
  mov al,[var+3]
  inc byte [var+2]
  xchg [var+3],al
  ; D: four bytes, repeated move
  ARM 3, var+8, WR4
  mov esi,src
  mov edi,var
  mov ecx,16
  CASE 'D'
  rep movsb
  mov edi,var
  mov ecx,4
  xor eax,eax
  rep stosd
  ; E: on the stack
  ARM 0, 0x90000-4, RW4
  CASE 'E'
  push eax
  mov ebx,[esp]
  DISARM
  pop eax
  ; G: fault of an instruction with a breakpoint
  ARM 0, .g1, EXEC
  mov dword [resume],.g2
  CASE 'G'
  nop
.g1: mov ax,0x1234
  mov ds,ax
.g2: mov ax,16
  mov ds,ax
%include "debug-end.inc"
