/**
 * Processors (vCPU) of a job's task on Fargate. A restore test has the scratch server beside it in its task.
 */
export const taskProcessors = { backup: 2, restore: 2, 'restore-test': 4 } as const;
