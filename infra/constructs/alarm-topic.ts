import { RemovalPolicy } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { Deployment } from '../deployment.ts';

export interface AlarmTopicProps {
  readonly deployment: Deployment;
}

/** Where on-call listens. People and tools are subscribed by hand, for an address is nobody's infrastructure. */
export class AlarmTopic extends Construct {
  readonly topic: sns.Topic;

  constructor(scope: Construct, id: string, props: AlarmTopicProps) {
    super(scope, id);
    const { plan, names } = props.deployment;
    // A key of its own: the one that SNS manages does not let CloudWatch in, and then alarms change state in silence.
    const key = new kms.Key(this, 'Key', {
      description: `Holdfast ${plan.name}: encrypts alarms on their way`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.topic = new sns.Topic(this, 'Topic', {
      topicName: names.alarmTopic,
      displayName: `Holdfast ${plan.name}`,
      masterKey: key,
      enforceSSL: true,
    });
    // EventBridge is let in where a rule takes the topic as its target, and without this condition: SNS does not support
    // it there in the policy of a key, and messages would get lost without an error.
    // https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    const alarms = new iam.ServicePrincipal('cloudwatch.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': plan.account } },
    });
    key.grant(alarms, 'kms:Decrypt', 'kms:GenerateDataKey*');
    this.topic.grantPublish(alarms);
  }
}
