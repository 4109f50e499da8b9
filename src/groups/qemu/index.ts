import type { TestGroup } from "../engine.ts";

/** Real programs. */
export const qemuGroup: TestGroup = {
  name: "qemu",
  title: "vhost-user QEMU integration tests",
  cases: [],
};
