// Where the viewer gets its documents from: the pieces of index.html, or the bridge of the desktop client.
import type { ViewerIndex, ViewerTrial } from "./types";

export interface Source {
  index(): Promise<ViewerIndex>;
  trial(id: string): Promise<ViewerTrial>;
  /** The trial of the same id in a run of `index.compared`, by its place there. */
  otherTrial(run: number, id: string): Promise<ViewerTrial>;
}

/** What the shell around the viewer can do. A page can do nothing of it. */
export interface Host {
  /** The shell chooses language and theme. */
  decidesLook?: boolean;
  /** Run the trials of a rerun command again. */
  rerun?: (command: string) => void;
  /** Open the folder with the record of a trial. */
  openRecord?: (trial: string) => void;
  /** Write the page anew with room for the details of more trials, in MiB. */
  enlarge?: (mib: number) => void;
}

/** The documents inside of a page: gzip in base64, in elements with the attribute data-piece. */
export class PageSource implements Source {
  private readonly pieces = new Map<string, string>();

  constructor(page: Document) {
    for (const element of page.querySelectorAll("script[data-piece]")) {
      this.pieces.set(element.getAttribute("data-piece") ?? "", element.textContent ?? "");
    }
  }

  index(): Promise<ViewerIndex> {
    return this.read<ViewerIndex>("index");
  }

  trial(id: string): Promise<ViewerTrial> {
    return this.read<ViewerTrial>(id);
  }

  otherTrial(run: number, id: string): Promise<ViewerTrial> {
    return this.read<ViewerTrial>(`${run}/${id}`);
  }

  private async read<T>(name: string): Promise<T> {
    const piece = this.pieces.get(name);
    if (piece === undefined) throw new Error(`no piece ${name}`);
    return JSON.parse(await inflated(piece)) as T;
  }
}

export async function inflated(base64: string): Promise<string> {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}
