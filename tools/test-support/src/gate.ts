// A test for one configuration. Where its gate is shut the test still runs, and must fail: a gate that could be open
// everywhere is a gate nobody needs, and a test that cannot fail tests nothing.

/** The image that this jest project runs the suite against. */
export interface ImageUnderTest {
  readonly name: string;
  readonly arch: 'generic' | 'x86' | 's390' | 's390-256' | 'toy';
  readonly design: 'v5' | 'range' | 'off';
  readonly build: 'checked' | 'fast';
  readonly gates: Readonly<Record<string, boolean>>;
}

export interface Gate {
  readonly isOpen: boolean;
  /** Declares a test; where the gate is shut, one that must fail. */
  it(name: string, body: () => unknown): void;
}

/** What the jest project put in place. */
export function image(): ImageUnderTest {
  const found = (globalThis as { MMUN_IMAGE?: ImageUnderTest }).MMUN_IMAGE;
  if (!found) throw new Error('no image under test: run specs by the root jest.config.mjs');
  return found;
}

/** @param names of those in `gatesOf`, tools/build/src/variants.mjs: open where all are */
export function gate(...names: readonly [string, ...string[]]): Gate {
  const { gates, name: imageName } = image();
  const unknown = names.find((name) => gates[name] === undefined);
  if (unknown !== undefined) throw new Error(`no gate \`${unknown}\`: known are ${Object.keys(gates).join(', ')}`);
  const shut = names.find((name) => gates[name] === false);
  const declare = (globalThis as unknown as { it: (name: string, body: () => unknown) => void }).it;
  return {
    isOpen: shut === undefined,
    it: (title, body) => {
      if (shut === undefined) declare(title, body);
      else declare(`${title} [${shut} is off: must fail]`, () => mustFail(body, shut, imageName));
    },
  };
}

/** Passes where the body fails. */
export async function mustFail(body: () => unknown, gateName: string, imageName: string): Promise<void> {
  try {
    await body();
  } catch {
    return;
  }
  throw new Error(`passes on image ${imageName}, where gate ${gateName} is shut: drop the gate, or assert what only ${gateName} gives`);
}
