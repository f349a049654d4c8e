; PAE paging: paging-own.inc.
%define PAE
%include "paging-own.inc"
