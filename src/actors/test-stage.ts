import type { Message } from "../bus/messages/index.ts";
import { createTestBus, type TestBus } from "../bus/test-bus.ts";
import { createChartSystem } from "../machines/bind.ts";
import { Stage } from "./stage.ts";

/** A stage on a test bus, to try one actor alone: stub the actors that it talks to, post to it, and compare what comes. */
export function createTestStage(options: { readonly interpreted?: boolean } = {}): {
  readonly stage: Stage;
  readonly bus: TestBus<Message>;
} {
  const bus = createTestBus<Message>();
  const stage = new Stage(bus, createChartSystem({ id: "test" }), options.interpreted ?? false);
  return { stage, bus };
}
