; Ring 3 against the system: segment loads, gates, far returns, I/O permission map, privileged instructions. Each fault: number of the case, vector,
; error code, EIP less that of the case. "=": a value told by the case, or EAX and the CS of a routine that was reached.
%include "print.inc"
putnumber: push eax
  movzx eax,byte [number_]
  call puthex
  pop eax
  ret
UDATA equ 0x23
UCODE equ 0x1b
USTACK equ 0x88000
; A case of ring 3: its number, and what follows it.
%assign number 0
%macro CASE 0
  mov byte [number_],number+1
  mov dword [resume],%%next
  mov dword [base],%%here
%%here:
  %define NEXT %%next
%endmacro
%macro DONE 0
  TELL
NEXT:
  %assign number number+1
%endmacro
; EAX is told.
%macro TELL 0
  int 0x30
%endmacro
; One instruction that faults, or tells what it leaves in EAX.
%macro TRY 1+
  CASE
  %1
  DONE
%endmacro
tell: push ds
  push dword 16
  pop ds
  call putnumber
  OUTC '='
  call puthex
  call nl
  pop ds
  iretd
over: xor eax,eax
  out 0xf4,eax
  hlt
trapped: push dword 16
  pop ds
  call putnumber
  OUTC ' '
  pop eax
  call puthex
  pop eax
  call puthex
  mov eax,[esp]
  sub eax,[base]
  call puthex
  call nl
finish:
  mov eax,[resume]
  mov [esp],eax
  mov dword [esp+4],UCODE
  mov dword [esp+8],0x202
  mov dword [esp+12],USTACK
  mov dword [esp+16],UDATA
  mov eax,UDATA
  mov ds,ax
  mov es,ax
  mov fs,ax
  mov gs,ax
  iretd
align 16
stubs:
%assign v 0
%rep 20
align 16
  %if !(v == 8 || (v >= 10 && v <= 14) || v == 17)
  push dword 0
  %endif
  push dword v
  jmp near trapped
%assign v v+1
%endrep
; Routines behind call gates.
gated: push dword 16
  pop ds
  call putnumber
  OUTC '='
  mov eax,[esp+8]
  call puthex
  mov eax,[esp+12]
  call puthex
  mov eax,[esp+16]
  sub eax,USTACK
  call puthex
  mov eax,cs
  call puthex
  call nl
  retf 8
gated16: push dword 16
  pop ds
  call putnumber
  OUTC '='
  movzx eax,word [esp+4]
  call puthex
  movzx eax,word [esp+6]
  call puthex
  call nl
  sub esp,20
  jmp finish
conform: mov eax,cs
  retf

entry:
  mov esp,0x90000
  mov al,0xff ; no timer tick of the firmware's
  out 0x21,al
  lgdt [gdtr]
  jmp 8:.n
.n: mov ax,16
  mov ds,ax
  mov es,ax
  mov ss,ax
  xor ecx,ecx
  mov edi,idt
.i: mov eax,ecx
  shl eax,4
  add eax,stubs
  mov ebx,0x8e00
  call gate
  inc ecx
  cmp ecx,20
  jb .i
  mov edi,idt+0x30*8
  mov eax,tell
  mov ebx,0xee00
  call gate
  mov eax,over
  call gate
  mov ebx,0x8e00 ; 32: ring 0 only
  call gate
  mov ebx,0x6e00 ; 33: not present
  call gate
  mov dword [edi],0x00d80000 ; 34: code that is data
  mov dword [edi+4],0xee00
  lidt [idtr]
  ; where what is called lies
%macro PLACE 2
  mov eax,%2
  mov [%1],ax
  shr eax,16
  mov [%1+6],ax
%endmacro
  PLACE gdt+0x68,gated
  PLACE gdt+0x70,gated
  PLACE gdt+0x78,gated
  mov word [gdt+0x80],gated16-start
  mov ax,0x28
  ltr ax
  mov ax,UDATA
  mov ds,ax
  mov es,ax
  mov fs,ax
  mov gs,ax
  push dword UDATA
  push dword USTACK
  push dword 0x202
  push dword UCODE
  push dword ring3
  iretd

gate: mov [edi],ax
  mov word [edi+2],8
  mov [edi+4],bx
  push eax
  shr eax,16
  mov [edi+6],ax
  pop eax
  add edi,8
  ret

%macro LOAD 2 ; segment register and selector
  mov ecx,%2
  CASE
  mov %1,cx
  mov eax,%1
  DONE
  mov ecx,UDATA
  mov ds,cx
