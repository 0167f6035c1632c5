import { RemovalPolicy } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { roleArn } from '../../core/plan/names.ts';
import { type Deployment, namedRolesOf, type Side } from '../deployment.ts';

export interface AlarmTopicProps {
  readonly deployment: Deployment;
  readonly side: Side;
}

/** Where on-call listens. People and tools are subscribed by hand, for an address is nobody's infrastructure. */
export class AlarmTopic extends Construct {
  readonly topic: sns.Topic;
  /** Without it every alarm changes its state in silence, so it is guarded as the keys of the vault are. */
  readonly key: kms.Key;

  constructor(scope: Construct, id: string, props: AlarmTopicProps) {
    super(scope, id);
    const { plan, names } = props.deployment;
    // A key of its own: the one that SNS manages does not let CloudWatch in, and then alarms change state in silence.
    this.key = new kms.Key(this, 'Key', {
      alias: names.alarmKeyAlias,
      description: `Holdfast ${plan.name}: encrypts alarms on their way`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    for (const statement of denies(props)) this.key.addToResourcePolicy(statement);
    this.topic = new sns.Topic(this, 'Topic', {
      topicName: names.alarmTopic,
      displayName: `Holdfast ${plan.name}`,
      masterKey: this.key,
      enforceSSL: true,
    });
    // EventBridge is let in where a rule takes the topic as its target, and without this condition: SNS does not support
    // it there in the policy of a key, and messages would get lost without an error.
    // https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    const alarms = new iam.ServicePrincipal('cloudwatch.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': plan.account } },
    });
    this.key.grant(alarms, 'kms:Decrypt', 'kms:GenerateDataKey*');
    this.topic.grantPublish(alarms);
  }
}

/**
 * Nobody silences all alarms at once by their key, administrators included. Unlike a key of the vault it goes with its stack,
 * so a deployment may end it; nothing that a deployment does disables it.
 */
function denies({ deployment, side }: AlarmTopicProps): iam.PolicyStatement[] {
  const roles = namedRolesOf(deployment);
  const breakGlass = roleArn(deployment.plan, roles.breakGlass);
  const deployer = roleArn(deployment.plan, roles.deployment(side.region));
  const denyExcept = (sid: string, actions: string[], exempt: string[]) =>
    new iam.PolicyStatement({
      sid,
      effect: iam.Effect.DENY,
      principals: [new iam.AnyPrincipal()],
      actions,
      resources: ['*'],
      conditions: { ArnNotEquals: { 'aws:PrincipalArn': exempt } },
    });
  return [
    denyExcept(
      'OnlyDeploymentChangesOrEndsThisKey',
      ['kms:PutKeyPolicy', 'kms:ScheduleKeyDeletion'],
      [deployer, breakGlass],
    ),
    denyExcept('OnlyBreakGlassDisablesThisKey', ['kms:DisableKey'], [breakGlass]),
  ];
}
