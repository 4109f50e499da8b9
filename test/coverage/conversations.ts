import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../support/package-root.ts";

/** What passed between one of our roles and a real program. */
export interface Conversation {
  readonly role: "client" | "back-end";
  readonly peer: string;
  /** Names of requests of both directions. */
  readonly requests: readonly string[];
  /** Protocol features that were acknowledged. */
  readonly features: readonly string[];
}

/** Written by `VHOST_USER_RECORD=1` with test/programs/protocol-coverage.test.ts, which checks it. */
export const conversationsPath: string = join(packageRoot, "test/coverage/conversations.json");

export function conversations(): readonly Conversation[] {
  return JSON.parse(readFileSync(conversationsPath, "utf8")) as Conversation[];
}

const testsByPeer: Readonly<Record<string, string>> = {
  "QEMU 7.2 with a Linux guest": "test/programs/guest.test.ts",
  "QEMU 7.2 with its virtual IOMMU": "test/programs/iommu-guest.test.ts",
  "QEMU 7.2, migrating": "test/programs/migration-guest.test.ts",
  "QEMU 7.2, migrating post-copy": "test/programs/migration-guest.test.ts",
  "DPDK 22.11 with an IOMMU": "test/programs/net-driver.test.ts",
  "DPDK 22.11, migrating": "test/programs/migration-client.test.ts",
  "qemu-storage-daemon 7.2, in flight": "test/programs/recovery-daemon.test.ts",
};

/** The test that a conversation is on record of. */
export function recordedBy(peer: string): string {
  return testsByPeer[peer] ?? "test/programs/protocol-coverage.test.ts";
}
