import { type Config, FrontendRequest } from "../../../../../../src/core/protocol/index.ts";
import { crashesOn, fault, type Mutant, throughChannel, throughHandler } from "../mutant.ts";

const { GetConfig, SetConfig } = FrontendRequest;

const reading = (summary: string, change: (asked: Config, got: Config) => Uint8Array): Mutant =>
  throughHandler(summary, () => ({
    [GetConfig]: (plain) => async (payload, incoming) => {
      const got = (await plain(payload, incoming)) as Config | undefined;
      return got && { ...got, data: change(payload as Config, got) };
    },
  }));

/** Answers a GET_CONFIG that fails with data all the same. */
const leaking = (summary: string, offset: number, size: number): Mutant =>
  throughChannel(summary, () => {
    let asked = false;
    return {
      received: (frame) => {
        const { header, payload } = frame;
        asked = header.request === GetConfig && Buffer.from(payload).readUInt32LE(0) === offset;
        return frame;
      },
      send: async (frame, channel) => {
        if (!asked) return channel.send(frame);
        const payload = new Uint8Array(12 + size).fill(0x5a);
        await channel.send({
          ...frame,
          header: { ...frame.header, size: payload.length },
          payload,
        });
      },
    };
  });

export const config: Readonly<Record<string, Mutant>> = {
  "config/1": fault("config-short"),
  "config/2": reading("answers with what it was sent", ({ data }, got) =>
    data.some((byte) => byte === 0xff) ? data : got.data,
  ),
  "config/3": throughHandler("reads from the beginning whatever the offset is", () => ({
    [GetConfig]: (plain) => async (payload, incoming) => {
      const asked = payload as Config;
      const got = (await plain({ ...asked, offset: 0 }, incoming)) as Config | undefined;
      return got && { ...got, offset: asked.offset };
    },
  })),
  "config/4": reading("takes no byte from an odd offset", ({ offset }, { data }) =>
    data.length === 1 && offset % 2 === 1 ? Uint8Array.of(0x77) : data,
  ),
  "config/5": leaking("answers with the bytes behind its space", 250, 100),
  "config/6": throughChannel("ends the session that asks for 256 bytes", () => ({
    received: (frame, channel) => {
      if (frame.header.request === GetConfig && frame.payload.length === 268) channel.close();
      return frame;
    },
  })),
  "config/7": crashesOn(
    "a GET_CONFIG of 1000 bytes with 4",
    ({ header, payload }) => header.request === GetConfig && payload.length === 16,
  ),
  "config/8": leaking("adds offset and size with 32 bits", 0xffff_fff0, 32),
  "config/10": {
    ...throughHandler("takes wce and forgets it", () => ({ [SetConfig]: () => () => undefined })),
    base: "wce",
  },
  "config/11": throughHandler("lets the driver write anything", () => {
    const space = new Map<number, number>();
    return {
      [SetConfig]: () => (payload) => {
        const { offset, data } = payload as Config;
        data.forEach((byte, i) => space.set(offset + i, byte));
      },
      [GetConfig]: (plain) => async (payload, incoming) => {
        const got = (await plain(payload, incoming)) as Config | undefined;
        return got && { ...got, data: got.data.map((b, i) => space.get(got.offset + i) ?? b) };
      },
    };
  }),
  "config/13": throughHandler("takes SET_CONFIG for anywhere", () => ({
    [SetConfig]: () => () => undefined,
  })),
};
