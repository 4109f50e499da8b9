import type { TestGroup } from "../group.ts";
import { commandCases } from "./command.ts";
import { connectionCases } from "./connections.ts";
import { networkCardCases } from "./network-card.ts";
import { serverCases } from "./server.ts";

/** Needs QEMU and qemu-storage-daemon. */
export const qemuGroup: TestGroup = {
  name: "qemu",
  title: "vhost-user QEMU integration tests",
  cases: [...serverCases, ...commandCases, ...networkCardCases, ...connectionCases],
};
