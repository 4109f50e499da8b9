/** Values of Lua's source text. */
export type LuaValue = string | number | boolean | LuaRaw | readonly LuaValue[] | LuaTable;
export interface LuaTable {
  readonly [name: string]: LuaValue | undefined;
}

/** Source text that is taken as it is. */
export class LuaRaw {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Writes a value as Lua's source text. Keys that are numbers become numbers. */
export function lua(value: LuaValue): string {
  if (value instanceof LuaRaw) return value.text;
  if (typeof value === "string") return quoted(value);
  if (typeof value !== "object") return String(value);
  if (isList(value)) return `{ ${value.map(lua).join(", ")} }`;
  const entries = Object.entries(value).flatMap(([name, each]) =>
    each === undefined ? [] : [`${keyOf(name)} = ${lua(each)}`],
  );
  return `{ ${entries.join(", ")} }`;
}

/** A table with a line for each entry. */
export function luaLines(table: LuaTable): string {
  const lines = Object.entries(table).flatMap(([name, each]) =>
    each === undefined ? [] : [`  ${keyOf(name)} = ${lua(each)},`],
  );
  return `{\n${lines.join("\n")}\n}`;
}

function isList(value: object): value is readonly LuaValue[] {
  return Array.isArray(value);
}

function keyOf(name: string): string {
  if (/^\d+$/.test(name)) return `[${name}]`;
  return /^[A-Za-z_]\w*$/.test(name) ? name : `[${quoted(name)}]`;
}

/** A string; bytes that are not printable ASCII are written as numbers. */
function quoted(text: string): string {
  const escaped = Array.from(Buffer.from(text), (byte) => {
    const character = String.fromCharCode(byte);
    if (character === '"' || character === "\\") return `\\${character}`;
    return byte < 32 || byte > 126 ? `\\${String(byte).padStart(3, "0")}` : character;
  });
  return `"${escaped.join("")}"`;
}
