import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import path from 'node:path';
import { HoldfastError } from '../errors.ts';

const tailLines = 20;
const maxLineLength = 2000;
const killAfterMs = 2000;
/** How long after its exit a program's pipes may stay open, when nobody reads them or something it started lives on. */
const drainMs = 1000;

export interface ChildOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly stdio: StdioOptions;
  readonly signal: AbortSignal;
  /** Called with each line of standard error, when that is a pipe. */
  readonly onErrorLine?: (line: string) => void;
  /** Text of the bytes of such a line. @default UTF-8 */
  readonly decode?: (bytes: Buffer) => string;
}

/** A running program with everything it started; killed as a group when the signal fires. */
export interface Child {
  readonly process: ChildProcess;
  readonly name: string;
  /** Resolves when the program has ended, as a rule after its pipes are read to their ends; never rejects. */
  readonly ended: Promise<ChildEnd>;
  /** The last lines of standard error so far. */
  errorTail(): string[];
  kill(): void;
}

export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly startError?: Error;
}

/** Starts a program in a process group of its own, so that what it starts ends with it. */
export function startChild(program: string, args: readonly string[], options: ChildOptions): Child {
  const process_ = spawn(program, args, { env: { ...options.env }, stdio: options.stdio, detached: true });
  const tail: string[] = [];
  if (process_.stderr !== null) {
    const onLine = (line: string) => {
      tail.push(line.slice(0, maxLineLength));
      if (tail.length > tailLines) tail.shift();
      options.onErrorLine?.(line);
    };
    eachLine(process_.stderr, onLine, options.decode);
  }
  // A child that died closes its end; the exit code tells why, so the broken pipe is no news.
  process_.stdin?.on('error', () => undefined);
  let killTimer: NodeJS.Timeout | undefined;
  const kill = () => {
    signalGroup(process_, 'SIGTERM');
    killTimer ??= setTimeout(() => signalGroup(process_, 'SIGKILL'), killAfterMs);
  };
  if (options.signal.aborted) kill();
  options.signal.addEventListener('abort', kill, { once: true });
  const ended = new Promise<ChildEnd>((resolve) => {
    process_.once('error', (startError) => resolve({ code: null, signal: null, startError }));
    process_.once('close', (code, signal) => resolve({ code, signal }));
    process_.once('exit', (code, signal) => setTimeout(() => resolve({ code, signal }), drainMs).unref());
  }).finally(() => {
    clearTimeout(killTimer);
    options.signal.removeEventListener('abort', kill);
  });
  return { process: process_, name: path.basename(program), ended, errorTail: () => [...tail], kill };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}

/** Calls back with each line of a text stream; very long lines are cut. */
export function eachLine(
  stream: NodeJS.ReadableStream,
  onLine: (line: string) => void,
  decode = (bytes: Buffer) => bytes.toString('utf8'),
): void {
  let rest = '';
  // A byte a character: no line feed is within a character of UTF-8.
  stream.setEncoding('latin1');
  const tell = (line: string) => onLine(decode(Buffer.from(line, 'latin1')));
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = (lines.pop() ?? '').slice(0, 100_000);
    for (const line of lines) tell(line);
  });
  stream.on('error', () => undefined);
  stream.on('end', () => {
    if (rest !== '') tell(rest);
  });
}

/** What a child that ended badly is reported as: its last words, never its arguments. */
export function toolFailed(name: string, end: ChildEnd, tail: readonly string[]): HoldfastError {
  if (end.startError !== undefined) {
    return new HoldfastError('TOOL_MISSING', `${name} could not be started: ${end.startError.message}`, {
      cause: end.startError,
    });
  }
  const how = end.signal === null ? `exit code ${end.code}` : `signal ${end.signal}`;
  const words = tail.length === 0 ? 'it said nothing' : tail.slice(-5).join(' / ');
  const full = tail.some((line) => /no space left on device/i.test(line));
  return new HoldfastError(full ? 'DISK_FULL' : 'TOOL_FAILED', `${name} ended with ${how}: ${words}`, {
    detail: { tool: name, exitCode: end.code, signal: end.signal, lastLines: tail },
  });
}
