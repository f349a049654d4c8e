/**
 * Where everything lives in the machine's one WebAssembly.Memory. All offsets are bytes.
 *
 *   0x0000_0000  register file of the physical CPU (STATE_SIZE bytes; saved and loaded by the world switch)
 *   BLOCKS_BASE  hash of decoded blocks, keyed by host-physical address and mode
 *   TLB_BASE     the tagged TLB
 *   ARENA_BASE   decoded micro-operations
 *   PHYS_BASE    the machine's physical memory: hpa 0 is at this byte
 *
 * Micro-operations name registers by their byte offset here, so everything an operand can name lies below 64 KiB.
 */

export const STATE_SIZE = 0x1000;

/** General registers: 8 slots of 64 bits (16 reserved), the low 32 bits used by IA-32. Order: AX CX DX BX SP BP SI DI. */
export const GPR = 0x000;
export const EAX = 0x00;
export const ECX = 0x08;
export const EDX = 0x10;
export const EBX = 0x18;
export const ESP = 0x20;
export const EBP = 0x28;
export const ESI = 0x30;
export const EDI = 0x38;

/** Always zero: named by an address form that has no base or no index. */
export const ZERO = 0x80;
/** Linear address computed and checked by a preceding address micro-operation. */
export const LINEAR = 0x88;
/** EIP: valid whenever JavaScript runs (helpers, exits). */
export const EIP = 0x90;
/** EIP of byte 0 of the page that the running block lies in (EIP of an op = PC_PAGE + its page offset). */
export const PC_PAGE = 0x94;

/**
 * Arithmetic flags, kept as three words and computed on demand:
 *   ZF = (FLAG_ZR == 0);  SF = bit 31 of FLAG_SP;  PF = even parity of the low byte of FLAG_SP;
 *   CF = bit 31 of FLAG_AUX;  OF = bit 31 XOR bit 30 of FLAG_AUX;  AF = bit 3 of FLAG_AUX.
 */
export const FLAG_ZR = 0x98;
export const FLAG_SP = 0x9c;
export const FLAG_AUX = 0xa0;
/** EFLAGS other than OSZAPC (bit 1 always set). */
export const EFLAGS_REST = 0xa4;

/** Instructions that may still retire in this burst, less those of the block being run (signed). */
export const BUDGET = 0xa8;
/** Set by a slow memory path: 0 none, else the instruction must be abandoned. */
export const FAULT = 0xac;
/** Byte offset from TLB_BASE of the tags of the current privilege: TLB_SPACE, and TLB_USER more for the user's; TLB_ALIGNED. */
export const TLB_PRIV = 0xb0;
/** Mode bits that decoding depends on (see modes.ts); part of the key of a block. */
export const MODE = 0xb4;
/** Current privilege level. */
export const CPL = 0xb8;
/** What the instruction just done holds off until the next one has finished: a set of SHADOW_ bits, consumed when it retires. */
export const SHADOW = 0xbc;
/** Interrupts (STI, MOV SS, POP SS). */
export const SHADOW_INTERRUPTS = 1;
/** The single-step trap (MOV SS, POP SS; INT n, whose handler begins with TF clear). */
export const SHADOW_STEP = 2;
/** A task switch is to be completed before the next instruction (TASK); generated code must stop. */
export const SHADOW_TASK = 4;
/** Bit set of ExitControl: which instructions leave the guest. Not the vcpu's: the monitor sets it when it loads one. */
export const CONTROLS = 0xc0;
/** Non-zero when something wants the CPU at the next moment that IF is set (interrupt window). */
export const WINDOW = 0xc4;
/** EIPs below it lie, with the whole of their page, within the limit of CS. */
export const FETCH_END = 0xcc;

