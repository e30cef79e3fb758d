/**
 * Kernel code is written once, as tasks: generator functions whose yield type
 * names what the function may do to its caller's context.
 *
 * The value that is yielded carries no information, the type does. A function
 * under the PT lock is a `Task<UnderPteLock>`, and since a sleeping effect is not
 * a member of that union, `yield* mutexLock(m)` inside it does not compile; the
 * message is one line, at the call.
 *
 * @see docs/architecture.md, "One source, two builds"
 */

/** Another thread may run here. Allowed in every context. */
export type Step = 'step';

/**
 * The function may block; `Why` names the primitive, so that the message of the compiler does too. A primitive names
 * this one effect alone in its signature, although it takes steps as well, because then that message is one line.
 */
export type Sleep<Why extends string = string> = `may sleep: ${Why}`;

/** The function waits until every present RCU reader has left its section. */
export type GracePeriod<Why extends string = string> = `waits for RCU readers: ${Why}`;

/**
 * The context of an op that runs while the PT lock is held. The second member is
 * yielded by nobody: it keeps the name of the alias in the compiler's messages.
 */
export type UnderPteLock = Step | 'context: pte spinlock held';

/** The context of code between rcu_read_lock and rcu_read_unlock: it may neither sleep nor wait for readers. */
export type InRcuRead = Step | 'context: rcu_read_lock held';

/** The context of code in an SRCU read section: it may sleep, but not wait for a grace period. */
export type InSrcuRead = Step | Sleep | 'context: srcu_read_lock held';

/** Process context with no spinlock held: it may sleep and wait for readers. */
export type MaySleep = Step | Sleep | GracePeriod;

/**
 * A piece of kernel code with effects `E` and result `R`. Run with `yield*`
 * inside kernel code and with an image's `run` outside of it; a task that is
 * called without either does nothing, which the floating-task check refuses.
 */
export type Task<E extends string, R = void> = Generator<E, R, void>;
