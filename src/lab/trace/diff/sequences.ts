/** A line of a comparison: in both, only in the first, only in the second. */
export interface DiffLine {
  readonly mark: "=" | "-" | "+";
  readonly text: string;
}

/** Cells of the table of common subsequences; longer sequences are compared line by line. */
const MAX_CELLS = 16_000_000;

/** Compares two sequences: the fewest lines that have to go and to come. */
export function compareSequences(before: readonly string[], after: readonly string[]): DiffLine[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start])
    start += 1;
  let end = 0;
  while (
    end < before.length - start &&
    end < after.length - start &&
    before[before.length - 1 - end] === after[after.length - 1 - end]
  )
    end += 1;
  const [first, second] = [
    before.slice(start, before.length - end),
    after.slice(start, after.length - end),
  ];
  const middle =
    first.length * second.length > MAX_CELLS
      ? [...first.map(marked("-")), ...second.map(marked("+"))]
      : longestCommon(first, second);
  return [
    ...before.slice(0, start).map(marked("=")),
    ...middle,
    ...before.slice(before.length - end).map(marked("=")),
  ];
}

function marked(mark: DiffLine["mark"]): (text: string) => DiffLine {
  return (text) => ({ mark, text });
}

function longestCommon(first: readonly string[], second: readonly string[]): DiffLine[] {
  const width = second.length + 1;
  const lengths = new Uint32Array((first.length + 1) * width);
  const at = (i: number, j: number): number => lengths[i * width + j] ?? 0;
  for (let i = first.length - 1; i >= 0; i -= 1) {
    for (let j = second.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] =
        first[i] === second[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < first.length || j < second.length) {
    const [left, right] = [first[i], second[j]];
    if (left !== undefined && left === right) {
      lines.push({ mark: "=", text: left });
      i += 1;
      j += 1;
    } else if (left !== undefined && (right === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ mark: "-", text: left });
      i += 1;
    } else if (right !== undefined) {
      lines.push({ mark: "+", text: right });
      j += 1;
    }
  }
  return lines;
}
