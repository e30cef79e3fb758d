import { gate, image, mustFail } from '@mmun/test-support';

describe('gate', () => {
  it('knows the image of the project that runs it', () => {
    expect(image()).toMatchObject({ name: 'x86', arch: 'x86', design: 'v5', build: 'checked' });
  });

  it('refuses a name that no variant defines', () => {
    expect(() => gate('MMU_NOTIFIERS')).toThrow('no gate `MMU_NOTIFIERS`: known are MMU_NOTIFIER,');
  });

  it('turns a test that passes behind a shut gate into a failure', async () => {
    await expect(mustFail(() => undefined, 'FAST', 'x86')).rejects.toThrow('passes on image x86, where gate FAST is shut');
    await expect(mustFail(async () => undefined, 'FAST', 'x86')).rejects.toThrow('drop the gate');
  });

  it('accepts a failure behind a shut gate, thrown or rejected', async () => {
    await mustFail(() => { throw new Error('as it must'); }, 'FAST', 'x86');
    await mustFail(() => Promise.reject(new Error('as it must')), 'FAST', 'x86');
  });

  gate('CHECKED').it('runs an open test as written', () => {
    expect(image().build).toBe('checked');
  });

  it('is shut where one of several is', () => {
    expect([gate('CHECKED', 'NOTIFIER_V5').isOpen, gate('CHECKED', 'NOTIFIER_RANGE').isOpen]).toEqual([true, false]);
    expect(() => gate('CHECKED', 'V5')).toThrow('no gate `V5`');
  });

  gate('FAST').it('runs a shut test inverted', () => {
    expect(image().build).toBe('fast');
  });
});
