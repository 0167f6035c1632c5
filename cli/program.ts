import { Command, Help, type Option } from 'commander';
import { command, exampleText, group } from './command.ts';
import { exitCodes } from './exit-codes.ts';
import { addDeployedCommands } from './deployed-program.ts';
import { addLocalCommands } from './local-program.ts';
import { addSandboxCommands } from './sandbox-program.ts';

/**
 * All commands and their options. What a command does is imported when it runs: help and usage errors must come at once,
 * and the AWS SDK takes half a second to load.
 */
export function createProgram(): Command {
  const program = new Command('holdfast');
  program
    .description('Backup and disaster recovery on AWS that proves itself')
    .version('0.1.0')
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .showSuggestionAfterError()
    .showHelpAfterError(false)
    .enablePositionalOptions()
    .configureHelp({ optionDescription: describeOption })
    .addHelpText(
      'after',
      exampleText([
        'holdfast plan check holdfast.yaml',
        'holdfast local backup --url postgres://me@localhost/shop --vault ./backups --source shop-db',
        'holdfast sandbox up',
      ]) + closingWords,
    );
  addPlanCommands(program);
  addDeployedCommands(program);
  addLocalCommands(program);
  addSandboxCommands(program);
  return program;
}

/** As commander says it, and whether it has to be there. */
function describeOption(option: Option): string {
  const said = new Help().optionDescription(option);
  return option.mandatory ? `${said} (required)` : said;
}

const meanings = Object.entries(exitCodes).map(([code, meaning]) => `${code} ${meaning}`);
const closingWords = `
Exit codes: ${meanings.join(', ')}
Every command below these (holdfast jobs, holdfast local list …) takes --json: one JSON document on standard output, errors too.
`;

function addPlanCommands(program: Command): void {
  const plan = group(program, 'plan', 'check the plan file');
  command(plan, 'check [file]', {
    about: 'print everything that is wrong with a plan (holdfast.yaml when no file is named)',
    examples: ['holdfast plan check', 'holdfast plan check examples/acme.yaml --json'],
  }).action(async (file: string | undefined, options: { json?: boolean }) => {
    const { planCheck } = await import('./plan-commands.ts');
    await planCheck(file ?? 'holdfast.yaml', options);
  });
  command(plan, 'schema', {
    about: 'print the JSON Schema of the plan file, for editors',
    examples: ['holdfast plan schema > holdfast.schema.json'],
  }).action(async (options: { json?: boolean }) => {
    const { planSchema } = await import('./plan-commands.ts');
    await planSchema(options);
  });
}
