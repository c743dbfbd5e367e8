import type { ViewerIndex } from "../types";
import { Section } from "../parts/basics";
import { link, t } from "../state";

/** Which causes were injected, and which were named. */
export function Causes({ index }: { index: ViewerIndex }) {
  const { attribution, confirmations, known_findings } = index.run;
  const injected = Object.keys(attribution.confusion);
  const named = [...new Set(Object.values(attribution.confusion).flatMap((row) => Object.keys(row)))].sort();
  return (
    <>
      <Section title={t("injectedNamed")}>
        {injected.length === 0 ? (
          <p>{t("nothing")}</p>
        ) : (
          <>
            <p>
              {t("attribution", {
                correct: attribution.correct,
                of: attribution.trials,
                wrong: attribution.wrong_and_certain,
                abstained: attribution.abstained,
              })}
            </p>
            <div class="scroll" tabIndex={0} role="region" aria-label={t("injectedNamed")}>
              <table class="grid">
                <thead>
                  <tr>
                    <th scope="col">
                      {t("injected")} ＼ {t("named")}
                    </th>
                    {named.map((cause) => (
                      <th scope="col" key={cause}>
                        {cause}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {injected.map((row) => (
                    <tr key={row}>
                      <th scope="row">{row}</th>
                      {named.map((cause) => {
                        const count = attribution.confusion[row]?.[cause];
                        const right = row.split(" + ").some((one) => cause.startsWith(one.split("/", 1)[0] ?? ""));
                        return (
                          <td key={cause} class={count ? (right ? "cell passed" : "cell inconclusive") : "empty"}>
                            {count ? <a href={link("trials", "", { q: `injected:"${row}" cause:"${cause}"` })}>{count}</a> : ""}
                          </td>
                        );
                      })}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </>
        )}
      </Section>
      {Object.keys(confirmations).length > 0 && (
        <Section title={t("confirmations")}>
          <ul>
            {Object.entries(confirmations).map(([status, count]) => (
              <li key={status}>
                {status.replaceAll("_", " ")}: {count}
              </li>
            ))}
          </ul>
        </Section>
      )}
      {known_findings.length > 0 && (
        <Section title={t("findings")}>
          <ul>
            {known_findings.map((finding) => (
              <li key={finding.id}>
                <b>{finding.id}</b>: {finding.summary} ({finding.reason}): {finding.trials.length}
              </li>
            ))}
          </ul>
        </Section>
      )}
    </>
  );
}
