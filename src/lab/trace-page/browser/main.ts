import type { PageHead } from "../head.ts";
import { RowList } from "./list.ts";
import { stateAt } from "./moment.ts";
import { Rows } from "./rows.ts";
import { search } from "./search.ts";
import { Timeline } from "./timeline.ts";

/** Milliseconds after the last key before a search begins, and after a move before the address changes. */
const TYPING_MS = 200;
const ADDRESS_MS = 300;
const ZOOM = 2;

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found as T;
}

const rows = new Rows(JSON.parse(element("head").textContent) as PageHead);
const words = element<HTMLInputElement>("words");
const failed = element<HTMLButtonElement>("failed");
const slider = element<HTMLInputElement>("moment");
const list = new RowList(element("list"), element("space"), rows, (row) => void go(row));
const timeline = new Timeline(
  element<HTMLCanvasElement>("timeline"),
  rows,
  (us) => void rows.rowAt(us).then(go),
);
let current = -1;
let searches = 0;
let addressTimer: ReturnType<typeof setTimeout> | undefined;
let searchTimer: ReturnType<typeof setTimeout> | undefined;

/** Shows a row, and everything as it was behind it. */
async function go(row: number): Promise<void> {
  if (rows.count === 0 || row === current) return;
  current = row;
  slider.value = String(row);
  list.mark(row);
  const found = await rows.row(row);
  if (row !== current) return;
  timeline.mark(found.us);
  element("when").textContent = `${(found.us / 1000).toFixed(3)} ms`;
  const line = element("event");
  line.textContent = found.text;
  if (found.request !== undefined) {
    const request = await rows.row(found.request);
    const link = document.createElement("a");
    link.href = request.hash;
    link.textContent = "its request";
    line.append(" ", link);
  }
  const state = await stateAt(rows, row);
  if (row !== current) return;
  element("state").textContent = state.join("\n");
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => history.replaceState(null, "", found.hash), ADDRESS_MS);
}

async function follow(): Promise<void> {
  const row = await rows.find(location.hash);
  if (row !== undefined) await go(row);
  else if (current < 0) await go(0);
}

function startSearch(): void {
  const failedOnly = failed.getAttribute("aria-pressed") === "true";
  const number = (searches += 1);
  const note = element("found");
  const text = words.value.trim();
  note.textContent = "";
  if (text === "" && !failedOnly) {
    list.show({ length: rows.count, at: (position) => position });
    list.mark(current);
    return;
  }
  void search(rows, text, failedOnly, (found) => {
    if (number !== searches) return false;
    note.textContent = `${found.length} found${found.isDone ? "" : " …"}`;
    list.show(found);
    if (found.isDone && found.length > 0) void go(list.next(0));
    return true;
  });
}

slider.max = String(Math.max(0, rows.count - 1));
slider.oninput = () => void go(Number(slider.value));
words.oninput = () => {
  clearTimeout(searchTimer);
  searchTimer = setTimeout(startSearch, TYPING_MS);
};
failed.addEventListener("click", () => {
  failed.setAttribute("aria-pressed", String(failed.getAttribute("aria-pressed") !== "true"));
  startSearch();
});
element("in").addEventListener("click", () => timeline.zoom(1 / ZOOM));
element("out").addEventListener("click", () => timeline.zoom(ZOOM));
element("timeline").addEventListener("keydown", (event) => {
  const steps: Readonly<Record<string, number>> = { ArrowRight: 1, ArrowLeft: -1 };
  const step = steps[event.key];
  if (step !== undefined) void go(list.next(step));
  else if (event.key === "+") timeline.zoom(1 / ZOOM);
  else if (event.key === "-") timeline.zoom(ZOOM);
  else return;
  event.preventDefault();
});
addEventListener("hashchange", () => void follow());
void follow().then(() => performance.mark("first-view"));
