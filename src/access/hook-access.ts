/**
 * Access decided by the program that embeds the broker. Each hook takes one question over; what
 * has no hook is answered by a base, usually the files of the configuration.
 *
 * A hook that throws, rejects, takes too long or answers anything but true refuses: a program's
 * fault must never open the broker. Each fault is logged with the hook's name.
 */
import type { Clock } from '../base/clock.js';
import type { Deadline, DeadlineHeap } from '../base/deadline-heap.js';
import { messageOf } from '../base/errors.js';
import type { Log } from '../base/log.js';
import type {
  Access,
  AuthenticationExchange,
  AuthenticationResult,
  AuthenticationStep,
  ClientIdentity,
} from '../broker/access.js';
import { ReasonCode } from '../protocol/reason-codes.js';

/** Milliseconds that an asynchronous hook may take; then it counts as a refusal. */
export const HOOK_TIMEOUT_MS = 30_000;

type MaybePromise<T> = T | Promise<T>;

export interface AccessHooks {
  /** True or `{ ok: true, username }` lets the client in; with false it gets 0x87. */
  authenticate?(
    client: ClientIdentity,
    password: Buffer | null,
  ): MaybePromise<boolean | AuthenticationResult>;
  authorizePublish?(
    client: ClientIdentity,
    topic: string,
    qos: number,
    retain: boolean,
  ): MaybePromise<boolean>;
  authorizeSubscribe?(client: ClientIdentity, filter: string, qos: number): MaybePromise<boolean>;
  /**
   * Asked once per client and topic, and again when a subscription or a session's user changes,
   * after `accessChanged`, and for each message of a shared subscription. Synchronous: deliveries
   * do not wait.
   */
  authorizeRead?(client: ClientIdentity, topic: string): boolean;
  /** An exchange for an Authentication Method; null leaves the method to the base. */
  enhanced?(method: string, client: ClientIdentity): AuthenticationExchange | null;
  /** Asked after `accessChanged`. Without it, whom `authenticate` let in may stay. */
  mayStay?(client: ClientIdentity): boolean;
}

export interface HookAccessOptions {
  readonly log: Log;
  readonly clock: Clock;
  /** Somebody has to advance it, or no hook ever takes too long. */
  readonly deadlines: DeadlineHeap;
  /** True: an answer to `authorizePublish` holds until `invalidate`. Default false. */
  readonly publishAnswersLast?: boolean;
  /** Default `HOOK_TIMEOUT_MS`. */
  readonly timeoutMs?: number;
}

export class HookAccess implements Access {
  readonly publishAnswersLast: boolean;
  private readonly base: Access;
  private readonly hooks: AccessHooks;
  private readonly log: Log;
  private readonly clock: Clock;
  private readonly deadlines: DeadlineHeap;
  private readonly timeoutMs: number;
  private invalidations = 0;

  constructor(base: Access, hooks: AccessHooks, options: HookAccessOptions) {
    this.base = base;
    this.hooks = hooks;
    this.log = options.log;
    this.clock = options.clock;
    this.deadlines = options.deadlines;
    this.timeoutMs = options.timeoutMs ?? HOOK_TIMEOUT_MS;
    this.publishAnswersLast =
      hooks.authorizePublish === undefined
        ? base.publishAnswersLast
        : (options.publishAnswersLast ?? false);
  }

  get version(): number {
    return this.base.version + this.invalidations;
  }

  /**
   * The hooks' answers have changed: what was remembered is asked again, once the broker core has
   * been told to `recheckAccess`.
   */
  invalidate(): void {
    this.invalidations++;
  }

  authenticate(
    client: ClientIdentity,
    password: Buffer | null,
  ): MaybePromise<AuthenticationResult> {
    const { hooks } = this;
    if (hooks.authenticate === undefined) return this.base.authenticate(client, password);
    const answer = this.ask('authenticate', () => hooks.authenticate?.(client, password));
    if (answer instanceof Promise) return answer.then((value) => toResult(value, client));
    return toResult(answer, client);
  }

  beginExchange(method: string, client: ClientIdentity): AuthenticationExchange | null {
    const { hooks } = this;
    if (hooks.enhanced === undefined) return this.base.beginExchange(method, client);
    let exchange: AuthenticationExchange | null;
    try {
      exchange = hooks.enhanced(method, client);
    } catch (error) {
      this.logFault('enhanced', messageOf(error));
      return { step: () => FAILED_STEP };
    }
    if (exchange === null) return this.base.beginExchange(method, client);
    return this.guarded(exchange);
  }

  mayStay(client: ClientIdentity): boolean {
    const { hooks } = this;
    if (hooks.mayStay !== undefined) {
      return this.askNow('mayStay', () => hooks.mayStay?.(client));
    }
    return hooks.authenticate !== undefined || this.base.mayStay(client);
  }

  get restrictsPublish(): boolean {
    return this.hooks.authorizePublish !== undefined || this.base.restrictsPublish;
  }

  mayPublish(
    client: ClientIdentity,
    topic: string,
    qos: number,
    retain: boolean,
  ): MaybePromise<boolean> {
    const { hooks } = this;
    if (hooks.authorizePublish === undefined) {
      return this.base.mayPublish(client, topic, qos, retain);
    }
    return this.askYes('authorizePublish', () =>
      hooks.authorizePublish?.(client, topic, qos, retain),
    );
  }

