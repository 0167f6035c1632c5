import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { oncePermitted, respond } from './respond.ts';

/** Takes answers as CloudFormation does. */
const answers: { readonly type: string | undefined; readonly body: any }[] = [];
let status = 200;
const server = http.createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    answers.push({
      type: request.headers['content-type'],
      body: JSON.parse(Buffer.concat(chunks).toString()),
    });
    response.writeHead(status).end();
  });
});
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => server.close(resolve)));

const event = () => ({
  RequestType: 'Update',
  ResponseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/answer`,
  StackId: 'stack',
  RequestId: 'request',
  LogicalResourceId: 'Key',
  PhysicalResourceId: 'before',
  ResourceProperties: { Alias: 'alias/x' },
});

describe('respond', () => {
  it('hands over what the work found', async () => {
    await respond(event(), async () => ({ physicalId: 'here', data: { Arn: 'arn' } }));
    expect(answers.at(-1)).toEqual({
      type: '',
      body: {
        Status: 'SUCCESS',
        PhysicalResourceId: 'here',
        Data: { Arn: 'arn' },
        StackId: 'stack',
        RequestId: 'request',
        LogicalResourceId: 'Key',
      },
    });
  });

  it('answers a failure too, under the same physical id, so that nothing is replaced', async () => {
    await respond(event(), async () => {
      throw new Error('no key alias/x in us-west-2');
    });
    expect(answers.at(-1)?.body).toMatchObject({
      Status: 'FAILED',
      PhysicalResourceId: 'before',
      Reason: 'Error: no key alias/x in us-west-2',
    });
  });

  it('answers before the time of the function is over, whatever the work waits for', async () => {
    const context = (left: number) => ({ getRemainingTimeInMillis: () => left });
    await respond(event(), () => new Promise(() => undefined), context(10_050));
    expect(answers.at(-1)?.body).toMatchObject({
      Status: 'FAILED',
      PhysicalResourceId: 'before',
      Reason: expect.stringContaining('deploy again'),
    });
    await respond(event(), async () => ({ physicalId: 'here' }), context(60_000));
    expect(answers.at(-1)?.body).toMatchObject({ Status: 'SUCCESS', PhysicalResourceId: 'here' });
  });

  it('fails when CloudFormation refuses the answer, so that Lambda tries again', async () => {
    status = 403;
    await expect(respond(event(), async () => ({ physicalId: 'here' }))).rejects.toThrow(
      'refused the answer with 403',
    );
    status = 200;
  });
});

describe('oncePermitted', () => {
  const failing = (name: string, times: number) => {
    let calls = 0;
    const call = async () => {
      calls += 1;
      if (calls <= times) throw Object.assign(new Error('no'), { name });
      return 'done';
    };
    return { call, calls: () => calls };
  };

  it.each(['AccessDenied', 'AccessDeniedException'])(
    'waits while IAM does not know the role: %s',
    async (name) => {
      const work = failing(name, 2);
      expect(await oncePermitted(work.call, { tries: 3, delayMs: 1 })).toBe('done');
      expect(work.calls()).toBe(3);
    },
  );

  it('gives up in the end', async () => {
    const work = failing('AccessDenied', 3);
    await expect(oncePermitted(work.call, { tries: 3, delayMs: 1 })).rejects.toMatchObject({
      name: 'AccessDenied',
    });
    expect(work.calls()).toBe(3);
  });

  it('does not try anything else twice', async () => {
    const work = failing('NotFoundException', 1);
    await expect(oncePermitted(work.call, { delayMs: 1 })).rejects.toMatchObject({
      name: 'NotFoundException',
    });
    expect(work.calls()).toBe(1);
  });
});
