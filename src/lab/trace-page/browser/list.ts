import type { Row, Rows } from "./rows.ts";

/** Height of a row in pixels, as the style has it. */
const ROW = 22;
/** Browsers limit the height of an element: Firefox to 17,895,697 pixels. */
const MAX_HEIGHT = 16_000_000;

/** The rows that a list shows: all, or those that were found. */
export interface Shown {
  readonly length: number;
  /** Number of the row at a position. */
  at(position: number): number;
}

/** A list of which only the rows in sight exist. */
export class RowList {
  readonly #box: HTMLElement;
  readonly #space: HTMLElement;
  readonly #rows: Rows;
  readonly #select: (row: number) => void;
  #shown: Shown;
  #current = 0;
  #drawing = 0;

  constructor(box: HTMLElement, space: HTMLElement, rows: Rows, select: (row: number) => void) {
    this.#box = box;
    this.#space = space;
    this.#rows = rows;
    this.#select = select;
    this.#shown = { length: rows.count, at: (position) => position };
    box.addEventListener("scroll", () => void this.#draw());
    box.addEventListener("click", (event) => {
      const line = (event.target as Element).closest<HTMLElement>(".row");
      if (line !== null) this.#select(Number(line.dataset["row"]));
    });
    box.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => void this.#draw()).observe(box);
    this.#resize();
  }

  /** Shows these rows. */
  show(shown: Shown): void {
    this.#shown = shown;
    this.#resize();
    void this.#draw();
  }

  /** Marks a row, and scrolls to it unless it is in sight. */
  mark(row: number): void {
    this.#current = row;
    const position = this.#positionOf(row);
    const [first, count] = [this.#first(), this.#visible()];
    if (position < first || position >= first + count - 1) {
      this.#scrollTo(Math.max(0, position - Math.floor(count / 2)));
    }
    void this.#draw();
  }

  /** Returns the row that is `steps` rows further in the list. */
  next(steps: number): number {
    const last = this.#shown.length - 1;
    const position = Math.min(last, Math.max(0, this.#positionOf(this.#current) + steps));
    return this.#shown.at(position);
  }

  #key(event: KeyboardEvent): void {
    const page = Math.max(1, this.#visible() - 1);
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -Infinity,
      End: Infinity,
    };
    const step = steps[event.key];
    if (step === undefined || this.#shown.length === 0) return;
    event.preventDefault();
    this.#select(this.next(step));
  }

  /** Position of the row, or of the first one behind it. */
  #positionOf(row: number): number {
    let [low, high] = [0, this.#shown.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#shown.at(middle) < row) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #visible(): number {
    return Math.max(1, Math.floor(this.#box.clientHeight / ROW));
  }

  /** Rows for each step of scrolling, where the height of all is more than an element may have. */
  #first(): number {
    const scrollable = Math.max(1, this.#height() - this.#box.clientHeight);
    const hidden = Math.max(0, this.#shown.length - this.#visible());
    return Math.min(hidden, Math.round((this.#box.scrollTop / scrollable) * hidden));
  }

  #scrollTo(position: number): void {
    const scrollable = Math.max(1, this.#height() - this.#box.clientHeight);
    const hidden = Math.max(1, this.#shown.length - this.#visible());
    this.#box.scrollTop = (position / hidden) * scrollable;
  }

  #height(): number {
    return Math.min(MAX_HEIGHT, this.#shown.length * ROW);
  }

  #resize(): void {
    this.#space.style.height = `${this.#height()}px`;
  }

  async #draw(): Promise<void> {
    const drawing = (this.#drawing += 1);
    const first = this.#first();
    const end = Math.min(this.#shown.length, first + this.#visible() + 1);
    const numbers = Array.from({ length: end - first }, (_, i) => this.#shown.at(first + i));
    if (numbers.some((row) => this.#rows.peek(row) === undefined)) {
      await Promise.all(numbers.map(async (row) => this.#rows.row(row)));
    }
    if (drawing !== this.#drawing) return;
    const top = this.#box.scrollTop;
    const lines = numbers.flatMap((row, i) => {
      const found = this.#rows.peek(row);
      return found === undefined ? [] : [this.#line(found, top + i * ROW)];
    });
    this.#space.replaceChildren(...lines);
    this.#box.setAttribute("aria-activedescendant", `row${this.#current}`);
  }

  #line({ row, us, text, failed, hash }: Row, top: number): HTMLElement {
    const line = document.createElement("div");
    line.className = failed ? "row bad" : "row";
    line.id = `row${row}`;
    line.dataset["row"] = String(row);
    line.role = "option";
    line.ariaSelected = String(row === this.#current);
    line.style.top = `${Math.min(top, this.#height() - ROW)}px`;
    const link = document.createElement("a");
    link.href = hash;
    link.tabIndex = -1;
    link.textContent = String(us);
    line.append(link, text);
    return line;
  }
}
