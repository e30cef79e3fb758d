import { effort, later } from '@mmun/test-support';

describe('effort', () => {
  const before = ['MMUN_EFFORT', 'MMUN_SPECS'].map((name) => [name, process.env[name]] as const);
  afterAll(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  it.each([['', 1, 1], ['full', 2, 2], ['night', 2, 3]])('MMUN_EFFORT=%s', (asked, ofTwo, ofThree) => {
    process.env['MMUN_EFFORT'] = asked;
    expect([effort(1, 2), effort(1, 2, 3)]).toEqual([ofTwo, ofThree]);
  });

  it.each([['', '', 1], ['', 'all', 1], ['', 'rest', 2], ['full', '', 2]])('MMUN_EFFORT=%s MMUN_SPECS=%s: what comes later', (asked, specs, wanted) => {
    process.env['MMUN_EFFORT'] = asked;
    process.env['MMUN_SPECS'] = specs;
    expect(later(1, 2)).toBe(wanted);
  });

  it('refuses what it does not know', () => {
    process.env['MMUN_EFFORT'] = 'ful';
    expect(() => effort(1, 2)).toThrow('MMUN_EFFORT=ful: expected full, night, or nothing');
  });
});
