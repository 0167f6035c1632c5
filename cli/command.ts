import type { Command } from 'commander';

/** Examples below a command's help. */
export function exampleText(examples: readonly string[]): string {
  return `\nExample${examples.length > 1 ? 's' : ''}:\n${examples.map((example) => `  $ ${example}\n`).join('')}`;
}

/** `--strict` of both kinds of restore. */
export const strictAbout =
  'fail when an object cannot be made although every row is in; without it the job is done, and the exit code is 5 all the same';

/** A command with what every command has: `--json` and an example. */
export function command(
  parent: Command,
  usage: string,
  { about, examples }: { readonly about: string; readonly examples: readonly string[] },
): Command {
  return parent
    .command(usage)
    .description(about)
    .option('--json', 'print one JSON document on standard output')
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .addHelpText('after', exampleText(examples));
}

/** A command that only groups others. */
export function group(parent: Command, name: string, about: string): Command {
  return parent
    .command(name)
    .description(about)
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
}

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}
