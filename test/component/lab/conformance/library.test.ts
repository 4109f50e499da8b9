import assert from "node:assert/strict";
import { after, test } from "node:test";
import { join } from "node:path";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { BackendServer } from "../../../../src/endpoints/backend/index.ts";
import { BlockDevice } from "../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../src/endpoints/storage/index.ts";
import { FrontendRequest } from "../../../../src/core/protocol/index.ts";
import {
  type Check,
  describeConformance,
  type TestRunner,
} from "../../../../src/public/conformance.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { InProcessTarget } from "./support/in-process-target.ts";
import { fault } from "./support/mutant.ts";

guardLeaks();

const folder = mkdtempSync(join(tmpdir(), "vu-library-"));
after(() => rmSync(folder, { recursive: true }));

/** As a user would write one. */
const ownCheck: Check = {
  id: "mine/1",
  title: "the configuration space has a capacity",
  strength: "MUST",
  section: "VIRTIO 5.2.4",
  observes: ["reply"],
  async run(t) {
    const asked = { offset: 0, flags: 0, data: new Uint8Array(8) };
    const config = await (await t.negotiatedSession()).call(FrontendRequest.GetConfig, asked);
    t.expectThat("capacity", config?.data.some((byte) => byte > 0) ?? false, "above 0", config);
  },
};

let server: BackendServer;
let storage: BlockStorage;
const start = async (): Promise<string> => {
  storage = BlockStorage.memory(1 << 20);
  const path = join(folder, "disk.sock");
  server = await BackendServer.listen(path, { device: () => new BlockDevice({ storage }) });
  return path;
};
const stop = (): void => {
  server.close();
  storage.close();
};

describeConformance({ start, stop, device: "block", profile: "smoke", failOn: "warn" });
describeConformance({ start, stop, device: "block", checks: [ownCheck], only: ["mine"] });

test("each verdict becomes what a test runner knows", async () => {
  const outcomes = new Map<string, string>();
  const work: (() => Promise<void>)[] = [];
  const runner: TestRunner = {
    describe: (_name, body) => body(),
    before: (body) => work.push(body),
    after: (body) => work.push(body),
    test: (name, body) =>
      work.push(async () => {
        const id = name.split(" ")[0] ?? "";
        outcomes.set(id, "passed");
        const skip = (reason?: string): void => void outcomes.set(id, `skipped: ${reason}`);
        await body({ skip }).catch((error: Error) => void outcomes.set(id, error.message));
      }),
  };
  const target = new InProcessTarget("net", fault("need-reply-echoed@GET_FEATURES", "net"));
  const only = ["header/1", "header/4", "features/14"];
  describeConformance({ start: async () => target, device: "net", only, failOn: "warn", runner });
  // Before and after come first in this list, then the tests in the order of the catalogue.
  const [before, end, ...tests] = work;
  await before?.();
  for (const each of tests) await each();
  await end?.();
  assert.equal(outcomes.get("header/1"), "passed");
  assert.match(outcomes.get("header/4") ?? "", /^WARN: flags.*\n.* s1 > VHOST_USER_GET_FEATURES/s);
  assert.equal(
    outcomes.get("features/14"),
    "skipped: net devices keep no data that a request could change",
  );
});
