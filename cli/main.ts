import fs from 'node:fs';
import { tuneMemoryForStreams } from '../core/stream-memory.ts';
import { HoldfastError } from '../core/errors.ts';
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
const program = createProgram();
endWhenNobodyReads();
try {
  await program.parseAsync(args, { from: 'user' });
} catch (error) {
  exitWithUsageError(error, { program, args });
}

/** A reader that has seen enough, as `head` has, is no failure; a disk that takes no more is. */
function endWhenNobodyReads(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    const code = error.code === 'ENOSPC' ? 'DISK_FULL' : 'INTERNAL';
    const failure = new HoldfastError(code, `cannot write to standard output: ${error.message}`, {
      hint: 'is there room where it is redirected to?',
      cause: error,
    });
    exitWithUsageError(failure, { program, args: [] });
    process.exit();
  });
  // There is nowhere left to say it.
  process.stderr.on('error', () => process.exit(1));
}
