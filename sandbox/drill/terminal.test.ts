import { describe, expect, it } from 'vitest';
import { wrap } from './terminal.ts';

describe('wrap', () => {
  it('breaks between words at the width, not before it', () => {
    expect(wrap('aaaa bbbb', 9, 0)).toBe('aaaa bbbb');
    expect(wrap('aaaa bbbb', 8, 0)).toBe('aaaa\nbbbb');
  });

  it('indents every line alike', () => {
    expect(wrap('   aaaa bbbb cc', 10, 3)).toBe('   aaaa\n   bbbb cc');
  });

  it('leaves a word whole that is longer than the line: a path must stay one path', () => {
    expect(wrap('see /a/very/long/path now', 10, 0)).toBe('see\n/a/very/long/path\nnow');
  });
});
