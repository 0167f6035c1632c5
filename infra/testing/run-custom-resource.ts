import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CustomResourceAnswer {
  readonly Status: 'SUCCESS' | 'FAILED';
  readonly Reason?: string;
  readonly PhysicalResourceId: string;
  readonly Data?: Readonly<Record<string, string>>;
}

/** Calls the function behind a custom resource as CloudFormation does, and takes its answer. */
export async function runCustomResource(
  handler: (event: unknown) => Promise<void>,
  request: 'Create' | 'Update' | 'Delete',
  {
    physicalId = 'before',
    ...properties
  }: Readonly<Record<string, unknown>> & { readonly physicalId?: string },
): Promise<CustomResourceAnswer> {
  let answer: CustomResourceAnswer | undefined;
  const server = http.createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      answer = JSON.parse(Buffer.concat(chunks).toString()) as CustomResourceAnswer;
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await handler({
      RequestType: request,
      ResponseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      StackId: 'stack',
      RequestId: 'request',
      LogicalResourceId: 'Resource',
      ...(request !== 'Create' && { PhysicalResourceId: physicalId }),
      ResourceProperties: properties,
    });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  if (answer === undefined) throw new Error('the function did not answer');
  return answer;
}
