import { expect, test } from "vitest";
import { argumentsOf, choicesOf, commandOf, noChoices, possible } from "../src/app/choices";
import type { ProjectDescription } from "../src/app/documents";
import recorded from "../src/mock/run.json";

const PROJECT = recorded.description as unknown as ProjectDescription;

test("no choice is no argument", () => {
  expect(argumentsOf(noChoices(), PROJECT)).toEqual([]);
  expect(commandOf([])).toBe("pytest --execgo-matrix");
});

const CHOSEN = {
  ...noChoices(),
  scenarios: ["greeting"],
  chaos: ["none", "runtime_kill"],
  modes: ["live"],
  repetitions: "3",
  seed: "11",
  workers: "2",
  harness: "container",
  services: { execgo: "binary:/opt/exec go", runtime: "" },
  more: { "fail-if": "success_rate < 0.9\nfaults_not_fired > 0", model: "it's", record: "on", "share-reports": "" },
};

test("every choice is an argument", () => {
  const args = argumentsOf(CHOSEN, PROJECT);
  expect(args.slice(0, 8)).toEqual(["--scenario=greeting", "--mode=live", "--chaos=none", "--chaos=runtime_kill", "--repetitions=3", "--seed=11", "--harness=container", "--service=execgo=binary:/opt/exec go"]);
  expect(args).toContain("--fail-if=success_rate < 0.9");
  expect(args).toContain("--fail-if=faults_not_fired > 0");
  expect(args).toContain("--record");
  expect(args.at(-1)).toBe("--workers=2");
});

test("a preset gives the same choices back", () => {
  const args = argumentsOf(CHOSEN, PROJECT);
  expect(argumentsOf(choicesOf(args, PROJECT), PROJECT)).toEqual(args);
  expect(choicesOf([], PROJECT)).toEqual(noChoices());
});

test("options for live runs are left out where no model is asked", () => {
  expect(argumentsOf({ ...CHOSEN, modes: ["replay"] }, PROJECT).filter((one) => /model|record/.test(one))).toEqual([]);
});

test("what a project does not have is not chosen", () => {
  const chosen = { ...noChoices(), scenarios: ["greeting", "gone"], frameworks: ["langgraph"], chaos: ["gone"] };
  const found = possible(chosen, PROJECT);
  expect([found.scenarios, found.frameworks, found.chaos]).toEqual([["greeting"], [], ["none"]]);
});

test("all profiles are one word", () => {
  const all = PROJECT.profiles.map((one) => one.id);
  const args = argumentsOf({ ...noChoices(), chaos: all }, PROJECT);
  expect(args).toEqual(["--chaos=all"]);
  expect(choicesOf(args, PROJECT).chaos).toEqual(all);
});

test("the command for a terminal is quoted", () => {
  expect(commandOf(["--scenario=a", "--fail-if=x < 1", "--model=it's", "--record", "--workers=2"])).toBe(`pytest --execgo-matrix --execgo-scenario a --execgo-fail-if 'x < 1' --execgo-model 'it'"'"'s' --execgo-record -n 2`);
});
