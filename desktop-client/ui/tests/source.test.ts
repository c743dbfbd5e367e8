import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { inflated } from "../src/source";

test("a piece of the page is inflated", async () => {
  const text = JSON.stringify({ text: "中文 ".repeat(1000) });
  expect(await inflated(gzipSync(text).toString("base64"))).toBe(text);
});

test("a damaged piece is an error", async () => {
  await expect(inflated("bm90IGd6aXA=")).rejects.toThrow();
});
