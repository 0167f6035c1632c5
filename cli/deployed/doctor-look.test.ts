import { describe, expect, it } from 'vitest';
import { shorten } from './doctor-look.ts';

describe('a detail that is too long', () => {
  it('is cut behind an item of its list, and shows that it was', () => {
    expect(shorten('the target holds public.orders, public.items, public.customers', 50)).toBe(
      'the target holds public.orders, public.items, …',
    );
  });

  it('is cut behind a word where the list would leave too little', () => {
    expect(shorten('no, the server does not answer at this address', 30)).toBe('no, the server does not …');
  });

  it('is left whole up to the limit', () => {
    expect([shorten('abc def', 7), shorten('abc def', 6)]).toEqual(['abc def', 'abc …']);
  });
});
