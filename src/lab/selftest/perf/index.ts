import type { TestGroup } from "../group.ts";
import { connectionCases } from "./connections.ts";
import { throughputCases } from "./throughput.ts";

/** Figures. They are reported and not judged: they depend on the machine. */
export const perfGroup: TestGroup = {
  name: "perf",
  title: "vhost-user performance tests",
  cases: [...connectionCases, ...throughputCases],
};
