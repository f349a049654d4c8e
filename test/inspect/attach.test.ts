import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { ticker } from "../../scenarios/support/guests/ticker.ts";
import { attachInspector, type InspectorHandle, type InspectorOptions } from "../../src/inspect/attach.ts";
import { createMachine } from "../../src/vm/machine.ts";

interface Event {
  readonly type: string;
  readonly sessionId: string;
  readonly name?: string;
  readonly definition?: string;
  readonly snapshot?: { readonly value: unknown };
  readonly event?: { readonly type: string };
}

const open: { stop(): void }[] = [];
afterEach(() => {
  for (const thing of open.splice(0)) thing.stop();
});

async function inspected(options: InspectorOptions = {}) {
  const machine = createMachine({ memoryMiB: 16 });
  const inspector = await attachInspector(machine, { port: 0, ...options });
  open.push(inspector);
  const vm = machine.createVm({ name: "g", pager: "vtlb", memoryMiB: 4, boot: ticker(8000) });
  return { machine, vm, inspector };
}

/** A client, and what it has received so far. */
async function client(inspector: InspectorHandle, headers: Record<string, string> = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${inspector.port}`, { headers });
  open.push({ stop: () => socket.terminate() });
  const events: Event[] = [];
  socket.on("message", (data) => events.push(JSON.parse(String(data)) as Event));
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  return events;
}

const settle = (ms = 150) => new Promise((resolve) => setTimeout(resolve, ms));

describe("the inspector", () => {
  it("tells a client of every actor, with its chart and its state", async () => {
    const { inspector } = await inspected();
    const events = await client(inspector);
    await settle();
    const actors = events.filter(({ type }) => type === "@xstate.actor");
    expect(actors.map(({ name }) => name).sort()).toEqual(
      [
        "clock:g",
        "coprocessor:g",
        "cpu0",
        "kbd:g",
        "mmu:g",
        "pic:g",
        "ports:g",
        "rtc:g",
        "shadow:g",
        "switcher0",
        "timer:g",
        "uart:g",
        "vm:g",
      ].sort(),
    );
    const cpu = actors.find(({ name }) => name === "cpu0");
    expect(cpu?.snapshot?.value).toBe("host");
    expect(JSON.parse(cpu?.definition ?? "")).toMatchObject({ id: "cpu", initial: "host" });
    expect(inspector.clients).toBe(1);
  });

  it("works while the machine runs, in samples of a bounded size", async () => {
    const { vm, machine, inspector } = await inspected({ sampleEveryMs: 20, eventsPerSample: 30 });
    const events = await client(inspector);
    const start = performance.now();
    await vm.runAsync();
    const samples = (performance.now() - start) / 20 + 2;
    await settle();
    const flow = events.filter(({ type }) => type === "@xstate.event").map(({ event }) => event?.type);
    expect(flow).toContain("clock.idle");
    expect(flow).toContain("intr.acknowledge");
    // Snapshots of what changed between samples come on top, one an actor.
    expect(events.length).toBeLessThan(12 + samples * (30 + 12));
    expect(machine.bus.lastSeq).toBeGreaterThan(10 * events.length);
    // Every event belongs to an actor that the client knows.
    const known = new Set(
      events.filter(({ type }) => type === "@xstate.actor").map(({ sessionId }) => sessionId),
    );
    expect(events.every(({ sessionId }) => known.has(sessionId))).toBe(true);
  });

  it("changes nothing about what the guest does", async () => {
    const { vm, inspector } = await inspected({ sampleEveryMs: 10 });
    await client(inspector);
    const watched = await vm.runAsync();
    const alone = createMachine({ memoryMiB: 16 });
    const unwatched = alone.createVm({ name: "g", pager: "vtlb", memoryMiB: 4, boot: ticker(8000) }).run();
    expect(watched).toEqual(unwatched);
  });

  it("leaves the charts at full speed while nobody looks on", async () => {
    const { machine, inspector } = await inspected({ sampleEveryMs: 5 });
    await settle(50);
    expect(machine.charts.inspected).toBe(false);
    await client(inspector);
    await settle(50);
    expect(machine.charts.inspected).toBe(true);
    inspector.stop();
    expect(machine.charts.inspected).toBe(false);
  });

  it("serves its page, and only to requests for this host", async () => {
    const { inspector } = await inspected();
    expect(inspector.url).toBe(`http://127.0.0.1:${inspector.port}/`);
    const page = await fetch(inspector.url);
    expect(page.headers.get("content-type")).toMatch(/^text\/html/);
    expect(await page.text()).toContain("https://stately.ai/inspect");
    expect((await fetch(`${inspector.url}other`)).status).toBe(404);
  });

  it("turns away WebSockets of other sites' pages", async () => {
    const { inspector } = await inspected();
    const { port } = inspector;
    await expect(client(inspector, { origin: "https://example.com" })).rejects.toThrow("401");
    await expect(client(inspector, { host: `example.com:${port}` })).rejects.toThrow("401");
    await expect(client(inspector, { origin: `http://localhost:${port}` })).resolves.toBeDefined();
  });

  it("says so when its port is taken", async () => {
    const { inspector, machine } = await inspected();
    await expect(attachInspector(machine, { port: inspector.port })).rejects.toThrow(
      `the inspector cannot listen on port ${inspector.port}: another program has it; choose another`,
    );
  });
});
