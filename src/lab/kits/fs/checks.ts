import { FuseOpcode } from "../../../endpoints/devices/fs/opcodes.ts";
import type { Check } from "../../conformance/kit/check.ts";
import { Fuse, FUSE_IN_BYTES, FUSE_OUT_BYTES, fuseOf, ROOT } from "./fuse.ts";

const { Forget, Getattr, Init } = FuseOpcode;
const NEEDS = { device: ["fs"], request: true } as const;
const ENOENT = 2;
const ENOSYS = 38;
const HIPRIO = 0;
/** Bytes of one read; enough to see whether parts fit together. */
const MOST_BYTES = 4096;
const UNKNOWN_OPCODE = 4000;

export const fs: readonly Check[] = [
  {
    id: "fs/1",
    title: "INIT is answered with version 7, under its own number and with its true length",
    strength: "MUST",
    section: "FUSE; VIRTIO 5.11.5, 5.11.6.1",
    observes: ["data"],
    tags: ["smoke"],
    needs: NEEDS,
    async run(t) {
      const body = Buffer.alloc(16);
      body.writeUInt32LE(7, 0);
      body.writeUInt32LE(31, 4);
      const fuse = new Fuse(t, await t.bringUp());
      const room = FUSE_OUT_BYTES + 64;
      const answer = await fuse.ask({ opcode: Init, node: 0n, body, room });
      t.expect("error", answer.error, 0);
      t.expectThat("used length", answer.written <= room, `at most ${room}`, answer.written);
      t.expect("used length, against the length in the reply", answer.written, answer.length);
      t.expect("major version", answer.body.readUInt32LE(0), 7);
      t.info(`version 7.${answer.body.readUInt32LE(4)}`);
    },
  },
  {
    id: "fs/2",
    title: "requests before INIT are refused",
    strength: "SHOULD",
    section: "FUSE",
    observes: ["data"],
    tags: ["smoke"],
    needs: NEEDS,
    async run(t) {
      const fuse = new Fuse(t, await t.bringUp());
      const { error } = await fuse.attributes(ROOT);
      t.expectThat("error of GETATTR", error < 0, "below 0", error);
    },
  },
  {
    id: "fs/3",
    title: "the root has attributes, what it holds is found, and what it does not hold is not",
    strength: "MUST",
    section: "FUSE",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const fuse = await fuseOf(t);
      const { error, body } = await fuse.attributes(ROOT);
      t.expect("error of GETATTR", error, 0);
      t.expect("type of the root", body.readUInt32LE(16 + 60) & 0o170000, 0o040000);
      const [known] = await fuse.names();
      if (known === undefined) t.info("the folder is empty");
      else t.expect("error of LOOKUP, known", (await fuse.lookup(known)).error, 0);
      const unknown = `conform-${Math.floor(t.random() * 1e9)}`;
      t.expect("error of LOOKUP, unknown", (await fuse.lookup(unknown)).error, -ENOENT);
    },
  },
  {
    id: "fs/4",
    title: "a file is opened, read in whole and in parts, and released",
    strength: "MUST",
    section: "FUSE",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const fuse = await fuseOf(t);
      const file = await fuse.findFile();
      if (file === undefined) return t.skip("no file with content is near the root");
      const size = Math.min(file.size, MOST_BYTES);
      const whole = await fuse.content(file.node, 0, size);
      t.expect("bytes read", whole.length, size);
      const half = size >> 1;
      const first = await fuse.content(file.node, 0, half);
      const second = await fuse.content(file.node, half, size - half);
      t.expectData("two halves", Buffer.concat([first, second]), whole);
    },
  },
  {
    id: "fs/8",
    title: "a length in the header that is not that of the request is an error",
    strength: "ROBUSTNESS",
    section: "FUSE",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      for (const length of [8, FUSE_IN_BYTES, 0xffff_ffff]) {
        const fuse = await fuseOf(t);
        const room = FUSE_OUT_BYTES + 104;
        const answer = await fuse.attempt({
          opcode: Getattr,
          body: new Uint8Array(16),
          room,
          length,
        });
        const served = answer !== "closed" && answer.mine && answer.error === 0;
        if (served) t.warn(`length ${length}`, "an error", "an answer");
        await t.survive(fuse.device.session, fuse.device.memory);
        t.closeSessions();
      }
    },
  },
  {
    id: "fs/9",
    title: "a reply that has no room is not written",
    strength: "ROBUSTNESS",
    section: "FUSE; VIRTIO 5.11.6.1",
    observes: ["service", "data"],
    needs: NEEDS,
    async run(t) {
      const fuse = await fuseOf(t);
      // No answer is possible, so the chain may complete or not.
      fuse.push({ opcode: Getattr, body: new Uint8Array(16), room: 8 });
      await fuse.device.session.alive();
      await fuse.device.ring.completion(t.times.graceMs);
      await t.survive(fuse.device.session, fuse.device.memory);
      t.closeSessions();
      await fuseOf(t);
    },
  },
  {
    id: "fs/10",
    title: "FORGET on the queue of high priority is used without a reply",
    strength: "MUST",
    section: "FUSE; VIRTIO 5.11.6.2, 2.7.8.2",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const fuse = await fuseOf(t);
      const hiprio = fuse.device.rings.get(HIPRIO);
      const body = new Uint8Array(8);
      const answer = await fuse.attempt({ opcode: Forget, node: 2n, body, room: 0 }, hiprio);
      if (answer === "closed") return t.fail("FORGET", "a used chain", "a close");
      t.expect("used length", answer.written, 0);
    },
  },
  {
    id: "fs/11",
    title: "an unknown request is answered with ENOSYS",
    strength: "MUST",
    section: "FUSE",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { error } = await (await fuseOf(t)).ask({ opcode: UNKNOWN_OPCODE });
      t.expect("error", error, -ENOSYS);
    },
  },
  {
    id: "fs/12",
    title: "numbers of nodes that were never given are an error",
    strength: "ROBUSTNESS",
    section: "FUSE",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const fuse = await fuseOf(t);
      for (const node of [0n, 0xdead_beefn, 2n ** 64n - 1n]) {
        const room = FUSE_OUT_BYTES + 104;
        const answer = await fuse.attempt({
          opcode: Getattr,
          node,
          body: new Uint8Array(16),
          room,
        });
        if (answer === "closed") break;
        t.expectThat(`error for node ${node}`, answer.error < 0, "below 0", answer.error);
      }
      await t.survive(fuse.device.session, fuse.device.memory);
    },
  },
];