/** Segment registers: 8 records of 32 bytes in encoding order, then LDTR and TR. */
export const SEG = 0x100;
export const SEG_SIZE = 0x20;
export const SEG_ES = 0x100;
export const SEG_CS = 0x120;
export const SEG_SS = 0x140;
export const SEG_DS = 0x160;
export const SEG_FS = 0x180;
export const SEG_GS = 0x1a0;
export const SEG_LDTR = 0x1c0;
export const SEG_TR = 0x1e0;
/** Fields of a segment record. */
export const SEG_SELECTOR = 0;
export const SEG_BASE = 4;
/** Limit in bytes, already scaled by G. */
export const SEG_LIMIT = 8;
/** Descriptor attributes: bits 0-3 type, 4 S, 5-6 DPL, 7 P, 12 AVL, 14 D/B, 15 G (high word of descriptor >>> 8, limit bits cleared); 0 = unusable (null). */
export const SEG_ATTR = 12;
/** First valid offset and last valid offset (unsigned): what an access is checked against. */
export const SEG_LO = 16;
export const SEG_HI = 20;
/** 1 readable, 2 writable, 4 executable; 0 for an unusable segment. */
export const SEG_PERM = 24;

export const CR0 = 0x200;
/** What software reads in the bits of CR0 that the processor does not have. */
export const CR0_ABSENT = 0x3b0;
export const CR2 = 0x208;
export const CR3 = 0x20c;
export const CR4 = 0x210;
/** IA32_EFER, low word. */
export const EFER = 0x214;
/**
 * IA32_APIC_BASE, low word, and APIC_PRESENT, which the guest does not see: 0 where there is no local APIC. Bit 8 bootstrap processor, bit 11
 * enabled, from bit 12 on the address. And the id of the local APIC at power-on.
 */
export const APIC_BASE = 0x218;
export const APIC_PRESENT = 1;
export const APIC_ID = 0x21c;
/** Not zero from the delivery of a non-maskable interrupt until IRET: no other is taken. NMI_UNBLOCKING: that IRET has left for the monitor. */
export const NMI_BLOCKED = 0x204;
export const NMI_UNBLOCKING = 2;
/** DR0..DR3, then DR6 and DR7. */
export const DR0 = 0x220;
export const DR6 = 0x230;
export const DR7 = 0x234;
/** B0 to B3 of data and port breakpoints met, whose trap has not been delivered yet. */
export const DEBUG_HITS = 0x238;
/** Not zero: the shadow that SHADOW_AT tells of is that of MOV SS or POP SS, which holds off debug exceptions, too. */
export const DEBUG_SHADOW = 0x23c;
export const GDTR_BASE = 0x240;
export const GDTR_LIMIT = 0x244;
export const IDTR_BASE = 0x248;
export const IDTR_LIMIT = 0x24c;
/** SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP. */
export const SYSENTER = 0x250;
/** Temporaries that carry a value from one micro-operation to the next of the same instruction. */
export const TEMP = 0x260;

/** The four page-directory-pointer-table entries latched by a load of CR3 under PAE, 8 bytes each. */
export const PDPTE = 0x280;

/** x87: eight 16-byte slots (10 used, little endian 80-bit), physical register order (not stack order). */
export const FPU_REGS = 0x300;
export const FPU_CONTROL = 0x380;
/** Status word, TOP included (bits 11-13). */
export const FPU_STATUS = 0x384;
/** One bit a physical register, 1 = empty. */
export const FPU_EMPTY = 0x388;
export const FPU_LAST_IP = 0x38c;
export const FPU_LAST_CS = 0x390;
export const FPU_LAST_DP = 0x394;
export const FPU_LAST_DS = 0x398;
/** 11-bit opcode of the last non-control x87 instruction. */
export const FPU_LAST_OPCODE = 0x39c;
/** 1: the FERR# pin is asserted, for an error that has left the guest (ExitControl.coprocessorError). */
export const FERR = 0x3a0;

