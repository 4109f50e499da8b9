import { FrontendRequest, ProtocolFeature } from "../../../../../../src/core/protocol/index.ts";
import { answers, type Mutant, throughHandler } from "../mutant.ts";

const { GetStatus, SetProtocolFeatures, SetStatus, SetVringKick } = FrontendRequest;

export const status: Readonly<Record<string, Mutant>> = {
  "status/1": answers<bigint>("begins with status 1", GetStatus, (value) => value || 1n),
  "status/2": throughHandler("forgets that the driver is there", () => ({
    [GetStatus]: (plain) => async (payload, incoming) =>
      ((await plain(payload, incoming)) as bigint) & ~2n,
  })),
  "status/4": throughHandler("takes status 0 and goes on", () => ({
    [SetStatus]: (plain, session) => (payload, incoming) => {
      if (payload !== 0n) return plain(payload, incoming);
      session().status = 0;
      return undefined;
    },
  })),
  "status/7": throughHandler("serves only who acknowledges STATUS", () => {
    let acknowledged = false;
    return {
      [SetProtocolFeatures]: (plain) => (payload, incoming) => {
        acknowledged = ((payload as bigint) & ProtocolFeature.Status) !== 0n;
        return plain(payload, incoming);
      },
      [SetVringKick]: (plain) => (payload, incoming) =>
        acknowledged ? plain(payload, incoming) : undefined,
    };
  }),
};
