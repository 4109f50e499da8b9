import {
  FrontendRequest,
  type Iotlb,
  IotlbPermission,
  IotlbType,
  ProtocolFeature,
  protocolFeatureNames,
  VirtioFeature,
} from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import { behindIommu } from "../kit/back-end/iommu.ts";
import { PAGE, type SuiteMemory } from "../kit/back-end/memory.ts";

const { GetFeatures, IotlbMsg } = FrontendRequest;
const { BackendReq, ReplyAck } = ProtocolFeature;
const SUPPORT = "IOMMU support";
const MESSAGE = "VHOST_USER_IOTLB_MSG";
const OFFERED = { virtio: VirtioFeature.AccessPlatform } as const;
const NEEDS = { ...OFFERED, protocol: ReplyAck } as const;
/** Types that are neither an update nor an invalidation; two of them only a back-end may send. */
const OTHER_TYPES = [0, IotlbType.Miss, IotlbType.AccessFail, 200];
const END = 2n ** 64n;

/** Returns a valid update of the first page. */
function update(memory: SuiteMemory, change: Partial<Iotlb> = {}): Iotlb {
  const { address, userAddress } = memory.allocate(PAGE);
  return {
    iova: BigInt(address),
    size: BigInt(PAGE),
    userAddress,
    permissions: IotlbPermission.ReadWrite,
    type: IotlbType.Update,
    ...change,
  };
}

/** Checks of IOTLB messages, without running rings. */
export const iotlbMessages: readonly Check[] = [
  {
    id: "iotlb/1",
    title: "VIRTIO_F_ACCESS_PLATFORM is offered together with BACKEND_REQ and REPLY_ACK",
    strength: "SHOULD",
    section: SUPPORT,
    observes: ["reply"],
    needs: OFFERED,
    async run(t) {
      const session = await t.connect();
      await session.call(GetFeatures);
      const offer = await session.call(FrontendRequest.GetProtocolFeatures);
      const lacking = protocolFeatureNames((BackendReq | ReplyAck) & ~offer);
      t.expect("required features that are not offered", lacking, []);
    },
  },
  {
    id: "iotlb/4",
    title: "an update is acknowledged with 0",
    strength: "MUST",
    section: MESSAGE,
    observes: ["reply"],
    needs: NEEDS,
    async run(t) {
      const { session, memory } = await behindIommu(t);
      await session.set(IotlbMsg, update(memory));
      await session.send(IotlbMsg, update(memory));
      await session.send(GetFeatures);
      const { header } = await session.expectNext("an update, and then GET_FEATURES");
      const answered = header.request === IotlbMsg;
      t.info(`without need_reply it is ${answered ? "answered as well" : "not answered"}`);
    },
  },
  {
    id: "iotlb/8",
    title: "an update that points outside of the shared memory is refused",
    strength: "SHOULD",
    section: MESSAGE,
    observes: ["refusal"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      const { session, memory } = await behindIommu(t);
      const { userAddress, size } = memory.table.regions[0] ?? { userAddress: 0n, size: 0n };
      const outside = update(memory, { userAddress: userAddress + size });
      const attempt = await session.attempt(IotlbMsg, outside);
      t.reject("an update to what is not shared", attempt, { served: "WARN" });
    },
  },
  {
    id: "iotlb/11",
    title: "an IOTLB message that is neither an update nor an invalidation is refused",
    strength: "SHOULD",
    section: MESSAGE,
    observes: ["refusal"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      for (const type of OTHER_TYPES) {
        t.closeSessions();
        const { session, memory } = await behindIommu(t);
        const attempt = await session.attempt(IotlbMsg, update(memory, { type }));
        t.reject(`type ${type}`, attempt, { served: "WARN" });
      }
    },
  },
  {
    id: "iotlb/12",
    title: "an update of size 0, or of all addresses, does no harm",
    strength: "ROBUSTNESS",
    section: MESSAGE,
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      const everything = { iova: 0n, size: END - 1n, userAddress: 0n };
      const wrapping = { iova: END - BigInt(PAGE), size: END - BigInt(PAGE) };
      for (const change of [{ size: 0n }, everything, wrapping]) {
        t.closeSessions();
        const { session, memory } = await behindIommu(t);
        const { ack } = await session.attempt(IotlbMsg, update(memory, change));
        t.info(ack === 0n ? "accepted" : "refused");
        await t.survive(session, memory);
      }
    },
  },
];
