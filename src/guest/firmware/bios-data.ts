/**
 * What a BIOS leaves in low memory for those who never call it: kernels look there for the serial ports, the end of conventional
 * memory, and the extended BIOS data area, in which they search for tables (MultiProcessor Specification 1.4, 4). For guests that are begun
 * without a BIOS. (IBM PS/2 and PC BIOS Interface Technical Reference, section 3.)
 */
import { COM1 } from "../../devices/uart16550.ts";
import type { GuestMemoryPort } from "../memory-port.ts";

const BIOS_DATA_GPA = 0x400;
const BIOS_DATA_BYTES = 0x100;
/** The last KiB of conventional memory, which memory maps call reserved. */
export const EXTENDED_BIOS_DATA_GPA = 0x9fc00;
const EXTENDED_BIOS_DATA_KIB = 1;

/** Offsets into the BIOS data area. */
const SERIAL_PORTS = 0x00;
const EXTENDED_AREA_SEGMENT = 0x0e;
const EQUIPMENT = 0x10;
const CONVENTIONAL_KIB = 0x13;
const KEYBOARD_BUFFER_HEAD = 0x1a;
const KEYBOARD_BUFFER_TAIL = 0x1c;
const VIDEO_MODE = 0x49;
const SCREEN_COLUMNS = 0x4a;
const SCREEN_BYTES = 0x4c;
const CRTC_PORT = 0x63;
const KEYBOARD_BUFFER_START = 0x80;
const KEYBOARD_BUFFER_END = 0x82;
const LAST_SCREEN_ROW = 0x84;
const CHARACTER_HEIGHT = 0x85;

/** A coprocessor, a colour display of 80 columns, one serial port. */
const EQUIPMENT_WORD = 0x0222;
const TEXT_MODE = 3;
/** Offset of an empty keyboard buffer, and of its end. */
const BUFFER_START = 0x1e;
const BUFFER_END = 0x3e;

export function writeBiosData(memory: GuestMemoryPort): void {
  const area = new DataView(new ArrayBuffer(BIOS_DATA_BYTES));
  const set = (offset: number, word: number): void => area.setUint16(offset, word, true);
  set(SERIAL_PORTS, COM1.base);
  set(EXTENDED_AREA_SEGMENT, EXTENDED_BIOS_DATA_GPA >>> 4);
  set(EQUIPMENT, EQUIPMENT_WORD);
  set(CONVENTIONAL_KIB, EXTENDED_BIOS_DATA_GPA >>> 10);
  set(KEYBOARD_BUFFER_HEAD, BUFFER_START);
  set(KEYBOARD_BUFFER_TAIL, BUFFER_START);
  area.setUint8(VIDEO_MODE, TEXT_MODE);
  set(SCREEN_COLUMNS, 80);
  set(SCREEN_BYTES, 4096);
  set(CRTC_PORT, 0x3d4);
  set(KEYBOARD_BUFFER_START, BUFFER_START);
  set(KEYBOARD_BUFFER_END, BUFFER_END);
  area.setUint8(LAST_SCREEN_ROW, 24);
  set(CHARACTER_HEIGHT, 16);
  memory.write(BIOS_DATA_GPA, new Uint8Array(area.buffer));
  memory.write(EXTENDED_BIOS_DATA_GPA, Uint8Array.of(EXTENDED_BIOS_DATA_KIB));
}
