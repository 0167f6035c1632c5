import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { escapeHtml, html } from './report/html.ts';
import { renderReport } from './report/page.ts';
import { exampleReport } from './report/testing.ts';
import { sayBytes, sayCount, sayDuration, sayLoss, sayRecovery, sayVerdict } from './report/words.ts';
import { type DrillReport, reportSchema } from './report.ts';
import { writeReport } from './write-report.ts';

const nasty = `</style></svg><script>alert("1")</script>'\`&amp;\u0000\uD800`;

/** Markup without what a browser shows as text: tags must nest and close. */
function unbalancedTags(page: string): string[] {
  const open: string[] = [];
  const voids = new Set(['meta', 'rect', 'circle', 'line', 'path', '!doctype']);
  for (const [, closing, name, selfClosing] of page.matchAll(/<(\/?)([a-z!][a-z0-9]*)[^>]*?(\/?)>/gi)) {
    if (voids.has(name!.toLowerCase()) || selfClosing === '/') continue;
    if (closing === '') open.push(name!);
    else if (open.pop() !== name) return [`</${name}>`];
  }
  return open;
}

describe('html', () => {
  it('escapes text and attributes, keeps markup, drops nothing-values', () => {
    const inner = html`<b>${'<i>'}</b>`;
    expect(html`<a title="${'"x"'}">${inner}${false}${undefined}${null}${0}${['a', inner]}</a>`.markup).toBe(
      '<a title="&quot;x&quot;"><b>&lt;i&gt;</b>0a<b>&lt;i&gt;</b></a>',
    );
  });

  it('replaces control characters and broken surrogates', () => {
    expect(escapeHtml('a\u0000b\uD800c\td\n')).toBe('a\uFFFDb\uFFFDc\td\n');
  });
});

/** Restored and compared, but not every check held. */
function notVouched(checks: DrillReport['checks']): Partial<DrillReport> {
  const { measured } = exampleReport();
  return {
    ok: false,
    failure: { step: 'validate', code: 'CHECK_FAILED', message: 'm' },
    measured: { ...measured, rpoSeconds: null, rtoSeconds: null },
    moments: { writesBeganAt: 18, killedAt: 74.2 },
    rpoBy: null,
    checks,
  };
}

describe('words', () => {
  it.each([
    [0, '0.0 s'],
    [8.24, '8.2 s'],
    [9.94, '9.9 s'],
    [9.95, '10 s'],
    [59.4, '59 s'],
    [59.5, '1 min'],
    [100, '1 min 40 s'],
    [3600, '1 h'],
    [14_400, '4 h'],
    [5400, '1 h 30 min'],
    [172_800, '2 days'],
  ])('says %s seconds as %s', (seconds, text) => {
    expect(sayDuration(seconds).replaceAll('\u00A0', ' ')).toBe(text);
  });

  it('groups digits and names sizes', () => {
    expect(sayCount(1_234_567)).toBe('1\u202F234\u202F567');
    expect([0, 999, 1000, 51_200_000].map(sayBytes)).toEqual([
      '0\u00A0bytes',
      '999\u00A0bytes',
      '1.0\u00A0kB',
      '51\u00A0MB',
    ]);
  });

  it('tells recovery and loss against what was promised', () => {
    expect(sayVerdict(exampleReport()).replaceAll('\u00A0', ' ')).toBe(
      'Recovered in 41 s of the 4 h promised; 15 s of data lost of the 1 h promised.',
    );
  });

  it('says more than, not of, when an objective was broken', () => {
    const late = exampleReport({ ok: false, measured: { ...exampleReport().measured, rpoSeconds: 3700 } });
    expect(sayRecovery(late).replaceAll('\u00A0', ' ')).toBe(
      'Recovered in 41 s of the 4 h promised; 1 h 1 min of data lost, more than the 1 h promised.',
    );
  });

  it.each<[string, Partial<DrillReport>]>([
    [
      'The database was recovered, but “restore test of the other point” failed.',
      { failure: { step: 'restore test of the other point', code: 'OBJECT_CORRUPT', message: 'm' } },
    ],
    [
      'The database was recovered, but 1 check did not hold.',
      {
        failure: { step: 'all checks', code: 'CHECK_FAILED', message: 'm' },
        checks: [{ name: 'row counts', ok: false, detail: '3 instead of 4' }],
      },
    ],
    [
      'More data was lost than was promised.',
      { measured: { ...exampleReport().measured, rpoSeconds: 3600.1 } },
    ],
    [
      'The recovery took longer than was promised.',
      { measured: { ...exampleReport().measured, rtoSeconds: 14_401 } },
    ],
    [
      'What was restored did not pass its checks.',
      notVouched([
        { name: 'row counts', ok: false, detail: '3 instead of 4' },
        { name: 'the recovery did not need us-east-1', ok: false, detail: 'it was reached' },
      ]),
    ],
    [
      'The database was recovered, but not without us-east-1.',
      notVouched([
        { name: 'every point reported protected is whole in us-west-2', ok: false, detail: 'missing' },
        { name: 'row counts', ok: true, detail: 'as counted' },
        { name: 'the recovery did not need us-east-1', ok: false, detail: 'it was reached' },
      ]),
    ],
    ['It ended before the disaster.', { moments: {} }],
  ])('says of a drill that did not pass: %s', (verdict, changes) => {
    const report = exampleReport({ ok: false, ...changes });
    expect(sayVerdict(report)).toBe(verdict);
    const page = renderReport(report);
    expect(page).toContain(`<h1>${verdict.slice(0, -1)}</h1>`);
  });

  it('names what is missing, in the singular too', () => {
    const one = exampleReport({ lost: { acknowledged: 10, missing: 1 }, missingRanges: [[7, 7]] });
    expect(sayLoss(one)[1]).toMatch(/^1 is missing: number 7\./);
    expect(sayLoss(exampleReport())[1]).toMatch(/^752 are missing: numbers 1000002064 to 1000002815\./);
    expect(sayLoss(exampleReport({ lost: { acknowledged: 10, missing: 0 } }))[1]).toBe('None is missing.');
  });
});

