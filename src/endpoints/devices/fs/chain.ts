import { type ChainBytes, type ChainWords, numberAt } from "../../../core/protocol/index.ts";
import { errnoName } from "./errno.ts";
import { nameText } from "./names.ts";
import { fuseOpcodeName, FuseOpcode } from "./opcodes.ts";

const HEADER = 40;
const O = FuseOpcode;
/** The offset of the name behind the header, of requests that have one. */
const NAME_AT: Readonly<Record<number, number>> = {
  [O.Lookup]: 0,
  [O.Unlink]: 0,
  [O.Rmdir]: 0,
  [O.Symlink]: 0,
  [O.Removexattr]: 0,
  [O.Mknod]: 16,
  [O.Mkdir]: 8,
  [O.Rename]: 8,
  [O.Rename2]: 16,
  [O.Link]: 8,
  [O.Create]: 16,
};

/** A FUSE request in words: `FUSE_LOOKUP node 1 "etc": ENOENT`. */
export function describeFsChain(chain: ChainBytes): ChainWords {
  const { request } = chain;
  const opcode = numberAt(request, 4, 4);
  const unique = numberAt(request, 8, 8);
  const node = numberAt(request, 16, 8);
  if (opcode === undefined || unique === undefined || node === undefined) {
    return { text: `no request: a header has ${HEADER} bytes`, fields: {}, failed: true };
  }
  const name = fuseOpcodeName(opcode);
  const fields: Record<string, string | number> = { request: name, unique, node };
  let text = `${name} node ${node}`;
  const file = fileName(opcode, request);
  if (file !== undefined) {
    fields["name"] = file;
    text += ` "${file}"`;
  }
  if (opcode === O.Read || opcode === O.Write || opcode === O.Readdir || opcode === O.Readdirplus) {
    const [offset, bytes] = [numberAt(request, HEADER + 8, 8), numberAt(request, HEADER + 16, 4)];
    if (offset !== undefined && bytes !== undefined) {
      Object.assign(fields, { offset, bytes });
      text += ` offset ${offset}, ${bytes} bytes`;
    }
  }
  if (chain.written === undefined) return { text, fields };
  const error = numberAt(chain.reply(4, 4), 0, 4);
  if (error === undefined || chain.written === 0) return { text, fields };
  const errno = (2 ** 32 - error) % 2 ** 32;
  const status = errno === 0 ? "OK" : errnoName(errno);
  return { text: `${text}: ${status}`, fields: { ...fields, status }, failed: errno !== 0 };
}

function fileName(opcode: number, request: Uint8Array): string | undefined {
  const at = NAME_AT[opcode];
  if (at === undefined || request.length <= HEADER + at) return undefined;
  const rest = request.subarray(HEADER + at);
  const end = rest.indexOf(0);
  return end < 0 ? `${nameText(rest)}…` : nameText(rest.subarray(0, end));
}
