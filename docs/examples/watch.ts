import { filter, map, take } from "rxjs";
import { createMachine } from "umbra";
import { bootProgram, GuestBuilder } from "umbra/guest";

// Two port accesses, then an endless loop.
const guest = new GuestBuilder({ origin: 0x100000 })
  .mov("al", 0x42)
  .out(0x80, "al")
  .in("al", 0x80)
  .label("for-ever")
  .jmp("for-ever");

const machine = createMachine({ memoryMiB: 32 });
const vm = machine.createVm({ name: "g", pager: "vtlb", memoryMiB: 4, boot: bootProgram(guest.build()) });

// Every message, as an RxJS observable of envelopes: sequence number, virtual time, sender, receiver and cause.
machine.bus.messages$.pipe(take(3)).subscribe(({ seq, sender, receiver, cause, message }) => {
  console.log(`#${seq} ${message.type} ${sender} -> ${receiver} caused by ${cause}`);
});

// One type of message only, typed. Messages that nobody watches cost next to nothing.
machine.bus
  .of("cpu.exit")
  .pipe(
    filter(({ message }) => message.reason === "io"),
    map(({ seq, message }) => ({ seq, message })),
  )
  .subscribe(({ seq, message }) => {
    if (message.reason !== "io") return;
    const { write, port, value } = message;
    const what = write ? `out 0x${port.toString(16)}, 0x${value.toString(16)}` : `in 0x${port.toString(16)}`;
    console.log(`#${seq} exit: ${what}`);
  });

// A break point: the run comes back before a message that it matches is delivered.
const breakPoint = machine.bus.breakOn(({ message }) => message.type === "io.read");
console.log(vm.run({ budget: 10_000 }).status);
console.log(machine.bus.peek()?.message);
breakPoint.clear();

// One message at a time. When none is queued, a step lets the CPU run one burst of guest code.
machine.step();
console.log(machine.bus.peek()?.message);

// What led to a message, back to what came from outside.
const chain = machine.bus.causeChain(machine.bus.lastSeq);
console.log(chain.map(({ type }) => type).join(" <- "));
console.log(vm.run({ budget: 10_000 }).status);
