import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { type CanaryKey, canaryKey } from '../canary/canary.ts';
import { HoldfastError } from '../errors.ts';

/** The key of a source's canaries: the text that Secrets Manager made. @throws KEY_UNAVAILABLE; no message carries the value */
export async function readCanaryKey(client: SecretsManagerClient, secret: string): Promise<CanaryKey> {
  const refuse = (why: string, cause?: unknown) =>
    new HoldfastError('KEY_UNAVAILABLE', `the canary key ${secret} cannot be read: ${why}`, {
      hint: 'the deployment makes it for each source of the plan with canary: was the plan deployed in both Regions?',
      cause,
    });
  let text: string | undefined;
  try {
    ({ SecretString: text } = await client.send(new GetSecretValueCommand({ SecretId: secret })));
  } catch (error) {
    throw refuse(error instanceof Error ? error.name : String(error), error);
  }
  if (text === undefined || text.length < 32) throw refuse('it holds no key');
  return canaryKey(Buffer.from(text, 'utf8'));
}
