import type { DrillReport } from './report.ts';
import { pageStyle } from './style.ts';
import { drawTimeline } from './timeline.ts';
import { bytesInWords, count, escape, inWords } from './words.ts';

/** One page without scripts or network: the verdict first, then how it came about, then what it does not prove. */
export function renderReport(report: DrillReport): string {
  const title = report.ok ? 'Drill passed' : 'Drill failed';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}: ${escape(report.source.id)}</title><style>${pageStyle}</style></head>
<body class="${report.ok ? 'passed' : 'failed'}"><main>
${header(report, title)}
${figures(report)}
<section><h2>What happened</h2><div class="scroll">${drawTimeline(report)}</div>${legend(report)}${steps(report)}</section>
${recovery(report)}
${lost(report)}
${checks(report)}
<section><h2>What this drill does not show</h2><ul>${[...report.notMeasured, ...report.notShown].map((text) => `<li>${escape(text)}</li>`).join('')}</ul></section>
<footer>Holdfast drill of ${escape(report.startedAt.replace('T', ' ').slice(0, 19))} UTC, ${inWords(report.seconds)} in all${report.recoveryPointId === null ? '' : `, recovery point ${escape(report.recoveryPointId)}`}</footer>
</main></body></html>
`;
}

function header(report: DrillReport, title: string): string {
  const { primary, standby } = report.regions;
  return `<header><p class="verdict">${title}</p><h1>${escape(verdict(report))}</h1>
<p class="sub">${escape(report.source.description)} (${bytesInWords(report.source.bytes)}) was backed up in ${escape(primary)} and copied to ${escape(standby)}; then ${escape(primary)} was switched off.</p>
${problem(report)}</header>`;
}

/** The sentence that a person who reads nothing else should take away. */
export function verdict(report: DrillReport): string {
  const { measured, objectives } = report;
  if (report.problem !== null && measured.rtoSeconds === null) return 'The database was not recovered.';
  if (measured.rtoSeconds === null) return 'The drill did not get to a validated database.';
  const back = `Recovered in ${inWords(measured.rtoSeconds)} of the ${inWords(objectives.rtoSeconds)} promised`;
  if (measured.rpoSeconds === null) return `${back}.`;
  return `${back}; ${inWords(measured.rpoSeconds)} of data lost, at most ${inWords(objectives.rpoSeconds)} promised.`;
}

function problem(report: DrillReport): string {
  if (report.problem === null) return '';
  const { code, message, hint } = report.problem;
  const advice = hint === undefined ? '' : `<p>What to look at: ${escape(hint)}</p>`;
  return `<div class="problem"><strong>${escape(code)}</strong><pre>${escape(message)}</pre>${advice}</div>`;
}

function figures(report: DrillReport): string {
  const { measured, objectives } = report;
  const figure = (name: string, value: number | null, limit: number) => {
    const state = value === null ? 'unknown' : value <= limit ? 'held' : 'broken';
    const part = value === null ? 0 : Math.min(100, (value / limit) * 100);
    return `<div class="figure ${state}"><p class="name">${name}</p><p class="value">${value === null ? 'not measured' : inWords(value)}</p>
<div class="meter"><span style="width:${Math.max(1.5, part).toFixed(1)}%"></span></div><p class="limit">objective: ${inWords(limit)}</p></div>`;
  };
  const stored = measured.storedBytes === null ? 'nothing' : bytesInWords(measured.storedBytes);
  const rows =
    measured.rows === null
      ? ''
      : `${count(measured.rows)} rows, ${measured.bytes === null ? '' : bytesInWords(measured.bytes)}`;
  return `<section class="figures">${figure('Time to recover (RTO)', measured.rtoSeconds, objectives.rtoSeconds)}
${figure('Data lost (RPO)', measured.rpoSeconds, objectives.rpoSeconds)}
<div class="figure held"><p class="name">In the vault</p><p class="value">${stored}</p><p class="limit">${rows}, encrypted, in both Regions</p></div></section>`;
}

function legend(report: DrillReport): string {
  const { primary, standby } = report.regions;
  return `<p class="legend"><span class="primary">${escape(primary)}</span><span class="standby">${escape(standby)}</span><span class="both">both</span>${report.moments.newestCanary === null ? '' : '<span class="lost">written here and lost</span>'}</p>`;
}

function steps(report: DrillReport): string {
  const rows = report.steps.map(
    (step) =>
      `<tr><td class="mark">${mark(step.ok)}</td><td>${escape(step.name)}<small>${escape(step.detail)}</small></td><td class="number">${inWords(step.seconds)}</td></tr>`,
  );
  return `<table><tbody>${rows.join('')}</tbody></table>`;
}

function recovery(report: DrillReport): string {
  if (report.recovery.length === 0) return '';
  const total = report.recovery.reduce((sum, phase) => sum + phase.seconds, 0);
  const rows = report.recovery.map(
    (phase) =>
      `<tr><td>${escape(phase.name)}</td><td class="share"><span style="width:${((phase.seconds / Math.max(total, 0.001)) * 100).toFixed(1)}%"></span></td><td class="number">${inWords(phase.seconds)}</td></tr>`,
  );
  return `<section><h2>What the recovery time is made of</h2><table><tbody>${rows.join('')}</tbody></table></section>`;
}

function lost(report: DrillReport): string {
  const { acknowledged, missing } = report.lost;
  if (acknowledged === 0) return '';
  const text =
    missing === 0
      ? `All ${count(acknowledged)} orders whose commit had been answered are there.`
      : `Of ${count(acknowledged)} orders whose commit had been answered, ${count(missing)} came after the newest recovery point and are gone. A shorter interval between backups loses less.`;
  return `<section><h2>What was lost</h2><p>${text}</p></section>`;
}

function checks(report: DrillReport): string {
  if (report.checks.length === 0) return '';
  const rows = report.checks.map(
    (check) =>
      `<tr><td class="mark">${mark(check.ok)}</td><td>${escape(check.name)}<small>${escape(check.detail)}</small></td></tr>`,
  );
  return `<section><h2>Checks on the restored data</h2><table><tbody>${rows.join('')}</tbody></table></section>`;
}

const mark = (ok: boolean) =>
  ok ? '<span class="yes" aria-label="held">✓</span>' : '<span class="no" aria-label="failed">✗</span>';
