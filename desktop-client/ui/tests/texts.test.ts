import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as app from "../src/app/dictionary";
import { en, zh } from "../src/dictionary";
import { duration, messageOf, percent, shown, signed, VERDICTS } from "../src/format";
import { language, link, parseRoute, t } from "../src/state";

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sources(path);
    return /\.tsx?$/.test(name) && !["dictionary.ts", "types.ts", "documents.ts", "bindings.ts", "mock_bridge.ts"].includes(name) ? [readFileSync(path, "utf8")] : [];
  });
}

const DICTIONARIES: [string, Record<string, string>, Record<string, string>][] = [
  ["viewer", en, zh],
  ["app", app.en, app.zh],
];

test.each(DICTIONARIES)("every text of the %s has a translation with the same values", (_, english, chinese) => {
  const values = (text: string | undefined) => [...(text ?? "").matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
  expect(Object.keys(chinese)).toEqual(Object.keys(english));
  for (const key of Object.keys(english)) expect([key, values(chinese[key])]).toEqual([key, values(english[key])]);
});

test.each(DICTIONARIES)("every text of the %s is used", (_, english) => {
  const code = sources("src").join("\n");
  expect(Object.keys(english).filter((key) => !code.includes(`"${key}"`))).toEqual([]);
});

test("no element has a text of its own", () => {
  const found = sources("src").flatMap((code) => [...code.matchAll(/>\s*([A-Za-z][a-z]+(?: [a-z]+)+)\s*</g)].map(([, text]) => text));
  expect(found).toEqual([]);
});

test("a text is in the chosen language, and its values are in place", () => {
  language.value = "zh";
  expect(t("found", { count: 2, of: 3 })).toBe("3 个试验中的 2 个");
  language.value = "en";
  expect(t("found", { count: 2, of: 3 })).toBe("2 of 3 trials");
});

test("each verdict has a sign of its own", () => {
  const signs = Object.values(VERDICTS).map((one) => one.glyph);
  expect(new Set(signs).size).toBe(signs.length);
});

test("a link keeps its view, name and values", () => {
  const address = link("trial", "a/b c-r0", { event: "e1", time: "" });
  expect(address).toBe("#/trial/a%2Fb%20c-r0?event=e1");
  const route = parseRoute(address);
  expect([route.view, route.name, route.values.get("event")]).toEqual(["trial", "a/b c-r0", "e1"]);
  expect(parseRoute("").view).toBe("overview");
  expect(parseRoute("#/trials?q=a%3Ab").values.get("q")).toBe("a:b");
});

test("whatever is thrown has a message", () => {
  expect([messageOf(new Error("a")), messageOf({ message: "b", hint: "" }), messageOf("c")]).toEqual(["a", "b", "c"]);
});

test("numbers are short", () => {
  expect([duration(null), duration(4.4), duration(1050), duration(125_000)]).toEqual(["–", "4 ms", "1.05 s", "2 min 5 s"]);
  expect([percent(0.5), percent(null), signed(0.05), signed(-0.05)]).toEqual(["50.0 %", "–", "+5.0 %", "-5.0 %"]);
  expect([shown("a"), shown({ a: 1 }), shown(undefined)]).toEqual(["a", '{\n  "a": 1\n}', ""]);
});
