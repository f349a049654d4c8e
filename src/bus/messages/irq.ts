/** Device → InterruptController: the device drives its line high. */
export interface IrqAssert {
  readonly type: "irq.assert";
  /** 0 to 15, numbered as on the ISA bus. */
  readonly line: number;
}

/** Device → InterruptController: the device drives its line low. */
export interface IrqDeassert {
  readonly type: "irq.deassert";
  readonly line: number;
}

export type IrqMessage = IrqAssert | IrqDeassert;
