/** An assembler for the few x86-64 instructions that the server (server-program.ts) is made of. Operands are 64 bits wide unless the name says otherwise. */

export const RAX = 0, RCX = 1, RDX = 2, RBX = 3, RSP = 4, RBP = 5, RSI = 6, RDI = 7, R8 = 8, R9 = 9, R10 = 10, R12 = 12, R13 = 13, R14 = 14, R15 = 15;

export type Condition = 'equal' | 'notEqual' | 'less' | 'greaterOrEqual' | 'lessOrEqual' | 'above' | 'aboveOrEqual';

/** Second byte of the near jump. */
const JUMPS: Readonly<Record<Condition, number>> = {
  equal: 0x84, notEqual: 0x85, less: 0x8c, greaterOrEqual: 0x8d, lessOrEqual: 0x8e, above: 0x87, aboveOrEqual: 0x83,
};

const REX = 0x40, REX_W = 0x48, REX_R = 4, REX_B = 1;
const NEEDS_SIB = 4;

export class Assembler {
  readonly #bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #fixups: { readonly at: number; readonly label: string }[] = [];

  /** @returns the code, every jump filled in @throws where a label is missing */
  assemble(): Uint8Array {
    const code = Uint8Array.from(this.#bytes);
    const view = new DataView(code.buffer);
    for (const { at, label } of this.#fixups) view.setInt32(at, this.offsetOf(label) - (at + 4), true);
    return code;
  }

  offsetOf(label: string): number {
    const offset = this.#labels.get(label);
    if (offset === undefined) throw new Error(`assembler: no label \`${label}\``);
    return offset;
  }

  label(name: string): void {
    this.#labels.set(name, this.#bytes.length);
  }

  /** Bytes as they stand: strings, tables. */
  data(bytes: Uint8Array): void {
    this.#bytes.push(...bytes);
  }

  set(register: number, value: number): void {
    const high = Math.floor(value / 2 ** 32);
    if (register >= 8 || high !== 0) this.#bytes.push((high !== 0 ? REX_W : REX) | (register >= 8 ? REX_B : 0));
    this.#bytes.push(0xb8 | (register & 7));
    this.#imm32(value % 2 ** 32);
    if (high !== 0) this.#imm32(high);
  }

  move(to: number, from: number): void { this.#registers(0x89, to, from); }
  add(to: number, from: number): void { this.#registers(0x01, to, from); }
  subtract(to: number, from: number): void { this.#registers(0x29, to, from); }
  compare(left: number, right: number): void { this.#registers(0x39, left, right); }

  addNumber(register: number, value: number): void { this.#number(0, register, value); }
  andNumber(register: number, value: number): void { this.#number(4, register, value); }
  compareNumber(register: number, value: number): void { this.#number(7, register, value); }

  shiftRight(register: number, bits: number): void {
    this.#bytes.push(REX_W | (register >= 8 ? REX_B : 0), 0xc1, 0xe8 | (register & 7), bits);
  }

  load(register: number, base: number, offset: number): void { this.#memory(REX_W, 0x8b, register, base, offset); }
  store(base: number, offset: number, register: number): void { this.#memory(REX_W, 0x89, register, base, offset); }
  address(register: number, base: number, offset: number): void { this.#memory(REX_W, 0x8d, register, base, offset); }
  /** The upper half becomes 0. */
  load32(register: number, base: number, offset: number): void { this.#memory(REX, 0x8b, register, base, offset); }
  store32(base: number, offset: number, register: number): void { this.#memory(REX, 0x89, register, base, offset); }

  jump(label: string): void { this.#toLabel([0xe9], label); }
  jumpIf(condition: Condition, label: string): void { this.#toLabel([0x0f, JUMPS[condition]], label); }
  call(label: string): void { this.#toLabel([0xe8], label); }
  /** Puts the address of a label into a register. */
  addressOf(register: number, label: string): void {
    this.#toLabel([REX_W | (register >= 8 ? REX_R : 0), 0x8d, 0x05 | ((register & 7) << 3)], label);
  }

  return(): void { this.#bytes.push(0xc3); }
  syscall(): void { this.#bytes.push(0x0f, 0x05); }
  /** RCX bytes from RSI to RDI. */
  copy(): void { this.#bytes.push(0xf3, 0xa4); }

  #registers(opcode: number, rm: number, reg: number): void {
    this.#bytes.push(REX_W | (reg >= 8 ? REX_R : 0) | (rm >= 8 ? REX_B : 0), opcode, 0xc0 | ((reg & 7) << 3) | (rm & 7));
  }

  #number(extension: number, register: number, value: number): void {
    this.#bytes.push(REX_W | (register >= 8 ? REX_B : 0), 0x81, 0xc0 | (extension << 3) | (register & 7));
    this.#imm32(value);
  }

  #memory(rex: number, opcode: number, register: number, base: number, offset: number): void {
    this.#bytes.push(rex | (register >= 8 ? REX_R : 0) | (base >= 8 ? REX_B : 0), opcode, 0x80 | ((register & 7) << 3) | (base & 7));
    if ((base & 7) === NEEDS_SIB) this.#bytes.push(0x24);
    this.#imm32(offset);
  }

  #toLabel(opcode: readonly number[], label: string): void {
    this.#bytes.push(...opcode);
    this.#fixups.push({ at: this.#bytes.length, label });
    this.#imm32(0);
  }

  #imm32(value: number): void {
    this.#bytes.push(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff);
  }
}
