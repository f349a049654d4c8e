; PAE paging (Intel SDM vol. 3, 4.4): as paging.asm, for every CR0.WP, CR4.SMEP with SMAP, and IA32_EFER.NXE, and the rights of PDE and PTE, bit 63 (the fourth of the rights) only with NXE; then the
; same for pages of 2 MiB, and bits of all entries that are not reserved.
%define PAE
%include "paging.inc"
  push edi
  mov edi,0x1000 ; PLACE in the first 2 MiB
  mov eax,0xc3c3c3c3
  mov ecx,0x400
  rep stosd
  pop edi
  mov dword [index],0
.controls:
  call control
  xor ebp,ebp
.rights: ; P, W, U and XD of both
  mov eax,ebp
  mov edx,TABLE
  call entry_
  mov [row],eax
  mov [row+4],edx
  mov eax,ebp
  shr eax,4
  mov edx,FRAME
  call entry_
  mov [row+8],eax
  mov [row+12],edx
  test byte [index],4
  jnz .nxe
  mov eax,[row+4]
  or eax,[row+12]
  js .skip
.nxe:
  mov eax,[row]
  and eax,[row+8]
  test al,1
  jnz .do
  mov eax,ebp
  cmp eax,0xfe
  je .do
  cmp eax,0xef
  jne .skip
.do:
  call puthead
  mov ecx,KINDS
  call line
.skip:
  inc ebp
  cmp ebp,256
  jb .rights
  inc dword [index]
  cmp dword [index],8
  jb .controls
  ; 2 MiB
  mov dword [index],0
.controls2:
  call control
  xor ebp,ebp
.rights2:
  mov eax,ebp
  mov edx,0x80
  call entry_
  mov [row],eax
  mov [row+4],edx
  test byte [index],4
  jnz .nxe2
  test edx,edx
  js .skip2
.nxe2:
  OUTC 'L'
  call puthead
  mov ecx,KINDS
  call line
.skip2:
  inc ebp
  cmp ebp,16
  jb .rights2
  inc dword [index]
  cmp dword [index],8
  jb .controls2
  ; bits that mean nothing here
  mov dword [index],7
  call control
  xor ebp,ebp
.bit:
  movzx ecx,byte [ignored+ebp]
  mov edx,1
  shl edx,cl
  xor eax,eax
  mov [row+4],eax
  mov [row+12],eax
  lea eax,[edx+TABLE+7]
  mov dword [row+8],FRAME+7
  call bitline
  lea eax,[edx+0x87]
  call bitline
  mov dword [row],TABLE+7
  lea eax,[edx+FRAME+7]
  mov [row+8],eax
  mov eax,[row]
  call bitline
  ; and of the pointer, which is latched by MOV to CR3
  or [DIRECTORY+8],edx
  mov dword [row+8],FRAME+7
  mov eax,TABLE+7
  call bitline
  xor [DIRECTORY+8],edx
  inc ebp
  cmp ebp,ignored_end-ignored
  jb .bit
  jmp over
ignored: db 3, 4, 9, 10, 11
ignored_end:
bitline:
  push edx
  mov [row],eax
  call puthex
  mov eax,[row+8]
  call puthex
  mov ecx,USERREAD+1
  call line
  pop edx
  ret
; An entry in EDX:EAX, of four rights in EAX and what else there is in EDX.
entry_:
  push eax
  and eax,7
  or eax,edx
  pop edx
  and edx,8
  shl edx,28
  ret
puthead:
  mov al,[index]
  call puthex2
  OUTC '.'
  mov eax,ebp
  call puthex2
  OUTC ' '
  ret
; WP, SMEP with SMAP, NXE
control:
  mov eax,cr0
  and eax,~WP
  test byte [index],1
  jz .nowp
  or eax,WP
.nowp:
  mov cr0,eax
  mov eax,0x20
  test byte [index],2
  jz .nosm
  or eax,SMEP|SMAP
.nosm:
  mov cr4,eax
  mov ecx,0xc0000080
  rdmsr
  and eax,~0x800
  test byte [index],4
  jz .nonxe
  or eax,0x800
.nonxe:
  wrmsr
  ret
over:
%include "paging-end.inc"
