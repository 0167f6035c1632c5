import type { Command, CommanderError } from 'commander';
import { HoldfastError } from '../core/errors.ts';
import { nearest } from '../core/plan/suggest.ts';

/** What the parser objects to, in our words: what stands there, what is allowed, and how the very command is used. */
export function usageError(
  error: CommanderError,
  { program, args }: { readonly program: Command; readonly args: readonly string[] },
): HoldfastError {
  const isHelp = args[0] === 'help' && error.code === 'commander.help';
  const { command, rest } = commandOf(program, isHelp ? args.slice(1) : args);
  const [word] = rest.filter((arg) => !arg.startsWith('-'));
  const inner = command.commands.map((child) => child.name());
  if (inner.length > 0 && (word !== undefined || error.code === 'commander.help' || isJsonOfGroup(error)))
    return commandError(command, word, inner);
  const hint = usageOf(command);
  const stray = strayOption(command, rest);
  if (stray !== undefined) {
    const known = [...flagsOf(command), '--help'];
    const near = nearest(stray, known);
    return new HoldfastError(
      'USAGE',
      `${nameOf(command)} has no option ${stray}; allowed are ${known.join(', ')}`,
      {
        hint: near === undefined ? hint : `did you mean ${near}? ${hint}`,
      },
    );
  }
  const message =
    error.code === 'commander.missingMandatoryOptionValue' ? missing(command, rest) : plain(error.message);
  return new HoldfastError('USAGE', message, { hint });
}

const flagsOf = (command: Command) => command.options.flatMap(({ long }) => long ?? []);

/** Looked for first, because a mistyped option also leaves the right one missing. */
function strayOption(command: Command, rest: readonly string[]): string | undefined {
  const known = flagsOf(command);
  const flags = rest
    .filter((arg) => arg.startsWith('--') && arg !== '--')
    .map((arg) => arg.split('=')[0] ?? arg);
  return flags.find((flag) => !known.includes(flag));
}

/** All that are missing, not only the first. */
function missing(command: Command, rest: readonly string[]): string {
  const given = new Set(rest.map((arg) => arg.split('=')[0]));
  const absent = command.options.filter(({ mandatory, long }) => mandatory && !given.has(long ?? ''));
  return `${nameOf(command)} needs ${absent.map(({ flags }) => flags).join(' and ')}`;
}

/** Every command takes --json, a group of commands has nothing to print. */
function isJsonOfGroup({ code, message }: CommanderError): boolean {
  return code === 'commander.unknownOption' && message.includes("'--json'");
}

function commandError(group: Command, word: string | undefined, inner: readonly string[]): HoldfastError {
  const allowed = `allowed are ${inner.join(', ')}`;
  if (word === undefined) {
    return new HoldfastError('USAGE', `a command is missing after ${nameOf(group)}; ${allowed}`, {
      hint: usageOf(group),
    });
  }
  const near = nearest(word, [...inner, 'help']);
  return new HoldfastError('USAGE', `${nameOf(group)} has no command ${JSON.stringify(word)}; ${allowed}`, {
    hint: near === undefined ? usageOf(group) : `did you mean ${nameOf(group)} ${near}?`,
  });
}

/** The innermost command that the words lead to, and what stands behind it. */
function commandOf(
  program: Command,
  args: readonly string[],
): { readonly command: Command; readonly rest: readonly string[] } {
  const [word] = args;
  const child = program.commands.find((candidate) => candidate.name() === word);
  return child === undefined ? { command: program, rest: args } : commandOf(child, args.slice(1));
}

function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

function usageOf(command: Command): string {
  return `usage: ${nameOf(command)} ${command.usage()}; ${nameOf(command)} --help tells more`;
}

/** The parser's sentence in the form of ours. */
function plain(message: string): string {
  const [first = ''] = message.replace(/^error: /, '').split('\n');
  return first.charAt(0).toLowerCase() + first.slice(1);
}
