import type { JobProgress, JobStep } from '../catalog/job.ts';
import type { EngineProgress } from '../engines/engine.ts';

/** The rate is taken over this long: short enough to follow a change, long enough not to jump. */
const windowSeconds = 10;
const maxCurrent = 8;
/** A rate over less than this, and a rest that is reckoned from less than this share, are wrong by days. */
const settled = { seconds: 2, fraction: 0.01 };

/** Turns what an engine says into what a person wants to know: how fast, how far, how long still. */
export class ProgressMeter {
  readonly #now: () => Date;
  readonly #samples: { readonly at: number; readonly bytes: number }[] = [];
  readonly #stored = new Map<string, number>();
  #engine: EngineProgress | undefined;
  #fraction = 0;
  #step: JobStep;

  constructor(now: () => Date, step: JobStep) {
    this.#now = now;
    this.#step = step;
  }

  /** What is done from now on. */
  enter(step: JobStep): void {
    this.#step = step;
  }

  report(progress: EngineProgress): void {
    this.#engine = progress;
    const at = this.#now().getTime();
    const last = this.#samples.at(-1);
    // Engines report more often than anybody looks: ten samples a second are plenty.
    if (last === undefined || at - last.at >= 100) this.#samples.push({ at, bytes: progress.bytes });
    while ((this.#samples[1]?.at ?? at) < at - windowSeconds * 1000) this.#samples.shift();
  }

  /** Running total of one object's stored bytes. */
  reportStored(item: string, storedBytes: number): void {
    this.#stored.set(item, storedBytes);
  }

  /** `undefined` until there is something to say. */
  snapshot(): JobProgress | undefined {
    const engine = this.#engine;
    const now = this.#now();
    if (engine === undefined) return this.#step === 'check objects' ? nothingYet(this.#step, now) : undefined;
    const [first] = this.#samples;
    const seconds = first === undefined ? 0 : (now.getTime() - first.at) / 1000;
    const rate = seconds >= settled.seconds ? Math.max(0, (engine.bytes - (first?.bytes ?? 0)) / seconds) : 0;
    // Estimates grow while the job runs; a bar that goes backwards helps nobody.
    const estimated = engine.estimatedBytes > 0 ? Math.min(1, engine.bytes / engine.estimatedBytes) : 0;
    this.#fraction = Math.max(this.#fraction, estimated);
    const left = Math.max(0, engine.estimatedBytes - engine.bytes);
    return {
      step: this.#step,
      itemsDone: engine.itemsDone,
      itemsTotal: engine.itemsTotal,
      rows: engine.rows,
      bytes: engine.bytes,
      storedBytes: [...this.#stored.values()].reduce((sum, bytes) => sum + bytes, 0),
      bytesPerSecond: Math.round(rate),
      fraction: this.#fraction,
      ...(rate > 0 && estimated >= settled.fraction && { secondsLeft: Math.round(left / rate) }),
      current: engine.current.slice(0, maxCurrent),
      at: now.toISOString(),
    };
  }
}

/** Objects of a big point take minutes to check, and nobody should take the task for one that has not started. */
function nothingYet(step: JobStep, now: Date): JobProgress {
  const none = { itemsDone: 0, itemsTotal: 0, rows: 0, bytes: 0, storedBytes: 0, bytesPerSecond: 0 };
  return { step, ...none, fraction: 0, current: [], at: now.toISOString() };
}
