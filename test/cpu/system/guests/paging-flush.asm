; 32-bit paging: paging-flush.inc.
%include "paging-flush.inc"
