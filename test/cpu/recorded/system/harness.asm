; Executes single instructions in any ring and mode, with descriptor tables and a task-state segment of their own, and tells all that they did. The
; first Multiboot module is a doubleword with the number of records, filled up to 64 bytes, and the records (record.ts has the layout). Each one is read, executed, and
; overwritten with its outcome, which whoever runs this guest reads from memory: its address is at 7000, and 7004 is set at the end.
;
; Every case ends in an exception: code that does not fault runs into the INT3 that all places are filled with where it could go.
bits 32
org 0x100000
MB equ 0x1BADB002
FL equ 0x00010000

; Linear and physical addresses, the same: see record.ts.
CODE    equ 0x40000    ; two pages for rings 1 to 3 and virtual-8086 mode
KCODE   equ 0x42000    ; a page of code for ring 0
WINDOW  equ 0x50e80    ; data, 768 bytes around the beginning of the page at 51000
WBYTES  equ 768
KSTACK  equ 0x53f00    ; 256 bytes of stack for ring 0
KBYTES  equ 256
TABLES  equ 0x60000    ; GDT of 64 entries, LDT of 16, 16 entries of the IDT from 30 on
TBYTES  equ 768
GDT     equ TABLES
IDT     equ 0x61000
TSS     equ 0x62000
PAGES   equ 0x63000    ; page directory, page table
WHERE   equ 0x7000

; A record.
R_REGS   equ 0
R_EIP    equ 32
R_EFLAGS equ 36
R_ES     equ 40
R_CS     equ 44
R_SS     equ 48
R_DS     equ 52
R_FS     equ 56
R_GS     equ 60
R_VECTOR equ 64
R_ERROR  equ 68
R_CR2    equ 72
R_PAGE   equ 76
R_CR0    equ 80
R_CR4    equ 84
R_LDTR   equ 88
R_TR     equ 92
R_GDTR   equ 96
R_IDTR   equ 102
R_TSS    equ 108
R_MSR    equ 132
R_LENGTH equ 144
R_OPTIONS equ 148
R_DR     equ 152
R_CODE   equ 160
R_WINDOW equ 192
R_STACK  equ R_WINDOW + WBYTES
R_TABLES equ R_STACK + KBYTES
R_FX     equ R_TABLES + TBYTES
R_BYTES  equ R_FX + 512
HEAD     equ 160
; Options.
FLOATS   equ 1         ; the x87 and SSE state is loaded and told

VM_BIT   equ 17
PE_WP_NE_PG equ 0x80010033

start:
align 4
header: dd MB, FL, -(MB+FL), header, start, 0, 0, entry

entry:
  mov esp,own_stack
  mov esi,[ebx+24]     ; modules
  mov esi,[esi]        ; the first one's beginning
  mov [WHERE],esi
  mov dword [WHERE+4],0
  mov eax,[esi]
  mov [left],eax
  add esi,64
  mov [record],esi
  mov al,0xff          ; no interrupts from the controllers
  out 0x21,al
  out 0xa1,al
  lgdt [gdtr]
  jmp 8:.flat
.flat: mov ax,16
  mov ss,ax
  mov ds,ax
  mov es,ax
  mov fs,ax
  mov gs,ax
  cld
  ; code pages
  mov edi,CODE
  mov ecx,3*4096/4
  mov eax,0xcccccccc
  rep stosd
  ; page tables: of the first 4 MiB what is used below 1 MiB, and all above
  mov edi,PAGES
  mov eax,PAGES+4096+7
  stosd
  xor eax,eax
  mov ecx,1023+256
  rep stosd
  mov eax,0x100003
  mov ecx,1024-256
.page: stosd
  add eax,0x1000
  loop .page
%macro MAP 2
  mov dword [PAGES+4096+4*(%1 >> 12)],(%1 & ~0xfff) | %2
%endmacro
  MAP WHERE,3
  MAP CODE,7
  MAP CODE+0x1000,7
  MAP KCODE,3
  MAP WINDOW,7
  MAP KSTACK,3
  MAP TABLES,3
  MAP IDT,3
  MAP TSS,3
  MAP PAGES,3
  MAP PAGES+0x1000,3
  mov eax,PAGES
  mov cr3,eax
  mov eax,cr4
  or eax,0x610         ; PSE, OSFXSR, OSXMMEXCPT
  mov cr4,eax
  mov [own_cr4],eax
  mov eax,PE_WP_NE_PG
  mov cr0,eax
  ; interrupt table
  mov edi,IDT
  mov eax,stubs
  mov ecx,32
