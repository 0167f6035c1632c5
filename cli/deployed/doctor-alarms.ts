import { ListSubscriptionsByTopicCommand, PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { clientSettings, type Deployment } from './deployment.ts';
import { diagnose, Fault, type Finding, type Look, revertFix } from './doctor-look.ts';

function topicArn({ plan, names }: Pick<Deployment, 'plan' | 'names'>, region: string): string {
  return `arn:aws:sns:${region}:${plan.account}:${names.alarmTopic}`;
}

/** Whether an alarm would be heard by somebody. */
export function subscriptions(deployment: Deployment, region: string): Look {
  const arn = topicArn(deployment, region);
  return {
    what: `subscriptions of ${deployment.names.alarmTopic}`,
    fix: revertFix(deployment),
    look: async () => {
      const client = new SNSClient({ region, ...clientSettings });
      const { Subscriptions = [] } = await client.send(
        new ListSubscriptionsByTopicCommand({ TopicArn: arn }),
      );
      const confirmed = Subscriptions.filter(
        ({ SubscriptionArn }) => SubscriptionArn?.startsWith('arn:') === true,
      );
      const waiting = Subscriptions.length - confirmed.length;
      const confirm = `confirm the message that arrived at each of them; one that was lost is sent again by aws sns subscribe --region ${region} --topic-arn ${arn} --protocol email --notification-endpoint ADDRESS`;
      if (waiting > 0) throw new Fault(`${waiting} of ${Subscriptions.length} are not confirmed`, confirm);
      if (confirmed.length === 0) {
        const subscribe = `aws sns subscribe --region ${region} --topic-arn ${arn} --protocol email --notification-endpoint ADDRESS, and confirm what arrives`;
        throw new Fault('nobody would hear an alarm', subscribe);
      }
      return `${confirmed.length} confirmed`;
    },
  };
}

/** Publishes a page that says that it is a test. */
export async function publishTestPage(deployment: Deployment): Promise<Finding> {
  const { region, plan } = deployment;
  const TopicArn = topicArn(deployment, region);
  return diagnose(
    {
      what: 'test page',
      fix: revertFix(deployment),
      look: async () => {
        const client = new SNSClient({ region, ...clientSettings });
        const Message = `This is a test of the alarms of Holdfast (${plan.name}). Nothing has failed. Whoever is on call should have got this.`;
        const { MessageId } = await client.send(
          new PublishCommand({ TopicArn, Subject: `Holdfast ${plan.name}: test page`, Message }),
        );
        return `published as ${MessageId}`;
      },
    },
    region,
  );
}
