import { describe, expect, it } from "vitest";
import { kvmRootsChart, kvmShadowManagerChart, mmuChart } from "../../src/machines/index.ts";
import { BOTH_WAYS, type ChartWalk, walkChart } from "../support/chart-walk.ts";

/** Answers of guards that hold from here on. */
const with_ = (walk: ChartWalk, ...guards: string[]): ChartWalk => {
  walk.holds.clear();
  for (const guard of guards) walk.holds.add(guard);
  return walk;
};

describe.each(BOTH_WAYS)("the ShadowManager chart of kvm, %s", (_, interpreted) => {
  const shadow = () => walkChart(kvmShadowManagerChart, interpreted);

  it("fills, tells what it did, and answers", () => {
    const walk = shadow();
    expect(walk.send("shadow.fault")).toEqual(["fill", "announce", "resolve"]);
    expect(walk.state).toBe("idle");
  });

  it("asks for roots before anything else when the vcpu has none", () => {
    expect(with_(shadow(), "lostRoot", "isShort").send("shadow.fault")).toEqual([
      "askReload",
      "resolveReload",
    ]);
  });

  it("makes room first when pages are short, and fills then", () => {
    expect(with_(shadow(), "isShort").send("shadow.fault")).toEqual([
      "evict",
      "announce",
      "fill",
      "announce",
      "resolve",
    ]);
  });

  it("goes on to answer when a table went out of step", () => {
    const walk = with_(shadow(), "wentUnsync");
    expect(walk.send("shadow.fault")).toEqual(["fill", "announce", "resolve"]);
    expect(walk.state).toBe("idle");
  });

  it("synchronises first when it linked a page that the guest has written below", () => {
    const walk = with_(shadow(), "mustSync", "wentUnsync");
    expect(walk.send("shadow.fault")).toEqual(["fill", "announce", "syncRoots", "announce", "resolve"]);
    expect(with_(walk, "mustSync", "mustEmulate").send("shadow.fault").slice(2)).toEqual([
      "syncRoots",
      "announce",
      "askEmulation",
    ]);
  });

  it("has the Mmu do the access that must not be let through", () => {
    expect(with_(shadow(), "mustEmulate").send("shadow.fault")).toEqual(["fill", "announce", "askEmulation"]);
  });

  it("kills the guest that it cannot serve, and serves it no more", () => {
    const walk = with_(shadow(), "refused");
    expect(walk.send("shadow.fault")).toEqual(["fill", "announce", "killGuest"]);
    expect(walk.state).toBe("refused");
    expect(walk.send("shadow.load")).toEqual([]);
  });

  it("writes, and asks for a reload when the store cost the vcpu its root", () => {
    const walk = shadow();
    expect(walk.send("shadow.write")).toEqual(["write", "announce", "confirmWrite"]);
    expect(with_(walk, "zapped").send("shadow.write")).toEqual(["write", "announce", "confirmWrite"]);
    expect(with_(walk, "zapped", "lostRoot").send("shadow.write")).toEqual([
      "write",
      "announce",
      "askReload",
      "confirmWrite",
    ]);
    expect(walk.state).toBe("idle");
  });

  it("keeps the roots of the same registers, and takes others for other ones", () => {
    const walk = shadow();
    expect(walk.send("shadow.load")).toEqual(["release", "announce", "confirmLoad"]);
    expect(with_(walk, "lostRoot").send("shadow.load")).toEqual([
      "release",
      "announce",
      "takeRoots",
      "announce",
      "confirmLoad",
    ]);
    expect(walk.state).toBe("idle");
  });

  it("takes roots at once when the old ones were zapped", () => {
    expect(with_(shadow(), "isReload").send("shadow.load")).toEqual(["takeRoots", "announce", "confirmLoad"]);
  });

  it("kills the guest whose roots it cannot take", () => {
    const walk = with_(shadow(), "isReload", "refused");
    expect(walk.send("shadow.load")).toEqual(["takeRoots", "announce", "killGuest"]);
    expect(walk.state).toBe("refused");
  });

  it("renews one leaf for INVLPG", () => {
    expect(shadow().send("shadow.invlpg")).toEqual(["invalidate", "announce", "confirmInvalidate"]);
  });

  it.each([
    ["vm.budget", "changeBudget"],
    ["host.pressure", "relieve"],
  ] as const)("gives pages up on %s, its vcpu's root if it must", (message, action) => {
    const walk = shadow();
    expect(walk.send(message)).toEqual([action, "announce"]);
    expect(with_(walk, "lostRoot").send(message)).toEqual([action, "announce", "askReload"]);
    expect(walk.state).toBe("idle");
  });

  it("logs what is written", () => {
    const walk = shadow();
    expect(walk.send("dirty.start")).toEqual(["startLog", "announce"]);
    expect(walk.send("dirty.read")).toEqual(["readLog", "announce"]);
    expect(walk.send("dirty.stop")).toEqual(["stopLog", "announce"]);
  });
});

