import { createProgram } from '../program.ts';

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command in this process, with its environment: a process of its own takes most of a second to load the AWS SDK. One at
 * a time, for what it writes is caught at the streams.
 */
export async function runHere(words: string): Promise<Said> {
  const said = { stdout: '', stderr: '' };
  const streams = ['stdout', 'stderr'] as const;
  const writes = streams.map((name) => process[name].write);
  for (const name of streams)
    process[name].write = (text: string | Uint8Array) => {
      said[name] += text.toString();
      return true;
    };
  const before = process.exitCode;
  try {
    await createProgram().parseAsync(words.split(' '), { from: 'user' });
    return { ...said, code: Number(process.exitCode ?? 0) };
  } finally {
    process.exitCode = before;
    streams.forEach((name, index) => (process[name].write = writes[index]!));
  }
}
