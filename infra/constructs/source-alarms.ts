import { Construct } from 'constructs';
import type { AlarmKind } from '../../core/plan/alarm-catalogue.ts';
import type { StateMachineName } from '../../core/plan/names.ts';
import { alarmDefinitions } from '../../core/watch/alarm-definitions.ts';
import { deepLinkToFunction, deepLinkToStateMachine } from './deep-link.ts';
import { HoldfastAlarm } from './holdfast-alarm.ts';
import type { WatchedRegion } from './watched-region.ts';

export interface SourceAlarmsProps extends WatchedRegion {
  /** Id of a source of the plan. */
  readonly source: string;
}

/** Where an investigation starts, unless it is the backup. */
const machines: { readonly [K in AlarmKind]?: StateMachineName } = {
  'restore-failed': 'restore',
  'restored-with-faults': 'restore',
  'restore-test-failed': 'restore-test',
};

/** The alarms of one source, with limits from its own schedule and objectives. */
export class SourceAlarms extends Construct {
  constructor(scope: Construct, id: string, props: SourceAlarmsProps) {
    super(scope, id);
    const { deployment, side, about, source } = props;
    const own = alarmDefinitions(about.plan, about.role).filter((one) => one.source === source);
    for (const { kind } of own) {
      new HoldfastAlarm(this, kind, {
        ...props,
        kind,
        deepLink:
          kind === 'canary-not-written'
            ? deepLinkToFunction(side.region, deployment.names.canaryFunction(source))
            : deepLinkToStateMachine(deployment, side.region, machines[kind] ?? 'backup'),
      });
    }
  }
}
