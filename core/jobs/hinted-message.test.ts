import { describe, expect, it } from 'vitest';
import { joinHint, splitHint } from './hinted-message.ts';

describe('a message with its hint', () => {
  it.each([
    { message: 'the password was refused', hint: 'is the secret right?' },
    { message: 'a cause that was joined before; hint: as this one', hint: 'ask again' },
    { message: 'nothing to advise' },
    { message: '', hint: 'x' },
  ])('comes back as it was sent: %j', (sent) => {
    expect(splitHint(joinHint(sent))).toEqual(sent);
  });
});
