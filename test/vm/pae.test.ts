import { describe, expect, it } from "vitest";
import { bootProgram, GuestBuilder, mem32, ref } from "../../src/guest/index.ts";
import type { Gpa } from "../../src/mmu/address.ts";
import { createMachine } from "../../src/vm/machine.ts";

/**
 * A guest with PAE that changes how it pages, and tells what each access came to. What it must see is what the manual says (Intel SDM vol.
 * 3, 4.1 and 4.4); QEMU reads the pointers at every walk and cannot be asked.
 */

const PAGERS = ["bare", "vtlb", "kvm"] as const;

const CODE = 0x100000;
/** Of the loader's flat code segment. */
const CODE_SELECTOR = 8;
const POINTERS = 0x20000;
const DIRECTORY = 0x21000;
const TABLE = 0x22000;
const OTHER_DIRECTORY = 0x23000;
const NARROW_DIRECTORY = 0x24000;
const NARROW_TABLE = 0x25000;
const LOG = 0x30000;
const DONE = 0x31000;
/** In the first GiB, by TABLE: page 0 is plain, page 1 must not be executed; the same pages are in the second GiB. */
const PLAIN = 0x400000;
const NO_FETCH = 0x401000;
const SECOND_GIB = 0x40000000;
const FRAMES = [0x300000, 0x301000, 0x302000] as const;
const VALUES = [0xaaaa, 0xbbbb, 0xcccc] as const;
const NX = 0x80000000;
const [P, W, LARGE] = [1, 2, 0x80];
const Cr4 = { PSE: 0x10, PAE: 0x20, PGE: 0x80, SMEP: 1 << 20 } as const;
const PG = 0x80000000;
const CD = 0x40000000;
const EFER = 0xc0000080;
const NXE = 0x800;
const [GP, PF] = [13, 14];

class PagingGuest {
  readonly g = new GuestBuilder({ origin: CODE });
  /** What each step must tell: [vector or 0, error code or value, CR2 or 0]. */
  readonly expected: (readonly [number, number, number])[] = [];
  #steps = 0;

  constructor() {
    const { g } = this;
    g.mov("esp", 0x90000)
      .mov("ebp", LOG)
      .lidt(mem32(ref("idtr")));
  }

  /** Does something that may fault; the next thing comes after it in either case. */
  attempt(act: (g: GuestBuilder) => void): this {
    const after = `after${this.#steps++}`;
    this.g.mov("edi", ref(after));
    act(this.g);
    this.g.label(after);
    return this;
  }

  reads(at: number, value: number): this {
    this.expected.push([0, value, 0]);
    return this.attempt((g) => {
      g.mov("eax", mem32(at))
        .mov(mem32({ base: "ebp", displacement: 4 }), "eax")
        .add("ebp", 12);
    });
  }
  readFaults(at: number, code: number): this {
    this.expected.push([PF, code, at]);
    return this.attempt((g) => g.mov("eax", mem32(at)));
  }
  fetchFaults(at: number, code: number): this {
    this.expected.push([PF, code, at]);
    return this.attempt((g) => g.mov("eax", at).call("eax"));
  }
  /** `eax` into a control register. */
  sets(register: "cr0" | "cr3" | "cr4", change: (g: GuestBuilder) => void): this {
    return this.attempt((g) => {
      change(g.mov("eax", register));
      g.mov(register, "eax");
    });
  }
  refuses(register: "cr0" | "cr3" | "cr4", change: (g: GuestBuilder) => void): this {
    this.expected.push([GP, 0, 0]);
    return this.sets(register, change);
  }
  reloads(cr3 = POINTERS): this {
    return this.sets("cr3", (g) => g.mov("eax", cr3));
  }
  executeDisable(on: boolean): this {
    this.g
      .mov("ecx", EFER)
      .mov("eax", on ? NXE : 0)
      .mov("edx", 0)
      .plain("wrmsr");
    return this;
  }
  /** The pointer of the second GiB. */
  points(low: number): this {
    this.g.mov(mem32(POINTERS + 8), low);
    return this;
  }
  invalidates(at: number): this {
    this.g.invlpg(mem32(at));
    return this;
  }

  build() {
    const { g } = this;
    g.mov(mem32(DONE), 1).label("end").out(0x80, "al").jmp("end");
    // Both have error codes: [vector][code][eip] ...
    g.label("gp").push(GP).jmp("faulted").label("pf").push(PF);
    g.label("faulted")
      .pop("eax")
      .mov(mem32({ base: "ebp" }), "eax")
      .mov("ebx", "eax");
    g.pop("eax").mov(mem32({ base: "ebp", displacement: 4 }), "eax");
    g.mov(mem32({ base: "ebp", displacement: 8 }), 0)
      .cmp("ebx", PF)
      .jcc("ne", "told");
    g.mov("eax", "cr2").mov(mem32({ base: "ebp", displacement: 8 }), "eax");
    g.label("told")
      .add("ebp", 12)
      .mov(mem32({ base: "esp" }), "edi")
      .plain("iretd");
    g.align(8)
      .label("idt")
      .fill(8 * GP);
    for (const handler of ["gp", "pf"])
      g.gate({ kind: "interrupt", selector: CODE_SELECTOR, offset: ref(handler) });
    g.label("idtr")
      .dw(8 * (PF + 1) - 1)
      .dd(ref("idt"));
    return g.build();
  }
}

