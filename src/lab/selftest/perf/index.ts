import type { TestGroup } from "../group.ts";
import { connectionCases } from "./connections.ts";
import { throughputCases } from "./throughput.ts";

/** Figures. They are told and not judged: what is slow here may be fast elsewhere. */
export const perfGroup: TestGroup = {
  name: "perf",
  title: "vhost-user performance tests",
  cases: [...connectionCases, ...throughputCases],
};
