import { FrontendRequest, HeaderFlag, VirtioFeature } from "../../protocol/index.ts";
import type { FrontendCheck } from "../check.ts";
import { nameOf } from "../drive/session.ts";

const { GetFeatures, GetProtocolFeatures, SetProtocolFeatures } = FrontendRequest;
const FLAGS = HeaderFlag.Version | HeaderFlag.NeedReply;

export const fe: readonly FrontendCheck[] = [
  {
    id: "fe/1",
    title: "GET_FEATURES comes first, and protocol features are spoken of only where offered",
    strength: "MUST",
    section: "Communication",
    async run(t) {
      const [first] = await t.talk();
      if (first?.header.request !== GetFeatures) {
        t.info(`the first message is ${nameOf(first?.header.request ?? 0)}`);
      }
      const messages = await t.talk({ without: { virtio: VirtioFeature.ProtocolFeatures } });
      const gated: readonly number[] = [GetProtocolFeatures, SetProtocolFeatures];
      const spoken = messages.filter(({ header }) => gated.includes(header.request));
      const names = spoken.map(({ header }) => nameOf(header.request));
      t.expect("requests about protocol features, where bit 30 is not offered", names, []);
    },
  },
  {
    id: "fe/2",
    title: "requests have version 1, no reply bit and no reserved bits",
    strength: "MUST",
    section: "Header",
    async run(t) {
      for (const { header } of await t.talk()) {
        const { request, flags } = header;
        const plain = flags & ~HeaderFlag.NeedReply;
        t.expectThat(
          `flags of ${nameOf(request)}`,
          plain === HeaderFlag.Version,
          `0x1 or 0x${FLAGS.toString(16)}`,
          `0x${flags.toString(16)}`,
        );
      }
    },
  },
];
