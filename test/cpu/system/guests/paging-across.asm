; Accesses across two pages with WP set, by the entries of both (7: writable, 5: read-only, 6: absent): error code and CR2 less PLACE, or "--", and whether memory of the first and of the second
; page has changed ("w"). By ring 0: MOV from and to memory, MOVSD, FILD, FSTP, MOVUPS, REP STOSD of two, SGDT; by ring 3: PUSH, ENTER; and reads and writes where one of the pages is the supervisor's. QEMU agrees but
; for MOVUPS and SGDT, of which it writes the first half.
;= 
;= 00210007 00212007 --:.. --:ww --:ww --:ww --:.. --:.. --:ww --:ww --:ww --:ww
;= 00210007 00212005 --:.. 03@1000:.. 07@1000:.. 07@1000:.. 03@1000:.. --:.. 03@1000:.. 03@1000:.. 03@1000:w. 03@1000:..
;= 00210007 00212006 00@1000:.. 02@1000:.. 06@1000:.. 06@1000:.. 02@1000:.. 00@1000:.. 02@1000:.. 02@1000:.. 02@1000:w. 02@1000:..
;= 00210005 00212007 --:.. 03@0FFE:.. 07@0FFE:.. 07@0FFE:.. 03@0FFE:.. --:.. 03@0FFA:.. 03@0FF6:.. 03@0FFC:.. 03@0FFE:..
;= 00210005 00212005 --:.. 03@0FFE:.. 07@0FFE:.. 07@0FFE:.. 03@0FFE:.. --:.. 03@0FFA:.. 03@0FF6:.. 03@0FFC:.. 03@0FFE:..
;= 00210005 00212006 00@1000:.. 03@0FFE:.. 07@0FFE:.. 07@0FFE:.. 03@0FFE:.. 00@1000:.. 03@0FFA:.. 03@0FF6:.. 03@0FFC:.. 03@0FFE:..
;= 00210006 00212007 00@0FFE:.. 02@0FFE:.. 06@0FFE:.. 06@0FFE:.. 02@0FFE:.. 00@0FFE:.. 02@0FFA:.. 02@0FF6:.. 02@0FFC:.. 02@0FFE:..
;= 00210006 00212005 00@0FFE:.. 02@0FFE:.. 06@0FFE:.. 06@0FFE:.. 02@0FFE:.. 00@0FFE:.. 02@0FFA:.. 02@0FF6:.. 02@0FFC:.. 02@0FFE:..
;= 00210006 00212006 00@0FFE:.. 02@0FFE:.. 06@0FFE:.. 06@0FFE:.. 02@0FFE:.. 00@0FFE:.. 02@0FFA:.. 02@0FF6:.. 02@0FFC:.. 02@0FFE:..
;= 00210007 00212003 05@1000:.. 07@1000:..
;= 00210003 00212007 05@0FFE:.. 07@0FFE:..
%include "paging.inc"
OTHER equ 0x212000
  mov dword [PDE],TABLE+7
  mov byte [loose],1
  mov eax,cr0
  or eax,WP
  mov cr0,eax
%assign f 0
%rep 3
  %if f == 0
  mov edx,FRAME+7
  %elif f == 1
  mov edx,FRAME+5
  %else
  mov edx,FRAME+6
  %endif
  mov [pair],edx
  %assign s 0
  %rep 3
  %if s == 0
  mov edx,OTHER+7
  %elif s == 1
  mov edx,OTHER+5
  %else
  mov edx,OTHER+6
  %endif
  mov [pair+4],edx
  call eachacross
  %assign s s+1
  %endrep
  %assign f f+1
%endrep
  ; a write of ring 3 across to the supervisor's page, and from it
  mov dword [pair],FRAME+7
  mov dword [pair+4],OTHER+3
  call useracross
  mov dword [pair],FRAME+3
  mov dword [pair+4],OTHER+7
  call useracross
  jmp over
setpair:
  mov eax,[pair]
  mov [PTE],eax
  mov eax,[pair+4]
  mov [PTE+4],eax
  RELOAD
  mov edi,FRAME+0xff0
  mov eax,0x11111111
  stosd
  stosd
  stosd
  stosd
  mov edi,OTHER
  stosd
  stosd
  stosd
  stosd
  mov edi,PLACE+0xffe
  mov eax,[pair]
  ret
eachacross:
  call nl
  mov eax,[pair]
  call puthex
  mov eax,[pair+4]
  call puthex
  xor esi,esi
.k: call setpair
  xor eax,eax
  mov cr2,eax
  call .a
  call putcross
  mov esi,[count]
  inc esi
  cmp esi,(ways_end-ways)/4
  jb .k
  ret
.a: mov [stack],esp
  mov [count],esi
  mov eax,0x99999999
  jmp [ways+esi*4]
useracross:
  call nl
  mov eax,[pair]
  call puthex
  mov eax,[pair+4]
  call puthex
  xor esi,esi
.k: call setpair
  call .a
  call putcross
  inc esi
  cmp esi,2
  jb .k
  ret
.a: mov [stack],esp
  mov edx,USER+ustub.across-ustub
  mov eax,2
  or esi,esi
  jz user
  mov edx,USER+ustub.acrosswrite-ustub
  jmp user
align 4
ways: dd load, store, push_, enter_, movsd_, fild_, fst_, movups_, stos_, sgdt_
ways_end:
load: mov eax,[edi]
  jmp fine
store: mov [edi],eax
  jmp fine
%macro STACK 1
%1_: mov edx,USER+ustub.%1-ustub
  mov eax,2
  jmp user
%endmacro
STACK push
STACK enter
movsd_: push esi
  push edi
  lea esi,[FRAME+0xff0]
  movsd
  pop edi
  pop esi
  jmp fine
fild_: fninit
  fild dword [edi]
  jmp fine
fst_: fninit
  fld1
  fstp tword [edi-4]
  jmp fine
movups_: mov eax,cr4
  or eax,0x200
  mov cr4,eax
  movups [edi-8],xmm0
  jmp fine
stos_:
  mov ecx,2
  sub edi,2
  rep stosd
  mov edi,PLACE+0xffe
  jmp fine
sgdt_: sgdt [edi]
  jmp fine
; Error code, CR2 less PLACE if it is a page fault, and whether memory has changed in the first and in the second page.
putcross:
  mov edi,PLACE+0xffe
  cmp eax,-1
  je .none
  call puthex2
  OUTC '@'
  mov eax,cr2
  sub eax,PLACE
  xchg al,ah
  call puthex2
  xchg al,ah
  call puthex2
  jmp .memory
.none: OUTC '-'
  OUTC '-'
.memory:
  OUTC ':'
  mov ebx,FRAME+0xff0
  call .changed
  mov ebx,OTHER
  call .changed
  OUTC ' '
  ret
.changed:
  mov ecx,16
.c: cmp byte [ebx],0x11
  jne .yes
  inc ebx
  loop .c
  OUTC '.'
  ret
.yes: OUTC 'w'
  ret
pair: dd 0, 0
over:
%include "paging-end.inc"