describe.each(BOTH_WAYS)("the Roots chart of kvm, %s", (_, interpreted) => {
  it("loads for a change of registers, and confirms when it is done", () => {
    const roots = walkChart(kvmRootsChart, interpreted);
    expect(roots.state).toBe("none");
    expect(roots.send("shadow.cr")).toEqual(["askLoad"]);
    expect(roots.state).toBe("switching");
    expect(roots.send("shadow.loaded")).toEqual(["noteRoot", "confirm"]);
    expect(roots.state).toBe("loaded");
  });

  it("loads anew when a root was zapped, with nobody waiting for it", () => {
    const roots = walkChart(kvmRootsChart, interpreted);
    expect(roots.send("shadow.reload")).toEqual(["askLoad"]);
    expect(roots.send("shadow.loaded")).toEqual(["noteRoot"]);
    expect(roots.send("shadow.reload")).toEqual(["askLoad"]);
    expect(roots.state).toBe("reloading");
    expect(roots.send("shadow.loaded")).toEqual(["noteRoot"]);
  });

  it("confirms a change of registers that came while it was reloading", () => {
    const roots = walkChart(kvmRootsChart, interpreted);
    roots.send("shadow.reload");
    expect(roots.send("shadow.cr")).toEqual(["askLoad"]);
    expect(roots.send("shadow.loaded")).toEqual(["noteRoot", "confirm"]);
  });
});

describe.each(BOTH_WAYS)("the Mmu chart, told to do an access for the guest, %s", (_, interpreted) => {
  const told = (...guards: string[]) => {
    const mmu = walkChart(mmuChart, interpreted);
    mmu.send("mmu.fault");
    return with_(mmu, ...guards);
  };

  it("stores through the ShadowManager", () => {
    const mmu = told();
    expect(mmu.send("shadow.emulate")).toEqual(["locate", "askStore"]);
    expect(mmu.state).toBe("storing");
    expect(mmu.send("shadow.written")).toEqual(["answerStore"]);
    expect(mmu.state).toBe("idle");
  });

  it("answers the read of a read-modify-write and a check by itself", () => {
    expect(told("isRead").send("shadow.emulate")).toEqual(["locate", "answerRead"]);
    expect(told("isProbe").send("shadow.emulate")).toEqual(["locate", "answerProbe"]);
  });

  it("asks a device where no memory is", () => {
    const mmu = told("isDevice", "isRead");
    expect(mmu.send("shadow.emulate")).toEqual(["locate", "askDevice"]);
    expect(mmu.send("mmio.data")).toEqual(["emulate"]);
    expect(mmu.state).toBe("idle");
  });

  it("raises the exception of a fetch where no memory is", () => {
    expect(told("isFetch", "isDevice").send("shadow.emulate")).toEqual(["locate", "refuseFetch"]);
  });
});
