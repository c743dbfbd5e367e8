import { readFileSync } from "node:fs";
import { expect, expectTypeOf, test } from "vitest";
import type { StreamEvent } from "../src/app/bindings";
import { problemOf } from "../src/app/bridge";
import type { RunFinishedLine, RunStartedLine, StreamLine, StreamStartedLine, TrialFinishedLine } from "../src/app/documents";

test("whatever is thrown is a problem", () => {
  expect(problemOf({ message: "m", hint: "h", detail: "d" })).toEqual({ message: "m", hint: "h", detail: "d" });
  expect(problemOf(new Error("m"))).toEqual({ message: "m", hint: "", detail: "" });
  expect(problemOf("text")).toEqual({ message: "text", hint: "", detail: "" });
});

test("the events of Rust have the members of the schema that Python exports", () => {
  type Names<T> = T extends { event?: infer Name } ? Name : never;
  expectTypeOf<Exclude<StreamEvent["event"], "unknown">>().toEqualTypeOf<NonNullable<Names<StreamLine>>>();
  type Of<Name> = keyof Extract<StreamEvent, { event: Name }>;
  expectTypeOf<Of<"stream_started">>().toEqualTypeOf<keyof StreamStartedLine>();
  expectTypeOf<Of<"run_started">>().toEqualTypeOf<keyof RunStartedLine>();
  expectTypeOf<Of<"trial_finished">>().toEqualTypeOf<keyof TrialFinishedLine>();
  expectTypeOf<Of<"run_finished">>().toEqualTypeOf<keyof RunFinishedLine>();
});

test("every command of the bridge is declared, allowed and handled in Rust", () => {
  const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
  const rust = (path: string): string => read(`../../src-tauri/${path}`);
  const called = [...read("../src/app/tauri_bridge.ts").matchAll(/invoke<[^(]+>\("(\w+)"/g)].map(([, name]) => name!).sort();
  const declared = [...rust("build.rs").matchAll(/^ {4}"(\w+)",$/gm)].map(([, name]) => name!);
  const handled = [...rust("src/lib.rs").matchAll(/commands::(\w+),/g)].map(([, name]) => name!);
  const allowed = (JSON.parse(rust("capabilities/main.json")) as { permissions: string[] }).permissions.filter((one) => one.startsWith("allow-")).map((one) => one.slice("allow-".length).replaceAll("-", "_"));
  expect([declared, handled, allowed].map((names) => [...names].sort())).toEqual([called, called, called]);
});
