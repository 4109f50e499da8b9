import {
  FrontendRequest,
  type MemoryRegion,
  ProtocolFeature,
  VirtioFeature,
} from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { LogArea, setLog, startLogging, writtenPages } from "../kit/back-end/log-area.ts";
import { PAGE } from "../kit/back-end/memory.ts";
import type { RunningDevice } from "../kit/back-end/running-device.ts";
import { soon } from "../kit/back-end/soon.ts";

const { SetFeatures, SetVringAddr } = FrontendRequest;
const { LogAll } = VirtioFeature;
const LOGGING = ProtocolFeature.LogShmfd | ProtocolFeature.ReplyAck | ProtocolFeature.Mq;
/** VHOST_VRING_F_LOG */
const RING_LOG = 1;

/**
 * Waits until these pages are marked: a device may mark them after it used the chain.
 *
 * @throws {CaseFailure} they are not, in a second migration
 */
async function expectMarked(
  t: CheckContext,
  which: "first" | "second",
  { area, pages }: { readonly area: LogArea; readonly pages: readonly number[] },
): Promise<void> {
  const missing = (): readonly number[] => pages.filter((page) => !area.marked.includes(page));
  const found = await soon(() => missing().length === 0 || undefined, t.times.callMs);
  if (found !== undefined) return;
  if (which === "first") t.notJudged("the first migration is not logged either, see log/3");
  t.expect("pages of the second migration that are not marked", missing(), []);
}

/** Runs `work` while a request is in flight, which must be completed without an error. */
export async function servedMeanwhile(
  t: CheckContext,
  { ring, memory }: RunningDevice,
  work: () => Promise<void>,
): Promise<void> {
  const { readable, writable, wrong } = t.kit.request(memory);
  ring.push(readable, writable);
  await work();
  const { written } = await ring.expectCompletion("a request that was in flight");
  t.expect("its answer", wrong(written) ?? "correct", "correct");
}

/** Checks of VHOST_F_LOG_ALL. */
export const featuresLog: readonly Check[] = [
  {
    id: "features/11",
    title: "no request is lost when LOG_ALL is set and cleared while rings run",
    strength: "MUST",
    section: "Migration",
    observes: ["data"],
    needs: { request: true, virtio: LogAll, protocol: ProtocolFeature.LogShmfd },
    async run(t) {
      const running = await t.bringUp({ protocol: t.facts.protocol & LOGGING });
      const { session, memory } = running;
      await setLog(t, session, new LogArea(t, memory));
      for (const features of [session.virtio | LogAll, session.virtio]) {
        for (let i = 0; i < 2; i += 1) {
          await servedMeanwhile(t, running, async () => session.set(SetFeatures, features));
          await running.request();
        }
      }
    },
  },
  {
    id: "features/18",
    title: "LOG_ALL without a log does no harm, and requests are served or LOG_ALL is refused",
    strength: "ROBUSTNESS",
    section: "Migration",
    observes: ["service"],
    tags: ["migration"],
    needs: { request: true, virtio: LogAll },
    async run(t) {
      const session = await t.negotiatedSession(t.usualVirtio, t.facts.protocol & LOGGING);
      const { ack = 0n, alive } = await session.attempt(SetFeatures, session.virtio | LogAll);
      if (!alive || ack !== 0n) {
        t.info("refused");
        return t.survive(session);
      }
      session.virtio |= LogAll;
      const { memory, ring, request } = await t.bringUp({ session });
      await request();
      // The used ring is to be logged as well, at an address that nothing else uses.
      const [{ guestAddress, size }] = memory.table.regions as [MemoryRegion];
      const log = guestAddress + size - BigInt(PAGE);
      const address = { ...ring.address, flags: RING_LOG, log };
      if (!(await session.attempt(SetVringAddr, address)).alive) return t.survive(session, memory);
      await request();
      await ring.stop();
      await t.survive(session, memory);
    },
  },
  {
    id: "features/19",
    title: "a second migration is logged as the first one was",
    strength: "MUST",
    section: "Migration",
    observes: ["data"],
    tags: ["migration"],
    needs: { request: true, virtio: LogAll, protocol: ProtocolFeature.LogShmfd },
    async run(t) {
      const { session, memory, ring } = await t.bringUp({
        protocol: t.facts.protocol & LOGGING,
      });
      for (const which of ["first", "second"] as const) {
        const area = await startLogging(t, session, memory);
        // A page of its own, which no other request is to mark.
        const request = t.kit.request(memory);
        if (request.writable.length === 0)
          t.skip(`a ${t.kit.kind.name} request has nothing to be written`);
        ring.push(request.readable, request.writable);
        const done = await ring.expectCompletion("a request");
        t.expectAnswer(request, done);
        await expectMarked(t, which, { area, pages: writtenPages(request, done.written) });
        await session.set(SetFeatures, session.virtio);
        await t.request(ring, memory);
      }
    },
  },
];
