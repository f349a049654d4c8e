; Reserved bits of 4 MiB pages (Intel SDM vol. 3, table 4-4: 21, and 17 to 20 where physical addresses have 36 bits), without an address above 4 GiB and with the other bits clear; with CR4.PSE alone, and
; with WP, SMEP and SMAP; and that rights are not looked at then, nor bits of an absent entry. Error codes with RSVD and P; I/D only with SMEP. Then bits 13 to 16, which are an address. QEMU leaves P clear, and has 40 bits.
;= 00020087 09:0 0B:0 09:0 0D:0 0F:0 0D:0 09:0 0B:0 09:0 09:0
;= 00020081 09:0 0B:0 09:0 0D:0 0F:0 0D:0 09:0 0B:0 09:0 09:0
;= 00020080 00:0 02:0 00:0 04:0 06:0 04:0 00:0 02:0 00:0 00:0
;= 00040087 09:0 0B:0 09:0 0D:0 0F:0 0D:0 09:0 0B:0 09:0 09:0
;= 00040081 09:0 0B:0 09:0 0D:0 0F:0 0D:0 09:0 0B:0 09:0 09:0
;= 00040080 00:0 02:0 00:0 04:0 06:0 04:0 00:0 02:0 00:0 00:0
;= 00080087 09:0 0B:0 09:0 0D:0 0F:0 0D:0 09:0 0B:0 09:0 09:0
;= 00080081 09:0 0B:0 09:0 0D:0 0F:0 0D:0 09:0 0B:0 09:0 09:0
;= 00080080 00:0 02:0 00:0 04:0 06:0 04:0 00:0 02:0 00:0 00:0
;= 00100087 09:0 0B:0 09:0 0D:0 0F:0 0D:0 09:0 0B:0 09:0 09:0
;= 00100081 09:0 0B:0 09:0 0D:0 0F:0 0D:0 09:0 0B:0 09:0 09:0
;= 00100080 00:0 02:0 00:0 04:0 06:0 04:0 00:0 02:0 00:0 00:0
;= 00200087 09:0 0B:0 09:0 0D:0 0F:0 0D:0 09:0 0B:0 09:0 09:0
;= 00200081 09:0 0B:0 09:0 0D:0 0F:0 0D:0 09:0 0B:0 09:0 09:0
;= 00200080 00:0 02:0 00:0 04:0 06:0 04:0 00:0 02:0 00:0 00:0
;= 00020087 09:0 0B:0 19:0 0D:0 0F:0 1D:0 09:0 0B:0 09:0 09:0
;= 00020081 09:0 0B:0 19:0 0D:0 0F:0 1D:0 09:0 0B:0 09:0 09:0
;= 00020080 00:0 02:0 10:0 04:0 06:0 14:0 00:0 02:0 00:0 00:0
;= 00040087 09:0 0B:0 19:0 0D:0 0F:0 1D:0 09:0 0B:0 09:0 09:0
;= 00040081 09:0 0B:0 19:0 0D:0 0F:0 1D:0 09:0 0B:0 09:0 09:0
;= 00040080 00:0 02:0 10:0 04:0 06:0 14:0 00:0 02:0 00:0 00:0
;= 00080087 09:0 0B:0 19:0 0D:0 0F:0 1D:0 09:0 0B:0 09:0 09:0
;= 00080081 09:0 0B:0 19:0 0D:0 0F:0 1D:0 09:0 0B:0 09:0 09:0
;= 00080080 00:0 02:0 10:0 04:0 06:0 14:0 00:0 02:0 00:0 00:0
;= 00100087 09:0 0B:0 19:0 0D:0 0F:0 1D:0 09:0 0B:0 09:0 09:0
;= 00100081 09:0 0B:0 19:0 0D:0 0F:0 1D:0 09:0 0B:0 09:0 09:0
;= 00100080 00:0 02:0 10:0 04:0 06:0 14:0 00:0 02:0 00:0 00:0
;= 00200087 09:0 0B:0 19:0 0D:0 0F:0 1D:0 09:0 0B:0 09:0 09:0
;= 00200081 09:0 0B:0 19:0 0D:0 0F:0 1D:0 09:0 0B:0 09:0 09:0
;= 00200080 00:0 02:0 10:0 04:0 06:0 14:0 00:0 02:0 00:0 00:0
;= 00204087 --:5 --:D --:5 --:5 --:D --:5 --:5 --:D --:5 --:5
;= 00002087 --:1 --:3
;= 00004087 --:1 --:3
;= 00008087 --:1 --:3
;= 00010087 --:1 --:3
%include "paging.inc"
  mov dword [index],0
.controls:
  mov eax,PSE
  cmp dword [index],0
  je .c
  mov eax,cr0
  or eax,WP
  mov cr0,eax
  mov eax,PSE|SMEP|SMAP
.c: mov cr4,eax
  mov ebp,17
.bit:
  mov edx,1
  mov ecx,ebp
  shl edx,cl
  lea eax,[edx+0x87]
  call told
  lea eax,[edx+0x81]
  call told
  lea eax,[edx+0x80]
  call told
  inc ebp
  cmp ebp,22
  jb .bit
  inc dword [index]
  cmp dword [index],2
  jb .controls
  ; without CR4.PSE the same entry names a table
  mov eax,0
  mov cr4,eax
  mov dword [row+8],FRAME+7
  mov eax,TABLE+0x87
  call told
  ; bits 13 to 16 are an address above 4 GiB (PSE-36), where nothing is: no fault
  mov eax,PSE
  mov cr4,eax
  mov ebp,13
.high:
  mov eax,0x87
  bts eax,ebp
  mov [row],eax
  call puthex
  mov ecx,WRITE+1
  call line
  inc ebp
  cmp ebp,17
  jb .high
  jmp over
told: mov [row],eax
  call puthex
  push edx
  mov ecx,KINDS
  call line
  pop edx
  ret
over:
%include "paging-end.inc"
