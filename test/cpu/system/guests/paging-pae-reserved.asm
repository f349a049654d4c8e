; Reserved bits of PAE paging, with physical addresses of 36 bits (Intel SDM vol. 3, 4.4): each by itself in PDEs and PTEs, as lines of paging.asm for reads, writes and fetches of ring 0 and reads of ring 3,
; with the bit's number; XD without NXE. Then of the four pointers, by MOV to CR3, to CR4 (PGE) and to CR0 (CD): "--" or 10D for #GP, in a line for each pointer, by number of the
; bit; bits of absent pointers; and that pointers are latched by those loads alone. QEMU leaves P clear in the error codes, looks at pointers when it walks, and has 40 bits.
;= L0D 09:0 0B:0 09:0 0D:0
;= L0E 09:0 0B:0 09:0 0D:0
;= L0F 09:0 0B:0 09:0 0D:0
;= L10 09:0 0B:0 09:0 0D:0
;= L11 09:0 0B:0 09:0 0D:0
;= L12 09:0 0B:0 09:0 0D:0
;= L13 09:0 0B:0 09:0 0D:0
;= L14 09:0 0B:0 09:0 0D:0
;= D24 09:0 0B:0 09:0 0D:0
;= T24 09:0 0B:0 09:0 0D:0
;= L24 09:0 0B:0 09:0 0D:0
;= D25 09:0 0B:0 09:0 0D:0
;= T25 09:0 0B:0 09:0 0D:0
;= L25 09:0 0B:0 09:0 0D:0
;= D27 09:0 0B:0 09:0 0D:0
;= T27 09:0 0B:0 09:0 0D:0
;= L27 09:0 0B:0 09:0 0D:0
;= D28 09:0 0B:0 09:0 0D:0
;= T28 09:0 0B:0 09:0 0D:0
;= L28 09:0 0B:0 09:0 0D:0
;= D33 09:0 0B:0 09:0 0D:0
;= T33 09:0 0B:0 09:0 0D:0
;= L33 09:0 0B:0 09:0 0D:0
;= D34 09:0 0B:0 09:0 0D:0
;= T34 09:0 0B:0 09:0 0D:0
;= L34 09:0 0B:0 09:0 0D:0
;= D3D 09:0 0B:0 09:0 0D:0
;= T3D 09:0 0B:0 09:0 0D:0
;= L3D 09:0 0B:0 09:0 0D:0
;= D3E 09:0 0B:0 09:0 0D:0
;= T3E 09:0 0B:0 09:0 0D:0
;= L3E 09:0 0B:0 09:0 0D:0
;= D3F 09:0 0B:0 09:0 0D:0
;= T3F 09:0 0B:0 09:0 0D:0
;= L3F 09:0 0B:0 09:0 0D:0
;= L0D 09:0 0B:0 19:0 0D:0
;= L0E 09:0 0B:0 19:0 0D:0
;= L0F 09:0 0B:0 19:0 0D:0
;= L10 09:0 0B:0 19:0 0D:0
;= L11 09:0 0B:0 19:0 0D:0
;= L12 09:0 0B:0 19:0 0D:0
;= L13 09:0 0B:0 19:0 0D:0
;= L14 09:0 0B:0 19:0 0D:0
;= D24 09:0 0B:0 19:0 0D:0
;= T24 09:0 0B:0 19:0 0D:0
;= L24 09:0 0B:0 19:0 0D:0
;= D25 09:0 0B:0 19:0 0D:0
;= T25 09:0 0B:0 19:0 0D:0
;= L25 09:0 0B:0 19:0 0D:0
;= D27 09:0 0B:0 19:0 0D:0
;= T27 09:0 0B:0 19:0 0D:0
;= L27 09:0 0B:0 19:0 0D:0
;= D28 09:0 0B:0 19:0 0D:0
;= T28 09:0 0B:0 19:0 0D:0
;= L28 09:0 0B:0 19:0 0D:0
;= D33 09:0 0B:0 19:0 0D:0
;= T33 09:0 0B:0 19:0 0D:0
;= L33 09:0 0B:0 19:0 0D:0
;= D34 09:0 0B:0 19:0 0D:0
;= T34 09:0 0B:0 19:0 0D:0
;= L34 09:0 0B:0 19:0 0D:0
;= D3D 09:0 0B:0 19:0 0D:0
;= T3D 09:0 0B:0 19:0 0D:0
;= L3D 09:0 0B:0 19:0 0D:0
;= D3E 09:0 0B:0 19:0 0D:0
;= T3E 09:0 0B:0 19:0 0D:0
;= L3E 09:0 0B:0 19:0 0D:0
;= D3F --:5 --:D 11:0 --:5
;= T3F --:5 --:D 11:0 --:5
;= L3F --:1 --:3 11:0 --:1
;= P00 01010D010D010D 02010D010D010D 03------ 04------ 05010D010D010D 06010D010D010D 07010D010D010D 08010D010D010D 09------ 0A------ 0B------ 24010D010D010D 33010D010D010D 34010D010D010D 3E010D010D010D 3F010D010D010D
;= P01 01010D010D010D 02010D010D010D 03------ 04------ 05010D010D010D 06010D010D010D 07010D010D010D 08010D010D010D 09------ 0A------ 0B------ 24010D010D010D 33010D010D010D 34010D010D010D 3E010D010D010D 3F010D010D010D
;= P02 01010D010D010D 02010D010D010D 03------ 04------ 05010D010D010D 06010D010D010D 07010D010D010D 08010D010D010D 09------ 0A------ 0B------ 24010D010D010D 33010D010D010D 34010D010D010D 3E010D010D010D 3F010D010D010D
;= P03 01010D010D010D 02010D010D010D 03------ 04------ 05010D010D010D 06010D010D010D 07010D010D010D 08010D010D010D 09------ 0A------ 0B------ 24010D010D010D 33010D010D010D 34010D010D010D 3E010D010D010D 3F010D010D010D
;= ------
;= --:5 00:4 00:4 --:5
;= 010D00200000 --:D
;= 00207FF8 --:D 010D
%define PAE
%include "paging.inc"
  mov dword [index],0
.nxe:
  mov eax,0x20
  mov cr4,eax
  mov ecx,0xc0000080
  rdmsr
  and eax,~0x800
  cmp dword [index],0
  je .off
  or eax,0x800
.off: wrmsr
  xor ebp,ebp
.bit:
  movzx eax,byte [entrybits+ebp]
  mov [number],eax
  ; of a PDE that names a table
  cmp eax,32
  jb .large
  mov dword [row],TABLE+7
  mov dword [row+4],0
  mov dword [row+8],FRAME+7
  mov dword [row+12],0
  bts [row],eax
  OUTC 'D'
  call bitline
  ; of a PTE
  mov dword [row+4],0
  mov eax,[number]
  bts [row+8],eax
  OUTC 'T'
  call bitline
.large:
  mov dword [row],0x87
  mov dword [row+4],0
  mov eax,[number]
  bts [row],eax
  OUTC 'L'
  call bitline
  inc ebp
  cmp ebp,entrybits_end-entrybits
  jb .bit
  inc dword [index]
  cmp dword [index],2
  jb .nxe

  ; pointers
  xor ebp,ebp
.pointer:
  mov eax,ebp
  OUTC 'P'
  call puthex2
  OUTC ' '
  mov dword [index],0
.pbit:
  mov eax,[index]
  movzx ecx,byte [pointerbits+eax]
  cmp dword [DIRECTORY+ebp*8],0
  jne .there
  mov dword [DIRECTORY+ebp*8],0x203001 ; the one that is absent
.there:
  lea esi,[DIRECTORY+ebp*8]
  bts [esi],ecx
  mov al,cl
  call puthex2
  mov edx,load3
  call try
  mov edx,load4
  call try
  mov edx,load0
  call try
  btr [esi],ecx
  OUTC ' '
  inc dword [index]
  cmp dword [index],pointerbits_end-pointerbits
  jb .pbit
  call nl
  inc ebp
  cmp ebp,4
  jb .pointer
  ; an absent one may have them all
  mov dword [DIRECTORY+24],0xfffffffe
  mov dword [DIRECTORY+28],0xffffffff
  mov edx,load3
  call try
  mov edx,load4
  call try
  mov edx,load0
  call try
  call nl
  ; neither a change of what was latched nor INVLPG counts, until CR3 is loaded
  mov dword [row],TABLE+7
  mov dword [row+4],0
  mov dword [row+8],FRAME+7
  mov dword [row+12],0
  call entries
  mov dword [DIRECTORY+8],0
  invlpg [edi]
  mov ebx,READ
  call attempt
  call putoutcome
  mov eax,cr3
  mov cr3,eax
  mov ebx,READ
  call attempt
  call putoutcome
  mov dword [DIRECTORY+8],DIRECTORY1+1
  mov ebx,READ
  call attempt
  call putoutcome
  mov eax,cr4
  xor eax,PGE
  mov cr4,eax
  mov ebx,READ
  call attempt
  call putoutcome
  call nl
  ; a refused load changes nothing: CR3, nor the pointers
  mov dword [0x207000],0x201003
  mov dword [0x207008],0
  mov edx,loadother
  call try
  mov eax,cr3
  call puthex
  mov ebx,WRITE
  call attempt
  call putoutcome
  call nl
  ; the low five bits of CR3 do not count, and pointers may lie at any multiple of 32
  mov ecx,8
  mov esi,DIRECTORY
  push edi
  mov edi,0x207fe0
  rep movsd
  pop edi
  mov eax,0x207fe0+0x18
  mov cr3,eax
  mov eax,cr3
  call puthex
  mov ebx,READ
  call attempt
  call putoutcome
  mov eax,DIRECTORY
  mov cr3,eax
  ; pointers in memory that there is not read as ones
  mov edx,loadnowhere
  call try
  call nl
  jmp over
; At EDX, with what comes of it.
try: push ecx
  push esi
  call .a
  cmp eax,-1
  je .none
  xchg al,ah
  call puthex2
  xchg al,ah
  call puthex2
  jmp .o
.none: OUTC '-'
  OUTC '-'
.o: pop esi
  pop ecx
  ret
.a: mov [stack],esp
  jmp edx
load3: mov eax,cr3
  mov cr3,eax
  jmp fine
load4: mov eax,cr4
  xor eax,PGE
  mov cr4,eax
  jmp fine
load0: mov eax,cr0
  xor eax,0x40000000
  mov cr0,eax
  jmp fine
loadother: mov eax,0x207000
  mov cr3,eax
  jmp fine
loadnowhere: mov eax,0xf0000000
  mov cr3,eax
  jmp fine
bitline:
  mov al,[number]
  call puthex2
  OUTC ' '
  mov ecx,USERREAD+1
  jmp line
number: dd 0
entrybits: db 13, 14, 15, 16, 17, 18, 19, 20, 36, 37, 39, 40, 51, 52, 61, 62, 63
entrybits_end:
pointerbits: db 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 36, 51, 52, 62, 63
pointerbits_end:
over:
%include "paging-end.inc"
