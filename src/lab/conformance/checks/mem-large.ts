import { fstatSync } from "node:fs";
import { counted } from "../../../core/base/index.ts";
import { type OwnedFd, SharedMemory } from "../../../core/os/index.ts";
import { FrontendRequest, type MemoryRegion } from "../../../core/protocol/index.ts";
import { CaseFailure } from "../../engine/index.ts";
import { Flags } from "../../wire/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import type { SuiteMemory } from "../kit/back-end/memory.ts";
import type { Session } from "../kit/back-end/session.ts";

const { GetFeatures, SetMemTable } = FrontendRequest;
const TIB = 2 ** 40;
/** A region whose pages the target may allocate all at once without harm to the machine. */
const TRIAL_BYTES = 64 << 20;
const STAT_BLOCK_BYTES = 512;
/** Addresses that no region of the suite's memory has. */
const GUEST_BASE = 0x100_0000_0000n;
const USER_BASE = 0x5000_0000_0000n;
/** Factor of the usual time limit that a target may take. */
const PATIENCE = 10;

/** A memory table of the suite's memory and of a region that has no pages. */
interface SparseTable {
  readonly memory: SuiteMemory;
  readonly regions: readonly MemoryRegion[];
  readonly sparse: OwnedFd;
}

/** Makes a {@link SparseTable}; the suite neither maps nor touches the region. */
function sparseTable(t: CheckContext, bytes: number): SparseTable {
  const memory = t.createMemory();
  const sparse = t.closing(SharedMemory.create("vhost-user-sparse", bytes)).fd;
  const region = {
    guestAddress: GUEST_BASE,
    userAddress: USER_BASE,
    size: BigInt(bytes),
    mmapOffset: 0n,
  };
  return { memory, sparse, regions: [...memory.table.regions, region] };
}

/**
 * Shares a table.
 *
 * @returns milliseconds until the answer, or what came instead
 */
async function share(
  t: CheckContext,
  session: Session,
  { memory, regions, sparse }: SparseTable,
): Promise<number | string> {
  const fds = [...memory.fds, sparse];
  const start = performance.now();
  const flags = session.acknowledges ? Flags.NeedReply : Flags.Request;
  await session.send(SetMemTable, { regions }, { flags, fds });
  if (!session.acknowledges) await session.send(GetFeatures);
  const limitMs = PATIENCE * t.times.answerMs;
  const answer = await session.next(limitMs);
  if (answer === "closed") return "refused";
  if (answer === "silence") return `not answered within ${limitMs} ms`;
  const isRefused = answer.header.request === SetMemTable && answer.payload[0] !== 0;
  return isRefused ? "refused" : performance.now() - start;
}

/** Waits until the target serves again: it may still be mapping, or removing, the memory. */
async function recovered(t: CheckContext): Promise<void> {
  for (let i = 0; i < PATIENCE; i += 1) {
    try {
      await t.newSession();
      return;
    } catch (error) {
      if (!(error instanceof CaseFailure)) throw error;
    }
  }
}

export const memLarge: readonly Check[] = [
  {
    id: "mem/27",
    title: "how long the target takes for 1 TiB of memory without pages (recorded, not judged)",
    strength: "-",
    section: "Memory region description",
    observes: ["reply"],
    tags: ["long"],
    slow: 2,
    needs: { request: true },
    async run(t) {
      const trial = sparseTable(t, TRIAL_BYTES);
      const trying = await t.negotiatedSession();
      if (typeof (await share(t, trying, trial)) === "string") t.skip("64 MiB are refused already");
      const allocated = fstatSync(trial.sparse.fd).blocks * STAT_BLOCK_BYTES;
      if (allocated > TRIAL_BYTES / 2) {
        return t.info(
          `${counted(allocated, "byte")} of a region of 64 MiB are allocated as it is shared: ` +
            "1 TiB is not shared, as that would exhaust the machine",
        );
      }
      t.closeSessions();
      const table = sparseTable(t, TIB);
      const { memory } = table;
      const session = await t.negotiatedSession();
      const took = await share(t, session, table);
      if (typeof took === "string") {
        t.info(took);
        return recovered(t);
      }
      const { ring } = await t.bringUp({ session, memory });
      const { readable, writable } = t.kit.request(memory);
      const start = performance.now();
      ring.push(readable, writable);
      const done = await ring.completion(PATIENCE * t.times.callMs);
      const first =
        done === undefined
          ? "no request is completed"
          : `the first request is completed ${(performance.now() - start).toFixed(1)} ms after it`;
      t.info(`accepted after ${took.toFixed(1)} ms; ${first}`);
      return recovered(t);
    },
  },
];
