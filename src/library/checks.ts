// What the package exports as `postern/checks`: messages judged without a proxy, by its checks and its policy.
export type { Client, Outcome } from '../authentication/authentication.ts';
export type { Property, Result, ResultValue } from '../authentication/result.ts';
export type { Configuration, ListenerConfiguration } from '../config/configuration.ts';
export type { Decision } from '../policy/policy.ts';
export { VerifyError } from '../verify/error.ts';
export { type InputLimits, type Message, parseMessage } from '../verify/input.ts';
export { type Judgement, type Question, verify } from '../verify/verify.ts';
