; CR4.UMIP (Intel SDM vol. 3, 2.5): SGDT, SIDT, SLDT, STR and SMSW by ring 0, ring 1, ring 3 and in virtual-8086 mode, without and with it. Lines as cases.inc says.
%include "cases.inc"
UMIP equ 0x800
%macro TRY 2 ; CR4, what comes before
  %assign k 0
  %rep 8
  CASE
  CR 4,%1
  xor eax,eax
  %2
  HERE
    %if k == 0
  sgdt [0x80000]
    %elif k == 1
  sidt [0x80000]
    %elif k == 2
  sldt eax
    %elif k == 3
  str eax
    %elif k == 4
  smsw eax
    %elif k == 5
  sldt [0x80000]
    %elif k == 6
  str [0x80000]
    %else
  smsw [0x80000]
    %endif
  TELL
  DONE
  %assign k k+1
  %endrep
%endmacro
%macro TRYVM 2
  %assign k 0
  %rep 8
  CASE
  CR 4,%1
  xor eax,eax
  VM86 %2
    %if k == 0
  sgdt [0]
    %elif k == 1
  sidt [0]
    %elif k == 2
  sldt ax
    %elif k == 3
  str ax
    %elif k == 4
  smsw ax
    %elif k == 5
  sldt [0]
    %elif k == 6
  str [0]
    %else
  smsw [0]
    %endif
  VMDONE
  %assign k k+1
  %endrep
%endmacro
  TRY 0,nop
  TRY 0,{RING 1,2}
  TRY 0,{RING 3,2}
  TRYVM 0,0
  TRYVM 0,IOPL
  TRY UMIP,nop
  TRY UMIP,{RING 1,2}
  TRY UMIP,{RING 3,2}
  TRY UMIP,{RING 3,IOPL}
  TRYVM UMIP,0
  TRYVM UMIP,IOPL
%include "cases-end.inc"
