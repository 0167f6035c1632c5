import { formatDuration } from '../core/plan/duration.ts';

/** How far something is; what is not known is left out. */
export interface ProgressState {
  readonly doing: string;
  readonly rows?: number;
  readonly bytes?: number;
  readonly bytesPerSecond?: number;
  /** 0 to 1. */
  readonly fraction?: number;
  readonly secondsLeft?: number;
}

/** One live line on a terminal; a line every ten seconds in a log. */
export interface Progress {
  update(state: ProgressState): void;
  /** A line of its own. */
  say(line: string): void;
  close(): void;
}

const logEveryMs = 10_000;
const drawEveryMs = 100;

export function openProgress(stream: NodeJS.WriteStream): Progress {
  const live = stream.isTTY === true;
  let shown = '';
  let lastAt = Date.now();
  const clear = () => {
    if (shown !== '') stream.write('\r\u001B[2K');
    shown = '';
  };
  return {
    update: (state) => {
      const now = Date.now();
      if (now - lastAt < (live ? drawEveryMs : logEveryMs)) return;
      lastAt = now;
      const line = describe(state);
      if (!live) {
        stream.write(`${line}\n`);
        return;
      }
      clear();
      shown = line.slice(0, Math.max(20, (stream.columns ?? 80) - 1));
      stream.write(shown);
    },
    say: (line) => {
      clear();
      stream.write(`${line}\n`);
    },
    close: clear,
  };
}

function describe(state: ProgressState): string {
  const parts = [
    state.fraction === undefined ? undefined : `${Math.floor(state.fraction * 100)} %`,
    state.rows === undefined ? undefined : `${formatCount(state.rows)} rows`,
    state.bytes === undefined ? undefined : formatBytes(state.bytes),
    // Nothing moves yet, or nobody can tell how fast.
    state.bytesPerSecond === undefined || state.bytesPerSecond === 0
      ? undefined
      : `${formatBytes(state.bytesPerSecond)}/s`,
    state.secondsLeft === undefined ? undefined : `${formatDuration(state.secondsLeft)} left`,
  ].filter((part) => part !== undefined);
  return `${state.doing}${parts.length > 0 ? `: ${parts.join(' · ')}` : ''}`;
}

/** `1234567` → `1 234 567` with narrow spaces that do not break. */
export function formatCount(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, '\u202F');
}

/** `1 object`, `2 objects`; a word whose plural is not made with an s comes with it. */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${formatCount(n)} ${n === 1 ? one : many}`;
}

/** What was stored apart, said so that nobody needs a glossary. */
export function formatItems(n: number): string {
  return `${counted(n, 'item')} (tables, and the definitions, sequences and rights beside them)`;
}

/** `1500000` → `1.5 MB`, as storage is billed. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? Math.round(value) : value.toFixed(value < 10 ? 1 : 0)} ${units[power]}`;
}

/** How long something took: tenths as long as they matter. */
export function formatSeconds(seconds: number): string {
  return seconds < 60 ? `${seconds.toFixed(1)} s` : formatDuration(seconds);
}
