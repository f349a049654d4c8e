; PAE paging: paging-flush.inc.
%define PAE
%include "paging-flush.inc"
