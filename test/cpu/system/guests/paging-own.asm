; The processor's own accesses, which are the supervisor's in every ring (Intel SDM vol. 3, 4.6.1): a data segment is loaded by ring 0 and by ring 3 from an LDT at PLACE, whose descriptor is marked as accessed; and is loaded
; again. For each right of PDE and PTE with WP clear and set, then with SMAP: error code or "--", A and D, and the descriptor's type. Then the map of ports of a TSS at PLACE, for IN of ring 3.
%include "paging.inc"
  ; the descriptors are in what is tried: 4 a segment not accessed yet, C one that is
  mov byte [loose],1 ; which byte of the descriptor is written is not told
  mov dword [index],0
.controls:
  mov eax,cr0
  and eax,~WP
  test byte [index],1
  jz .nowp
  or eax,WP
.nowp:
  mov cr0,eax
  xor eax,eax
  test byte [index],2
  jz .nosmap
  mov eax,SMAP
.nosmap:
  mov cr4,eax
  xor ebp,ebp
.rights:
  mov dword [row],TABLE+7
  lea eax,[ebp+ebp+FRAME]
  cmp ebp,4
  je .a
  inc eax
.a: mov [row+8],eax
  mov al,[index]
  call puthex2
  OUTC '.'
  mov eax,[row+8]
  call puthex2
  OUTC ' '
  xor esi,esi
.way:
  mov dword [FRAME],0x0000ffff
  mov dword [FRAME+4],0x00cff200
  mov dword [FRAME+8],0x0000ffff
  mov dword [FRAME+12],0x00cff300
  call entries
  mov [count],esi
  call .one
  call putoutcome
  mov al,[FRAME+5]
  call puthex2
  OUTC ' '
  mov esi,[count]
  inc esi
  cmp esi,6
  jb .way
  call nl
  inc ebp
  cmp ebp,5
  jb .rights
  inc dword [index]
  cmp dword [index],4
  jb .controls
  jmp ports
.one: mov [stack],esp
  mov byte [gdt+0x30],15
  mov ecx,edi
  mov [gdt+0x32],cx
  shr ecx,16
  mov [gdt+0x34],cl
  mov [gdt+0x37],ch
  mov ecx,0x30
  lldt cx
  jmp [ways+esi*4]
align 4
ways: dd ring0, ring0accessed, ring3, ring3accessed, larring3, ring3ac
ring0: mov ecx,4
  mov gs,cx
  jmp fine
ring0accessed: mov ecx,12
  mov gs,cx
  jmp fine
ring3: mov ecx,2
  jmp .r
.ac: mov ecx,AC|2
.r: mov ebx,4
  mov edx,USER+ustub.load-ustub
  jmp toring3
ring3accessed: mov ebx,12
  mov ecx,2
  mov edx,USER+ustub.load-ustub
  jmp toring3
larring3: mov ebx,4
  mov ecx,2
  mov edx,USER+ustub.ask-ustub
  jmp toring3
ring3ac: jmp ring3.ac
; Ring 3 at EDX, with EFLAGS ECX and EBX.
toring3:
  push dword DATA3
  push dword USER+0x2000
  push ecx
  push dword CODE3
  push edx
  iretd
ports:
  ; a TSS whose map is in PLACE
  mov byte [loose],0
  mov eax,0
  mov cr4,eax
  mov byte [gdt+0x2d],0x89
  mov word [gdt+0x28],0x2fff
  mov eax,PLACE-0x1000
  mov [gdt+0x2a],ax
  shr eax,16
  mov [gdt+0x2c],al
  mov [gdt+0x2f],ah
  ; the page before it has the TSS
  mov dword [TABLE],0x213000+3
  mov dword [row],TABLE+7
  mov dword [row+8],FRAME+3
  call entries
  mov dword [PLACE-0x1000+4],STACK0-0x1000
  mov dword [PLACE-0x1000+8],16
  mov dword [PLACE-0x1000+0x64],0x0ff00000
  push edi
  mov edi,FRAME
  mov ecx,1024
  xor eax,eax
  rep stosd
  pop edi
  mov eax,0x28
  ltr ax
  mov dword [index],0
.controls:
  xor eax,eax
  test byte [index],1
  jz .c
  mov eax,SMAP
.c: mov cr4,eax
  xor ebp,ebp
.rights:
  lea eax,[ebp+ebp+FRAME]
  cmp ebp,4
  je .a
  inc eax
.a: mov [row+8],eax
  mov al,[index]
  call puthex2
  OUTC '.'
  mov eax,[row+8]
  call puthex2
  OUTC ' '
  mov ebx,0x180 ; in the first page of the map
  call in_
  mov ebx,0x780 ; both bytes across
  call in_
  mov ebx,0x77f
  call in_
  mov ebx,0x800
  call in_
  call nl
  inc ebp
  cmp ebp,5
  jb .rights
  inc dword [index]
  cmp dword [index],2
  jb .controls
  jmp over
in_: call entries
  call .one
  jmp putoutcome
.one: mov [stack],esp
  mov ecx,2
  mov edx,USER+ustub.in-ustub
  jmp toring3
over:
%include "paging-end.inc"
