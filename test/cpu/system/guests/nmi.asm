; Non-maskable interrupts, which the local APIC sends to itself (Intel SDM vol. 3, 6.7): they are blocked until the next IRET, whatever that returns from and whether it faults; one more is kept meanwhile. A line is the
; log of a case: N an NMI's handler begins, n it is about to return, I an interrupt, B a breakpoint's handler, G a general protection's, T the NMI's task; "." when all is over. QEMU agrees but for d: an IRET that
; faults does not unblock there (Intel SDM vol. 3, 25.3: it does).
;= aNn.
;= bNnNn.
;= cNBNnn.
;= dNNnGn.
;= eNnNn.
;= fNnNnI.
;= gNnNn.
;= hTtTt.
%include "cases.inc"
APIC equ 0xfee00000
SELF equ 0x44000
%macro NMI 0
  mov dword [APIC+0x300],SELF|0x400
  times 8 nop
%endmacro
%macro IPI 0
  mov dword [APIC+0x300],SELF|0x50
  times 8 nop
%endmacro
%macro SETGATE 2 ; vector, handler
  mov eax,%2
  mov [idt+%1*8],ax
  mov dword [idt+%1*8+4],0x8e00
  shr eax,16
  mov [idt+%1*8+6],ax
  mov word [idt+%1*8+2],8
%endmacro
; A case: what the first NMI's handler does.
%macro FIRST 1
  mov dword [what],%1
  mov byte [depth],0
  call wait_
%endmacro
  mov dword [APIC+0xf0],0x1ff
  mov dword [APIC+0x80],0
  SETGATE 2,nmi
  SETGATE 3,breakpoint
  SETGATE 13,protection
  SETGATE 0x10,interrupt
  ; 64 gates are not enough for the interrupt
  mov esi,idt
  mov edi,0x98000
  mov ecx,64*2
  rep movsd
  mov eax,[idt+0x10*8]
  mov [0x98000+0x50*8],eax
  mov eax,[idt+0x10*8+4]
  mov [0x98000+0x50*8+4],eax
  mov word [idtr],0x51*8-1
  mov dword [idtr+2],0x98000
  lidt [idtr]
  ; a: interrupts are off, and it comes all the same
  OUTC 'a'
  FIRST nothing
  NMI
  call over
  ; b: blocked in its handler; two are one
  OUTC 'b'
  FIRST again
  NMI
  call over
  ; c: the IRET of another handler unblocks
  OUTC 'c'
  FIRST nested
  NMI
  call over
  ; d: so does an IRET that faults
  OUTC 'd'
  FIRST faulting
  NMI
  call over
  ; e: and a POPF or RETF does not
  OUTC 'e'
  FIRST others
  NMI
  call over
  ; f: NMIs come before interrupts
  OUTC 'f'
  FIRST both
  sti
  NMI
  cli
  call over
  ; g: in ring 3, whose IRET is the handler's
  OUTC 'g'
  FIRST again
  mov dword [resume],.g1
  SETGATE 0x33,back0
  mov eax,[idt+0x33*8]
  mov [0x98000+0x33*8],eax
  mov dword [0x98000+0x33*8+4],0x0010ee00
  mov eax,back0
  shr eax,16
  mov [0x98000+0x33*8+6],ax
  RING 3,2
  NMI
  int 0x33
.g1:
  call over
  ; h: by a task gate
  OUTC 'h'
  mov byte [depth],0
  mov word [0x98000+2*8+2],0x40
  mov word [0x98000+2*8+4],0x8500
  NMI
  call over
  jmp done
back0: mov eax,0x10
  mov ds,eax
  mov es,eax
  mov esp,STACK0
  jmp [resume]
wait_: times 4 nop
  ret
over: times 4 nop
  OUTC '.'
  call nl
  ret
nmi: push eax
  push ds
  mov eax,0x10
  mov ds,eax
  OUTC 'N'
  inc byte [depth]
  cmp byte [depth],1
  jne .end
  call [what]
.end:
  OUTC 'n'
  pop ds
  pop eax
  iretd
nothing: ret
again: NMI
  NMI
  ret
nested: NMI
  int3
  times 4 nop
  ret
faulting: NMI
  pushfd
  push dword 0xf8
  push dword 0
  mov dword [resume],.back
  mov [saved],esp
  iretd
.back: mov esp,[saved]
  add esp,12
  ret
others: NMI
  pushfd
  popfd
  push cs
  push dword .r
  retf
.r: times 4 nop
  ret
both: IPI
  NMI
  ret
breakpoint: OUTC 'B'
  iretd
protection: OUTC 'G'
  mov eax,[resume]
  jmp eax
interrupt: OUTC 'I'
  mov dword [APIC+0xb0],0
  iretd
task: mov eax,0x10
  OUTC 'T'
  inc byte [depth]
  cmp byte [depth],1
  jne .end
  mov dword [APIC+0x300],SELF|0x400
  times 8 nop
.end:
  OUTC 't'
  iretd
  jmp task
what: dd 0
saved: dd 0
depth: dd 0
align 4
tsst: times 7 dd 0
  dd 0, task, 2, 0, 0, 0, 0, 0x8e000, 0, 0, 0
  dd 16, 8, 16, 16, 16, 16, 0
  dw 0, 0x68
%macro MORE_DESCRIPTORS 0
  dw 0x67, tsst-start, 0x8910, 0 ; 40
%endmacro
done:
%include "cases-end.inc"
