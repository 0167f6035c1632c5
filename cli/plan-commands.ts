import { checkPlan, planError, readPlanText } from '../core/plan/load-plan.ts';
import { planJsonSchema } from '../core/plan/plan-json-schema.ts';
import { counted } from './progress.ts';
import { type CommonOptions, runCommand } from './run-command.ts';

/** `holdfast plan check` */
export async function planCheck(file: string, options: CommonOptions): Promise<void> {
  await runCommand(options, async () => {
    const { plan, problems, notes } = checkPlan(
      await readPlanText(
        file,
        'holdfast plan check FILE names another; examples/minimal.yaml is one to start from',
      ),
      file,
    );
    if (plan === undefined) throw planError(problems);
    const lines = notes.map((note) => `${note.file}:${note.line}:${note.column}: note: ${note.message}`);
    const count = `${counted(plan.sources.length, 'source')}, ${counted(plan.targets.length, 'target')}`;
    return {
      json: {
        ok: true,
        file,
        name: plan.name,
        sources: plan.sources.map((source) => source.id),
        targets: plan.targets.map((target) => target.id),
        notes,
      },
      text: [...lines, `${file}: the plan ${plan.name} is sound (${count})`].join('\n'),
    };
  });
}

/** `holdfast plan schema` */
export async function planSchema(options: CommonOptions): Promise<void> {
  await runCommand(options, async () => {
    const schema = planJsonSchema();
    return { json: schema, text: JSON.stringify(schema, null, 2) };
  });
}
