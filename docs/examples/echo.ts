import { createMachine } from "umbra";
import { bootProgram, GuestBuilder, ref } from "umbra/guest";

// A guest that greets, then sends back every byte that is typed, until it is a full stop.
const COM1 = 0x3f8;
const guest = new GuestBuilder({ origin: 0x100000 })
  .mov("esi", ref("greeting"))
  .mov("edx", COM1)
  .mov("ecx", 13)
  .string("outs", 8, "rep")
  .label("wait")
  .mov("edx", COM1 + 5)
  .in("al", "dx")
  .test("al", 1)
  .jcc("e", "wait")
  .mov("edx", COM1)
  .in("al", "dx")
  .out("dx", "al")
  .cmp("al", ".".charCodeAt(0))
  .jcc("ne", "wait")
  .hlt()
  .label("greeting")
  .db("Hello, host!\n");

const machine = createMachine({ memoryMiB: 32 });
const vm = machine.createVm({ name: "echo", pager: "vtlb", memoryMiB: 4, boot: bootProgram(guest.build()) });

// Console output comes as events, a line or less at a time; `text` has all of it.
vm.on("console", (bytes) => process.stdout.write(bytes));
vm.on("ended", (status, reason) => console.log(`\n${vm.name} has ${status}: ${reason}`));

// Run until something is on the console, for a number of instructions, or until a predicate says so.
console.log(vm.run({ until: /host!\n/ }).status);
console.log(vm.run({ budget: 1000 }).status);
console.log(vm.run({ until: (self) => self.stats().exits.io > 500 }).status);

// Registers, memory and the pager's invariants can be looked at whenever it does not run.
console.log(vm.withState((state) => state.eip) > 0x100000, vm.audit().length);

// What is typed reaches the guest through its serial port. HLT with interrupts off is the end of this one.
vm.console.write("echo.");
const { status, instructions } = vm.run({ maxInstructions: 1_000_000 });
console.log(status, instructions > 1000);
