import fs from 'node:fs';
import path from 'node:path';
import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import type { StateMachineName } from '../../core/plan/names.ts';
import type { Deployment } from '../deployment.ts';
import { acknowledge } from './acknowledgements.ts';

/** What a placeholder stands for: text, or a list that takes the place of the whole string. */
export type Substitution = string | readonly string[];

export interface StateMachineFileProps {
  readonly deployment: Deployment;
  readonly name: StateMachineName;
  /** By name of the placeholder `${…}`. Each must occur in the file, and each of the file must be here. */
  readonly substitutions: Readonly<Record<string, Substitution>>;
  /** By service integration (`Resource` of a Task): gives the machine's role what the integration needs. */
  readonly grants: Readonly<Record<string, (role: iam.Role) => void>>;
  /** Folder of the definitions. @default - `statemachines/` of the project */
  readonly folder?: string;
}

/**
 * A state machine from its file in `statemachines/`, embedded as text so that tests and the sandbox see what runs. The file
 * says its `TimeoutSeconds` itself: the CDK drops its own property with a definition given as text (aws-cdk#37150).
 */
export class StateMachineFile extends Construct {
  readonly stateMachine: sfn.StateMachine;
  readonly role: iam.Role;

  constructor(scope: Construct, id: string, props: StateMachineFileProps) {
    super(scope, id);
    const { deployment, name } = props;
    const folder = props.folder ?? path.join(import.meta.dirname, '../../statemachines');
    const definition: unknown = JSON.parse(fs.readFileSync(path.join(folder, `${name}.asl.json`), 'utf8'));
    checkPlaceholders(name, definition, props.substitutions);
    this.role = new iam.Role(this, 'Role', {
      description: `Runs the state machine ${name}`,
      assumedBy: new iam.ServicePrincipal('states.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': deployment.plan.account } },
      }),
    });
    for (const integration of integrationsOf(definition)) {
      const grant = props.grants[integration];
      if (grant === undefined) {
        throw new Error(
          `state machine ${name} uses ${integration}, for which no grant is given; given are ${Object.keys(props.grants).join(', ')}`,
        );
      }
      grant(this.role);
    }
    const stack = Stack.of(this);
    this.stateMachine = new sfn.StateMachine(this, 'StateMachine', {
      stateMachineName: deployment.names.stateMachine(name),
      definitionBody: sfn.DefinitionBody.fromString(
        stack.toJsonString(substitute(definition, props.substitutions)),
      ),
      role: this.role,
      logs: {
        level: sfn.LogLevel.ALL,
        // Inputs name sources and ids, never secrets, and are what an investigation starts from.
        includeExecutionData: true,
        destination: new logs.LogGroup(this, 'Logs', {
          // Step Functions writes the name of a group outside /aws/vendedlogs/ into CloudWatch Logs' one resource policy of
          // the account, which ends at 5,120 characters: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
          logGroupName: `/aws/vendedlogs/states/holdfast/${deployment.plan.name}/${name}`,
          retention: logs.RetentionDays.ONE_YEAR,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
      },
      tracingEnabled: true,
    });
    acknowledge(
      this.role,
      'AwsSolutions-IAM5[Resource::*]',
      'Log delivery and X-Ray know no resources; everything else the role may do names its resource.',
    );
  }
}

const placeholder = /\$\{(\w+)\}/g;

/** The placeholders that a definition uses. */
export function placeholdersOf(definition: unknown): Set<string> {
  return new Set([...JSON.stringify(definition).matchAll(placeholder)].map(([, name]) => name ?? ''));
}

/** The service integrations that a definition uses: the `Resource` of every Task, also of those inside Map and Parallel. */
export function integrationsOf(definition: unknown): Set<string> {
  const found = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if ('Type' in value && value.Type === 'Task' && 'Resource' in value) found.add(String(value.Resource));
    Object.values(value).forEach(visit);
  };
  visit(definition);
  return found;
}

function checkPlaceholders(
  name: string,
  definition: unknown,
  given: StateMachineFileProps['substitutions'],
): void {
  const used = placeholdersOf(definition);
  const missing = [...used].filter((key) => !(key in given));
  const unused = Object.keys(given).filter((key) => !used.has(key));
  if (missing.length + unused.length === 0) return;
  throw new Error(
    `state machine ${name}: placeholders without a value: ${missing.join(', ') || 'none'}; values without a placeholder: ${unused.join(', ') || 'none'}`,
  );
}

function substitute(value: unknown, given: StateMachineFileProps['substitutions']): unknown {
  if (typeof value === 'string') {
    const whole = /^\$\{(\w+)\}$/.exec(value)?.[1];
    if (whole !== undefined) return given[whole];
    return value.replaceAll(placeholder, (_, name: string) => String(given[name]));
  }
  if (Array.isArray(value)) return value.map((item) => substitute(item, given));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, substitute(item, given)]));
}
