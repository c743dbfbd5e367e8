// The state of the viewer that a link keeps, the language, and the theme.
import { computed, signal } from "@preact/signals";
import { en, type Key, zh } from "./dictionary";

export interface Route {
  view: string;
  /** What follows the view: the id of a trial. */
  name: string;
  values: URLSearchParams;
}

/** `#/trials?q=verdict:failed` */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view = "", ...rest] = path.split("/");
  return { view: view || "overview", name: decodeURIComponent(rest.join("/")), values: new URLSearchParams(query) };
}

export function link(view: string, name = "", values: Record<string, string> = {}): string {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "")).toString();
  return `#/${view}${name ? `/${encodeURIComponent(name)}` : ""}${query ? `?${query}` : ""}`;
}

export const route = signal<Route>(parseRoute(""));
export const language = signal<"en" | "zh">("en");

const dictionary = computed<Record<Key, string>>(() => (language.value === "zh" ? zh : en));

export function t(key: Key, values: Record<string, string | number> = {}): string {
  return dictionary.value[key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Change a value of the link without a new entry in the history. */
export function setValue(name: string, value: string): void {
  const values = new URLSearchParams(route.value.values);
  if (value === "") values.delete(name);
  else values.set(name, value);
  const found = link(route.value.view, route.value.name, Object.fromEntries(values));
  history.replaceState(null, "", found);
  route.value = { ...route.value, values };
}

/** Follow the address of the page; returns what ends that. */
export function followAddress(): () => void {
  const read = (): void => {
    route.value = parseRoute(location.hash);
  };
  read();
  addEventListener("hashchange", read);
  return () => removeEventListener("hashchange", read);
}
