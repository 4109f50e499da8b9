import { FrontendRequest } from "../../../../src/protocol/index.ts";
import { type Mutant, throughChannel, throughHandler } from "../mutant.ts";

const { ResetDevice, ResetOwner, SetFeatures, SetMemTable, SetOwner } = FrontendRequest;

/** Refuses a request that comes after RESET_DEVICE, unless the other one came between. */
const refusesAfterReset = (summary: string, refused: number, unless?: number): Mutant =>
  throughHandler(summary, () => {
    let fresh = false;
    return {
      [ResetDevice]: (plain) => (payload, incoming) => {
        fresh = true;
        return plain(payload, incoming);
      },
      ...(unless !== undefined && {
        [unless]: () => () => {
          fresh = false;
        },
      }),
      [refused]: (plain) => (payload, incoming) => {
        if (fresh) throw new Error("refused after a reset");
        return plain(payload, incoming);
      },
    };
  });

export const reset: Readonly<Record<string, Mutant>> = {
  "reset/1": throughHandler("acknowledges RESET_DEVICE and goes on", () => ({
    [ResetDevice]: () => () => undefined,
  })),
  "reset/2": refusesAfterReset("takes no memory table after a reset", SetMemTable),
  "reset/3": refusesAfterReset("wants an owner after a reset", SetFeatures, SetOwner),
  "reset/7": throughChannel("ends the session with its owner", () => ({
    request: (frame, channel) => {
      if (frame.header.request === ResetOwner) channel.close();
      return frame;
    },
  })),
  "reset/8": throughChannel("ends a session that gets a second owner", () => {
    let owned = false;
    return {
      request: (frame, channel) => {
        if (frame.header.request !== SetOwner) return frame;
        if (owned) channel.close();
        owned = true;
        return frame;
      },
    };
  }),
};
