import { type Stack, Stage } from 'aws-cdk-lib';
import type { Deployment } from '../deployment.ts';

/** A synthesized resource whose intrinsic functions were replaced by what they would yield. */
export interface ResolvedResource {
  readonly stack: string;
  readonly region: string;
  readonly logicalId: string;
  readonly type: string;
  readonly properties: Record<string, any>;
  readonly deletionPolicy?: string;
  readonly updateReplacePolicy?: string;
}

/** Of every task definition, as if it had been deployed that often. */
export const revision = 7;

interface Template {
  readonly Resources: Record<string, any>;
  readonly Outputs?: Record<string, any>;
}

/** All resources of an app, with references resolved as an account would (keys get the ids `mrk-vault` and `mrk-signing`). */
export function resolveApp(deployment: Deployment, stacks: readonly Stack[]): ResolvedResource[] {
  const assembly = Stage.of(stacks[0]!)!.synth();
  const templates = stacks.map((stack) => ({
    stack,
    template: assembly.getStackArtifact(stack.artifactId).template as Template,
  }));
  const exported = new Map<string, unknown>();
  return templates.flatMap(({ stack, template }) => {
    const context: Context = { deployment, region: stack.region, template, exported };
    for (const output of Object.values(template.Outputs ?? {})) {
      if (output.Export !== undefined) exported.set(output.Export.Name, resolve(output.Value, context));
    }
    return Object.entries(template.Resources).map(([logicalId, resource]) => ({
      stack: stack.stackName,
      region: stack.region,
      logicalId,
      type: resource.Type,
      properties: resolve(resource.Properties ?? {}, context) as Record<string, any>,
      deletionPolicy: resource.DeletionPolicy,
      updateReplacePolicy: resource.UpdateReplacePolicy,
    }));
  });
}

interface Context {
  readonly deployment: Deployment;
  readonly region: string;
  readonly template: Template;
  readonly exported: ReadonlyMap<string, unknown>;
}

function resolve(value: unknown, context: Context): unknown {
  if (Array.isArray(value)) return value.map((item) => resolve(item, context));
  if (typeof value !== 'object' || value === null) return value;
  const [[fn, argument] = ['', undefined], ...more] = Object.entries(value);
  if (more.length === 0 && (fn === 'Ref' || fn.startsWith('Fn::'))) return call(fn, argument, context);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item, context)]));
}

function call(fn: string, argument: any, context: Context): unknown {
  switch (fn) {
    case 'Ref':
      return referTo(argument, context);
    case 'Fn::GetAtt':
      return attributeOf(argument[0], argument[1], context);
    case 'Fn::ImportValue':
      return context.exported.get(argument) ?? fail(`no export ${argument}`);
    case 'Fn::Join':
      return (resolve(argument[1], context) as unknown[]).join(argument[0]);
    case 'Fn::Split':
      return String(resolve(argument[1], context)).split(argument[0]);
    case 'Fn::Select':
      return (resolve(argument[1], context) as unknown[])[Number(argument[0])];
    case 'Fn::GetAZs':
      return ['a', 'b'].map((zone) => `${context.region}${zone}`);
    case 'Fn::Sub':
      return String(argument).replaceAll(/\$\{([\w:]+)\}/g, (_, name) => String(referTo(name, context)));
    default:
      return fail(`${fn} is not known here`);
  }
}

function referTo(name: string, { deployment, region, template }: Context): unknown {
  const pseudo: Record<string, string> = {
    'AWS::AccountId': deployment.plan.account,
    'AWS::Region': region,
    'AWS::Partition': 'aws',
    'AWS::URLSuffix': 'amazonaws.com',
  };
  if (name in pseudo) return pseudo[name];
  const { Type: type, Properties: properties } = template.Resources[name] ?? fail(`no resource ${name}`);
  if (type === 'AWS::KMS::Key') return keyId(name);
  if (type === 'AWS::SNS::Topic')
    return `arn:aws:sns:${region}:${deployment.plan.account}:${properties.TopicName}`;
  if (type === 'AWS::ECS::TaskDefinition')
    return `arn:aws:ecs:${region}:${deployment.plan.account}:task-definition/${properties.Family}:${revision}`;
  return properties?.BucketName ?? properties?.RoleName ?? properties?.Name ?? name;
}

function attributeOf(name: string, attribute: string, { deployment, region, template }: Context): unknown {
  const { account } = deployment.plan;
  const { Type: type, Properties: properties } = template.Resources[name] ?? fail(`no resource ${name}`);
  if (type === 'Custom::HoldfastKey') {
    return `arn:aws:kms:${region}:${account}:key/${keyId(String(properties.Alias))}`;
  }
  if (type === 'AWS::KMS::Key') {
    return `arn:aws:kms:${region}:${account}:key/${keyId(name)}`;
  }
  if (type === 'AWS::S3::Bucket') return `arn:aws:s3:::${properties.BucketName}`;
  if (type === 'AWS::IAM::Role') return `arn:aws:iam::${account}:role/${properties.RoleName ?? name}`;
  if (type === 'AWS::Lambda::Function')
    return `arn:aws:lambda:${region}:${account}:function:${properties.FunctionName}`;
  if (type === 'AWS::ECS::Cluster')
    return `arn:aws:ecs:${region}:${account}:cluster/${properties.ClusterName}`;
  return `${type}/${name}/${attribute}`;
}

function keyId(name: string): string {
  if (/signing/i.test(name)) return 'mrk-signing';
  return /vault/i.test(name) ? 'mrk-vault' : `key-${name}`;
}

function fail(message: string): never {
  throw new Error(message);
}
