import type { BackendSession } from "../../../../../../src/endpoints/backend/index.ts";
import {
  FrontendRequest,
  type Iotlb,
  IotlbPermission,
  IotlbType,
  ProtocolFeature,
  type VringAddress,
} from "../../../../../../src/core/protocol/index.ts";
import { crashesOn, fault, type Mutant, throughHandler } from "../mutant.ts";

const { GetFeatures, IotlbMsg, SetVringAddr } = FrontendRequest;
const { Invalidate, Update } = IotlbType;
const BASE = { base: "iommu" } as const;

/** How a mutant takes a translation. @param ofRing whether the pages are those of a ring */
type Taking = (message: Iotlb, take: (message: Iotlb) => unknown, ofRing: boolean) => unknown;

/** A mutant that takes translations in its own way. */
function taking(summary: string, serve: Taking): Mutant {
  const make: Parameters<typeof throughHandler>[1] = () => {
    const parts = new Set<bigint>();
    return {
      [SetVringAddr]: (plain) => (payload, incoming) => {
        const { descriptor, available, used } = payload as VringAddress;
        for (const part of [descriptor, available, used]) parts.add(part);
        return plain(payload, incoming);
      },
      [IotlbMsg]: (plain) => async (payload, incoming) => {
        const message = payload as Iotlb;
        // The suite's parts of rings begin pages.
        return serve(message, (each) => plain(each, incoming), parts.has(message.iova));
      },
    };
  };
  return throughHandler(summary, make, BASE);
}

/** Acknowledges what it could not do. */
const swallow = async (work: unknown): Promise<void> => {
  try {
    await work;
  } catch {
    // As a success.
  }
};

/** Has every question of a session go through `ask`. */
function asking(
  { requests }: BackendSession,
  ask: (message: Iotlb, plain: (message: Iotlb) => Promise<void>) => Promise<void>,
): void {
  const plain = requests.iotlbMsg.bind(requests);
  requests.iotlbMsg = async (message) => ask(message, plain);
}

export const iotlb: Readonly<Record<string, Mutant>> = {
  "iotlb/1": {
    ...BASE,
    fault: "offers an IOMMU, and nothing to ask for translations by",
    offers: true,
    apply: (options) => ({ ...options, without: { protocol: ProtocolFeature.BackendReq } }),
  },
  "iotlb/2": {
    ...BASE,
    fault: "reports what it misses as a forbidden access",
    apply: (options) => ({
      ...options,
      onSession: (session) =>
        asking(session, async (message, plain) =>
          plain({ ...message, type: IotlbType.AccessFail }),
        ),
    }),
  },
  "iotlb/3": taking("forgets translations of buffers", (message, take, ofRing) =>
    ofRing || message.type === Invalidate ? take(message) : undefined,
  ),
  "iotlb/4": fault("refuse@IOTLB_MSG", "iommu"),
  "iotlb/5": taking("lets everything be written to", (message, take) =>
    take(
      message.type === Update ? { ...message, permissions: IotlbPermission.ReadWrite } : message,
    ),
  ),
  "iotlb/6": taking("keeps translations of buffers that are taken back", (message, take, ofRing) =>
    ofRing || message.type === Update ? take(message) : undefined,
  ),
  "iotlb/7": taking("keeps a ring that is taken back", (message, take, ofRing) =>
    ofRing && message.type === Invalidate ? undefined : take(message),
  ),
  "iotlb/8": taking("acknowledges a translation that leads nowhere", async (message, take) =>
    message.type === Update ? swallow(take(message)) : take(message),
  ),
  "iotlb/9": taking("takes a page of a buffer for two", (message, take, ofRing) =>
    take(ofRing || message.type !== Update ? message : { ...message, size: 2n * message.size }),
  ),
  "iotlb/10": throughHandler(
    "answers nothing while it waits for a translation",
    () => {
      const waiting = new Map<BackendSession, Promise<void>>();
      return {
        [GetFeatures]: (plain, current) => async (payload, incoming) => {
          const session = current();
          await waiting.get(session);
          asking(session, async (message, ask) => {
            const answered = ask(message);
            waiting.set(session, answered);
            return answered;
          });
          return plain(payload, incoming);
        },
      };
    },
    BASE,
  ),
  "iotlb/11": taking("acknowledges what it does not know", async (message, take) =>
    message.type === Update || message.type === Invalidate ? take(message) : swallow(take(message)),
  ),
  "iotlb/12": crashesOn(
    "a translation of nothing",
    ({ header, payload }) =>
      header.request === IotlbMsg && Buffer.from(payload).readBigUInt64LE(8) === 0n,
    "SIGFPE",
    "iommu",
  ),
};