  get restrictsRead(): boolean {
    return this.hooks.authorizeRead !== undefined || this.base.restrictsRead;
  }

  mayRead(client: ClientIdentity, topic: string): boolean {
    const { hooks } = this;
    if (hooks.authorizeRead === undefined) return this.base.mayRead(client, topic);
    return this.askNow('authorizeRead', () => hooks.authorizeRead?.(client, topic));
  }

  get restrictsSubscribe(): boolean {
    return this.hooks.authorizeSubscribe !== undefined || this.base.restrictsSubscribe;
  }

  maySubscribe(client: ClientIdentity, filter: string, qos: number): MaybePromise<boolean> {
    const { hooks } = this;
    if (hooks.authorizeSubscribe === undefined) {
      return this.base.maySubscribe(client, filter, qos);
    }
    return this.askYes('authorizeSubscribe', () => hooks.authorizeSubscribe?.(client, filter, qos));
  }

  /** An exchange of the program's whose faults end in a refusal. */
  private guarded(exchange: AuthenticationExchange): AuthenticationExchange {
    return {
      step: (data) => {
        const answer = this.ask('enhanced', () => exchange.step(data));
        if (answer instanceof Promise) return answer.then(toStep);
        return toStep(answer);
      },
    };
  }

  private askYes(name: keyof AccessHooks, question: () => unknown): MaybePromise<boolean> {
    const answer = this.ask(name, question);
    return answer instanceof Promise ? answer.then((value) => value === true) : answer === true;
  }

  /** For questions that cannot wait: a promise is a fault. */
  private askNow(name: keyof AccessHooks, question: () => unknown): boolean {
    try {
      const answer = question();
      if (!isThenable(answer)) return answer === true;
      // Its outcome is of no use any more, but a rejection must not end the process.
      answer.then(undefined, () => undefined);
      this.logFault(name, 'the hook must answer synchronously');
    } catch (error) {
      this.logFault(name, messageOf(error));
    }
    return false;
  }

  /** The hook's answer; null in place of a throw, a rejection, or no answer in time. */
  private ask(name: keyof AccessHooks, question: () => unknown): unknown {
    try {
      const answer = question();
      return isThenable(answer) ? this.settle(name, answer) : answer;
    } catch (error) {
      this.logFault(name, messageOf(error));
      return null;
    }
  }

  private settle(name: keyof AccessHooks, answer: PromiseLike<unknown>): Promise<unknown> {
    return new Promise((resolve) => {
      const timeout = new Timeout(() => {
        this.logFault(name, `no answer within ${this.timeoutMs} ms`);
        resolve(null);
      });
      this.deadlines.schedule(timeout, this.clock.nowMs() + this.timeoutMs);
      answer.then(
        (value) => {
          this.deadlines.cancel(timeout);
          resolve(value);
        },
        (error: unknown) => {
          this.deadlines.cancel(timeout);
          this.logFault(name, messageOf(error));
          resolve(null);
        },
      );
    });
  }

  private logFault(name: keyof AccessHooks, reason: string): void {
    this.log.write('error', 'access hook failed, refused', { hook: name, reason });
  }
}

/** The end of the time that one question may take. */
class Timeout implements Deadline {
  deadlineMs = 0;
  heapIndex = -1;
  readonly onDeadline: () => void;

  constructor(onDeadline: () => void) {
    this.onDeadline = onDeadline;
  }
}

const FAILED_STEP: AuthenticationStep = Object.freeze({
  kind: 'failure',
  reasonCode: ReasonCode.NotAuthorized,
  reasonString: 'not authorized',
});

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return typeof (value as { then?: unknown }).then === 'function';
}

function toResult(answer: unknown, client: ClientIdentity): AuthenticationResult {
  if (answer === true) return { ok: true, username: client.username };
  if (isResult(answer)) return answer;
  return { ok: false, reasonCode: ReasonCode.NotAuthorized, reasonString: 'not authorized' };
}

/** Hooks may be written in plain JavaScript: what they return is looked at, not believed. */
function isResult(answer: unknown): answer is AuthenticationResult {
  if (typeof answer !== 'object' || answer === null) return false;
  const result = answer as Record<string, unknown>;
  if (result.ok === true) return result.username === null || typeof result.username === 'string';
  return result.ok === false && isRefusal(result);
}

function toStep(answer: unknown): AuthenticationStep {
  if (typeof answer !== 'object' || answer === null) return FAILED_STEP;
  const step = answer as Record<string, unknown>;
  const hasData = step.data === null || Buffer.isBuffer(step.data);
  const hasName = step.username === null || typeof step.username === 'string';
  const isValid =
    (step.kind === 'continue' && hasData) ||
    (step.kind === 'success' && hasData && hasName) ||
    (step.kind === 'failure' && isRefusal(step));
  return isValid ? (answer as AuthenticationStep) : FAILED_STEP;
}

function isRefusal(answer: Record<string, unknown>): boolean {
  const { reasonCode, reasonString } = answer;
  const isCode = Number.isInteger(reasonCode) && Number(reasonCode) >= 0x80;
  return isCode && Number(reasonCode) <= 0xff && typeof reasonString === 'string';
}
