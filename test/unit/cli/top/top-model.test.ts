import { describe, expect, test } from "bun:test";
import type { Key } from "../../../../src/cli/top/keys.ts";
import {
  chooseServices,
  pressKey,
  type Seen,
  selectedOf,
  TOP_START,
  type TopState,
} from "../../../../src/cli/top/top-model.ts";
import { serviceView } from "../../../helpers/service-views.ts";

const usage = (cpus: number, residentBytes: number) => ({ cpus, cpuMs: 0, residentBytes, processes: 1 });
const SERVICES = [
  serviceView("web:10", { usage: usage(0.1, 300), restarts: 2, groups: ["front"] }),
  serviceView("web:2", { usage: usage(0.9, 100), groups: ["front"] }),
  serviceView("db", { usage: usage(0.5, 200), command: ["postgres"] }),
  serviceView("Cron", { usage: null, state: "failed" }),
];
const SEEN: Seen = { names: ["a", "b", "c", "d", "e"], rows: 3, logRows: 10, logLines: 100 };

const named = (state: Partial<TopState>): string[] =>
  chooseServices(SERVICES, { ...TOP_START, ...state }).map(({ name }) => name);

/** Keys, `<named>` or characters, pressed one after the other. */
function press(words: readonly string[], from: Partial<TopState> = {}): TopState | "quit" {
  let state: TopState | "quit" = { ...TOP_START, ...from };
  for (const word of words) {
    if (state === "quit") throw new Error("it has quit already");
    const name = /^<(.+)>$/.exec(word)?.[1];
    const key = name === undefined ? { kind: "text", text: word } : { kind: name };
    state = pressKey(state, key as Key, SEEN);
  }
  return state;
}

describe("chooseServices()", () => {
  test("chooseServices() orders by name as people count, by use and by restarts, each also reversed", () => {
    expect(named({})).toEqual(["Cron", "db", "web:2", "web:10"]);
    expect(named({ isReversed: true })).toEqual(["web:10", "web:2", "db", "Cron"]);
    expect(named({ sort: "cpu" })).toEqual(["web:2", "db", "web:10", "Cron"]);
    expect(named({ sort: "memory" })).toEqual(["web:10", "db", "web:2", "Cron"]);
    expect(named({ sort: "restarts" })).toEqual(["web:10", "Cron", "db", "web:2"]);
  });

  test("chooseServices() filters by name, state, group and command, in any case", () => {
    expect(named({ filter: "WEB" })).toEqual(["web:2", "web:10"]);
    expect(named({ filter: "fail" })).toEqual(["Cron"]);
    expect(named({ filter: "front" })).toEqual(["web:2", "web:10"]);
    expect(named({ filter: "postg" })).toEqual(["db"]);
    expect(named({ filter: "nothing like it" })).toEqual([]);
  });
});

test("selectedOf() is the first one when the chosen one is gone, and null when there is none", () => {
  expect(selectedOf(SERVICES, { selected: "db" })?.name).toBe("db");
  expect(selectedOf(SERVICES, { selected: "gone" })?.name).toBe("web:10");
  expect(selectedOf([], { selected: "db" })).toBeNull();
});

describe("pressKey()", () => {
  test.each<[string[], string | null]>([
    [["<down>"], "b"],
    [["j", "j", "k"], "b"],
    [["<up>"], "a"],
    [["<end>"], "e"],
    [["G", "g"], "a"],
    [["<end>", "<down>"], "e"],
    [["<page-down>"], "c"],
    [["<page-down>", "<page-down>", "<page-up>"], "c"],
    [["x"], null],
  ])("pressKey() with %p in the list chooses %p", (keys, selected) => {
    expect(press(keys)).toMatchObject({ selected, page: "list" });
  });

  test("pressKey() sorts, and the same key once more reverses", () => {
    expect(press(["c"])).toMatchObject({ sort: "cpu", isReversed: false });
    expect(press(["m", "m"])).toMatchObject({ sort: "memory", isReversed: true });
    expect(press(["m", "m", "n"])).toMatchObject({ sort: "name", isReversed: false });
    expect(press(["r"])).toMatchObject({ sort: "restarts" });
  });

  test("pressKey() types a filter in which every character is text; Enter keeps it, Esc clears it", () => {
    expect(press(["/", "q", "c", "?"])).toMatchObject({ filter: "qc?", isTyping: true, sort: "name" });
    expect(press(["/", "w", "e", "<backspace>", "<enter>"])).toMatchObject({ filter: "w", isTyping: false });
    expect(press(["/", "w", "<escape>"])).toMatchObject({ filter: "", isTyping: false });
    expect(press(["/", "w", "<enter>", "<escape>"])).toMatchObject({ filter: "" });
    expect(press(["/", "w", "<ctrl-u>", "x"])).toMatchObject({ filter: "x" });
    expect(press(["/", "😀", "<backspace>"])).toMatchObject({ filter: "" });
  });

  test("pressKey() opens the log, scrolls in it as far as there is something, and goes back", () => {
    expect(press(["<enter>"])).toMatchObject({ page: "log" });
    expect(press(["<tab>", "<up>", "<up>"])).toMatchObject({ page: "log", logUp: 2 });
    expect(press(["<tab>", "<home>"])).toMatchObject({ logUp: 90 });
    expect(press(["<tab>", "<home>", "<end>"])).toMatchObject({ logUp: 0 });
    expect(press(["<tab>", "<page-up>", "<down>"])).toMatchObject({ logUp: 8 });
    expect(press(["<tab>", "<right>", "<right>", "<left>"])).toMatchObject({ logRight: 20 });
    expect(press(["<tab>", "<up>", "<right>", "<escape>"])).toMatchObject({
      page: "list",
      logUp: 0,
      logRight: 0,
    });
  });

  test("pressKey() shows help until any key, and q then closes only the help", () => {
    expect(press(["?"])).toMatchObject({ page: "help" });
    expect(press(["?", "x"])).toMatchObject({ page: "list" });
    expect(press(["?", "q"])).toMatchObject({ page: "list" });
  });

  test("pressKey() quits on q and ^C, wherever one is", () => {
    expect(press(["q"])).toBe("quit");
    expect(press(["<enter>", "q"])).toBe("quit");
    expect(press(["/", "<ctrl-c>"])).toBe("quit");
    expect(press(["?", "<ctrl-c>"])).toBe("quit");
  });
});
