import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../support/package-root.ts";

/** A room of the import law: a folder of `src`; `*` matches any one folder. */
export interface Room {
  /** The path of the folder, e.g. `core/session`. */
  readonly room: string;
  /** What is in it, for readers. */
  readonly holds: string;
  /** The other rooms whose files its files may import; imports of types count. */
  readonly imports: readonly string[];
  /** What its `index.ts` and `kind.ts` may import as well, to hand it on. */
  readonly frontImports?: readonly string[];
}

/** `src/import-law.json`. */
export interface Law {
  /** Each wing and what it is for, from the bottom upwards. */
  readonly wings: Readonly<Record<string, string>>;
  readonly rooms: readonly Room[];
}

/** Reads the law that governs `src`. */
export function readLaw(): Law {
  return JSON.parse(readFileSync(join(packageRoot, "src", "import-law.json"), "utf8")) as Law;
}

/**
 * Returns the room of a file: the longest that fits.
 *
 * @param path below `src`, e.g. `core/base/errors.ts`
 */
export function roomOf(path: string, { rooms }: Law): Room | undefined {
  const parts = path.replace(/\.ts$/, "").split("/");
  return rooms
    .filter(({ room }) => room.split("/").every((name, at) => name === "*" || name === parts[at]))
    .toSorted((a, b) => b.room.split("/").length - a.room.split("/").length)[0];
}

/** Returns the wing of a room: its first folder. */
export function wingOf(room: string): string {
  return room.slice(0, Math.max(0, room.indexOf("/"))) || room;
}

/** The law as ARCHITECTURE.md shows it: one table a wing. */
export function lawAsMarkdown({ wings, rooms }: Law): string {
  const sections = Object.entries(wings).map(([wing, purpose]) => {
    const rows = rooms
      .filter(({ room }) => wingOf(room) === wing)
      .map(({ room, holds, imports }) => [
        `\`${room}\``,
        holds,
        imports.length === 0 ? "nothing" : shortened(imports, wing),
      ]);
    const lines = [["room", "what is in it", "may import"], ["---", "---", "---"], ...rows];
    const table = lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
    return `**\`src/${wing}\`**: ${purpose}.\n\n${table}\n`;
  });
  return sections.join("\n");
}

/** Names a room of the same wing without its wing. */
function shortened(imports: readonly string[], wing: string): string {
  return imports
    .map((room) => (wingOf(room) === wing ? room.slice(wing.length + 1) : room))
    .map((room) => room.replaceAll("*", "\\*"))
    .join(", ");
}
