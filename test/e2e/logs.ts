import type { Deployment } from './deployment.ts';

interface LogReply {
  readonly logGroups?: readonly { readonly logGroupName: string }[];
  readonly events?: readonly { readonly message: string }[];
}

/** Everything that CloudWatch Logs holds of the deployment: what functions, state machines and tasks wrote. */
export async function logsOf({ sandbox, names }: Deployment, regions: readonly string[]): Promise<string> {
  const lines: string[] = [];
  for (const region of regions) {
    const call = async (operation: string, input: object) => {
      const answer = await fetch(sandbox.endpoint, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-amz-json-1.1',
          'x-amz-target': `Logs_20140328.${operation}`,
          // No client of this service is among the packages; the sandbox reads the Region and checks nothing else.
          authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/${region}/logs/aws4_request, SignedHeaders=host, Signature=0`,
        },
        body: JSON.stringify(input),
      });
      if (!answer.ok) throw new Error(`${operation} in ${region}: ${answer.status}`);
      return (await answer.json()) as LogReply;
    };
    const prefix = `/${names.prefix.replace('-', '/')}/`;
    const { logGroups = [] } = await call('DescribeLogGroups', { logGroupNamePrefix: prefix });
    for (const { logGroupName } of logGroups) {
      const { events = [] } = await call('FilterLogEvents', { logGroupName });
      lines.push(...events.map(({ message }) => message));
    }
  }
  return lines.join('\n');
}
