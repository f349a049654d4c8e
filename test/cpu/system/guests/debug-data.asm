; Breakpoints on data: which instructions write there (the first round), and which read or write (the second).
%include "debug.inc"
  ; what instructions do
%assign kind 1
%rep 2
  %if kind == 1
  ARM 3, var, WR4
  %else
  ARM 3, var, RW4
  %endif
  CASE 'i'
  cmp [var],eax
  add [var],eax
  adc eax,[var]
  xchg eax,[var]
  mov eax,5
  cmpxchg [var],ebx
  lock xadd [var],eax
  bt dword [var],3
  bts dword [var],3
  not dword [var]
  push dword [var]
  pop dword [var]
  movzx ecx,byte [var+1]
  setz [var+3]
  test byte [var],1
  shl word [var+2],1
  imul eax,[var],3
  lea eax,[var]
  mov esi,var
  mov edi,var
  lodsb
  mov esi,var
  mov eax,[src]
  cmpsb
  mov edi,var
  scasd
  fninit
  fld1
  fst dword [var]
  fadd dword [var]
  fistp dword [var]
  fnstcw [var]
  fldcw [var]
  cmpxchg8b [var-4]
  nop
  %assign kind kind+1
%endrep
%include "debug-end.inc"
