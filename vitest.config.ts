import { defineConfig } from "vitest/config";

const LINUX_TESTS = "test/**/*.linux.test.ts";
const MINUTE_MS = 60_000;

/** `quick` needs no downloads; `linux` boots real guests, one after the other. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "quick",
          include: ["test/**/*.test.ts"],
          exclude: [LINUX_TESTS, "node_modules/**"],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: "linux",
          include: [LINUX_TESTS],
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
