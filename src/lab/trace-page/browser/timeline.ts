import { FAILED, type PageHead } from "../head.ts";
import { pause } from "./pause.ts";
import type { Rows } from "./rows.ts";

const LANE = 18;
const LABEL = 150;
/** Rows that are drawn one by one; where there are more, counts of them are. */
const MAX_SINGLE = 20_000;
const SHORTEST_US = 10;

/** Draws what happens on each socket and ring over time, and zooms around the current moment. */
export class Timeline {
  readonly #canvas: HTMLCanvasElement;
  readonly #rows: Rows;
  readonly #lanes: number;
  #from = 0;
  #to: number;
  #us = 0;
  #drawing = 0;

  constructor(canvas: HTMLCanvasElement, rows: Rows, select: (us: number) => void) {
    this.#canvas = canvas;
    this.#rows = rows;
    this.#lanes = Math.max(1, rows.head.bins.counts.length);
    this.#to = Math.max(SHORTEST_US, rows.head.endUs + 1);
    canvas.style.height = `${this.#lanes * LANE}px`;
    canvas.addEventListener("click", (event) => {
      const at = (event.offsetX - this.#left()) / (canvas.clientWidth - this.#left());
      select(this.#from + Math.min(1, Math.max(0, at)) * (this.#to - this.#from));
    });
    new ResizeObserver(() => void this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => void this.draw());
  }

  /** Shows a moment, in the middle if it is out of sight. */
  mark(us: number): void {
    this.#us = us;
    if (us < this.#from || us > this.#to) this.#span(this.#to - this.#from);
    void this.draw();
  }

  /** Shows a longer or shorter time. */
  zoom(factor: number): void {
    this.#span((this.#to - this.#from) * factor);
    void this.draw();
  }

  async draw(): Promise<void> {
    const drawing = (this.#drawing += 1);
    const chunks = this.#chunksInSight();
    const rows = chunks.reduce((sum, index) => sum + this.#rowsOf(index), 0);
    const paint = this.#clear();
    if (paint === undefined) return;
    if (rows > MAX_SINGLE) this.#drawBins(paint);
    for (const index of rows > MAX_SINGLE ? [] : chunks) {
      const chunk = await this.#rows.chunk(index);
      await pause();
      if (drawing !== this.#drawing) return;
      for (let i = 0; i < chunk.rows; i += 1) {
        const x = this.#x(chunk.us[i] ?? 0);
        const failed = ((chunk.kinds[i] ?? 0) & FAILED) !== 0;
        paint.bar(chunk.lanes[i] ?? 0, x, 1.5, failed ? "fail" : "mark", 1);
      }
    }
    paint.cursor(this.#x(this.#us));
  }

  #span(wanted: number): void {
    const end = Math.max(SHORTEST_US, this.#rows.head.endUs + 1);
    const span = Math.min(end, Math.max(SHORTEST_US, wanted));
    this.#from = Math.min(end - span, Math.max(0, this.#us - span / 2));
    this.#to = this.#from + span;
  }

  #chunksInSight(): number[] {
    return this.#rows.head.chunks.flatMap(({ firstUs, lastUs }, index) =>
      lastUs >= this.#from && firstUs <= this.#to ? [index] : [],
    );
  }

  #rowsOf(index: number): number {
    const { chunks, rows } = this.#rows.head;
    return (chunks[index + 1]?.row ?? rows) - (chunks[index]?.row ?? 0);
  }

  #drawBins(paint: Paint): void {
    const { widthUs, counts, failed } = this.#rows.head.bins;
    const width = Math.max(1, (widthUs / (this.#to - this.#from)) * paint.width);
    for (const [lane, bins] of counts.entries()) {
      const most = bins.reduce((max, count) => Math.max(max, count), 1);
      for (const [bin, count] of bins.entries()) {
        if (count === 0) continue;
        // A single event among thousands stays in sight.
        const height = 0.2 + 0.8 * Math.sqrt(count / most);
        paint.bar(lane, this.#x(bin * widthUs), width, "mark", height);
      }
      for (const bin of failed[lane] ?? []) {
        paint.bar(lane, this.#x(bin * widthUs), Math.max(2, width), "fail", 1);
      }
    }
  }

  #left(): number {
    return Math.min(LABEL, this.#canvas.clientWidth / 3);
  }

  #x(us: number): number {
    const width = this.#canvas.clientWidth - this.#left();
    return this.#left() + ((us - this.#from) / (this.#to - this.#from)) * width;
  }

  #clear(): Paint | undefined {
    const canvas = this.#canvas;
    const context = canvas.getContext("2d");
    if (context === null) return undefined;
    const { clientWidth: width, clientHeight: height } = canvas;
    const ratio = devicePixelRatio;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    context.scale(ratio, ratio);
    const paint = new Paint(context, width, height, this.#left());
    paint.labels(this.#rows.head, this.#lanes);
    return paint;
  }
}

/** Draws in the colours of the page. */
class Paint {
  readonly width: number;
  readonly #context: CanvasRenderingContext2D;
  readonly #right: number;
  readonly #height: number;
  readonly #left: number;
  readonly #colours: Readonly<Record<"fail" | "mark" | "line" | "text", string>>;

  constructor(context: CanvasRenderingContext2D, width: number, height: number, left: number) {
    this.#context = context;
    this.#right = width;
    this.#height = height;
    this.#left = left;
    this.width = width - left;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    this.#colours = {
      fail: colour("--fail"),
      mark: colour("--mark"),
      line: colour("--line"),
      text: getComputedStyle(document.body).color,
    };
  }

  labels({ lanes }: PageHead, count: number): void {
    const context = this.#context;
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    for (const [i, { session, name }] of lanes.slice(0, count).entries()) {
      context.fillStyle = this.#colours.text;
      context.fillText(`#${session} ${name}`, 4, (i + 0.5) * LANE, this.#left - 8);
      context.fillStyle = this.#colours.line;
      context.fillRect(0, (i + 1) * LANE - 1, this.#right, 1);
    }
  }

  bar(lane: number, x: number, width: number, colour: "fail" | "mark", height: number): void {
    const from = Math.max(x, this.#left);
    const to = Math.min(x + width, this.#right);
    if (to <= from) return;
    const tall = (LANE - 4) * height;
    this.#context.fillStyle = this.#colours[colour];
    this.#context.fillRect(from, (lane + 1) * LANE - 2 - tall, to - from, tall);
  }

  cursor(x: number): void {
    if (x < this.#left) return;
    this.#context.fillStyle = this.#colours.text;
    this.#context.fillRect(Math.round(x), 0, 1, this.#height);
  }
}