const guest = new PagingGuest();
guest
  // Paging with PAE; NX is a reserved bit until it is switched on, at once and without any other flush.
  .sets("cr4", (g) => g.or("eax", Cr4.PAE | Cr4.PGE))
  .reloads()
  .sets("cr0", (g) => g.or("eax", PG | 0x10000))
  .reads(PLAIN, VALUES[0])
  .readFaults(NO_FETCH, 0b1001)
  .executeDisable(true)
  .reads(NO_FETCH, VALUES[1])
  .fetchFaults(NO_FETCH, 0b10001)
  .executeDisable(false)
  .reloads()
  .readFaults(NO_FETCH, 0b1001)
  .executeDisable(true)
  // The pointers are the processor's copies until CR3 is loaded, or paging bits change.
  .reads(SECOND_GIB, VALUES[0])
  .points(0)
  .invalidates(SECOND_GIB)
  .reads(SECOND_GIB, VALUES[0])
  .reloads()
  .readFaults(SECOND_GIB, 0)
  .points(OTHER_DIRECTORY | P | W)
  .refuses("cr3", (g) => g.mov("eax", POINTERS))
  .refuses("cr4", (g) => g.xor("eax", Cr4.PGE))
  .refuses("cr0", (g) => g.xor("eax", CD))
  .readFaults(SECOND_GIB, 0)
  .reads(PLAIN, VALUES[0])
  .points(OTHER_DIRECTORY | P)
  .readFaults(SECOND_GIB, 0)
  .sets("cr4", (g) => g.xor("eax", Cr4.PGE))
  .reads(SECOND_GIB, VALUES[0])
  .points(0)
  .sets("cr0", (g) => g.xor("eax", CD))
  .invalidates(SECOND_GIB)
  .readFaults(SECOND_GIB, 0)
  .points(OTHER_DIRECTORY | P)
  .sets("cr4", (g) => g.xor("eax", Cr4.SMEP))
  .reads(SECOND_GIB, VALUES[0])
  // Two levels and back: first by way of no paging, then at once.
  .sets("cr0", (g) => g.and("eax", ~PG))
  .reads(FRAMES[2], VALUES[2])
  .sets("cr4", (g) => g.and("eax", ~Cr4.PAE).or("eax", Cr4.PSE))
  .reloads(NARROW_DIRECTORY)
  .sets("cr0", (g) => g.or("eax", PG))
  .reads(PLAIN, VALUES[2])
  .reads(0x800000 + FRAMES[1], VALUES[1])
  .sets("cr0", (g) => g.and("eax", ~PG))
  .sets("cr4", (g) => g.or("eax", Cr4.PAE).and("eax", ~Cr4.PSE))
  .points(OTHER_DIRECTORY | P)
  .reloads()
  .sets("cr0", (g) => g.or("eax", PG))
  .reads(PLAIN, VALUES[0])
  .reads(SECOND_GIB, VALUES[0])
  .fetchFaults(SECOND_GIB + 0x1000, 0b10001);
const program = guest.build();

function run(pager: (typeof PAGERS)[number], interpreted = false) {
  const machine = createMachine({ memoryMiB: 32, cpu: "max", interpreted });
  const boot = bootProgram(program);
  const vm = machine.createVm({
    name: "g",
    pager,
    memoryMiB: 8,
    maxInstructions: 100_000,
    boot: (memory, state) => {
      const entry = (table: number, index: number, low: number, high = 0) => {
        memory.write32((table + 8 * index) as Gpa, low >>> 0);
        memory.write32((table + 8 * index + 4) as Gpa, high);
      };
      boot(memory, state);
      entry(POINTERS, 0, DIRECTORY | P);
      entry(POINTERS, 1, OTHER_DIRECTORY | P);
      for (const slot of [0, 1]) entry(DIRECTORY, slot, (slot * 0x200000) | LARGE | W | P);
      entry(DIRECTORY, 2, TABLE | W | P);
      entry(OTHER_DIRECTORY, 0, TABLE | W | P);
      entry(TABLE, 0, FRAMES[0] | W | P);
      entry(TABLE, 1, FRAMES[1] | W | P, NX);
      const narrow = (table: number, index: number, value: number) =>
        memory.write32((table + 4 * index) as Gpa, value);
      narrow(NARROW_DIRECTORY, 0, LARGE | W | P);
      narrow(NARROW_DIRECTORY, 1, NARROW_TABLE | W | P);
      narrow(NARROW_DIRECTORY, 2, LARGE | W | P);
      narrow(NARROW_TABLE, 0, FRAMES[2] | W | P);
      for (const [i, frame] of FRAMES.entries()) memory.write32(frame as Gpa, VALUES[i] as number);
    },
  });
  const { status, reason } = vm.run({ until: () => vm.memory.read32(DONE as Gpa) === 1 });
  if (status !== "until") throw new Error(`${pager}: ${reason}`);
  const word = (n: number) => vm.memory.read32((LOG + 4 * n) as Gpa);
  const told = guest.expected.map((_, n) => [3 * n, 3 * n + 1, 3 * n + 2].map(word));
  return {
    status,
    told,
    audit: vm.audit(),
    virtualNs: vm.stats().virtualNs,
  };
}

describe("a guest that switches PAE and NX, and loads its pointers", () => {
  const bare = run("bare");
  it.each(PAGERS)("sees what the manual says, under %s", (pager) => {
    expect(run(pager)).toEqual({ ...bare, status: "until", told: guest.expected, audit: [] });
  });
  it("does so under vtlb with interpreted charts", () => {
    expect(run("vtlb", true)).toEqual(bare);
  });
});
