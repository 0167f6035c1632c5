"""Metrics that a function writes as lines of its log (embedded metric format) reach CloudWatch, and an alarm looks at the
metric with exactly its own dimensions, period by period, and treats missing data as it was told.

The emulator takes no metrics from logs, and an alarm looks at all metrics of its name, whatever their dimensions.
AWS: "Specification: Embedded metric format", "Configuring how CloudWatch alarms treat missing data".
"""

import json

BINDS_TO = {"ministack.services.cloudwatch": ["_metrics", "_dims_key", "_store_datum", "_alarms", "_evaluate_alarm", "_evaluate_all_alarms",
                                              "_describe_alarms", "_calc_stats", "_stat_value", "_record_history",
                                              "_dispatch_alarm_actions", "_evaluate_parent_alarms"],
            "ministack.services.lambda_svc": ["_emit_lambda_logs"]}

COMPARISONS = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


def apply() -> None:
    import time

    from ministack.services import cloudwatch, lambda_svc

    emit_logs = lambda_svc._emit_lambda_logs
    describe_alarms = cloudwatch._describe_alarms
    evaluate_as_before = cloudwatch._evaluate_alarm

    def emit_logs_and_metrics(func, request_id, log_text, *rest, **options):
        emit_logs(func, request_id, log_text, *rest, **options)
        found = False
        for datum in metrics_in(log_text or ""):
            cloudwatch._store_datum(*datum, None, None, None)
            found = True
        if found:
            cloudwatch._evaluate_all_alarms()

    def evaluate(alarm):
        compare = COMPARISONS.get(alarm.get("ComparisonOperator", ""))
        if compare is None or not alarm.get("MetricName"):
            return evaluate_as_before(alarm)
        periods = [in_period(alarm, number) for number in range(alarm.get("EvaluationPeriods") or 1)]
        breaching = [None if value is None else compare(value, alarm.get("Threshold", 0)) for value in periods]
        change(alarm, state_of(alarm, breaching), periods)

    def in_period(alarm, number):
        dimensions = cloudwatch._dims_key({d["Name"]: d["Value"] for d in alarm.get("Dimensions") or []})
        points = cloudwatch._metrics.get((alarm.get("Namespace"), alarm["MetricName"], dimensions)) or []
        period = alarm.get("Period") or 60
        end = time.time() - number * period
        points = [point for point in points if end - period < point["Timestamp"] <= end]
        statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
        return cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points) if points else None

    def change(alarm, state, periods):
        before = alarm["StateValue"]
        if state == before:
            return
        values = ", ".join("none" if value is None else f"{value:g}" for value in periods)
        reason = f"{alarm['ComparisonOperator']} {alarm.get('Threshold', 0):g}, newest period first: {values}"
        alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
        cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
        cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
        cloudwatch._evaluate_parent_alarms(alarm)

    def describe_evaluated(*arguments, **options):
        # Time alone ends a breach: AWS evaluates every alarm once a minute, and keeps a state set by hand until then.
        for alarm in list(cloudwatch._alarms.values()):
            if alarm["StateValue"] == "ALARM" and time.time() - (alarm.get("StateUpdatedTimestamp") or 0) > 60:
                evaluate(alarm)
        return describe_alarms(*arguments, **options)

    lambda_svc._emit_lambda_logs = emit_logs_and_metrics
    cloudwatch._evaluate_alarm = evaluate
    cloudwatch._describe_alarms = describe_evaluated


def state_of(alarm, breaching):
    """`breaching`: of each period, newest first, whether it breached, or None without data."""
    treat = alarm.get("TreatMissingData") or "missing"
    if all(breach is None for breach in breaching) and treat in ("missing", "ignore"):
        return "INSUFFICIENT_DATA" if treat == "missing" else alarm["StateValue"]
    counted = [treat == "breaching" if breach is None else breach for breach in breaching]
    return "ALARM" if sum(counted) >= (alarm.get("DatapointsToAlarm") or len(breaching)) else "OK"


def metrics_in(text):
    """Every metric of every line in embedded metric format: namespace, name, dimensions, time, unit, value."""
    for line in text.splitlines():
        if '"_aws"' not in line:
            continue
        try:
            fields = json.loads(line[line.index("{"):])
            about = fields["_aws"]
            for directive in about["CloudWatchMetrics"]:
                for names in directive["Dimensions"]:
                    dimensions = {name: str(fields[name]) for name in names}
                    for metric in directive["Metrics"]:
                        values = fields[metric["Name"]]
                        for value in values if isinstance(values, list) else [values]:
                            yield (directive["Namespace"], metric["Name"], dimensions, about["Timestamp"] / 1000,
                                   metric.get("Unit", "None"), value)
        except (ValueError, KeyError, TypeError):
            # AWS passes over a line that does not fit, too.
            continue
