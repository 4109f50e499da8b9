/** The bytes of a descriptor chain, as an observer sees them. */
export interface ChainBytes {
  /** Bytes that the device reads. */
  readonly readable: number;
  /** Bytes that the device may write. */
  readonly writable: number;
  /** Bytes that the device has written by its own account; undefined while the chain is available. */
  readonly written: number | undefined;
  /** The first bytes of the readable part, as many as were kept. */
  readonly request: Uint8Array;
  /** Returns bytes of the writable part; fewer where they end or cannot be read. */
  reply(offset: number, length: number): Uint8Array;
}

/** A chain in the words of its device type. */
export interface ChainWords {
  /** `READ sector 128, 8 sectors: OK` */
  readonly text: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
  /** True if the device refused the request or could not serve it. */
  readonly failed?: boolean | undefined;
}

/** One little-endian number of a request or a reply. */
export interface ChainField {
  readonly name: string;
  /** Offset in its part; negative: from the end. */
  readonly at: number;
  readonly bytes: 1 | 2 | 4 | 8;
  /** Names of its values. */
  readonly names?: Readonly<Record<number, string>> | undefined;
  readonly hex?: true | undefined;
}

/** The structure of the chains of one queue: which numbers say what a request is and how it ended. */
export interface ChainLayout {
  /** Fields of the readable part. */
  readonly request?: readonly ChainField[] | undefined;
  /** Fields of the writable part, once the chain is used. */
  readonly reply?: readonly ChainField[] | undefined;
  /** The field of the reply whose other values mean that the request failed. */
  readonly status?: { readonly field: string; readonly ok: readonly number[] } | undefined;
}

/** The layouts of a device type, by the name of the queue. */
export type ChainLayouts = Readonly<Record<string, ChainLayout>>;

/** Puts a chain in words by a table of its numbers. */
export function describeByLayout(
  { request = [], reply = [], status }: ChainLayout,
  chain: ChainBytes,
): ChainWords {
  const fields: Record<string, string | number | boolean> = {};
  const words = request.flatMap((field) => {
    const at = field.at < 0 ? chain.readable + field.at : field.at;
    return note(fields, field, numberAt(chain.request, at, field.bytes));
  });
  if (chain.written === undefined) return { text: words.join(" "), fields };
  let failed = false;
  const answer = reply.flatMap((field): string[] => {
    const at = field.at < 0 ? chain.writable + field.at : field.at;
    const value = at < 0 ? undefined : numberAt(chain.reply(at, field.bytes), 0, field.bytes);
    failed ||= status?.field === field.name && value !== undefined && !status.ok.includes(value);
    return note(fields, field, value);
  });
  const text = [words.join(" "), answer.join(" ")].filter((part) => part !== "").join(": ");
  return failed ? { text, fields, failed } : { text, fields };
}

function note(
  fields: Record<string, string | number | boolean>,
  { name, names, hex }: ChainField,
  value: number | undefined,
): string[] {
  if (value === undefined) return [];
  const known = names?.[value];
  const text = known ?? (hex === true ? `0x${value.toString(16)}` : String(value));
  fields[name] = known ?? (hex === true ? text : value);
  return [known === undefined ? `${name}=${text}` : known];
}

/** Reads a little-endian number; undefined where there are no such bytes. */
export function numberAt(bytes: Uint8Array, at: number, size: 1 | 2 | 4 | 8): number | undefined {
  if (at < 0 || at + size > bytes.length) return undefined;
  let value = 0;
  // Numbers above 2^53 lose their lowest digits, which is good enough to look at.
  for (let i = size - 1; i >= 0; i -= 1) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}