describe('how far restored data reaches', () => {
  const said = (changes: Partial<DrillReport>) =>
    sayLoss(exampleReport(changes))[1]?.replaceAll('\u00A0', ' ') ?? '';

  it('is told by the newest heartbeat only when that measured it', () => {
    expect(said({})).toContain('The newest signed heartbeat in the restored data was written 15 s before');
    expect(said({ rpoBy: 'snapshot' })).toContain('The snapshot that came back was taken 15 s before');
    expect(said({ rpoBy: 'snapshot' })).not.toContain('heartbeat');
  });

  it('is not told of data that nobody vouches for, nor are heartbeats called lost or saved', () => {
    const changes = notVouched([{ name: 'canary', ok: false, detail: 'forged' }]);
    expect(said(changes)).toContain('How much time was lost was not measured');
    const dotsOf = (report: DrillReport) =>
      new Set([...renderReport(report).matchAll(/<circle class="(.*?)"/g)].map(([, kind]) => kind));
    expect(dotsOf(exampleReport(changes))).toEqual(new Set(['canary-unknown']));
    expect(dotsOf(exampleReport())).toEqual(new Set(['canary', 'canary-lost']));
    expect(renderReport(exampleReport(changes)).match(/>not measured</g)).toHaveLength(2);
    expect(renderReport(exampleReport(changes))).not.toContain('class="gap');
  });
});

