import type { DrillReport, ReportStep } from '../report.ts';
import { html, type Html } from './html.ts';
import { sayDuration } from './words.ts';

/** `wide` has a column of names at the left; `narrow` is for phones and has the names above the bars. */
export type ChartForm = 'wide' | 'narrow';

interface Layout {
  readonly form: ChartForm;
  readonly width: number;
  /** Where time begins and ends. */
  readonly left: number;
  readonly right: number;
  readonly rowHeight: number;
  readonly x: (second: number) => number;
}

const barHeight = 14;
const headHeight = 30;
const axisHeight = 30;

/** The whole drill as one drawing: both Regions, the heartbeats and what was lost of them, every phase, the disaster. */
export function drawTimeline(report: DrillReport, form: ChartForm): Html {
  const layout = layoutFor(report, form);
  const rows = rowsFor(report, layout);
  const bottom = headHeight + rows.length * layout.rowHeight;
  const height = bottom + axisHeight;
  const hatch = `hatch-${form}`;
  return html`<svg
    class="chart ${form}"
    viewBox="0 0 ${layout.width} ${height}"
    role="img"
    aria-label="${describe(report)}"
  >
    <defs>
      <pattern id="${hatch}" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <path class="hatch-line" d="M0 0V7" />
      </pattern>
    </defs>
    ${axis(report, layout, bottom)}${killMark(report, layout, bottom)}${rows.map((row, i) => row(headHeight + i * layout.rowHeight))}
  </svg>`;
}

function layoutFor(report: DrillReport, form: ChartForm): Layout {
  const [width, left, right] = form === 'wide' ? [908, 236, 836] : [332, 2, 330];
  const end = Math.max(1, report.seconds);
  return {
    form,
    width,
    left,
    right,
    rowHeight: form === 'wide' ? 28 : 42,
    x: (second) => round(left + (Math.min(second, end) / end) * (right - left)),
  };
}

type Row = (top: number) => Html;

function rowsFor(report: DrillReport, layout: Layout): Row[] {
  const rows: Row[] = [
    regionRow(report, layout, 'primary'),
    regionRow(report, layout, 'standby'),
    ...(report.moments.writesBeganAt === undefined ? [] : [heartbeatRow(report, layout)]),
    ...report.steps.map((step) => stepRow(step, layout)),
  ];
  const { killedAt, recoveredAt } = report.moments;
  if (killedAt !== undefined && recoveredAt !== undefined)
    rows.push(recoveryRow(layout, killedAt, recoveredAt));
  return rows;
}

/** Name and figure of a row: beside the bar in the wide form, above it in the narrow one. */
function captions(
  layout: Layout,
  top: number,
  texts: { readonly name: string; readonly figure?: string | undefined; readonly kind?: 'soft' | 'gap-text' },
): Html {
  const y = layout.form === 'wide' ? top + 18 : top + 14;
  const name = clip(texts.name, layout.form === 'wide' ? 33 : 40);
  const figure =
    texts.figure !== undefined &&
    html`<text
      class="${texts.kind ?? 'soft'}"
      x="${layout.width - (layout.form === 'wide' ? 2 : 0)}"
      y="${y}"
      text-anchor="end"
      >${texts.figure}</text
    >`;
  return html`<text x="0" y="${y}">${name}</text>${figure}`;
}

const barTop = (layout: Layout, top: number) => top + (layout.form === 'wide' ? 7 : 21);

function regionRow(report: DrillReport, layout: Layout, place: 'primary' | 'standby'): Row {
  return (top) => {
    const y = barTop(layout, top);
    const off = place === 'primary' ? report.moments.killedAt : undefined;
    const end = layout.x(off ?? report.seconds);
    const name = `${report.regions[place]} · ${place}`;
    const dead =
      off !== undefined &&
      html`<rect
        x="${end}"
        y="${y}"
        width="${round(layout.right - end)}"
        height="${barHeight}"
        fill="url(#hatch-${layout.form})"
      />`;
    return html`${captions(layout, top, { name, figure: off === undefined ? 'up' : 'lost' })}<rect
        class="b-${place}"
        opacity=".28"
        x="${layout.left}"
        y="${y}"
        width="${round(end - layout.left)}"
        height="${barHeight}"
      />${dead}`;
  };
}

/** At most this many dots; beyond, every second, third … heartbeat is drawn. */
const maxDots = 90;

function heartbeatRow(report: DrillReport, layout: Layout): Row {
  const { writesBeganAt: from = 0, killedAt, recoveredCanaryAt } = report.moments;
  const until = killedAt ?? report.seconds;
  const room = Math.max(1, (layout.x(until) - layout.x(from)) / 6);
  const every = Math.max(1, Math.ceil((until - from) / Math.min(maxDots, room)));
  return (top) => {
    const y = barTop(layout, top);
    const dots: Html[] = [];
    for (let second = from; second <= until; second += every) {
      const kind = heartbeatKind(second, recoveredCanaryAt);
      dots.push(html`<circle class="${kind}" cx="${layout.x(second)}" cy="${y + barHeight / 2}" r="2" />`);
    }
    const isKnown = recoveredCanaryAt !== undefined && killedAt !== undefined;
    const gap =
      isKnown &&
      html`<rect
        class="gap"
        x="${layout.x(recoveredCanaryAt)}"
        y="${y - 2}"
        width="${Math.max(2, round(layout.x(killedAt) - layout.x(recoveredCanaryAt)))}"
        height="${barHeight + 4}"
        rx="3"
      />`;
    // Beside the row, because behind the disaster there may be no room, and before it are the dots.
    const unknown = killedAt === undefined ? undefined : 'unknown';
    const figure = isKnown ? `${sayDuration(killedAt - recoveredCanaryAt)} lost` : unknown;
    const kind = isKnown ? 'gap-text' : 'soft';
    return html`${captions(layout, top, { name: 'signed heartbeats', figure, kind })}${gap}${dots}`;
  };
}

