// Light or dark: as the system asks, until the reader chooses.
import { effect, signal } from "@preact/signals";

export const dark = signal(false);

export function startTheme(): () => void {
  dark.value = matchMedia("(prefers-color-scheme: dark)").matches;
  return effect(() => {
    document.documentElement.dataset["theme"] = dark.value ? "dark" : "light";
  });
}
