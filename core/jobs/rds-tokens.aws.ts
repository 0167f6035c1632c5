import { Signer } from '@aws-sdk/rds-signer';
import type { ShortLivedPassword } from '../engines/postgres/connection.ts';
import { HoldfastError } from '../errors.ts';

/** A token opens connections for 15 minutes, and for less when the credentials that sign it end before. */
const renewSeconds = 120;

export interface RdsUser {
  /** The endpoint that AWS gave the database: RDS checks it, so a DNS name of one's own is refused. */
  readonly host: string;
  readonly port: number;
  readonly username: string;
  /** Where this runs; the Region in an endpoint's name takes its place. */
  readonly region: string;
}

/** Tokens of IAM database authentication, signed here with the role of the task: nothing is asked of AWS for each. */
export function rdsTokens({ host, port, username, region }: RdsUser): ShortLivedPassword {
  const signer = new Signer({ hostname: host, port, username, region: regionOf(host) ?? region });
  return {
    renewSeconds,
    ask: async () => {
      try {
        return await signer.getAuthToken();
      } catch (error) {
        if ((error as { name?: string }).name !== 'CredentialsProviderError') throw error;
        throw new HoldfastError('SOURCE_CREDENTIALS', `no token for ${username} at ${host} could be signed`, {
          cause: error,
          hint: 'has the task a role, and is it allowed rds-db:connect as this user?',
        });
      }
    },
  };
}

/** `shop.cluster-abc.us-east-1.rds.amazonaws.com` */
function regionOf(host: string): string | undefined {
  return /\.([a-z]{2}(?:-[a-z]+)+-\d)\.rds\.amazonaws\.com$/i.exec(host)?.[1]?.toLowerCase();
}
