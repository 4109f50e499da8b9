import { counted } from "../../../core/base/index.ts";
import { FrontendRequest, ProtocolFeature, VirtioFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import type { KitRequest } from "../kit/back-end/kit.ts";
import { LogArea, setLog, startLogging, writtenPages } from "../kit/back-end/log-area.ts";
import { PAGE, type SuiteMemory } from "../kit/back-end/memory.ts";
import { Flags } from "../../wire/index.ts";
import { type Session } from "../kit/back-end/session.ts";

const { LogShmfd, Mq, ReplyAck, Config } = ProtocolFeature;
const PROTOCOL = LogShmfd | Mq | ReplyAck | Config;
const LOGGING = { protocol: LogShmfd } as const;
const NEEDS = { ...LOGGING, virtio: VirtioFeature.LogAll, request: true } as const;
/** Distance in bytes from the start of the answer to the end of a page. */
const FROM_PAGE_END = [64, 24, 1];
/** VHOST_VRING_F_LOG */
const RING_LOG = 1;
const ROUNDS = 40;
const AT_ONCE = 8;

/** Makes a request of two pages whose buffers begin this near to the end of a page. */
function acrossPages(t: CheckContext, memory: SuiteMemory, before: number): KitRequest {
  const used = memory.regions[0]?.used ?? 0;
  memory.allocate(PAGE - (used % PAGE) + PAGE - before, 1);
  const request = t.kit.request(memory, 2);
  if (request.writable.length === 0)
    t.skip(`a ${t.kit.kind.name} request has nothing to be written`);
  return request;
}

/** Sends SET_LOG_BASE without a descriptor. Returns how the target reacted. */
async function withoutDescriptor(session: Session, log: LogArea) {
  const flags = session.acknowledges ? Flags.NeedReply : Flags.Request;
  await session.send(FrontendRequest.SetLogBase, log.description, { flags });
  const next = await session.answerOrEnd("SET_LOG_BASE without a descriptor");
  if (next === "closed") return { ack: undefined, alive: false };
  const { payload } = next;
  const ack = payload.length < 8 ? 0n : Buffer.from(payload).readBigUInt64LE(0);
  return { ack, alive: await session.alive() };
}

/** Runs requests while the log is read and cleared, and copies the marked pages. */
async function migrated(t: CheckContext): Promise<void> {
  const { session, memory, ring } = await t.bringUp({
    protocol: PROTOCOL,
    size: 4 << 20,
    ring: { size: 64 },
  });
  const [region] = memory.regions;
  if (region === undefined) throw new TypeError("memory without regions");
  const start = Math.ceil(region.used / PAGE) * PAGE;
  memory.allocate(start - region.used, 1);
  const requests = Array.from({ length: ROUNDS * AT_ONCE }, () => t.kit.request(memory));
  if (requests[0]?.writable.length === 0)
    t.skip(`a ${t.kit.kind.name} request has nothing to be written`);
  const log = await startLogging(t, session, memory);
  const begin = Number(region.description.mmapOffset);
  const bytes = region.window.bytes.subarray(begin, begin + Number(region.description.size));
  const copy = Uint8Array.from(bytes);
  const base = Number(region.description.guestAddress) / PAGE;
  const harvest = (): void =>
    log.harvest((page) => {
      const at = (page - base) * PAGE;
      copy.set(bytes.subarray(at, at + PAGE), at);
    });
  for (let at = 0; at < requests.length; at += AT_ONCE) {
    const out = requests.slice(at, at + AT_ONCE);
    const byToken = new Map(
      out.map((each) => [ring.push(each.readable, each.writable), each] as const),
    );
    for (const _ of out) {
      harvest();
      const done = await ring.expectCompletion("a request");
      const request = byToken.get(done.token);
      if (request !== undefined) t.expectAnswer(request, done);
    }
  }
  await ring.stop();
  harvest();
  for (let at = start; at < region.used; at += PAGE) {
    const same = Buffer.compare(bytes.subarray(at, at + PAGE), copy.subarray(at, at + PAGE)) === 0;
    t.expectThat(`page ${at / PAGE} of the region`, same, "as it was copied last", "written since");
  }
}

export const log: readonly Check[] = [
  {
    id: "log/1",
    title: "SET_LOG_BASE is answered",
    strength: "MUST",
    section: "VHOST_USER_SET_LOG_BASE",
    observes: ["reply"],
    tags: ["migration"],
    needs: LOGGING,
    async run(t) {
      const session = await t.negotiatedSession(undefined, PROTOCOL);
      await setLog(t, session, new LogArea(t, t.createMemory()));
      t.expect("the connection stays open", await session.alive(), true);
    },
  },
  {
    id: "log/2",
    title: "SET_LOG_BASE without a descriptor is refused",
    strength: "MUST",
    section: "VHOST_USER_SET_LOG_BASE",
    observes: ["refusal"],
    tags: ["migration"],
    needs: LOGGING,
    hostile: true,
    async run(t) {
      const session = await t.negotiatedSession(undefined, PROTOCOL);
      const attempt = await withoutDescriptor(session, new LogArea(t, t.createMemory()));
      t.reject("SET_LOG_BASE without a descriptor", attempt);
    },
  },
  {
    id: "log/3",
    title: "the pages that the device writes to are marked in the log",
    strength: "MUST",
    section: "Migration",
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      for (const before of [...FROM_PAGE_END, 0]) {
        t.closeSessions();
        const dataAlignment = before === 0 ? PAGE : 1;
        const { session, memory, ring } = await t.bringUp({ protocol: PROTOCOL, dataAlignment });
        const area = await startLogging(t, session, memory);
        const request = acrossPages(t, memory, before);
        ring.push(request.readable, request.writable);
        const { written } = await ring.expectCompletion("a request");
        await ring.stop();
        const wrong = request.wrong(written);
        if (before > 0 && wrong !== undefined) {
          t.info(`data ${counted(before, "byte")} in front of a page is not served`);
          continue;
        }
        t.expect("the answer", wrong ?? "correct", "correct");
        const pages = writtenPages(request, written);
        const { marked } = area;
        const missing = pages.filter((page) => !marked.includes(page));
        t.expect(`pages of ${pages.join(", ")} that are not marked`, missing, []);
        const more = marked.filter((page) => !pages.includes(page)).length;
        if (more > 0) t.info(`${more} further pages are marked`);
      }
    },
  },
  {
    id: "log/4",
    title: "without LOG_ALL no page is marked in the log",
    strength: "SHOULD",
    section: "Migration",
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { session, memory, ring, request } = await t.bringUp({ protocol: PROTOCOL });
      if (t.kit.request(memory).writable.length === 0)
        t.skip(`a ${t.kit.kind.name} request has nothing to be written`);
      const area = new LogArea(t, memory);
      await setLog(t, session, area);
      await request();
      const base = await ring.stop();
      t.expect("marked pages", area.marked, []);
      // With the feature, the same request is marked.
      await session.set(FrontendRequest.SetFeatures, session.virtio | VirtioFeature.LogAll);
      await ring.restart(base);
      await request();
      await ring.stop();
      if (area.marked.length === 0) t.notJudged("with LOG_ALL no page is marked either, see log/3");
    },
  },
  {
    id: "log/5",
    title: "writes to the used ring are marked at the ring's log address",
    strength: "MUST",
    section: "Migration; A vring address description",
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { session, memory, ring, request } = await t.bringUp({ protocol: PROTOCOL });
      const end = memory.regions.map(({ description: d }) => Number(d.guestAddress + d.size));
      const area = await startLogging(t, session, memory, 2 * PAGE);
      // The index is at the end of a page outside of memory; the first element is on the next page.
      const at = Math.max(...end) + PAGE - 4;
      const address = { ...ring.address, flags: RING_LOG, log: BigInt(at) };
      await session.set(FrontendRequest.SetVringAddr, address);
      await request();
      await ring.stop();
      const { marked } = area;
      t.expect("the index is marked", marked.includes((at + 4) / PAGE - 1), true);
      t.expect("the element is marked", marked.includes((at + 4) / PAGE), true);
    },
  },
  {
    id: "log/8",
    title: "no mark is lost while the front-end reads and clears the log",
    strength: "MUST",
    section: "Migration",
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    run: migrated,
  },
];