describe('report', () => {
  const contract = [
    'ok',
    'startedAt',
    'seconds',
    'regions',
    'steps',
    'objectives',
    'measured',
    'lost',
    'checks',
  ];

  it('writes the contract and a page beside it', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-report-'));
    const files = writeReport(exampleReport(), folder);
    const json = JSON.parse(fs.readFileSync(files.json, 'utf8')) as Record<string, object>;
    const page = fs.readFileSync(files.html, 'utf8');
    fs.rmSync(folder, { recursive: true });
    expect(Object.keys(json).slice(0, 9)).toEqual(contract);
    expect(Object.keys(json['measured']!)).toEqual([
      'rpoSeconds',
      'rtoSeconds',
      'rows',
      'bytes',
      'storedBytes',
    ]);
    expect(json['lost']).toEqual({ acknowledged: 2816, missing: 752 });
    expect(page).toContain('✓ Passed');
  });

  it('keeps the report of each drill in a folder of its own, and puts the newest where it is looked for', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-report-'));
    const good = writeReport(exampleReport(), folder);
    const failed = exampleReport({ ok: false, startedAt: '2026-11-21T11:00:00.000Z', moments: {} });
    const bad = writeReport(failed, folder);
    const read = (file: string) => (JSON.parse(fs.readFileSync(file, 'utf8')) as DrillReport).startedAt;
    expect([read(path.join(good.kept, 'report.json')), read(bad.json)]).toEqual([
      exampleReport().startedAt,
      failed.startedAt,
    ]);
    expect(fs.readdirSync(folder).toSorted()).toEqual([
      '2026-11-21T100000Z',
      '2026-11-21T110000Z',
      'report.html',
      'report.json',
    ]);
    fs.rmSync(folder, { recursive: true });
  });

  it('refuses a field that the contract does not know', () => {
    expect(reportSchema.safeParse({ ...exampleReport(), extra: 1 }).success).toBe(false);
    expect(reportSchema.safeParse(exampleReport()).success).toBe(true);
  });

  it('needs no network and no script, and every tag closes', () => {
    const page = renderReport(exampleReport());
    expect(page).not.toMatch(/<script|<link|@import|url\((?!#)|src=|href=/i);
    expect(unbalancedTags(page)).toEqual([]);
  });

  it('stays text whatever the names, details and errors say', () => {
    const [step] = exampleReport().steps;
    const page = renderReport(
      exampleReport({
        ok: false,
        regions: { primary: nasty, standby: nasty },
        source: { name: nasty, kind: 'own', server: nasty, databaseBytes: null },
        steps: [{ ...step!, name: nasty, detail: nasty, ok: false }],
        checks: [{ name: nasty, ok: false, detail: nasty }],
        failure: { step: nasty, code: nasty, message: nasty, hint: nasty },
        notMeasured: [nasty],
        machine: nasty,
      }),
    );
    expect(page).not.toMatch(/<script|alert\("/);
    expect(page.match(/<\/style>/g)).toHaveLength(1);
    expect(page).not.toContain('\u0000');
    expect(unbalancedTags(page)).toEqual([]);
  });

  it('shows a failure first, with its reason and hint, and never a passed mark', () => {
    const page = renderReport(
      exampleReport({
        ok: false,
        measured: { rpoSeconds: null, rtoSeconds: null, rows: null, bytes: null, storedBytes: null },
        lost: { acknowledged: null, missing: null },
        moments: {},
        checks: [],
        failure: {
          step: 'first backup',
          code: 'SOURCE_CREDENTIALS',
          message: 'refused the password',
          hint: 'is it right?',
        },
      }),
    );
    expect(page).toContain('✕ Failed');
    expect(page).not.toContain('was switched off');
    expect(page).not.toContain('✓ Passed');
    expect(page.indexOf('Refused the password')).toBeLessThan(page.indexOf('What happened when'));
    expect(page).toContain('Is it right?');
    expect(page.match(/not measured/g)!.length).toBeGreaterThanOrEqual(3);
  });

  it('says that it went without the lost Region only if the check says so', () => {
    const check = (ok: boolean) => ({ name: 'the recovery did not need us-east-1', ok, detail: 'no <call>' });
    const text = (report: DrillReport) => renderReport(report).replaceAll(/<\/?span[^>]*>/g, '');
    expect(text(exampleReport({ checks: [check(true)] }))).toContain(
      'happened in us-west-2 alone (no &lt;call&gt;).',
    );
    for (const checks of [[check(false)], []])
      expect(text(exampleReport({ checks }))).toContain('was to happen in us-west-2 alone.');
  });

  it('tells every check that failed as the reason, and when faults were made on purpose', () => {
    const [step] = exampleReport().steps;
    const page = renderReport(
      exampleReport({
        ok: false,
        steps: [{ ...step!, name: 'sabotage: damage the restored rows' }],
        checks: [{ name: 'row counts', ok: false, detail: '3 instead of 4' }],
        failure: { step: 'validate', code: 'CHECK_FAILED', message: '1 check did not hold: row counts' },
      }),
    );
    expect(page).toContain('row counts: 3 instead of 4');
    expect(page).toContain('on purpose');
    expect(renderReport(exampleReport({ ok: false }))).not.toContain('on purpose');
  });

  it('tells the failure and the checks that did not hold beside it', () => {
    const page = renderReport(
      exampleReport({
        ok: false,
        checks: [{ name: 'every point is whole', ok: false, detail: 'objects are missing' }],
        failure: { step: 'restore test', code: 'OBJECT_CORRUPT', message: 'cannot be restored' },
      }),
    );
    const reason = page.slice(page.indexOf('Why it did not pass'), page.indexOf('What happened when'));
    for (const text of ['Cannot be restored', 'every point is whole: objects are missing', 'Recovered in'])
      expect(reason).toContain(text);
  });

  it('writes what was lost beside the row of the heartbeats, where no dot is', () => {
    const late = { writesBeganAt: 18, killedAt: 145, recoveredCanaryAt: 139.6, recoveredAt: 150 };
    const page = renderReport(exampleReport({ moments: late }));
    const texts = [...page.matchAll(/<text\s+class="gap-text"\s+x="(\d+)"\s+y="\d+"\s+text-anchor="end"/g)];
    expect(texts.map(([, x]) => x)).toEqual(['906', '332']);
  });

  it('draws an objective that was broken as broken', () => {
    const late = exampleReport({ measured: { ...exampleReport().measured, rpoSeconds: 3600.1 } });
    const inTime = exampleReport({ measured: { ...exampleReport().measured, rpoSeconds: 3600 } });
    expect(renderReport(late)).toContain('class="over"');
    expect(renderReport(inTime)).not.toContain('class="over"');
  });
});
