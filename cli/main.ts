import fs from 'node:fs';
import { tuneMemoryForStreams } from '../core/stream-memory.ts';
import { createProgram } from './program.ts';
import { exitWithUsageError } from './run-command.ts';

/** `holdfast.mjs` hands the arguments over by a pipe, so that no argument list shows a URL with its password. */
function readArguments(): string[] {
  const fd = process.env['HOLDFAST_ARGUMENTS_FD'];
  if (fd === undefined) return process.argv.slice(2);
  delete process.env['HOLDFAST_ARGUMENTS_FD'];
  return JSON.parse(fs.readFileSync(Number(fd), 'utf8')) as string[];
}

tuneMemoryForStreams();
const args = readArguments();
process.title = `holdfast ${args
  .slice(0, 2)
  .filter((word) => /^[a-z-]+$/.test(word))
  .join(' ')}`.trim();
try {
  await createProgram().parseAsync(args, { from: 'user' });
} catch (error) {
  exitWithUsageError(error, args);
}
