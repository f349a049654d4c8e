import { expect, test } from "vitest";
import { VirtioConsole } from "../../../src/devices/virtio/console.ts";
import { VirtioTransport } from "../../../src/devices/virtio/transport.ts";
import { Driver, Flag, FlatMemory, Line } from "./rig.ts";

const BUFFER = 0xc000;

function rig(legacy: boolean) {
  const memory = new FlatMemory(0x20000);
  const sent: number[] = [];
  const device = new VirtioConsole({ dma: memory, transmit: (byte) => sent.push(byte) });
  const irq = new Line();
  const transport = new VirtioTransport(device, memory, irq);
  return { memory, sent, device, irq, transport, driver: new Driver(transport, memory, legacy) };
}

for (const legacy of [true, false]) {
  test(`${legacy ? "legacy" : "modern"}: what is sent comes out, what comes in waits for buffers`, () => {
    const { memory, sent, device, irq, transport, driver } = rig(legacy);
    memory.bytes.set(Buffer.from("hello"), BUFFER);
    driver.describe(driver.descriptors(1), [
      [BUFFER, 2, Flag.next, 1],
      [BUFFER + 2, 3, 0],
    ]);
    driver.offer(1, 0);
    driver.notify(1);
    expect(Buffer.from(sent).toString()).toBe("hello");
    expect(driver.used(1)).toEqual([[0, 0]]);

    transport.readLegacy(19, 1);
    expect(irq.level).toBe(false);
    device.receive(Buffer.from("abcdef"));
    transport.serve(0);
    driver.available = 0;
    driver.describe(driver.descriptors(0), [
      [BUFFER, 4, Flag.write],
      [BUFFER + 16, 4, Flag.write],
    ]);
    driver.offer(0, 0);
    driver.offer(0, 1);
    driver.notify(0);
    expect(irq.level).toBe(true);
    expect(driver.used(0)).toEqual([
      [0, 4],
      [1, 2],
    ]);
    expect(Buffer.from(memory.bytes.slice(BUFFER, BUFFER + 4)).toString()).toBe("abcd");
    expect(Buffer.from(memory.bytes.slice(BUFFER + 16, BUFFER + 18)).toString()).toBe("ef");
    expect(device.state.waiting).toEqual([]);
  });
}

test("the emergency register sends before any queue is there; the size is in the configuration", () => {
  const { sent, transport } = rig(false);
  transport.writeModern(20, 1, 0);
  transport.writeModern(0x2008, 4, 0x41);
  expect(sent).toEqual([0x41]);
  expect([transport.readModern(0x2000, 2), transport.readModern(0x2002, 2)]).toEqual([80, 25]);
});