.gate: mov ebx,eax
  mov [edi],ax
  mov word [edi+2],8
  mov word [edi+4],0x8e00
  shr ebx,16
  mov [edi+6],bx
  add edi,8
  add eax,16
  loop .gate
  mov byte [IDT+3*8+5],0xee
  mov byte [IDT+4*8+5],0xee
  xor eax,eax
  mov ecx,(256-32)*2
  rep stosd
  mov dword [TSS+100],0x00680000 ; no I/O map

next:
  dec dword [left]
  jns .go
  mov dword [WHERE+4],1
  xor eax,eax
  out 0xf4,eax
.h: hlt
  jmp .h
.go:
  mov ebp,[record]
  mov esi,ebp
  mov edi,current
  mov ecx,HEAD/4
  rep movsd
  mov edi,[current+R_EIP]
  test byte [current+R_EFLAGS+2],1 << (VM_BIT-16)
  jnz .based
  mov eax,[current+R_OPTIONS]
  test al,2            ; EIP is from the beginning of the code pages
  jz .linear
.based: add edi,CODE
.linear: mov [code_at],edi
  mov ecx,[current+R_LENGTH]
  rep movsb
  lea esi,[ebp+R_WINDOW]
  mov dword [PAGES+4096+4*(WINDOW >> 12)+4],((WINDOW + 0xfff) & ~0xfff) | 3
  invlpg [(WINDOW + 0xfff) & ~0xfff]
  mov edi,WINDOW
  mov ecx,WBYTES/4
  rep movsd
  mov edi,KSTACK
  mov ecx,KBYTES/4
  rep movsd
  mov edi,GDT
  mov ecx,640/4
  rep movsd
  mov edi,IDT+0x30*8
  mov ecx,128/4
  rep movsd
  mov eax,[current+R_PAGE]
  or eax,(WINDOW + 0xfff) & ~0xfff
  mov [PAGES+4096+4*(WINDOW >> 12)+4],eax
  invlpg [(WINDOW + 0xfff) & ~0xfff]
  mov esi,current+R_TSS
  mov edi,TSS+4
  mov ecx,6
  rep movsd
  lgdt [case_gdtr]
  lidt [case_idtr]
  mov ax,[current+R_TR]
  ltr ax
  mov ax,[current+R_LDTR]
  lldt ax
  test byte [current+R_OPTIONS],FLOATS
  jz .nofloats
  fxrstor [ebp+R_FX]
.nofloats:
  xor edx,edx
  mov ecx,0x174
  mov eax,[current+R_MSR]
  wrmsr
  inc ecx
  mov eax,[current+R_MSR+4]
  wrmsr
  inc ecx
  mov eax,[current+R_MSR+8]
  wrmsr
  mov eax,[current+R_CR2]
  mov cr2,eax
  mov eax,[current+R_CR4]
  mov cr4,eax
  mov eax,[current+R_CR0]
  mov cr0,eax
  xor eax,eax
  mov dr6,eax
  ; the frame to return by
  mov edx,[current+R_EFLAGS]
  bt edx,VM_BIT
  jc .virtual
  test byte [current+R_CS],3
  jz .inner
  push dword [current+R_SS]
  push dword [current+R_ESP]
  jmp .segments
.virtual:
  push dword [current+R_GS]
  push dword [current+R_FS]
  push dword [current+R_DS]
  push dword [current+R_ES]
  push dword [current+R_SS]
  push dword [current+R_ESP]
  push edx
  push dword [current+R_CS]
  push dword [current+R_EIP]
  jmp .registers
.inner:
  mov ss,[current+R_SS]
  mov esp,[current+R_ESP]
.segments:
  push edx
  push dword [cs:current+R_CS]
  push dword [cs:current+R_EIP]
  mov es,[cs:current+R_ES]
  mov fs,[cs:current+R_FS]
  mov gs,[cs:current+R_GS]
  mov ds,[cs:current+R_DS]
.registers:
  mov eax,[cs:current]
  mov ecx,[cs:current+4]
  mov edx,[cs:current+8]
  mov ebx,[cs:current+12]
  mov ebp,[cs:current+20]
  mov esi,[cs:current+24]
  mov edi,[cs:current+28]
  iretd
