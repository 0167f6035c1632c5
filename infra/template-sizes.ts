import { type SizeFigure, sizeWords, exceeds } from '../core/plan/deployment-size.ts';
import { HoldfastError } from '../core/errors.ts';

/** Of those resources whose parts have a quota; what is not there has no size. */
interface Properties {
  readonly Policies?: readonly { readonly PolicyDocument: unknown }[];
  readonly PolicyDocument?: unknown;
  readonly AssumeRolePolicyDocument?: unknown;
  readonly Roles?: readonly (string | { readonly Ref: string })[];
  readonly KeyPolicy?: unknown;
  readonly DefinitionString?: unknown;
  readonly Environment?: { readonly Variables?: unknown };
}

interface Resource {
  readonly Type: string;
  readonly Properties?: Properties;
}

/** A template as it would be uploaded. */
export interface SynthesizedTemplate {
  readonly stackName: string;
  readonly text: string;
}

/**
 * Sizes of synthesized templates, and of everything in them that has a quota which nobody can have raised. What only AWS
 * knows the length of counts as long as it can be.
 */
export function templateFigures({ stackName, text }: SynthesizedTemplate): SizeFigure[] {
  const { Resources: resources } = JSON.parse(text) as { readonly Resources: Record<string, Resource> };
  const policies = new Map<string, number>();
  const figures: SizeFigure[] = [
    { quota: 'resources', of: `stack ${stackName}`, value: Object.keys(resources).length },
    { quota: 'template', of: `stack ${stackName}`, value: Buffer.byteLength(text) },
  ];
  const add = (role: string, document: unknown) =>
    policies.set(role, (policies.get(role) ?? 0) + sizeOf(document));
  for (const [id, { Type: type, Properties: properties = {} }] of Object.entries(resources)) {
    const of = `${id} of stack ${stackName}`;
    if (type === 'AWS::IAM::Role') {
      for (const { PolicyDocument } of properties.Policies ?? []) add(id, PolicyDocument);
      figures.push({ quota: 'trustPolicy', of, value: sizeOf(properties.AssumeRolePolicyDocument) });
    }
    if (type === 'AWS::IAM::Policy')
      for (const role of properties.Roles ?? [])
        add(typeof role === 'string' ? role : role.Ref, properties.PolicyDocument);
    const single = singles[type];
    if (single !== undefined)
      figures.push({ quota: single.quota, of, value: sizeOf(single.part(properties)) });
  }
  return [
    ...figures,
    ...[...policies].map(([role, value]) => ({
      quota: 'inlinePolicies' as const,
      of: `role ${role} of stack ${stackName}`,
      value,
    })),
  ];
}

const singles: Readonly<
  Record<string, { readonly quota: SizeFigure['quota']; readonly part: (properties: Properties) => unknown }>
> = {
  'AWS::IAM::ManagedPolicy': { quota: 'managedPolicy', part: (p) => p.PolicyDocument },
  'Custom::HoldfastKey': { quota: 'keyPolicy', part: (p) => p.KeyPolicy },
  'AWS::KMS::Key': { quota: 'keyPolicy', part: (p) => p.KeyPolicy },
  'AWS::S3::BucketPolicy': { quota: 'bucketPolicy', part: (p) => p.PolicyDocument },
  'AWS::StepFunctions::StateMachine': { quota: 'definition', part: (p) => p.DefinitionString },
  'AWS::Lambda::Function': { quota: 'environment', part: (p) => p.Environment?.Variables ?? {} },
};

/** @throws PLAN_INVALID in the words of plan check when AWS would refuse a template, a policy or a definition for its size */
export function refuseTooLarge(templates: readonly SynthesizedTemplate[]): void {
  const found = templates.flatMap(templateFigures).filter(exceeds).map(sizeWords);
  const [first] = found;
  if (first === undefined) return;
  throw new HoldfastError(
    'PLAN_INVALID',
    found.map(({ message, allowed }) => `${message}\n  allowed: ${allowed}`).join('\n'),
    { hint: first.hint },
  );
}

/** Longest ARN of what the templates refer to (roles, functions, machines), or id of a key. */
const referenceCharacters = 110;

/** Characters of a document without white space, with intrinsic functions as long as what they yield can be. */
function sizeOf(value: unknown): number {
  const yielded = yieldOf(value);
  return typeof yielded === 'string' ? yielded.length : JSON.stringify(yielded).length;
}

function yieldOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(yieldOf);
  if (typeof value !== 'object' || value === null) return value;
  const [[fn, argument] = ['', undefined], ...more] = Object.entries(value);
  if (more.length > 0 || (fn !== 'Ref' && !fn.startsWith('Fn::')))
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, yieldOf(inner)]));
  if (fn === 'Fn::Join') return (yieldOf(argument[1]) as unknown[]).join(argument[0]);
  if (fn === 'Ref' && typeof argument === 'string' && argument.startsWith('AWS::')) return 'x'.repeat(14);
  return 'x'.repeat(referenceCharacters);
}
