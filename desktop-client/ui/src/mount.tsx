// The one entrance of the viewer, for the page and for the desktop client.
import { render } from "preact";
import { App } from "./app";
import { messageOf } from "./format";
import type { Host, Source } from "./source";
import { followAddress, language, t } from "./state";
import { startTheme } from "./theme";
import "./style.css";

/** Show the run of `source` inside of `element`; returns what removes it again. */
export async function mount(element: Element, source: Source, host: Host): Promise<() => void> {
  const ends = [followAddress()];
  if (!host.decidesLook) {
    language.value = navigator.language.startsWith("zh") ? "zh" : "en";
    ends.push(startTheme());
  }
  try {
    const index = await source.index();
    render(<App index={index} source={source} host={host} />, element);
  } catch (error) {
    render(<p class="note bad">{t("failed", { reason: messageOf(error) })}</p>, element);
  }
  return () => {
    render(null, element);
    for (const end of ends) end();
  };
}