/** What a vcpu's saved state holds besides registers (not used by generated code): 64-bit floats, then words. */
export const RETIRED = 0x3c0;
/** Count of retired instructions at which the last iteration of a repeated instruction was done: while RETIRED equals this, it is in the middle. */
export const ITERATED_AT = 0x3a8;
/** Count of retired instructions at which the interrupt shadow ends (exclusive): it holds while RETIRED equals this. */
export const SHADOW_AT = 0x3c8;
/** Injected event not yet delivered: kind (0 none, 1 external, 2 exception, 3 non-maskable, bit 4 error code, bit 5 CR2), vector, error code, CR2. */
export const PENDING = 0x3d0;
/** What WRMSR has added to the time-stamp counter: a 64-bit integer. */
export const TSC_OFFSET = 0x3e0;
/** Events delivered since an instruction retired, and the count of retired instructions at the first of them (64-bit float). */
export const DELIVERIES = 0x3e8;
export const DELIVERED_AT = 0x3f0;
/** What is left to do of a task switch before the next instruction (TaskPending), and the error code to be pushed then. */
export const TASK = 0x3f8;
export const TASK_ERROR_CODE = 0x3fc;
/** Answered accesses of an instruction that has not finished (see answers.ts); to D70. */
export const ANSWERS = 0x400;
/** XMM0 to XMM7, 16 bytes each, and MXCSR. */
export const XMM = 0xd80;
export const MXCSR = 0xe00;
/** IA32_MISC_ENABLE, two words. */
export const MISC_ENABLE = 0xe04;
/** Byte offset from TLB_BASE of the address space whose translations are in use. */
export const TLB_SPACE = 0xe0c;
/** 16 bytes that pass between generated code and the slow paths of accesses of 8 and 16 bytes. */
export const WIDE = 0xe10;
/** TR3 to TR7. */
export const TEST_REGISTERS = 0xe20;
/** Memory types, 8 bytes a register: IA32_PAT, IA32_MTRR_DEF_TYPE, 11 fixed ranges, 8 variable ranges (base and mask). To FE8. */
export const PAT = 0xf00;
export const MTRR_DEFAULT = 0xf08;
export const MTRR_FIXED = 0xf10;
export const MTRR_VARIABLE = 0xf68;

/**
 * Byte numbers for swizzles, 16 bytes each, by an immediate byte: of four doublewords (PSHUFD), of the low and of the high four words
 * (PSHUFLW, PSHUFHW); then 48 bytes that move a vector by up to 16 bytes either way: none, 0 to 15, none.
 */
export const SHUFFLE_DWORDS = 0x30000;
export const SHUFFLE_LOW_WORDS = 0x31000;
export const SHUFFLE_HIGH_WORDS = 0x32000;
export const BYTE_SHIFTS = 0x33000;

/** Hash of blocks: BLOCKS_ENTRIES entries of 16 bytes: hpa of the first byte, mode, block address, spare. */
export const BLOCKS_BASE = 0x40000;
export const BLOCKS_ENTRIES = 0x20000;
export const BLOCKS_ENTRY_SIZE = 16;

/**
 * TLB: TLB_SPACES address spaces, each direct-mapped by linear page number, TLB_ENTRIES entries of 32 bytes. An entry has two halves of 16 bytes, the
 * supervisor's and the user's: three tags, each the linear page address or TLB_INVALID, and what added to a linear address gives the byte in the
 * WebAssembly memory.
 */
export const TLB_BASE = 0x240000;
export const TLB_SPACES = 8;
export const TLB_ENTRIES = 4096;
export const TLB_ENTRY_SIZE = 32;
export const TLB_SPACE_SIZE = TLB_ENTRIES * TLB_ENTRY_SIZE;
export const TLB_READ = 0;
export const TLB_WRITE = 4;
export const TLB_EXEC = 8;
export const TLB_DELTA = 12;
export const TLB_USER = 16;
export const TLB_INVALID = 1;
/** Behind the spaces, tags that never hit: the user's where alignment is checked, so that every access takes the slow path, which checks it. */
export const TLB_ALIGNED = TLB_SPACES * TLB_SPACE_SIZE;

export const ARENA_BASE = 0x380000;
export const PHYS_BASE = 0x2000000;
/** End of the arena for cached blocks; from there to PHYS_BASE blocks cut short by the end of a burst are decoded. */
export const SCRATCH_BASE = PHYS_BASE - 0x4000;