%endmacro
ring3:
  LOAD gs,0       ; null
  LOAD gs,3
  LOAD ss,3       ; not for SS
  LOAD ds,0x10    ; ring 0 data
  LOAD ds,0x13
  LOAD ds,0x33    ; not present
  LOAD ds,0x3b    ; read-only data
  LOAD ss,0x3b
  LOAD ds,0x43    ; execute-only code
  LOAD ds,0x4b    ; conforming code of ring 0
  LOAD ds,0x28    ; a TSS
  LOAD ds,0x1fb   ; beyond the limit
  LOAD ds,0x27    ; no LDT
  LOAD ss,0x33
  LOAD ss,0x20    ; RPL 0
  ; far calls
  CASE
  call 0x4b:conform
  DONE
  CASE
  call 0x0b:conform
  DONE
  CASE
  push dword 0x22222222
  push dword 0x11111111
  call 0x6b:0
  mov eax,UDATA
  mov ds,ax
  mov eax,esp
  sub eax,USTACK
  DONE
  TRY call 0x70:0   ; gate of ring 0
  TRY call 0x7b:0   ; not present
  CASE
  push word 0x4444
  push word 0x3333
  call 0x83:0       ; 16 bits; it does not return
  DONE
  TRY jmp 0x6b:0    ; to an inner ring
  TRY call 0x2b:0   ; a TSS of ring 0
  TRY call 0:0
  TRY call 0x8b:0   ; a gate that names data
  TRY call 0x93:0   ; a gate with a null selector
  ; far returns
  CASE
  push dword 8
  push dword ring3
  retf
  DONE
  CASE
  push dword 0
  push dword ring3
  retf
  DONE
  CASE
  push dword 0x202
  push dword 8
  push dword ring3
  iretd
  DONE
  ; interrupts
  TRY int 0x32
  TRY int 0x33
  TRY int 0x34
  TRY int 0x50
  TRY int 13
  TRY into
  TRY int3
  ; ports, by the map: 80 to 8f, e9 and f8 to ff; the map ends with its byte for f8
  CASE
  in al,0x80
  in ax,0x8e
  in eax,0x8c
  mov eax,1
  DONE
  TRY in al,0x7f
  TRY in ax,0x8f
  TRY in eax,0x8d
  TRY out 0xf8,al
  mov edx,0x1000
  TRY in al,dx
  ; instructions of ring 0
  TRY cli
  TRY sti
  TRY hlt
  TRY clts
  TRY mov eax,cr0
  TRY mov cr3,eax
  TRY mov eax,dr7
  TRY lgdt [gdtr]
  TRY lidt [idtr]
  TRY invlpg [start]
  TRY wbinvd
  TRY rdmsr
  TRY wrmsr
  mov ecx,0x28
  TRY ltr cx
  TRY lldt cx
  TRY lmsw cx
  ; flags that stay
  CASE
  push dword 0x3002
  popfd
  pushfd
  pop eax
  and eax,0x3200
  DONE
  ; what is asked of selectors
%macro ASK 1
  mov ecx,%1
  CASE
  mov eax,0x55
  lar eax,cx
  setz bl
  mov edx,0x66
  lsl edx,cx
  setz bh
  verr cx
  pushfd
  verw cx
  pushfd
  pop esi
  pop edi
  and esi,0x40
  and edi,0x40
  shl edi,4
  movzx ebx,bx
  add ebx,esi
  lea ebx,[ebx+edi]
  TELL
  mov eax,edx
  TELL
  mov eax,ebx
  DONE
%endmacro
  ASK 0x23
  ASK 0x13
  ASK 0x3b
  ASK 0x43
  ASK 0x4b
  ASK 0x33
  ASK 0x28
  ASK 0x2b
  ASK 0x6b
  ASK 0x70
  ASK 0
  CASE
  mov eax,0x30
  mov ecx,3
  arpl ax,cx
  DONE
  int 0x31

align 8
gdt: dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00cffa000000ffff, 0x00cff2000000ffff
  dw tssend-tss-1, tss-start, 0x8910, 0 ; 28
  dq 0x00cf72000000ffff ; 30 not present
  dq 0x00cff0000000ffff ; 38 read-only
  dq 0x00cff8000000ffff ; 40 execute-only
  dq 0x00cf9e000000ffff ; 48 conforming, ring 0
  dq 0, 0, 0            ; 50 58 60
  dw 0, 8, 0xec02, 0    ; 68 gate with two parameters
  dw 0, 8, 0x8c00, 0    ; 70 of ring 0
  dw 0, 8, 0x6c00, 0    ; 78 not present
  dw 0, 0x98, 0xe402, 0 ; 80 of 16 bits, two parameters
  dw 0, 0x10, 0xec00, 0 ; 88
  dw 0, 0, 0xec00, 0    ; 90
  dw 0xffff, 0, 0x9a10, 0x40 ; 98 code at 100000
gdtend:
gdtr: dw gdtend-gdt-1
  dd gdt
idtr: dw 64*8-1
  dd idt
align 4
base: dd 0
resume: dd 0
number_: db 0
align 16
tss: dd 0, 0x90000, 16
  times 22 dd 0
  dw 0, tssmap-tss
tssmap: times 16 db 0xff
  db 0, 0
  times 11 db 0xff
  db 0xfd, 0xff, 0
tssend:
  times 16 db 0
idt: times 64*8 db 0
