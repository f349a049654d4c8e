import { describe, expect, it } from "vitest";
import {
  coprocessorChart,
  interruptControllerChart,
  keyboardControllerChart,
  portsChart,
  rtcChart,
  timerChart,
  uartChart,
  virtualClockChart,
} from "../../src/machines/index.ts";
import { BOTH_WAYS, walkChart } from "../support/chart-walk.ts";

describe.each(BOTH_WAYS)("the InterruptController chart, %s", (_, interpreted) => {
  it("requests once while the pin is high, and withdraws when it falls", () => {
    const pic = walkChart(interruptControllerChart, interpreted);
    pic.holds.add("pinHigh");
    expect(pic.send("irq.assert")).toEqual(["raiseLine", "request"]);
    expect(pic.state).toBe("requesting");
    expect(pic.send("irq.assert")).toEqual(["raiseLine"]);
    pic.holds.clear();
    pic.holds.add("pinLow");
    expect(pic.send("irq.deassert")).toEqual(["lowerLine", "withdraw"]);
    expect(pic.state).toBe("quiescent");
  });

  it("requests again after an acknowledge when another line waits, and withdraws nothing when none does", () => {
    const pic = walkChart(interruptControllerChart, interpreted);
    pic.holds.add("pinHigh");
    pic.send("irq.assert");
    expect(pic.send("intr.acknowledge")).toEqual(["acknowledge", "request"]);
    pic.holds.clear();
    pic.holds.add("pinLow");
    expect(pic.send("intr.acknowledge")).toEqual(["acknowledge"]);
    expect(pic.state).toBe("quiescent");
  });
});

describe.each(BOTH_WAYS)("the VirtualClock chart, %s", (_, interpreted) => {
  it("is armed while an alarm is set", () => {
    const clock = walkChart(virtualClockChart, interpreted);
    expect(clock.send("clock.idle")).toEqual(["reportNone"]);
    clock.holds.add("hasAlarm");
    expect(clock.send("clock.arm")).toEqual(["arm"]);
    expect(clock.state).toBe("armed");
    expect(clock.send("clock.advance")).toEqual(["ring", "confirmAdvance"]);
    expect(clock.send("clock.idle")).toEqual(["jump", "ring", "confirmJump"]);
    clock.holds.clear();
    clock.holds.add("hasNoAlarm");
    expect(clock.send("clock.cancel")).toEqual(["cancel"]);
    expect(clock.state).toBe("idle");
  });
});

describe.each(BOTH_WAYS)("device charts, %s", (_, interpreted) => {
  it.each([
    ["timer", timerChart, "stopped", "counting"],
    ["rtc", rtcChart, "quiet", "watching"],
  ] as const)("the %s follows its alarms", (_name, chart, without, armed) => {
    const device = walkChart(chart, interpreted);
    expect(device.state).toBe(without);
    device.holds.add("hasAlarm");
    expect(device.send("io.write")).toEqual(["writePort"]);
    expect(device.state).toBe(armed);
    expect(device.send("clock.alarm")).toEqual(["alarm"]);
    device.holds.clear();
    device.holds.add("hasNoAlarm");
    expect(device.send("io.read")).toEqual(["readPort"]);
    expect(device.state).toBe(without);
  });

  it("the uart shows what it holds and what it asks", () => {
    const uart = walkChart(uartChart, interpreted);
    expect(uart.state).toEqual({ receiver: "empty", interrupt: "released" });
    uart.holds.add("holdsInput").add("lineHigh");
    expect(uart.send("console.input")).toEqual(["receive"]);
    expect(uart.state).toEqual({ receiver: "holding", interrupt: "asserted" });
    uart.holds.clear();
    uart.holds.add("holdsNoInput").add("lineLow");
    expect(uart.send("io.read")).toEqual(["readPort"]);
    expect(uart.state).toEqual({ receiver: "empty", interrupt: "released" });
    expect(uart.send("clock.alarm")).toEqual(["alarm"]);
  });

  it("the coprocessor's logic raises its line for each error, and ignores it once its port has been written", () => {
    const fpu = walkChart(coprocessorChart, interpreted);
    expect(fpu.send("io.write")).toEqual(["writePort"]);
    expect([fpu.send("fpu.error"), fpu.state]).toEqual([["assertLine", "freeze"], "signalled"]);
    expect(fpu.send("fpu.error")).toEqual(["assertLine", "freeze"]);
    expect([fpu.send("io.write"), fpu.state]).toEqual([["writePort"], "signalled"]);
    fpu.holds.add("clearsBusy");
    expect([fpu.send("io.write"), fpu.state]).toEqual([["deassertLine", "writePort"], "ignoring"]);
    expect([fpu.send("fpu.error"), fpu.state]).toEqual([["ignore"], "ignoring"]);
    fpu.holds.add("isFresh");
    expect([fpu.send("fpu.error"), fpu.state]).toEqual([["assertLine", "freeze"], "signalled"]);
  });

  it("the keyboard controller shows its output buffer", () => {
    const kbd = walkChart(keyboardControllerChart, interpreted);
    kbd.holds.add("outputFull");
    expect(kbd.send("io.write")).toEqual(["writePort"]);
    expect(kbd.state).toBe("full");
    kbd.holds.clear();
    kbd.holds.add("outputEmpty");
    expect(kbd.send("io.read")).toEqual(["readPort"]);
    expect(kbd.state).toBe("empty");
  });

  it("the ports answer everything", () => {
    const ports = walkChart(portsChart, interpreted);
    expect(ports.send("io.read")).toEqual(["readPort"]);
    expect(ports.send("io.write")).toEqual(["writePort"]);
    expect(ports.send("mmio.read")).toEqual(["readMemory"]);
    expect(ports.send("mmio.write")).toEqual(["writeMemory"]);
  });
});
