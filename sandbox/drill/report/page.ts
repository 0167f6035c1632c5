import type { DrillReport } from '../report.ts';
import { html, Html } from './html.ts';
import { prose } from './prose.ts';
import { style } from './style.ts';
import { drawTimeline } from './timeline.ts';
import {
  aloneCheck,
  sabotageStep,
  sandboxLimits,
  sayBytes,
  sayCount,
  sayDuration,
  sayLoss,
  sayRecovery,
  sayVerdict,
} from './words.ts';

/** One page that needs no network, no script and no explanation; the verdict comes first. */
export function renderReport(report: DrillReport): string {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>
          ${report.ok ? 'Drill passed' : 'Drill failed'}: ${report.source.name},
          ${report.startedAt.slice(0, 10)}
        </title>
        <style>
          ${new Html(style)}
        </style>
      </head>
      <body class="${report.ok ? 'passed' : 'failed'}">
        <main>
          ${verdict(report)}${figures(report)}${timeline(report)}${phases(report)}${loss(report)}${checks(report)}${points(report)}${limits(report)}${footer(report)}
        </main>
      </body>
    </html> `;
  return page.markup;
}

function verdict(report: DrillReport): Html {
  const began = report.startedAt.slice(0, 16).replace('T', ' ');
  return html`<header><p class="brand">Holdfast · disaster drill · ${began} UTC</p></header>
    <div class="verdict">
      <span class="badge">${report.ok ? '✓ Passed' : '✕ Failed'}</span>
      <h1>${sayVerdict(report).replace(report.ok ? '' : /\.$/, '')}</h1>
      <p class="sub">${prose(`${scene(report)} ${whatHappened(report)}`, report)}</p>
      ${!report.ok && reason(report)}
    </div>`;
}

/** Everything that went wrong: the failure, every check that did not hold, and what was measured all the same. */
function reason(report: DrillReport): Html {
  const { failure } = report;
  const broken = report.checks.filter(({ ok }) => !ok);
  // Checks that did not hold say more than the message that counts them.
  const counted = failure?.code === 'CHECK_FAILED' && broken.length > 0;
  const told = counted ? [] : [failure?.message ?? (broken.length > 0 ? '' : 'an objective was not met')];
  const listed = broken.map(({ name, detail }) => html`<li>${prose(`${name}: ${detail}`, report)}</li>`);
  const why = html`${told.filter((text) => text !== '').map((text) => html`<p>${prose(capital(text), report)}</p>`)}${
    listed.length > 0 &&
    html`<ul>
      ${listed}
    </ul>`
  }`;
  const recovery = sayRecovery(report);
  const purpose = report.steps.some(({ name }) => name.startsWith(sabotageStep));
  return html`<div class="reason">
    <strong>Why it did not pass${failure !== undefined && `: ${failure.step}`}</strong>
    ${why}${failure?.hint !== undefined && html`<p>${capital(failure.hint)}</p>`}${recovery !== '' && html`<p>${recovery}</p>`}${purpose && html`<p>Faults were made on purpose (--sabotage), to see that the drill notices them.</p>`}${failure !== undefined && html`<p><code>${failure.code}</code></p>`}
  </div>`;
}

function scene({ source }: DrillReport): string {
  const size = source.databaseBytes === null ? '' : ` of ${sayBytes(source.databaseBytes)}`;
  const server = source.server ?? 'A PostgreSQL';
  return source.kind === 'workload'
    ? `${server}: a shop database${size}, written to until the last moment.`
    : `${server}: the database ${source.name}${size}, read and never written.`;
}

function whatHappened({ moments, regions, source, checks }: DrillReport): string {
  if (moments.killedAt === undefined)
    return `It was to be backed up in ${regions.primary} and recovered in ${regions.standby}.`;
  const database =
    source.kind === 'workload' ? ' and the database destroyed' : '; your database itself was not touched';
  const alone = checks.find(({ name }) => name === aloneCheck(regions.primary));
  const after =
    alone?.ok === true
      ? `everything after that happened in ${regions.standby} alone (${alone.detail})`
      : `everything after that was to happen in ${regions.standby} alone`;
  return `The ${regions.primary} Region was switched off${database}; ${after}.`;
}

function figures(report: DrillReport): Html {
  const { measured, objectives, lost } = report;
  const orders =
    lost.missing === null || lost.acknowledged === null
      ? { value: 'not measured', note: '' }
      : {
          value: sayCount(lost.missing),
          note: `${report.missingRanges.length === 1 ? 'the newest ' : ''}of ${sayCount(lost.acknowledged)} that were confirmed`,
        };
  return html`<dl class="facts">
    ${objective('Time to recover (RTO)', measured.rtoSeconds, objectives.rtoSeconds)}
    ${objective('Data lost (RPO)', measured.rpoSeconds, objectives.rpoSeconds)}
    <div class="fact">
      <dt>Orders lost</dt>
      <dd>
        <div class="value">${orders.value}</div>
        <div class="note">${orders.note}</div>
      </dd>
    </div>
    <div class="fact">
      <dt>Restored</dt>
      <dd>
        <div class="value">${measured.bytes === null ? 'nothing' : sayBytes(measured.bytes)}</div>
        <div class="note">
          ${measured.rows !== null && `${sayCount(measured.rows)} rows`}${measured.storedBytes !== null && `, from ${sayBytes(measured.storedBytes)} in the vault`}
        </div>
      </dd>
    </div>
  </dl>`;
}

function objective(name: string, measured: number | null, promised: number): Html {
  if (measured === null) {
    return html`<div class="fact">
      <dt>${name}</dt>
      <dd>
        <div class="value">not measured</div>
        <div class="note">promised: ${sayDuration(promised)}</div>
      </dd>
    </div>`;
  }
  const share = measured / promised;
  const over = share > 1;
  const percent = share < 0.01 ? 'under 1' : sayCount(share * 100);
  return html`<div class="fact"><dt>${name}</dt><dd><div class="value${over ? ' bad-text' : ''}">${sayDuration(measured)}</div><div class="meter"><i${over ? new Html(' class="over"') : ''} style="width:${Math.min(100, share * 100).toFixed(2)}%"></i></div><div class="note">${percent} % of the ${sayDuration(promised)} promised</div></dd></div>`;
}

function timeline(report: DrillReport): Html {
  const key = (place: string, text: string) => html`<span><i class="dot ${place}"></i>${text}</span>`;
  return html`<section>
    <h2>What happened when</h2>
    ${drawTimeline(report, 'wide')}${drawTimeline(report, 'narrow')}
    <p class="key">
      ${key('primary', `in ${report.regions.primary}`)}${key('standby', `in ${report.regions.standby}`)}${key('both', 'in both Regions')}${key('here', 'on this machine')}
    </p>
  </section>`;
}

const mark = (ok: boolean) =>
  ok
    ? html`<td class="mark yes" aria-label="held">✓</td>`
    : html`<td class="mark no" aria-label="failed">✕</td>`;

function phases(report: DrillReport): Html {
  const { regions } = report;
  const places = {
    primary: regions.primary,
    standby: regions.standby,
    both: 'both Regions',
    here: 'this machine',
  };
  const rows = report.steps.map(
    (step) =>
      html`<tr>
        ${mark(step.ok)}
        <td>${step.name}</td>
        <td class="n">${sayDuration(step.seconds)}</td>
        <td class="n began">${sayDuration(step.beganAt)}</td>
        <td class="where"><i class="dot ${step.place}"></i>${places[step.place]}</td>
        <td class="detail">${prose(step.detail, report)}</td>
      </tr>`,
  );
  return html`<section>
    <h2>Phases</h2>
    <table class="phases">
      <thead>
        <tr>
          <th></th>
          <th>Phase</th>
          <th class="n">Took</th>
          <th class="n">Began after</th>
          <th>Where</th>
          <th>What came of it</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </section>`;
}

function loss(report: DrillReport): Html {
  const sentences = sayLoss(report);
  const rest =
    report.notMeasured.length > 0 &&
    html`<p>Not measured in this drill:</p>
      <ul>
        ${report.notMeasured.map((line) => html`<li>${line}</li>`)}
      </ul>`;
  const unchecked =
    report.notChecked.length > 0 &&
    html`<p>Not checked in the restored data:</p>
      <ul>
        ${report.notChecked.map((line) => html`<li>${line}</li>`)}
      </ul>`;
  return html`<section>
    <h2>What was lost</h2>
    ${sentences.map((sentence) => html`<p>${sentence}</p>`)}${rest}${unchecked}
  </section>`;
}

function checks(report: DrillReport): Html | false {
  if (report.checks.length === 0) return false;
  const failed = report.checks.filter(({ ok }) => !ok).length;
  const held =
    failed === 0 ? `All ${report.checks.length} held.` : `${failed} of ${report.checks.length} did not hold.`;
  // What failed is what a reader looks for.
  const ordered = [...report.checks].sort((a, b) => Number(a.ok) - Number(b.ok));
  return html`<section>
    <h2>Checks</h2>
    <p>${held}</p>
    <table class="checks">
      <tbody>
        ${ordered.map(
          (check) =>
            html`<tr>
              ${mark(check.ok)}
              <td>${prose(check.name, report)}</td>
              <td class="detail">${prose(check.detail, report)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}

function points(report: DrillReport): Html | false {
  if (report.recoveryPoints.length === 0) return false;
  const rows = report.recoveryPoints.map(
    (point) =>
      html`<tr>
        <td><code>${point.id}</code></td>
        <td class="n">${sayDuration(point.finishedAt)}</td>
        <td class="n">${sayCount(point.rows)}</td>
        <td class="n">${sayBytes(point.bytes)}</td>
        <td class="n">${sayBytes(point.storedBytes)}</td>
        <td>${point.usedFor}</td>
      </tr>`,
  );
  return html`<section>
    <h2>Recovery points</h2>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>Id</th>
            <th class="n">Finished after</th>
            <th class="n">Rows</th>
            <th class="n">Data</th>
            <th class="n">Stored</th>
            <th>Used for</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
  </section>`;
}

function limits(report: DrillReport): Html {
  return html`<section>
    <h2>What this drill cannot show</h2>
    <p>
      It ran the deployed application against a local AWS on one machine (${report.machine}). In a real
      account these differ:
    </p>
    <ul>
      ${sandboxLimits.map((line) => html`<li>${line}</li>`)}
    </ul>
  </section>`;
}

function footer(report: DrillReport): Html {
  return html`<footer>
    <p>
      The drill took ${sayDuration(report.seconds)}. The same figures for programs: report.json beside this
      file.
    </p>
  </footer>`;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
