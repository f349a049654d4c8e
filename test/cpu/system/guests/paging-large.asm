; 4 MiB pages (CR4.PSE; Intel SDM vol. 3, 4.3): as paging.asm, for every CR0.WP, CR4.SMEP, SMAP and PSE and the rights of the PDE, whose PS is set; without CR4.PSE it names a table. Then each
; bit that is not reserved by itself of a PDE with and without PS, and of a PTE, with CR4.PSE and without: reads, writes and fetches of ring 0 and reads of ring 3.
%include "paging.inc"
  push edi
  mov edi,0x1000 ; PLACE in the first 4 MiB
  mov eax,0xc3c3c3c3
  mov ecx,0x400
  rep stosd
  pop edi
  mov dword [row+8],FRAME+7
  mov dword [index],0
.controls:
  ; WP, SMEP, SMAP, PSE
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
  test byte [index],8
  jz .nopse
  or eax,PSE
.nopse:
  mov cr4,eax
  xor ebp,ebp
.rights:
  lea eax,[ebp+0x80]
  test byte [index],8
  jnz .large
  or eax,TABLE
.large:
  mov [row],eax
  mov al,[index]
  call puthex2
  OUTC '.'
  mov eax,ebp
  call puthex2
  OUTC ' '
  mov ecx,KINDS
  call line
  inc ebp
  cmp ebp,8
  jb .rights
  inc dword [index]
  cmp dword [index],16
  jb .controls

  ; bits
  mov dword [controls],PSE
.pse:
  mov eax,[controls]
  mov cr4,eax
  call putbyte
  xor ebp,ebp
.bit: ; of a large PDE but the address, unless there are none
  movzx eax,byte [bits_+ebp]
  mov ecx,eax
  mov edx,1
  shl edx,cl
  mov dword [row+8],FRAME+7
  lea eax,[edx+0x87]
  test byte [controls],PSE
  jz .nolarge
  cmp edx,0x80
  je .nolarge
  mov [row],eax
  call bitline
.nolarge:
  cmp edx,0x1000
  jae .next
  cmp edx,0x80
  je .notable
  lea eax,[edx+TABLE+7]
  mov [row],eax
  call bitline
.notable:
  mov dword [row],TABLE+7
  lea eax,[edx+FRAME+7]
  mov [row+8],eax
  call bitline
.next:
  inc ebp
  cmp ebp,bits_end-bits_
  jb .bit
  xor dword [controls],PSE
  jz .pse
  jmp over
bitline:
  push edx
  mov eax,[row]
  call puthex
  mov eax,[row+8]
  call puthex
  mov ecx,USERREAD+1
  call line
  pop edx
  ret
putbyte: call puthex2
  jmp nl
bits_: db 3, 4, 7, 8, 9, 10, 11, 12
bits_end:
over:
%include "paging-end.inc"
