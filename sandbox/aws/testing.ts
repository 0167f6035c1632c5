import {
  CloudFormationClient,
  type CloudFormationClientConfig,
  CreateStackCommand,
  DescribeStackResourcesCommand,
  DescribeStacksCommand,
} from '@aws-sdk/client-cloudformation';
import { HoldfastError } from '../../core/errors.ts';
import type { LocalAws } from './local-aws.ts';

/** Of a client of the local AWS in a Region. */
export function clientSettings(aws: Pick<LocalAws, 'endpoint'>, region: string) {
  return {
    region,
    endpoint: aws.endpoint,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    forcePathStyle: true,
  };
}

/** Deploys a template and returns the physical id of each logical one; throws with CloudFormation's own reason. */
export async function deployTemplate(
  client: CloudFormationClientConfig,
  stack: string,
  resources: Readonly<Record<string, object>>,
): Promise<Record<string, string>> {
  const cloudFormation = new CloudFormationClient(client);
  await cloudFormation.send(
    new CreateStackCommand({
      StackName: stack,
      TemplateBody: JSON.stringify({ Resources: resources }),
      Capabilities: ['CAPABILITY_NAMED_IAM'],
    }),
  );
  await waitFor(async () => {
    const { Stacks } = await cloudFormation.send(new DescribeStacksCommand({ StackName: stack }));
    const state = Stacks?.[0];
    if (state?.StackStatus === 'CREATE_COMPLETE') return state;
    throw new HoldfastError(
      'SANDBOX',
      `stack ${stack} is ${state?.StackStatus}: ${state?.StackStatusReason ?? ''}`,
    );
  });
  const { StackResources } = await cloudFormation.send(
    new DescribeStackResourcesCommand({ StackName: stack }),
  );
  return Object.fromEntries(
    (StackResources ?? []).map((r) => [r.LogicalResourceId ?? '', r.PhysicalResourceId ?? '']),
  );
}

/** Tries until it works; the last error when it never did within 20 s. */
export async function waitFor<T>(attempt: () => Promise<T>, seconds = 20): Promise<T> {
  const deadline = Date.now() + seconds * 1_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
