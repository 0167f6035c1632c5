import type { DrillReport } from './report.ts';
import { escape, inWords } from './words.ts';

const width = 960;
const rowHeight = 30;
const top = 34;
const labelWidth = 250;

/** The drill drawn over time, a row a step: where it ran, the disaster as a line through all, and what was lost before it. */
export function drawTimeline(report: DrillReport): string {
  const total = Math.max(report.seconds, 1);
  const x = (at: number) => labelWidth + (at / total) * (width - labelWidth - 12);
  const height = top + report.steps.length * rowHeight + 30;
  const rows = report.steps.map((step, index) => {
    const y = top + index * rowHeight;
    const barWidth = Math.max(3, x(step.startSeconds + step.seconds) - x(step.startSeconds));
    const kind = step.ok ? step.where : 'failed';
    const end = x(step.startSeconds) + barWidth;
    const after = end < width - 70;
    return `<g><title>${escape(`${step.name}: ${step.detail}`)}</title>
      <text class="label" x="0" y="${y + 17}">${escape(shorten(step.name))}</text>
      <rect class="bar ${kind}" x="${x(step.startSeconds).toFixed(1)}" y="${y + 5}" width="${barWidth.toFixed(1)}" height="17" rx="3"/>
      <text class="time" x="${(after ? end + 6 : x(step.startSeconds) - 6).toFixed(1)}" y="${y + 18}" text-anchor="${after ? 'start' : 'end'}">${inWords(step.seconds)}</text></g>`;
  });
  return `<svg class="timeline" viewBox="0 0 ${width} ${height}" role="img" aria-label="Timeline of the drill">
    ${lostSpan(report, x, height)}${disasterLine(report, x, height)}${rows.join('\n')}${axis(total, x, height)}</svg>`;
}

function disasterLine(report: DrillReport, x: (at: number) => number, height: number): string {
  const at = report.moments.disaster;
  if (at === null) return '';
  return `<line class="disaster" x1="${x(at)}" x2="${x(at)}" y1="22" y2="${height - 24}"/>
    <text class="disaster-label" x="${x(at)}" y="15" text-anchor="middle">${escape(report.regions.primary)} off</text>`;
}

/** From the newest canary that was restored to the disaster: the data that is gone. */
function lostSpan(report: DrillReport, x: (at: number) => number, height: number): string {
  const { newestCanary, disaster } = report.moments;
  if (newestCanary === null || disaster === null || disaster <= newestCanary) return '';
  const w = Math.max(1.5, x(disaster) - x(newestCanary));
  return `<rect class="lost" x="${x(newestCanary)}" y="22" width="${w.toFixed(1)}" height="${height - 46}"><title>data written here was lost</title></rect>`;
}

function axis(total: number, x: (at: number) => number, height: number): string {
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_200, 3_600].find((s) => total / s <= 9) ?? 7_200;
  const ticks: string[] = [];
  for (let at = 0; at <= total; at += step) {
    ticks.push(`<text class="tick" x="${x(at)}" y="${height - 6}" text-anchor="middle">${inWords(at)}</text>
      <line class="grid" x1="${x(at)}" x2="${x(at)}" y1="${top}" y2="${height - 22}"/>`);
  }
  return ticks.join('');
}

const shorten = (name: string) => (name.length > 36 ? `${name.slice(0, 35)}…` : name);
