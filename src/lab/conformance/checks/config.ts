import { ProtocolFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import { askConfig, configShape, readConfig, writeConfig } from "../kit/back-end/config-space.ts";

const NEEDS = { protocol: ProtocolFeature.Config } as const;
const GET = "VHOST_USER_GET_CONFIG";
const SET = "VHOST_USER_SET_CONFIG";
const SPACE = "Virtio device config space";
/** Size of the largest configuration space that a message can carry. */
const MAX_BYTES = 256;

export const config: readonly Check[] = [
  {
    id: "config/1",
    title: "GET_CONFIG is answered with as many bytes as were asked for, from the same offset",
    strength: "MUST",
    section: GET,
    observes: ["reply"],
    tags: ["smoke"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession();
      const { size } = await configShape(t, session);
      const answer = await askConfig(session, 0, size);
      if (answer === "closed") return t.fail("GET_CONFIG", "an answer", "a close");
      t.expect("offset and size", [answer.offset, answer.size], [0, size]);
      t.expect("bytes", answer.data.length, size);
    },
  },
  {
    id: "config/2",
    title: "the payload of a GET_CONFIG request is ignored",
    strength: "MUST",
    section: GET,
    observes: ["reply"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession();
      const { size } = await configShape(t, session);
      const first = await askConfig(session, 0, size);
      const second = await askConfig(session, 0, size, new Uint8Array(size).fill(0xff));
      t.expect("the second answer", second, first);
    },
  },
  {
    id: "config/3",
    title: "a part of the configuration space is read from the requested offset",
    strength: "MUST",
    section: SPACE,
    observes: ["reply"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession();
      const { size, fields } = await configShape(t, session);
      const whole = await readConfig(t, session, 0, size);
      for (const [i, offset] of fields.entries()) {
        const end = fields[i + 1] ?? size;
        const part = await readConfig(t, session, offset, end - offset);
        t.expect(`bytes ${offset} to ${end - 1}`, part, whole.subarray(offset, end));
      }
    },
  },
  {
    id: "config/4",
    title: "single bytes of the configuration space can be read",
    strength: "SHOULD",
    section: SPACE,
    observes: ["reply"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession();
      const { size } = await configShape(t, session);
      const whole = await readConfig(t, session, 0, size);
      for (let at = 0; at < size; at += 1) {
        const byte = await readConfig(t, session, at, 1);
        t.expect(`byte ${at}`, byte, whole.subarray(at, at + 1));
      }
    },
  },
  {
    id: "config/5",
    title: "a read beyond the end is answered with no payload, or with zeroes",
    strength: "MUST",
    section: GET,
    observes: ["service"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      const session = await t.negotiatedSession();
      const answer = await askConfig(session, MAX_BYTES - 6, 100);
      if (answer === "closed") {
        t.warn("a read beyond the end", "a payload of 0 bytes", "a close");
        return void (await t.newSession());
      }
      if (answer.length === 12) t.warn("a read beyond the end", "0 bytes", "12 bytes without data");
      const foreign = answer.data.some((byte) => byte !== 0);
      t.expectThat("data from beyond the end", !foreign, "none", answer.data);
    },
  },
  {
    id: "config/6",
    title:
      "a read of 256 bytes is answered with the space and zeroes behind it, or with no payload",
    strength: "SHOULD",
    section: GET,
    observes: ["reply"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession();
      const { size } = await configShape(t, session);
      const whole = await readConfig(t, session, 0, size);
      const answer = await askConfig(session, 0, MAX_BYTES);
      if (answer === "closed") return t.fail("256 bytes", "an answer", "a close");
      if (answer.data.length > 0) t.expect("the front", answer.data.subarray(0, size), whole);
    },
  },
  {
    id: "config/7",
    title: "a size that differs from the payload's does no harm and discloses no memory",
    strength: "ROBUSTNESS",
    section: GET,
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession();
      const answer = await askConfig(session, 0, 1000, new Uint8Array(4));
      const more = answer === "closed" ? 0 : answer.data.subarray(MAX_BYTES).filter(Boolean).length;
      t.expect("bytes from beyond any configuration", more, 0);
      await t.survive(session);
    },
  },
  {
    id: "config/8",
    title: "an offset that overflows with the size does no harm",
    strength: "ROBUSTNESS",
    section: GET,
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession();
      const { size } = await configShape(t, session);
      const front = await readConfig(t, session, 0, size);
      const answer = await askConfig(session, 0xffff_fff0, size);
      if (answer !== "closed" && answer.data.some((byte) => byte !== 0)) {
        const own = Buffer.compare(answer.data, front) === 0;
        t.expectThat("data from beyond the space", own, "none", answer.data);
        t.warn("the offset", "an error", "the bytes at offset 0");
      }
      await t.survive(session);
    },
  },
  {
    id: "config/11",
    title: "a write to a read-only field is refused, and the field keeps its value",
    strength: "MUST",
    section: SET,
    observes: ["refusal"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      const session = await t.negotiatedSession();
      await configShape(t, session);
      const before = await readConfig(t, session, 0, 1);
      const other = before.map((byte) => byte ^ 0xff);
      const attempt = await writeConfig(session, 0, other);
      const now = await readConfig(t, attempt.alive ? session : await t.newSession(), 0, 1);
      t.expect("the field afterwards", now, before);
      t.reject("SET_CONFIG of a read-only field", attempt, { served: "WARN" });
    },
  },
  {
    id: "config/13",
    title: "SET_CONFIG beyond the end is refused",
    strength: "ROBUSTNESS",
    section: SET,
    observes: ["refusal"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession();
      t.reject("offset 4000", await writeConfig(session, 4000, new Uint8Array(4)), {
        served: "WARN",
      });
      await t.survive(session);
    },
  },
];