R_ESP equ 16

align 16
stubs:
%assign v 0
%rep 32
align 16
  %if !(v == 8 || (v >= 10 && v <= 14) || v == 17)
  push dword 0
  %endif
  push dword v
  jmp near trapped
%assign v v+1
%endrep

; On the stack: vector, error code, EIP, CS, EFLAGS, and of another ring ESP, SS, and of virtual-8086 mode ES, DS, FS, GS.
trapped:
  push ds
  push eax
  mov ax,16
  mov ds,ax
  pop dword [current]
  pop dword [current+R_DS]
  mov [current+4],ecx
  mov [current+8],edx
  mov [current+12],ebx
  mov [current+20],ebp
  mov [current+24],esi
  mov [current+28],edi
  mov [current+R_ES],es
  mov [current+R_FS],fs
  mov [current+R_GS],gs
  pop dword [current+R_VECTOR]
  pop dword [current+R_ERROR]
  pop dword [current+R_EIP]
  pop dword [current+R_CS]
  pop dword [current+R_EFLAGS]
  bt dword [current+R_EFLAGS],VM_BIT
  jc .virtual
  test byte [current+R_CS],3
  jnz .outer
  mov [current+R_ESP],esp
  mov [current+R_SS],ss
  jmp .told
.virtual:
  pop dword [current+R_ESP]
  pop dword [current+R_SS]
  pop dword [current+R_ES]
  pop dword [current+R_DS]
  pop dword [current+R_FS]
  pop dword [current+R_GS]
  jmp .told
.outer:
  pop dword [current+R_ESP]
  pop dword [current+R_SS]
.told:
  ; what the exception has left below its frame is not told
%rep 17
  push dword 0
%endrep
  mov ax,16
  mov ss,ax
  mov esp,own_stack
  mov es,ax
  mov fs,ax
  mov gs,ax
  cld
  mov eax,cr0
  mov [current+R_CR0],eax
  mov eax,PE_WP_NE_PG
  mov cr0,eax
  clts
  mov eax,cr4
  mov [current+R_CR4],eax
  mov eax,[own_cr4]
  mov cr4,eax
  mov eax,cr2
  mov [current+R_CR2],eax
  mov eax,dr6
  mov [current+R_DR],eax
  mov eax,dr7
  mov [current+R_DR+4],eax
  mov eax,0x400
  mov dr7,eax
  xor eax,eax
  sldt ax
  mov [current+R_LDTR],eax
  xor eax,eax
  str ax
  mov [current+R_TR],eax
  sgdt [current+R_GDTR]
  sidt [current+R_IDTR]
  mov ebp,[record]
  test byte [current+R_OPTIONS],FLOATS
  jz .nofloats
  fxsave [ebp+R_FX]
  fninit
.nofloats:
  %macro WORD_ONLY 1
  mov word [current+%1+2],0
  %endmacro
  WORD_ONLY R_ES
  WORD_ONLY R_CS
  WORD_ONLY R_SS
  WORD_ONLY R_DS
  WORD_ONLY R_FS
  WORD_ONLY R_GS
  mov esi,current
  mov edi,ebp
  mov ecx,HEAD/4
  rep movsd
  mov dword [PAGES+4096+4*(WINDOW >> 12)+4],((WINDOW + 0xfff) & ~0xfff) | 3
  invlpg [(WINDOW + 0xfff) & ~0xfff]
  lea edi,[ebp+R_WINDOW]
  mov esi,WINDOW
  mov ecx,WBYTES/4
  rep movsd
  mov esi,KSTACK
  mov ecx,KBYTES/4
  rep movsd
  mov esi,GDT
  mov ecx,640/4
  rep movsd
  mov esi,IDT+0x30*8
  mov ecx,128/4
  rep movsd
  mov edi,[code_at]
  mov ecx,32
  mov al,0xcc
  rep stosb
  add dword [record],R_BYTES
  lgdt [gdtr]
  jmp next

align 8
boot_gdt: dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdtr: dw $-boot_gdt-1
  dd boot_gdt
case_gdtr: dw 511
  dd GDT
case_idtr: dw 0x40*8-1
  dd IDT
align 16
left: dd 0
record: dd 0
code_at: dd 0
own_cr4: dd 0
align 16
current: times HEAD db 0
times 1024 db 0
own_stack:
