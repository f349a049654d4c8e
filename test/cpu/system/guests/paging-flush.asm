; What translations may outlive (Intel SDM vol. 3, 4.10): by letters of the cases, the frame (1 or 2) that a read reaches, the error code of an access, or "?" where the manual allows the old translation as well as
; the new one.
%include "paging.inc"
OTHER equ 0x212000 ; another frame for PLACE, and another table
OTHERTABLE equ 0x208000
G equ 0x100
%macro SHOW 0
  call showframe
%endmacro
%macro MAP 1
  mov dword [PTE],%1
%endmacro
; One of the two, as it pleases the processor.
%macro EITHER 0
  mov al,[PLACE+0x800]
  cmp al,1
  je %%ok
  cmp al,2
  je %%ok
  OUTC '!'
%%ok: OUTC '?'
  OUTC ' '
%endmacro
  mov byte [FRAME+0x800],1
  mov byte [OTHER+0x800],2
  mov byte [OTHER+0x1800],2
  mov dword [PDE],TABLE+7
  NEW 'A' ; INVLPG
  MAP FRAME+7
  SHOW
  MAP OTHER+7
  invlpg [PLACE+0xfff]
  SHOW
  MAP FRAME+7
  EITHER
  invlpg [PLACE]
  SHOW
  NEW 'B' ; MOV to CR3
  MAP OTHER+7
  EITHER
  RELOAD
  SHOW
  NEW 'C' ; global pages
  mov eax,PGE
  mov cr4,eax
  MAP FRAME+7+G
  RELOAD
  SHOW
  MAP OTHER+7+G
  EITHER
  RELOAD
  EITHER
  TOGGLE cr4,PGE
  SHOW
  MAP FRAME+7+G
  RELOAD ; global is nothing without PGE
  SHOW
  TOGGLE cr4,PGE
  SHOW
  MAP OTHER+7+G
  invlpg [PLACE]
  SHOW
  ; no longer global, but its translation may be; CR0.PG ends all
  MAP FRAME+7
  RELOAD
  EITHER
  TOGGLE cr0,0x80000000
  TOGGLE cr0,0x80000000
  SHOW
  MAP OTHER+7+G
  RELOAD
  SHOW
  TOGGLE cr4,PSE
  EITHER
  TOGGLE cr4,PSE|PGE
  SHOW
  NEW 'D' ; what was absent is not remembered, nor what was refused
  MAP 0
  invlpg [PLACE]
  ACCESS READ
  MAP FRAME+7
  ACCESS READ
  MAP 0
  invlpg [PLACE]
  ACCESS USERWRITE
  MAP FRAME+7
  ACCESS USERWRITE
  NEW 'E' ; rights that grow: a second access is served at the latest
  TOGGLE cr0,WP
  MAP FRAME+1
  invlpg [PLACE]
  ACCESS READ
  MAP FRAME+3
  mov ebx,WRITE
  call attempt
  ACCESS WRITE
  MAP FRAME+7
  mov ebx,USERREAD
  call attempt
  ACCESS USERREAD
  NEW 'F' ; and that shrink: after INVLPG
  MAP FRAME+3
  invlpg [PLACE]
  ACCESS USERREAD
  MAP FRAME+1
  invlpg [PLACE]
  ACCESS WRITE
  NEW 'G' ; the registers' rights count at once
  MAP FRAME+5
  invlpg [PLACE]
  ACCESS READ
  ACCESS WRITE
  TOGGLE cr0,WP
  ACCESS WRITE
  TOGGLE cr0,WP
  ACCESS WRITE
  ACCESS FETCH
  TOGGLE cr4,SMEP
  ACCESS FETCH
  ACCESS USERFETCH
  TOGGLE cr4,SMEP
  ACCESS FETCH
  TOGGLE cr4,SMAP
  ACCESS READ
  ACCESS ACREAD
  ACCESS READ
  ACCESS USERREAD
  TOGGLE cr4,SMAP
  ACCESS READ
  NEW 'H' ; A and D, cleared
  MAP FRAME+7
  invlpg [PLACE]
  ACCESS READ
  ACCESS WRITE
  MAP FRAME+7
  invlpg [PLACE]
  ACCESS READ
  MAP FRAME+0x67
  and byte [PDE],~0x20
  RELOAD
  ACCESS READ
  MAP FRAME+0x47
  invlpg [PLACE]
  ACCESS WRITE
  NEW 'I' ; a large page, invalidated by any of its addresses
  mov eax,PSE|PGE
  mov cr4,eax
  mov byte [0x1800],1
  mov eax,0x87
  call large
  mov eax,0x187 ; global
  call large
  NEW 'J' ; a table exchanged
  mov dword [OTHERTABLE+4],OTHER+7
  mov dword [OTHERTABLE+8],OTHER+0x1007
  MAP FRAME+7
  RELOAD
  SHOW
  mov dword [PDE],OTHERTABLE+7
  invlpg [PLACE]
  SHOW
  mov al,[PLACE+0x1800]
  call puthex2
  OUTC ' '
  mov dword [PDE],TABLE+7
  RELOAD
  SHOW
  NEW 'K' ; fetches: the other frame answers otherwise
  MAP FRAME+7
  invlpg [PLACE]
  ACCESS FETCH
  mov word [OTHER],0xcccc      ; INT3
  MAP OTHER+7
  invlpg [PLACE]
  ACCESS FETCH
  MAP FRAME+7
  RELOAD
  ACCESS FETCH
  jmp over
large:
  mov [PDE],eax
  RELOAD
  SHOW
  invlpg [PLACE+0x3ff000]
  mov dword [PDE],TABLE+7
  MAP OTHER+7
  invlpg [PLACE+0x2fffff]
  SHOW
  ret
showframe: push eax
  mov al,[PLACE+0x800]
  call puthex2
  OUTC ' '
  pop eax
  ret
over:
%include "paging-end.inc"
