import { RowKind } from "../head.ts";
import type { Chunk } from "./chunk.ts";
import type { Rows } from "./rows.ts";

/** Outstanding chains of a ring that are listed. */
const MAX_LISTED = 8;

interface Ring {
  available: number;
  used: number;
  missed: number;
  /** Outstanding chains that are not in `rows`. */
  unknown: number;
  readonly rows: Set<number>;
}

/** Returns the state of a row's session behind the row, in lines. */
export async function stateAt(rows: Rows, row: number): Promise<string[]> {
  const chunk = await rows.chunk(rows.chunkOf(row));
  const { lane, us } = await rows.row(row);
  const { session } = lane;
  const lines = [`session ${session}`, ...setUp(chunk, session, row)];
  for (const [number, ring] of ringsAt(rows, chunk, row)) {
    const place = rows.head.lanes[number];
    if (place?.session !== session) continue;
    const outstanding = ring.unknown + ring.rows.size;
    lines.push(
      `${place.name}: ${ring.available} chains made available, ${ring.used} used, ${ring.missed} not seen, ${outstanding} outstanding`,
    );
    for (const each of [...ring.rows].sort((a, b) => a - b).slice(0, MAX_LISTED)) {
      const found = await rows.row(each);
      lines.push(
        `  for ${((us - found.us) / 1000).toFixed(1)} ms: ${found.text.replace(/^#\d+ ring \d+ .*?> /, "")}`,
      );
    }
    if (outstanding > MAX_LISTED) lines.push(`  and ${outstanding - MAX_LISTED} more`);
  }
  return lines;
}

function setUp({ head }: Chunk, session: number, row: number): string[] {
  const lines = [...(head.states.find(([each]) => each === session)?.[1] ?? [])];
  for (const [at, of, start, removed, added] of head.changes) {
    if (at > row) break;
    if (of === session) lines.splice(start, removed, ...added);
  }
  return lines;
}

function ringsAt(rows: Rows, chunk: Chunk, row: number): Map<number, Ring> {
  const rings = new Map<number, Ring>();
  for (const { lane, available, used, missed, outstanding, oldest } of chunk.head.rings) {
    const unknown = outstanding - oldest.length;
    rings.set(lane, { available, used, missed, unknown, rows: new Set(oldest) });
  }
  for (let i = 0; chunk.first + i <= row && i < chunk.rows; i += 1) {
    const lane = chunk.lanes[i] ?? 0;
    if (rows.head.lanes[lane]?.ring === undefined) continue;
    const none = { available: 0, used: 0, missed: 0, unknown: 0, rows: new Set<number>() };
    const ring = rings.get(lane) ?? none;
    rings.set(lane, ring);
    apply(ring, chunk.kind(i), chunk.values[i] ?? 0, chunk.first + i);
  }
  return rings;
}

function apply(ring: Ring, kind: number, value: number, row: number): void {
  switch (kind) {
    case RowKind.Available:
      ring.available += 1;
      ring.rows.add(row);
      return;
    case RowKind.Used:
      ring.used += 1;
      if (value > 0 && !ring.rows.delete(row - value)) ring.unknown = Math.max(0, ring.unknown - 1);
      return;
    case RowKind.Missed:
      ring.available += value;
      ring.missed += value;
      return;
    case RowKind.ViewEnded:
      ring.rows.clear();
      ring.unknown = 0;
  }
}
