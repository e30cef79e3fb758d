import { effort } from '@mmun/test-support';

describe('effort', () => {
  const before = process.env['MMUN_EFFORT'];
  afterAll(() => {
    if (before === undefined) delete process.env['MMUN_EFFORT'];
    else process.env['MMUN_EFFORT'] = before;
  });

  it.each([['', 1, 1], ['full', 2, 2], ['night', 2, 3]])('MMUN_EFFORT=%s', (asked, ofTwo, ofThree) => {
    process.env['MMUN_EFFORT'] = asked;
    expect([effort(1, 2), effort(1, 2, 3)]).toEqual([ofTwo, ofThree]);
  });

  it('refuses what it does not know', () => {
    process.env['MMUN_EFFORT'] = 'ful';
    expect(() => effort(1, 2)).toThrow('MMUN_EFFORT=ful: expected full, night, or nothing');
  });
});
