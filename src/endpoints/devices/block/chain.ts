import { type ChainBytes, type ChainWords, numberAt } from "../../../core/protocol/index.ts";
import { BlockRequest, HEADER_BYTES, SECTOR_SIZE } from "./layout.ts";

const REQUESTS: Readonly<Record<number, string>> = {
  [BlockRequest.In]: "READ",
  [BlockRequest.Out]: "WRITE",
  [BlockRequest.Flush]: "FLUSH",
  [BlockRequest.GetId]: "GET_ID",
  [BlockRequest.Discard]: "DISCARD",
  [BlockRequest.WriteZeroes]: "WRITE_ZEROES",
};
const STATUS = ["OK", "IOERR", "UNSUPP"];

/** A request in words: `READ sector 128, 8 sectors: OK`. */
export function describeBlockChain(chain: ChainBytes): ChainWords {
  const type = numberAt(chain.request, 0, 4);
  const sector = numberAt(chain.request, 8, 8);
  if (type === undefined || sector === undefined) {
    return { text: `no request: a header has ${HEADER_BYTES} bytes`, fields: {}, failed: true };
  }
  const request = REQUESTS[type] ?? `type ${type}`;
  const fields: Record<string, string | number> = { request };
  let text = request;
  if (type === BlockRequest.In || type === BlockRequest.Out) {
    const bytes = type === BlockRequest.In ? chain.writable - 1 : chain.readable - HEADER_BYTES;
    const sectors = Math.max(0, bytes / SECTOR_SIZE);
    Object.assign(fields, { sector, sectors });
    text += ` sector ${sector}, ${sectors} ${sectors === 1 ? "sector" : "sectors"}`;
  } else if (type === BlockRequest.Discard || type === BlockRequest.WriteZeroes) {
    const [first, count] = [numberAt(chain.request, 16, 8), numberAt(chain.request, 24, 4)];
    if (first !== undefined && count !== undefined) {
      Object.assign(fields, { sector: first, sectors: count });
      text += ` sector ${first}, ${count} sectors`;
    }
  }
  if (chain.written === undefined) return { text, fields };
  const [code] = chain.writable > 0 ? chain.reply(chain.writable - 1, 1) : [];
  if (code === undefined) return { text, fields };
  // A driver may use the byte for something else once it has the chain back.
  const status = STATUS[code] ?? "status overwritten";
  const failed = code === 1 || code === 2;
  return { text: `${text}: ${status}`, fields: { ...fields, status }, failed };
}
