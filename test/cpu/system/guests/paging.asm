; 32-bit paging with 4 KiB pages (Intel SDM vol. 3, 4.3, 4.6, 4.7, 4.8): for every CR0.WP, CR4.SMEP and SMAP, and rights of the two entries, what comes of reads, writes
; and fetches of ring 0, of ring 3, of reads and writes of ring 0 with EFLAGS.AC, and of a read of a descriptor for ring 3 without and with AC: the error code or "--", and a digit of A and D of
; PDE and PTE.
%include "paging.inc"
  mov dword [index],0
.controls:
  ; WP, SMEP, SMAP
  mov eax,cr0
  and eax,~WP
  test byte [index],1
  jz .nowp
  or eax,WP
.nowp:
  mov cr0,eax
  mov eax,[index]
  and eax,6
  shl eax,19
  mov cr4,eax
  mov ebp,0
.rights: ; P, W, U of both
  mov eax,ebp
  and eax,7
  or eax,TABLE
  mov [row],eax
  mov eax,ebp
  shr eax,3
  and eax,7
  or eax,FRAME
  mov [row+8],eax
  mov eax,[row]
  and eax,[row+8]
  test al,1
  jnz .do
  ; one that is absent tells enough with all rights besides, or with none
  mov eax,ebp
  cmp eax,6
  je .do
  cmp eax,0x37
  je .do
  cmp eax,0x3e
  je .do
  cmp eax,1
  jne .skip
.do:
  mov al,[index]
  call puthex2
  OUTC '.'
  mov eax,ebp
  call puthex2
  OUTC ' '
  mov ecx,KINDS
  call line
.skip:
  inc ebp
  cmp ebp,64
  jb .rights
  inc dword [index]
  cmp dword [index],8
  jb .controls
%include "paging-end.inc"
