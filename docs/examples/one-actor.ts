import { actors, createTestStage, VirtualTime } from "umbra";

// One actor alone: the serial port of a vm called "g". Everybody that it talks to is a stand-in.
const { stage, bus } = createTestStage();
const addresses = actors.addressesOf("g");
for (const [role, address] of Object.entries(addresses)) if (role !== "uart") bus.stub(address);
bus.stub(actors.SWITCHER);

let instructions = 0;
const time = new VirtualTime(() => instructions);
const uart = actors.addUart(stage, { addresses, time });

// The guest writes a byte to the port: it goes to the vm, and the Switcher hears that the access is done.
bus.post("test", addresses.uart, { type: "io.write", vcpu: 0, port: 0x3f8, size: 1, value: 0x41 });
bus.drain();
bus.expectMessages([
  { type: "io.write", to: "uart:g" },
  { type: "console.output", from: "uart:g", to: "vm:g", with: { byte: 0x41 } },
  { type: "io.done", to: actors.SWITCHER, with: { vcpu: 0 } },
]);

// A byte is typed: it waits in the receiver, and with its interrupt off the line stays low.
instructions += 1000;
bus.post("test", addresses.uart, { type: "console.input", bytes: Uint8Array.of(0x42) });
bus.drain();
bus.expectMessages([{ type: "console.input", to: "uart:g" }]);
console.log(uart.pendingInput());

// What does not come as expected is an error that shows both lists.
bus.post("test", addresses.uart, { type: "io.read", vcpu: 0, port: 0x3f8, size: 1 });
bus.drain();
try {
  bus.expectMessages([{ type: "io.read" }, { type: "io.data", with: { value: 0x43 } }]);
} catch (error) {
  console.log((error as Error).message);
}
