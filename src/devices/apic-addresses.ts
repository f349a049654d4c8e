/** Where the APICs are on a PC, guest-physical. */
export const LOCAL_APIC_BASE = 0xfee00000;
export const IO_APIC_BASE = 0xfec00000;
/** The I/O APIC's id on the interrupt bus; processors have those from 0 on. */
export const IO_APIC_ID = 15;