/** Came back or lost; neither unless restored data that passed its checks told. */
function heartbeatKind(second: number, newest: number | undefined): string {
  if (newest === undefined) return 'canary-unknown';
  return second <= newest + 0.001 ? 'canary' : 'canary-lost';
}

function stepRow(step: ReportStep, layout: Layout): Row {
  return (top) => {
    const x = layout.x(step.beganAt);
    const width = Math.max(2, round(layout.x(step.beganAt + step.seconds) - x));
    const kind = step.ok ? step.place : 'failed';
    return html`${captions(layout, top, { name: step.ok ? step.name : `✕ ${step.name}`, figure: sayDuration(step.seconds) })}<rect
        class="b-${kind}"
        x="${x}"
        y="${barTop(layout, top)}"
        width="${width}"
        height="${barHeight}"
        rx="3"
      />`;
  };
}

function recoveryRow(layout: Layout, killedAt: number, recoveredAt: number): Row {
  return (top) => {
    const y = barTop(layout, top) + barHeight / 2;
    const [from, to] = [layout.x(killedAt), layout.x(recoveredAt)];
    const figure = sayDuration(recoveredAt - killedAt);
    const text = layout.form === 'wide' ? `${figure} to recover` : '';
    return html`${captions(layout, top, { name: 'disaster → validated data', figure: layout.form === 'narrow' ? figure : undefined })}<path
        class="span"
        d="M${from} ${y - 6}V${y + 6}M${from} ${y}H${to}M${to} ${y - 6}V${y + 6}"
      /><text class="span-text" ${placeAfter(layout, recoveredAt, { text, before: from })} y="${y + 5}"
        >${text}</text
      >`;
  };
}

/** A text behind a moment, or before it where there is no room. */
function placeAfter(
  layout: Layout,
  moment: number,
  { text, before }: { readonly text: string; readonly before: number },
): Html {
  const x = layout.x(moment);
  if (x + 8 + text.length * 8 <= layout.width) return html`x="${x + 8}"`;
  return html`x="${before - 8}" text-anchor="end"`;
}

function killMark(report: DrillReport, layout: Layout, bottom: number): Html | false {
  const { killedAt } = report.moments;
  if (killedAt === undefined) return false;
  const x = layout.x(killedAt);
  const text = layout.form === 'wide' ? `disaster: ${report.regions.primary} off` : 'disaster';
  const fits = x + text.length * 3.8 <= layout.width;
  return html`<line class="kill" x1="${x}" x2="${x}" y1="${headHeight - 8}" y2="${bottom}" /><text
      class="kill-text"
      x="${fits ? x : layout.width}"
      y="15"
      text-anchor="${fits ? 'middle' : 'end'}"
      >${text}</text
    >`;
}

const tickSteps = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400];

function axis(report: DrillReport, layout: Layout, bottom: number): Html {
  const most = layout.form === 'wide' ? 9 : 5;
  const every = tickSteps.find((step) => report.seconds / step <= most) ?? 86_400;
  const ticks: Html[] = [];
  for (let second = 0; second <= report.seconds; second += every) {
    const x = layout.x(second);
    const anchor = second === 0 ? 'start' : x > layout.width - 24 ? 'end' : 'middle';
    ticks.push(
      html`<line class="axis" x1="${x}" x2="${x}" y1="${headHeight}" y2="${bottom + 6}" /><text
          class="soft"
          x="${x}"
          y="${bottom + 22}"
          text-anchor="${anchor}"
          >${clock(second)}</text
        >`,
    );
  }
  return html`${ticks}`;
}

/** `75` → `1:15`. */
function clock(second: number): string {
  const minutes = Math.floor(second / 60);
  const [h, m] = [Math.floor(minutes / 60), minutes % 60];
  const tail = String(second % 60).padStart(2, '0');
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${tail}` : `${m}:${tail}`;
}

function describe(report: DrillReport): string {
  const { killedAt, recoveredAt } = report.moments;
  const disaster =
    killedAt === undefined ? 'no disaster took place' : `disaster after ${sayDuration(killedAt)}`;
  const back =
    recoveredAt === undefined ? 'not recovered' : `validated data after ${sayDuration(recoveredAt)}`;
  return `Timeline of ${sayDuration(report.seconds)} with ${report.steps.length} phases: ${disaster}, ${back}. The table below holds the same figures.`;
}

const round = (n: number) => Math.round(n * 10) / 10;
const clip = (text: string, length: number) =>
  text.length <= length ? text : `${text.slice(0, length - 1)}…`;
