import { counted } from "../../../core/base/index.ts";

/** Ends the line of an exchange that decided a finding. */
export const DECIDING = " ◀";

/** Lines of an exchange that a terminal shows. */
const MAX_LINES = 12;
/** Fewer lines of a bring-up are shown as they are. */
const MIN_BRING_UP = 3;

/** Requests that a front-end sends before its rings run. */
const BRING_UP =
  /[<>] VHOST_USER_(?:GET_(?:FEATURES|PROTOCOL_FEATURES|QUEUE_NUM|MAX_MEM_SLOTS|CONFIG)|SET_(?:FEATURES|PROTOCOL_FEATURES|OWNER|MEM_TABLE|VRING_(?:NUM|BASE|ADDR|KICK|CALL|ERR|ENABLE))|ADD_MEM_REG)\b/;
/** Matches lines that are worth a look. */
const REMARKABLE = /ack=[^0]|undecodable|version=|reserved-flags|closed/;
const FEATURE_LIST = / \[V[A-Z]+_[^\]]*\]/;

/**
 * Returns the messages of an exchange that decided the verdict, with what led to them, at most 12
 * lines. A bring-up becomes one line, and a list of features is spelled out once.
 *
 * @param spelled lists of features that the reader has seen; the new ones are added
 */
export function decisiveLines(exchange: readonly string[], spelled: Set<string>): string[] {
  const end = exchange.findLastIndex(isDecisive);
  const lines = collapseBringUp(
    exchange
      .slice(0, end < 0 ? exchange.length : end + 1)
      .filter((line) => !line.endsWith("· the suite closes"))
      .map((line) => shortFeatures(line, spelled)),
  );
  if (lines.length <= MAX_LINES) return lines;
  const last = lines.length - 1;
  const marked = lines.flatMap((line, i) => (isDecisive(line) ? [i] : []));
  const order = nearest(marked.length === 0 ? [last] : marked, lines.length);
  for (let count = MAX_LINES; ; count--) {
    const shown = withGaps(lines, new Set(order.slice(0, count)));
    if (shown.length <= MAX_LINES) return shown;
  }
}

function isDecisive(line: string): boolean {
  return line.endsWith(DECIDING) || /ms {2}·· · (?!a clean session)/.test(line);
}

/** Returns all indexes, those that are at, shortly before or after a marked one first. */
function nearest(marked: readonly number[], length: number): number[] {
  // What follows a decisive message explains less than what led to it.
  const distance = (i: number): number =>
    Math.min(...marked.map((at) => (i <= at ? at - i : 2 * (i - at))));
  return Array.from({ length }, (_, i) => i).sort((a, b) => distance(a) - distance(b));
}

function withGaps(lines: readonly string[], kept: ReadonlySet<number>): string[] {
  const shown: string[] = [];
  let left = 0;
  for (const [i, line] of [...lines.entries(), [-1, ""] as const]) {
    if (i >= 0 && !kept.has(i)) {
      left += 1;
      continue;
    }
    if (left > 0) shown.push(`… ${counted(left, "line")} …`);
    left = 0;
    if (i >= 0) shown.push(line);
  }
  return shown;
}

/** Each run of messages that only bring a session up becomes one line. */
function collapseBringUp(lines: readonly string[]): string[] {
  const shown: string[] = [];
  let run: string[] = [];
  const flush = (): void => {
    if (run.length < MIN_BRING_UP) shown.push(...run);
    else
      shown.push(`${run[0]?.replace(/[·<>].*/, "")}· brought up: ${counted(run.length, "line")}`);
    run = [];
  };
  for (const line of lines) {
    const quiet = isBringUp(line);
    // A decisive reply is shown with its request.
    const isSame = sessionOf(line) === sessionOf(run[0] ?? line);
    const isReply = isSame && isDecisive(line) && / > /.test(run.at(-1) ?? "");
    const request = isReply ? run.splice(-1) : [];
    if (!quiet || !isSame) flush();
    shown.push(...request);
    if (quiet) run.push(line);
    else shown.push(line);
  }
  flush();
  return shown;
}

function isBringUp(line: string): boolean {
  if (line.endsWith(DECIDING) || REMARKABLE.test(line)) return false;
  return BRING_UP.test(line) || line.endsWith("· connected");
}

function sessionOf(line: string): string | undefined {
  return /ms {2}(\S+) [<>·]/.exec(line)?.[1];
}

function shortFeatures(line: string, spelled: Set<string>): string {
  const [list] = FEATURE_LIST.exec(line) ?? [];
  if (list === undefined) return line;
  // A bring-up that becomes one line spells nothing.
  if (isBringUp(line) || spelled.has(list)) return line.replace(list, "");
  spelled.add(list);
  return line;
}

/** Collapses lines, or groups of up to four lines, that follow each other several times. */
export function collapseRepeats(lines: readonly string[]): string[] {
  const shown: string[] = [];
  for (let at = 0; at < lines.length;) {
    const { size, times } = repetitionAt(lines, at);
    shown.push(...lines.slice(at, at + size));
    if (times > 1) {
      const what = size === 1 ? "" : `the last ${counted(size, "line")} `;
      shown.push(`… ${what}repeated ${counted(times, "time")}`);
    }
    at += size * times;
  }
  return shown;
}

function repetitionAt(lines: readonly string[], at: number): { size: number; times: number } {
  for (let size = 1; size <= 4; size++) {
    const block = lines.slice(at, at + size).join("\n");
    let times = 1;
    const from = (count: number): number => at + size * count;
    const isAgain = (): boolean =>
      from(times + 1) <= lines.length &&
      lines.slice(from(times), from(times + 1)).join("\n") === block;
    while (isAgain()) times += 1;
    if (times > 1) return { size, times };
  }
  return { size: 1, times: 1 };
}
