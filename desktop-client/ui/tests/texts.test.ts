import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { en, zh } from "../src/dictionary";
import { duration, percent, shown, signed, VERDICTS } from "../src/format";
import { language, link, parseRoute, t } from "../src/state";

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sources(path);
    return /\.tsx?$/.test(name) && name !== "dictionary.ts" && name !== "types.ts" ? [readFileSync(path, "utf8")] : [];
  });
}

test("every text has a translation with the same values", () => {
  const values = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
  expect(Object.keys(zh)).toEqual(Object.keys(en));
  for (const key of Object.keys(en) as (keyof typeof en)[]) expect([key, values(zh[key])]).toEqual([key, values(en[key])]);
});

test("every text is used", () => {
  const code = sources("src").join("\n");
  expect(Object.keys(en).filter((key) => !code.includes(`"${key}"`))).toEqual([]);
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

test("numbers are short", () => {
  expect([duration(null), duration(4.4), duration(1050), duration(125_000)]).toEqual(["–", "4 ms", "1.05 s", "2 min 5 s"]);
  expect([percent(0.5), percent(null), signed(0.05), signed(-0.05)]).toEqual(["50.0 %", "–", "+5.0 %", "-5.0 %"]);
  expect([shown("a"), shown({ a: 1 }), shown(undefined)]).toEqual(["a", '{\n  "a": 1\n}', ""]);
});
