import { sayDuration } from './report/words.ts';

export interface StepDisplay {
  /** What the step is doing now; shown beside its name on a terminal. */
  update(text: string): void;
  done(ok: boolean, detail: string, seconds: number): void;
}

/** The live timeline: on a terminal the running steps are redrawn in place, elsewhere each step prints one line when it ends. */
export class Terminal {
  readonly #stream: NodeJS.WriteStream;
  readonly #running = new Map<string, { text: string; readonly begin: number }>();
  readonly #began = Date.now();
  #drawn = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  title(text: string): void {
    this.#print(`\n${this.#bold(this.#fit(text, 0))}`);
  }

  /** Broken between words; what follows stands below the line's first word. */
  line(text: string): void {
    for (const line of text.split('\n')) this.#print(this.#fit(line, /^ */.exec(line)?.[0].length ?? 0));
  }

  verbatim(lines: readonly string[]): void {
    this.#print(lines.join('\n'));
  }

  begin(name: string): StepDisplay {
    this.#running.set(name, { text: '', begin: Date.now() });
    if (this.#stream.isTTY && this.#timer === undefined) this.#timer = setInterval(() => this.#redraw(), 200);
    return {
      update: (text) => {
        const step = this.#running.get(name);
        if (step !== undefined) step.text = text;
      },
      done: (ok, detail, seconds) => {
        this.#running.delete(name);
        const at = `${((Date.now() - this.#began) / 1_000).toFixed(0)} s`.padStart(6);
        this.#print(
          `${at}  ${ok ? this.#color('32', '✓') : this.#color('31', '✗')} ${name}  ${this.#dim(sayDuration(seconds))}\n${this.#dim(this.#fit(`${' '.repeat(10)}${detail}`, 10))}`,
        );
        if (this.#running.size === 0) {
          clearInterval(this.#timer);
          this.#timer = undefined;
        }
      },
    };
  }

  close(): void {
    clearInterval(this.#timer);
    this.#erase();
  }

  #print(text: string): void {
    this.#erase();
    this.#stream.write(`${text}\n`);
    this.#redraw();
  }

  #redraw(): void {
    if (!this.#stream.isTTY) return;
    this.#erase();
    for (const [name, step] of this.#running) {
      const line = `        … ${name}  ${((Date.now() - step.begin) / 1_000).toFixed(0)} s  ${step.text}`;
      this.#stream.write(`${this.#dim(cut(line, (this.#stream.columns || 100) - 1))}\n`);
      this.#drawn += 1;
    }
  }

  #erase(): void {
    if (!this.#stream.isTTY) return;
    // From the first column, because the terminal itself writes `^C` where the cursor is.
    this.#stream.cursorTo(0);
    if (this.#drawn > 0) this.#stream.moveCursor(0, -this.#drawn);
    this.#stream.clearScreenDown();
    this.#drawn = 0;
  }

  /** Elsewhere than on a terminal a line stays one line, to be searched and cut by programs. */
  #fit(text: string, indent: number): string {
    return this.#stream.isTTY ? wrap(text, this.#stream.columns || 100, indent) : text;
  }

  #color(code: string, text: string): string {
    return this.#stream.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text;
  }

  #bold(text: string): string {
    return this.#color('1', text);
  }

  #dim(text: string): string {
    return this.#color('2', text);
  }
}

/** A line that is redrawn must not break: the cursor is moved back by lines. */
function cut(line: string, width: number): string {
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}

/** Breaks a line between words; every line but the first is indented. A word longer than the width stays whole. */
export function wrap(text: string, width: number, indent: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.trimStart().split(' ')) {
    if (line !== '' && indent + line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].map((one) => `${' '.repeat(indent)}${one}`).join('\n');
}
