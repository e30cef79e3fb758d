import { canary, layers } from '@mmun/check/layers';

describe('layers', () => {
  it('convicts every forbidden import of the canary tree, and no allowed one', () => {
    expect(canary()).toEqual([]);
  });

  it('a tree without the forbidden imports makes the canary fail', () => {
    const missed = canary('/nowhere');
    expect(missed.length).toBeGreaterThan(5);
    expect(missed[0]).toContain('canary: not convicted: ');
  });

  it('a tree with no packages has nothing to convict', () => {
    expect(layers('/nowhere')).toEqual([]);
  });
});
