import { FrontendRequest, ProtocolFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import { PAGE } from "../kit/back-end/memory.ts";

const { GetShmemConfig } = FrontendRequest;
const { BackendReq, BackendSendFd, Mq, ReplyAck, Shmem } = ProtocolFeature;

export const shm: readonly Check[] = [
  {
    id: "shm/1",
    title:
      "GET_SHMEM_CONFIG is answered where SHMEM is offered, with whole pages and the same each time",
    strength: "MUST",
    section: "VHOST_USER_GET_SHMEM_CONFIG",
    observes: ["reply"],
    needs: { protocol: Shmem },
    async run(t) {
      const protocol = Shmem | BackendReq | BackendSendFd | Mq | ReplyAck;
      const session = await t.negotiatedSession(undefined, protocol);
      const { numRegions, sizes } = await session.call(GetShmemConfig);
      const used = sizes.filter((size) => size !== 0n);
      t.expect("number of regions", numRegions, used.length);
      const odd = used.filter((size) => size % BigInt(PAGE) !== 0n);
      t.expect("sizes that are not whole pages", odd, []);
      t.expect("sizes, asked again", (await session.call(GetShmemConfig)).sizes, sizes);
      t.info(`sizes: ${used.map((size) => `0x${size.toString(16)}`).join(", ") || "none"}`);
    },
  },
];
