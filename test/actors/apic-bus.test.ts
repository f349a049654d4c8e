import { describe, expect, it } from "vitest";
import { addressesOf, apicAddress } from "../../src/actors/addresses.ts";
import { ApicBus } from "../../src/actors/apic-bus.ts";
import {
  type ApicDestination,
  type ApicMessage,
  DeliveryMode,
  LocalApic,
} from "../../src/devices/local-apic.ts";
import { FakeClock } from "../devices/fake-clock.ts";

const Reg = { tpr: 0x80, ldr: 0xd0, dfr: 0xe0, svr: 0xf0 } as const;
const ENABLED = 0x1ff;
const CLUSTERED = 0x0fffffff;
const fixed: ApicMessage = { mode: DeliveryMode.fixed, vector: 0x40, level: false };
const lowestPriority: ApicMessage = { ...fixed, mode: DeliveryMode.lowestPriority };

/** Local APICs 0 to 3 on a bus, enabled by software, in the flat model a bit each. */
function bed() {
  const bus = new ApicBus();
  const apics = [0, 1, 2, 3].map((id) => {
    const hooks = { send() {}, ended() {}, nmi() {}, init() {}, startup() {} };
    const apic = new LocalApic({ id, bootstrap: id === 0 }, new FakeClock(), hooks);
    apic.write(Reg.svr, ENABLED);
    apic.write(Reg.ldr, (1 << id) << 24);
    bus.attach(apic, `apic${id}`);
    return apic;
  });
  const reached = (to: Partial<ApicDestination>, message = fixed, from?: number) =>
    bus
      .targets(
        message,
        { destination: 0, logical: false, shorthand: "none", ...to },
        from === undefined ? undefined : apics[from],
      )
      .map((address) => Number(address.slice(4)));
  const write = (register: number, values: readonly number[]) => {
    for (const [id, value] of values.entries()) apics[id]?.write(register, value);
  };
  return { apics, reached, write };
}

describe("the interrupt bus", () => {
  it.each([
    ["self", [2]],
    ["all", [0, 1, 2, 3]],
    ["others", [0, 1, 3]],
  ] as const)(
    "takes a message with the shorthand %s to %j, whatever its destination says",
    (shorthand, ids) => {
      const { reached } = bed();
      for (const destination of [0, 1, 0xff])
        for (const logical of [false, true])
          expect(reached({ shorthand, destination, logical }, fixed, 2)).toEqual(ids);
    },
  );

  it("goes by APIC id with a physical destination, FF being all, the sender among them", () => {
    const { reached } = bed();
    for (const id of [0, 1, 2, 3]) expect(reached({ destination: id }, fixed, 1)).toEqual([id]);
    expect(reached({ destination: 0xff }, fixed, 1)).toEqual([0, 1, 2, 3]);
    expect(reached({ destination: 4 })).toEqual([]);
  });

  it("goes by the bits of LDR with a logical destination in the flat model", () => {
    const { reached, write } = bed();
    expect(reached({ destination: 0b1010, logical: true })).toEqual([1, 3]);
    expect(reached({ destination: 0xff, logical: true })).toEqual([0, 1, 2, 3]);
    expect(reached({ destination: 0b10000, logical: true })).toEqual([]);
    write(Reg.ldr, [0x80 << 24]);
    expect(reached({ destination: 0b1, logical: true })).toEqual([]);
    expect(reached({ destination: 0x80, logical: true })).toEqual([0]);
  });

  it("goes by cluster and place in the cluster model", () => {
    const { reached, write } = bed();
    write(Reg.dfr, [CLUSTERED, CLUSTERED, CLUSTERED, CLUSTERED]);
    write(
      Reg.ldr,
      [0x01, 0x02, 0x11, 0x12].map((ldr) => ldr << 24),
    );
    expect(reached({ destination: 0x03, logical: true })).toEqual([0, 1]);
    expect(reached({ destination: 0x12, logical: true })).toEqual([3]);
    expect(reached({ destination: 0xf1, logical: true })).toEqual([0, 2]);
    expect(reached({ destination: 0x21, logical: true })).toEqual([]);
  });

  it("gives a lowest-priority message to the one with the least PPR, of equals to the first, of those it names", () => {
    const { apics, reached, write } = bed();
    write(Reg.tpr, [0x50, 0x30, 0x30, 0x20]);
    expect(reached({ destination: 0b0111, logical: true }, lowestPriority)).toEqual([1]);
    expect(reached({ destination: 0xff, logical: true }, lowestPriority)).toEqual([3]);
    // What is in service counts as much as TPR.
    apics[3]?.accept({ ...fixed, vector: 0x61 });
    expect(apics[3]?.acknowledge()).toBe(0x61);
    expect(reached({ destination: 0xff, logical: true }, lowestPriority)).toEqual([1]);
    expect(reached({ destination: 0b10000, logical: true }, lowestPriority)).toEqual([]);
  });

  it("passes over those that software has disabled when it looks for the lowest priority", () => {
    const { reached, write } = bed();
    write(Reg.tpr, [0x50, 0x40]);
    write(Reg.svr, [ENABLED, ENABLED, 0xff, 0xff]);
    expect(reached({ destination: 0xff }, lowestPriority)).toEqual([1]);
    write(Reg.svr, [0xff, 0xff]);
    expect(reached({ destination: 0xff }, lowestPriority)).toEqual([]);
  });
});

describe("the addresses of local APICs", () => {
  it("differ by the id, that of the first having none", () => {
    const addresses = addressesOf("g");
    expect([0, 1, 7].map((id) => apicAddress(addresses, id))).toEqual(["apic:g", "apic1:g", "apic7:g"]);
  });
});
