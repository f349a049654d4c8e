; 32-bit paging: paging-own.inc.
%include "paging-own.inc"
