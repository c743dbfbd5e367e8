// The choices of *Compose*, and the arguments that they stand for. What can be chosen comes from
// `describe --json`.
import type { ProjectDescription } from "./documents";

export interface Choices {
  /** None stands for all. */
  scenarios: string[];
  /** None stands for those that are installed. */
  frameworks: string[];
  modes: string[];
  chaos: string[];
  repetitions: string;
  seed: string;
  workers: string;
  harness: string;
  /** `NAME=KIND[:TARGET]`, by name. */
  services: Record<string, string>;
  /** Texts of further options, by their word: `provider`, `fail-if`, … */
  more: Record<string, string>;
}

export function noChoices(): Choices {
  return { scenarios: [], frameworks: [], modes: ["replay"], chaos: ["none"], repetitions: "1", seed: "", workers: "", harness: "", services: {}, more: {} };
}

/** Options with controls of their own; the others are in the list of further options. */
export const WITH_CONTROLS = new Set(["scenario", "framework", "mode", "chaos", "repetitions", "seed", "harness", "service"]);
/** Options that make no sense in a run that is composed: they choose what another run has chosen. */
export const NOT_COMPOSED = new Set(["resume", "replay", "yes", "request", "shard", "shard-weights", "scenarios", "reports"]);

/** The arguments of `python -m pytest_execgo run`. Defaults are left out. */
export function argumentsOf(choices: Choices, project: ProjectDescription): string[] {
  const found: string[] = [];
  const many = (word: string, values: readonly string[]): void => {
    for (const value of values) found.push(`--${word}=${value}`);
  };
  const one = (word: string, value: string, standard = ""): void => {
    const text = value.trim();
    if (text !== "" && text !== standard) found.push(`--${word}=${text}`);
  };
  many("scenario", choices.scenarios);
  many("framework", choices.frameworks);
  if (choices.modes.join() !== "replay") many("mode", choices.modes);
  if (choices.chaos.join() !== "none") many("chaos", project.profiles.every((one) => choices.chaos.includes(one.id)) ? ["all"] : choices.chaos);
  one("repetitions", choices.repetitions, "1");
  one("seed", choices.seed);
  one("harness", choices.harness, project.harnesses[0]);
  for (const [name, launcher] of Object.entries(choices.services)) one("service", launcher.trim() && `${name}=${launcher.trim()}`);
  const live = choices.modes.includes("live");
  for (const option of project.options) {
    if (option.live_only && !live) continue;
    const text = choices.more[option.word] ?? "";
    if (option.kind === "flag") {
      if (text === "on") found.push(`--${option.word}`);
    } else if (option.kind === "many") {
      for (const line of text.split("\n")) one(option.word, line);
    } else {
      one(option.word, text);
    }
  }
  one("workers", choices.workers);
  return found;
}

/** The choices without what a project does not have. */
export function possible(choices: Choices, project: ProjectDescription): Choices {
  const within = (chosen: readonly string[], names: readonly string[]): string[] => chosen.filter((one) => names.includes(one));
  const chaos = within(choices.chaos, project.profiles.map((one) => one.id));
  return {
    ...choices,
    scenarios: within(choices.scenarios, project.scenarios.map((one) => one.id)),
    frameworks: within(choices.frameworks, project.frameworks.filter((one) => one.install === null).map((one) => one.name)),
    chaos: chaos.length > 0 ? chaos : ["none"],
  };
}

/** The choices that arguments stand for, such as those of a preset. */
export function choicesOf(args: readonly string[], project: ProjectDescription): Choices {
  const found: Choices = { ...noChoices(), modes: [], chaos: [] };
  const options = new Map(project.options.map((option) => [option.word, option]));
  for (const argument of args) {
    const [, word = "", value = ""] = /^--([^=]+)(?:=([\s\S]*))?$/.exec(argument) ?? [];
    if (word === "scenario") found.scenarios.push(value);
    else if (word === "framework") found.frameworks.push(value);
    else if (word === "mode") found.modes.push(value);
    else if (word === "chaos") found.chaos.push(...(value === "all" ? project.profiles.map((one) => one.id) : [value]));
    else if (word === "repetitions" || word === "seed" || word === "workers" || word === "harness") found[word] = value;
    else if (word === "service") {
      const [name = "", launcher = ""] = value.split(/=(.*)/s);
      found.services[name] = launcher;
    } else if (options.has(word)) {
      const kind = options.get(word)?.kind;
      const before = found.more[word];
      found.more[word] = kind === "flag" ? "on" : kind === "many" && before ? `${before}\n${value}` : value;
    }
  }
  if (found.modes.length === 0) found.modes = ["replay"];
  if (found.chaos.length === 0) found.chaos = ["none"];
  return found;
}

/** The same run as a command for a terminal. */
export function commandOf(args: readonly string[]): string {
  const words = args.map((argument) => {
    const [, word = "", value] = /^--([^=]+)(?:=([\s\S]*))?$/.exec(argument) ?? [];
    if (word === "workers") return `-n ${quoted(value ?? "")}`;
    return value === undefined ? `--execgo-${word}` : `--execgo-${word} ${quoted(value)}`;
  });
  return ["pytest --execgo-matrix", ...words].join(" ");
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}
