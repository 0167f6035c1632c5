import type * as sns from 'aws-cdk-lib/aws-sns';
import type { Watched } from '../../core/watch/watched.ts';
import type { Deployment, Side } from '../deployment.ts';

/** What alarms and rules of one Region are made from. */
export interface WatchedRegion {
  readonly deployment: Deployment;
  readonly side: Side;
  /** Says what each alarm and rule must be; whoever looks after them later compares with the same. */
  readonly about: Watched;
  readonly topic: sns.ITopic;
}
