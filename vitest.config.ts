import { defineConfig } from "vitest/config";

/** Real guests, and what takes ten seconds or more without being one. */
const LONG_TESTS = ["test/**/*.linux.test.ts", "test/**/*.long.test.ts"];
const MINUTE_MS = 60_000;

/** `quick` needs no downloads; `linux` boots real guests and does what takes long, one after the other. */
export default defineConfig({
  test: {
    // By default one processor is left alone: half of a small machine.
    maxWorkers: "100%",
    projects: [
      {
        test: {
          name: "quick",
          include: ["test/**/*.test.ts"],
          exclude: [...LONG_TESTS, "node_modules/**"],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: "linux",
          include: LONG_TESTS,
          testTimeout: 15 * MINUTE_MS,
          hookTimeout: 15 * MINUTE_MS,
          fileParallelism: false,
          maxConcurrency: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
