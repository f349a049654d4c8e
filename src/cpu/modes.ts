/** Mode bits (layout MODE): all that decoding and handler choice depend on besides the bytes. Part of a block's key. */
export const Mode = {
  /** CS.D: 32-bit operands and addresses by default. */
  code32: 1 << 0,
  /** SS.B: ESP rather than SP. */
  stack32: 1 << 1,
  /** CS, SS, DS and ES have base 0 and limit 4 GiB, are usable, readable and (but CS) writable: no checks, no bases. */
  flat: 1 << 2,
  /** CR0.PE. */
  protected: 1 << 3,
  /** EFLAGS.VM. */
  vm86: 1 << 4,
  /** ExitControl.pause. */
  pauseExits: 1 << 5,
} as const;
