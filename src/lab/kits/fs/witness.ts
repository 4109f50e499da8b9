import { FuseOpcode } from "../../../endpoints/devices/fs/opcodes.ts";
import type { KitPorts, Witness } from "../../conformance/kit/back-end/kit.ts";
import type { RunningDevice } from "../../conformance/kit/back-end/running-device.ts";
import { Fuse } from "./fuse.ts";

const { Open, Read } = FuseOpcode;
/** Bytes of the open file that are compared, at most. */
const MOST_BYTES = 4096;

/**
 * Opens a file, which the device that continues must still have open.
 *
 * @throws {CaseSkip} no file with content is near the root; {@link CaseFailure} a request fails
 */
export async function openFileWitness(t: KitPorts, running: RunningDevice): Promise<Witness> {
  const fuse = new Fuse(t, running);
  const file = await fuse.findFile();
  if (file === undefined) return async () => t.skip("no file with content is near the root");
  const handle = await fuse.open(Open, file.node);
  const content = async (of: Fuse): Promise<Buffer> =>
    of.read(Read, file.node, handle, 0n, Math.min(file.size, MOST_BYTES));
  const before = await content(fuse);
  return async (now, device) => {
    const same = before.equals(await content(new Fuse(now, device)));
    now.expectThat("the file that was open", same, "the same bytes", "other bytes");
  };
}
