/** What a command's exit code means; those of errors stand in `core/errors.ts`. (contract) */
export const exitCodes = {
  0: 'done',
  1: 'failed',
  2: 'usage or plan',
  3: 'not found',
  4: 'refused',
  5: 'restored with faults',
  6: 'no fault seen, but not everything could be looked at',
  130: 'stopped by Ctrl-C',
  143: 'stopped by SIGTERM',
} as const;

/** Of an answer that may be wrong or incomplete because a Region or a service was not heard. */
export const notAllSeen = 6;
