import { type Command, CommanderError } from 'commander';
import { type ErrorCode, errorCatalogue, HoldfastError, isHoldfastError } from '../core/errors.ts';
import { openProgress, type Progress } from './progress.ts';
import { usageError } from './usage-error.ts';

/** What a command has to say: one JSON document for `--json`, or text for people. */
export interface CommandResult {
  readonly json: unknown;
  readonly text: string;
  /** @default 0 */
  readonly exitCode?: number;
}

export interface CommandContext {
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** To stderr; never a secret. */
  warn(message: string): void;
}

export interface CommonOptions {
  readonly json?: boolean;
}

const interrupted = { SIGINT: 130, SIGTERM: 143 } as const;

/** Runs a command to its end: prints the result to stdout, everything else to stderr, and sets the exit code. */
export async function runCommand(
  options: CommonOptions,
  work: (context: CommandContext) => Promise<CommandResult>,
): Promise<void> {
  const abort = new AbortController();
  const progress = openProgress(process.stderr);
  let stoppedBy: keyof typeof interrupted | undefined;
  let stoppedAt = 0;
  const stop = (signal: keyof typeof interrupted) => {
    // The wrapper may hand on a signal that the terminal already delivered.
    if (stoppedBy !== undefined && Date.now() - stoppedAt > 1000) process.exit(interrupted[stoppedBy]);
    if (stoppedBy !== undefined) return;
    [stoppedBy, stoppedAt] = [signal, Date.now()];
    progress.say('stopping; press Ctrl-C again to stop at once');
    abort.abort(new HoldfastError('JOB_ABORTED', `stopped by ${signal}`));
  };
  const onInterrupt = () => stop('SIGINT');
  const onTerminate = () => stop('SIGTERM');
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onTerminate);
  const warn = (message: string) => progress.say(`warning: ${message}`);
  try {
    const result = await work({ signal: abort.signal, progress, warn });
    progress.close();
    const text = options.json === true ? JSON.stringify(result.json) : result.text;
    if (text !== '') process.stdout.write(`${text}\n`);
    process.exitCode = result.exitCode ?? 0;
  } catch (error) {
    progress.close();
    reportError(error, options.json === true);
    process.exitCode = stoppedBy === undefined ? exitCodeOf(error) : interrupted[stoppedBy];
  } finally {
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onTerminate);
  }
}

/** A program and what it was called with, for errors before any command runs. */
export interface Called {
  readonly program: Command;
  readonly args: readonly string[];
}

/** For errors before any command runs: an unknown command, a missing option. */
export function exitWithUsageError(error: unknown, called: Called): void {
  const json = called.args.includes('--json');
  // Help and version end the same way, with code 0.
  if (error instanceof CommanderError && error.exitCode === 0) return;
  const told = error instanceof CommanderError ? usageError(error, called) : error;
  reportError(told, json);
  process.exitCode = exitCodeOf(told);
}

function reportError(error: unknown, json: boolean): void {
  const { code, message, hint, detail } = describeError(error);
  if (json) {
    const { problems, jobId, executionArn, result } = detail ?? {};
    const body = { code, message, hint, problems, jobId, executionArn, result };
    process.stdout.write(`${JSON.stringify({ error: body })}\n`);
    return;
  }
  process.stderr.write(`error: ${message} (${code})\n${hint === undefined ? '' : `hint: ${hint}\n`}`);
}

interface DescribedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly detail?: Readonly<Record<string, unknown>> | undefined;
}

function describeError(error: unknown): DescribedError {
  if (isHoldfastError(error)) return error;
  const message = error instanceof Error ? error.message || error.name : String(error);
  const aws = awsTrouble(error);
  return (
    aws ?? {
      code: 'INTERNAL',
      message: redact(message),
      hint: 'please report it with the command that you ran',
    }
  );
}

/** What the AWS SDK throws when it cannot even begin; everything else is translated where it happens. */
function awsTrouble(error: unknown): DescribedError | undefined {
  const name = error instanceof Error ? error.name : '';
  if (
    name === 'CredentialsProviderError' ||
    name === 'ExpiredToken' ||
    name === 'ExpiredTokenException' ||
    name === 'UnrecognizedClientException'
  ) {
    const hint = 'aws sts get-caller-identity shows who you are; aws sso login or AWS_PROFILE may help';
    return { code: 'VAULT_ACCESS_DENIED', message: 'the AWS credentials are missing or have expired', hint };
  }
  return undefined;
}

function exitCodeOf(error: unknown): number {
  return errorCatalogue[describeError(error).code].exitCode;
}

/** Takes passwords out of URLs, for messages that were written elsewhere. */
export function redact(text: string): string {
  return text.replaceAll(/(\w+:\/\/[^\s:/@]*):[^\s@]+@/g, '$1:***@');
}
